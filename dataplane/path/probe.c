// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include "common/abi/health.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "common/wire/csum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/moves.h"
#include "dataplane/path/pipeline.h"
#include "dataplane/path/probe.h"

#define PROBE_ETHER 14
#define PROBE_DATA  16 // random, so that a left-over of an earlier probe is no answer

int dp_probe_open(struct dp *dp)
{
	uint16_t local;

	if (dp_listener_count(dp->locals) == 0)
		return 0; // no flow, so every probe is a drop
	const struct tp_addr *listener = dp_listener_at(dp->locals, 0, &local);
	struct dp_flow *flow = dp_flow_new(dp->flows);
	if (flow == NULL)
		return -ENOMEM;
	flow->key = (struct dp_flow_key){.port = rte_cpu_to_be_16(DP_PROBE_PORT),
		.selector = DP_PROBE_CHANNEL,
		.side = DP_KEY_PROBE,
		.family = listener->ip.family};
	memcpy(flow->key.ip, listener->ip.bytes, tp_ip_length(&listener->ip));
	memcpy(flow->dst_ip, listener->ip.bytes, tp_ip_length(&listener->ip));
	atomic_store_explicit(&flow->deadline_ns, UINT64_MAX, memory_order_relaxed);
	flow->kind = DP_FLOW_CHANNEL_UP;
	flow->channel = DP_PROBE_CHANNEL;
	flow->dst_family = listener->ip.family;
	flow->dst_port = flow->src_port = rte_cpu_to_be_16(DP_PROBE_PORT);
	flow->src_local = local;
	flow->next_hop = DP_NEXT_HOP_NONE;
	atomic_store_explicit(&flow->owner, DP_OWNER_NONE, memory_order_relaxed);
	int rc = dp_flow_publish(dp->flows, flow);
	if (rc < 0) {
		dp_flow_discard(dp->flows, flow);
		return rc;
	}
	dp->probe_flow = flow;
	return 0;
}

// ---- the packet

static uint8_t *write_ip(uint8_t *at, const struct tp_ip *ip, uint16_t udp_bytes)
{
	if (ip->family == TP_FAMILY_IPV4) {
		memset(at, 0, 20);
		at[0] = 0x45;
		tp_wr16(at + 2, (uint16_t)(20 + udp_bytes));
		at[8] = DP_MADE_HOP_LIMIT;
		at[9] = TP_PROTO_UDP;
		memcpy(at + 12, ip->bytes, 4);
		memcpy(at + 16, ip->bytes, 4);
		uint16_t checksum = tp_checksum(tp_sum_bytes(at, 20));
		memcpy(at + 10, &checksum, 2);
		return at + 20;
	}
	memset(at, 0, 8);
	at[0] = 0x60;
	tp_wr16(at + 4, udp_bytes);
	at[6] = TP_PROTO_UDP;
	at[7] = DP_MADE_HOP_LIMIT;
	memcpy(at + 8, ip->bytes, 16);
	memcpy(at + 24, ip->bytes, 16);
	return at + 40;
}

static uint32_t sum_pseudo(const struct tp_ip *ip, uint16_t udp_bytes)
{
	return ip->family == TP_FAMILY_IPV4
		       ? tp_sum_pseudo4(ip->bytes, ip->bytes, TP_PROTO_UDP, udp_bytes)
		       : tp_sum_pseudo6(ip->bytes, ip->bytes, TP_PROTO_UDP, udp_bytes);
}

// From the listener's own address to the listener.
static struct rte_mbuf *make(
	const struct dp_worker *w, const struct tp_addr *to, const uint8_t data[PROBE_DATA])
{
	const uint16_t udp_bytes = 8 + CHANDATA_HEADER_BYTES + PROBE_DATA;
	uint32_t ip_bytes = dp_ip_header_bytes(to->ip.family);
	struct rte_mbuf *m = rte_pktmbuf_alloc(w->dp->pool);

	if (m == NULL)
		return NULL;
	uint8_t *at =
		(uint8_t *)rte_pktmbuf_append(m, (uint16_t)(PROBE_ETHER + ip_bytes + udp_bytes));
	if (at == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(at, 0, 12);
	at[0] = at[6] = 2; // locally administered
	tp_wr16(at + 12,
		to->ip.family == TP_FAMILY_IPV4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6);
	uint8_t *udp = write_ip(at + PROBE_ETHER, &to->ip, udp_bytes);
	tp_wr16(udp, DP_PROBE_PORT);
	tp_wr16(udp + 2, to->port);
	tp_wr16(udp + 4, udp_bytes);
	tp_wr16(udp + 6, 0);
	tp_wr16(udp + 8, DP_PROBE_CHANNEL);
	tp_wr16(udp + 10, PROBE_DATA);
	memcpy(udp + 12, data, PROBE_DATA);
	uint16_t checksum = tp_checksum_udp(
		(uint64_t)sum_pseudo(&to->ip, udp_bytes) + tp_sum_bytes(udp, udp_bytes));
	memcpy(udp + 6, &checksum, 2);
	return m;
}

// What a peer would take: whole, the data as it was, checksum right.
static bool intact(const struct rte_mbuf *m, const struct tp_ip *ip, const uint8_t data[PROBE_DATA])
{
	const uint16_t udp_bytes = 8 + PROBE_DATA;
	uint32_t bytes = PROBE_ETHER + dp_ip_header_bytes(ip->family) + udp_bytes;
	struct tp_packet in;

	if (m->nb_segs != 1 || m->pkt_len != bytes ||
		tp_packet_parse(rte_pktmbuf_mtod(m, uint8_t *), bytes, &in) != TP_PARSE_OK ||
		in.protocol != TP_PROTO_UDP || in.payload_length != PROBE_DATA)
		return false;
	const uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, in.payload_offset - 8);
	return memcmp(udp + 8, data, PROBE_DATA) == 0 &&
	       tp_sum_fold((uint64_t)sum_pseudo(ip, udp_bytes) + tp_sum_bytes(udp, udp_bytes)) ==
		       0xffff;
}

// ---- the worker

// One word, so that the manager reads a whole report.
static uint64_t report_word(uint32_t round, enum tp_probe_result result, uint8_t reason)
{
	return (uint64_t)round << 32 | (uint32_t)result << 8 | reason;
}

static uint64_t probe(struct dp_worker *w, uint32_t round, uint64_t now_ns)
{
	uint8_t data[PROBE_DATA];
	uint16_t local;
	enum tp_probe_result result = TP_PROBE_DROPPED;
	uint64_t random[2] = {dp_random(w), dp_random(w)};

	if (w->dp->probe_flow == NULL)
		return report_word(round, TP_PROBE_DROPPED, TP_DROP_no_channel);
	memcpy(data, random, sizeof(data));
	const struct tp_addr *listener = dp_listener_at(w->locals, 0, &local);
	struct rte_mbuf *m = make(w, listener, data);
	if (m == NULL)
		return report_word(round, TP_PROBE_UNMADE, 0);
	struct dp_packet *p = dp_pipeline_probe(w, m, now_ns);
	bool out = p->verdict == DP_VERDICT_TX;
	uint8_t reason = out ? 0 : p->reason;
	if (out)
		result = intact(p->m, &listener->ip, data) ? TP_PROBE_RELAYED : TP_PROBE_DAMAGED;
	rte_pktmbuf_free(p->m);
	if (result == TP_PROBE_RELAYED)
		dp_count(w, TP_COUNTER_probe, 1);
	return report_word(round, result, reason);
}

void dp_probe_run(struct dp_worker *w, uint64_t now_ns)
{
	struct dp_moves_wake *wake = w->dp->moves_wake;
	uint32_t round = atomic_load_explicit(&w->probe_wanted, memory_order_acquire);
	uint64_t report = probe(w, round, now_ns);

	w->probe_done = round;
	atomic_store_explicit(&w->probe_done_ns, tp_now_ns(), memory_order_relaxed);
	atomic_store_explicit(&w->probe_report, report, memory_order_release);
	if (wake != NULL)
		tp_event_signal(wake->event_fd);
}

// ---- management thread

void dp_worker_probe(struct dp_worker *w, uint32_t round)
{
	atomic_store_explicit(&w->probe_wanted, round, memory_order_release);
	dp_worker_kick(w);
}

void dp_worker_probe_report(const struct dp_worker *w, struct dp_probe_report *out)
{
	uint64_t report = atomic_load_explicit(&w->probe_report, memory_order_acquire);

	*out = (struct dp_probe_report){.round = (uint32_t)(report >> 32),
		.result = (uint8_t)(report >> 8),
		.reason = (uint8_t)report,
		.done_ns = atomic_load_explicit(&w->probe_done_ns, memory_order_relaxed)};
}
