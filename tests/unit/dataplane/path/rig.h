// SPDX-License-Identifier: BSD-3-Clause
// A worker without ports for the tests of the packet path: a config with listeners and relay
// addresses of both families, allocations made by the real command executor, two next hops, a
// control at the other end of its rings. Time is what the test says.
#pragma once

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "common/abi/punt.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/net/net.h"
#include "dataplane/path/pipeline.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/oracle.h"

#define RIG_NOW     UINT64_C(1000000000000)
#define RIG_SECOND  UINT64_C(1000000000)
#define RIG_MBUFS   2047
#define RIG_CHANNEL 0x4001
#define RIG_OUT     256

enum { RIG_HOP_IPV4 = 1, RIG_HOP_IPV6 = 2 };

struct rig {
	struct conf conf;
	struct dp dp;
	struct dp_worker *w;
	struct dp_control_link link;
	void *punt_memory, *inject_memory;
	struct tp_ring punts, injects; // control's side
	uint64_t now_ns;
	// What came out since the last rig_forget, in order.
	uint8_t *out[RIG_OUT];
	size_t out_length[RIG_OUT];
	unsigned int n_out;
};

static const uint8_t RIG_PORT_MAC[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t RIG_HOP_MAC[2][6] = {{2, 0, 0, 0, 4, 4}, {2, 0, 0, 0, 6, 6}};
static const uint8_t RIG_SENDER_MAC[6] = {2, 0, 0, 0, 9, 9};

static inline struct tp_addr rig_addr(const char *ip, uint16_t port)
{
	struct tp_addr addr = {.port = port};
	assert_int_equal(tp_ip_parse(ip, &addr.ip), 0);
	return addr;
}

static inline void rig_config(struct conf *conf)
{
	static const char *const relays[][2] = {{"198.18.0.2", "198.18.0.2"},
		{"10.0.0.5", "203.0.113.5"}, {"fd00:198:18::2", "fd00:198:18::2"}};

	for (size_t i = 0; i < 3; i++)
		conf->relay.addresses[conf->relay.n_addresses++] =
			(struct conf_relay){.address = rig_addr(relays[i][0], 0).ip,
				.public_address = rig_addr(relays[i][1], 0).ip,
				.prefix_bits = i == 2 ? 128 : 32};
	static char realm[] = "example.org";
	conf->realm = realm;
	conf->realms[0] = realm;
	conf->realms[1] = "b.example.org"; // of the listener of IPv6
	conf->n_realms = 2;
	conf->relay.port_min = 49152;
	conf->relay.port_max = 65535;
	conf->listeners[0] = (struct conf_listener){
		.address = rig_addr("198.18.0.2", 0).ip, .port = 3478, .transports = 1};
	conf->listeners[1] = (struct conf_listener){
		.address = rig_addr("fd00:198:18::2", 0).ip, .port = 3478, .transports = 1};
	conf->listeners[1].realm_index = 1;
	conf->n_listeners = 2;
#ifdef RIG_DTLS // defined before: DTLS beside UDP, and alone on another port
	conf->listeners[0].transports |= CONF_TRANSPORT_DTLS;
	conf->listeners[1].transports |= CONF_TRANSPORT_DTLS;
	conf->listeners[2] = conf->listeners[0];
	conf->listeners[2].port = 5349;
	conf->listeners[2].transports = CONF_TRANSPORT_DTLS;
	conf->n_listeners = 3;
#endif
	conf->workers.n_cores = 1;
	conf->limits.allocations = 64;
	conf->limits.flows = 1024;
	conf->limits.routes = 1024;
	conf->forwarding.dscp = CONF_DSCP_COPY;
}

static inline void rig_hop(struct rig *rig, uint16_t index, const uint8_t mac[6], uint16_t mtu)
{
	struct dp_next_hop *hop = &rig->dp.next_hops[index];
	uint64_t word = DP_MAC_RESOLVED;
	memcpy(&word, mac, 6);
	hop->port = 0;
	hop->vlan = 0xffff;
	hop->mtu = mtu;
	atomic_store(&hop->mac_state, word);
}

static inline void rig_link(struct rig *rig, unsigned int punts)
{
	size_t punt_bytes = tp_ring_bytes(punts, TP_PACKET_SLOT_BYTES);
	size_t inject_bytes = tp_ring_bytes(64, TP_PACKET_SLOT_BYTES);

	rig->punt_memory = aligned_alloc(64, punt_bytes);
	rig->inject_memory = aligned_alloc(64, inject_bytes);
	memset(rig->punt_memory, 0, punt_bytes);
	memset(rig->inject_memory, 0, inject_bytes);
	assert_int_equal(tp_ring_producer_init(&rig->link.punt, rig->punt_memory, punt_bytes, punts,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_consumer_init(&rig->punts, rig->punt_memory, punt_bytes, punts,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_producer_init(&rig->injects, rig->inject_memory, inject_bytes, 64,
				 TP_PACKET_SLOT_BYTES, -1),
		0);
	assert_int_equal(tp_ring_consumer_init(&rig->link.inject, rig->inject_memory, inject_bytes,
				 64, TP_PACKET_SLOT_BYTES, -1),
		0);
}

static inline struct rig *rig_make(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig_config(&rig->conf);
	rig->now_ns = RIG_NOW;
	rig->dp.conf = &rig->conf;
	rig->dp.n_ports = 1;
	memcpy(rig->dp.ports[0].mac.addr_bytes, RIG_PORT_MAC, 6);
	rig->dp.ports[0].mtu = 1500;
	rig->dp.pool = rte_pktmbuf_pool_create(
		"rig", RIG_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	assert_non_null(rig->dp.pool);
	rig->dp.locals = dp_locals_create(&rig->conf, SOCKET_ID_ANY);
	rig->dp.flows = dp_flow_table_create(rig->conf.limits.flows, NULL, SOCKET_ID_ANY);
	rig->dp.next_hops = calloc(DP_NEXT_HOP_MAX, sizeof(struct dp_next_hop));
	rig_hop(rig, RIG_HOP_IPV4, RIG_HOP_MAC[0], 1500);
	rig_hop(rig, RIG_HOP_IPV6, RIG_HOP_MAC[1], 1500);
	assert_int_equal(dp_apply_create(&rig->dp, &rig->dp.apply), 0);
	assert_int_equal(dp_worker_create(&rig->dp, 0, 0, &rig->w), 0);
	rig->dp.workers[0] = rig->w;
	rig->dp.n_workers = 1;
	rig_link(rig, 8);
	return rig;
}

static inline void rig_forget(struct rig *rig)
{
	for (unsigned int i = 0; i < rig->n_out; i++)
		free(rig->out[i]);
	rig->n_out = 0;
}

// ---- the books

struct rig_stats {
	uint64_t counter[TP_COUNTERS], drop[TP_DROPS], held;
};

static inline struct rig_stats rig_stats(const struct rig *rig)
{
	struct rig_stats s = {0};
	dp_worker_add_stats(rig->w, s.counter, s.drop, &s.held);
	return s;
}

#define rig_counter(rig, name) (rig_stats(rig).counter[TP_COUNTER_##name])
#define rig_drop(rig, name)    (rig_stats(rig).drop[TP_DROP_##name])

static inline uint64_t rig_drops(const struct rig *rig)
{
	struct rig_stats s = rig_stats(rig);
	uint64_t sum = 0;
	for (int i = 0; i < TP_DROPS; i++)
		sum += s.drop[i];
	return sum;
}

static inline void rig_books_close(const struct rig *rig)
{
	struct rig_stats s = rig_stats(rig);
	assert_int_equal(s.counter[TP_COUNTER_rx] + s.counter[TP_COUNTER_stream_up],
		s.counter[TP_COUNTER_tx] + rig_drops(rig) + s.counter[TP_COUNTER_punted] +
			s.counter[TP_COUNTER_stream_down] + s.held);
}

static inline void rig_release(struct rig *rig, bool books)
{
	if (books)
		rig_books_close(rig);
	rig_forget(rig);
	dp_worker_destroy(rig->w);
	assert_int_equal(rte_mempool_in_use_count(rig->dp.pool), 0);
	dp_apply_destroy(rig->dp.apply);
	dp_flow_table_destroy(rig->dp.flows);
	dp_locals_destroy(rig->dp.locals);
	rte_mempool_free(rig->dp.pool);
	free(rig->dp.next_hops);
	free(rig->punt_memory);
	free(rig->inject_memory);
	free(rig);
}

// Every mbuf is back in the pool but for those in reassembly, and these come back too.
static inline void rig_end(struct rig *rig)
{
	assert_int_equal(rte_mempool_in_use_count(rig->dp.pool), rig_stats(rig).held);
	rig_release(rig, true);
}

// ---- control

// Flows that exist get next hops of their own family: there is no kernel here.
static inline void rig_route(struct rig *rig)
{
	for (uint32_t i = 1; i <= dp_flow_capacity(rig->dp.flows); i++) {
		struct dp_flow *flow = dp_flow_at(rig->dp.flows, i);
		if (flow->kind == DP_FLOW_FREE || flow == rig->dp.probe_flow)
			continue; // a probe goes back where it came from
		flow->next_hop = flow->dst_family == TP_FAMILY_IPV6 ? RIG_HOP_IPV6 : RIG_HOP_IPV4;
		if (flow->kind == DP_FLOW_PERMISSION)
			flow->peer_next_hop =
				flow->key.family == TP_FAMILY_IPV6 ? RIG_HOP_IPV6 : RIG_HOP_IPV4;
	}
}

// The executor knows no next hop where there is no kernel, so it must not meet those of rig_route,
// which it would give back.
static inline void rig_unroute(struct rig *rig)
{
	for (uint32_t i = 1; i <= dp_flow_capacity(rig->dp.flows); i++) {
		struct dp_flow *flow = dp_flow_at(rig->dp.flows, i);
		flow->next_hop = DP_NEXT_HOP_NONE;
		if (flow->kind == DP_FLOW_PERMISSION)
			flow->peer_next_hop = DP_NEXT_HOP_NONE;
	}
}

static inline void rig_command(struct rig *rig, const struct tp_cmd *cmd)
{
	struct tp_ack ack;
	dp_apply_command(rig->dp.apply, cmd, &ack);
	assert_int_equal(ack.result, 0);
	rig_route(rig);
}

static inline struct tp_cmd rig_cmd(uint16_t type, uint32_t alloc, uint64_t deadline_ns)
{
	return (struct tp_cmd){.type = type,
		.layout = 1,
		.alloc = {.index = alloc, .generation = 1},
		.deadline_ns = deadline_ns};
}

static inline void rig_allocate(struct rig *rig, uint32_t alloc, struct tp_addr client,
	struct tp_addr listener, struct tp_addr relay, struct tp_addr relay6, uint64_t rate)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, alloc, RIG_NOW + 600 * RIG_SECOND);
	cmd.allocation = (struct tp_cmd_alloc){.client = client,
		.listener = listener,
		.relay = {relay, relay6},
		.rate_bytes_per_s = rate};
	rig_command(rig, &cmd);
}

static inline void rig_permit(struct rig *rig, uint32_t alloc, struct tp_ip peer, uint64_t deadline)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_PERMISSION_SET, alloc, deadline);
	cmd.permission = peer;
	rig_command(rig, &cmd);
}

static inline void rig_bind(
	struct rig *rig, uint32_t alloc, struct tp_addr peer, uint16_t channel, uint64_t deadline)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_CHANNEL_SET, alloc, deadline);
	cmd.channel = (struct tp_cmd_channel){.peer = peer, .channel = channel};
	rig_command(rig, &cmd);
}

// ---- frames

// A received frame: in an mbuf full of other bytes, at an odd place when `odd`.
static inline struct rte_mbuf *rig_mbuf(struct rig *rig, const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig->dp.pool);
	assert_non_null(m);
	memset(m->buf_addr, 0xa5, m->buf_len);
	uint8_t *at = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)length);
	assert_non_null(at);
	memcpy(at, bytes, length);
	return m;
}

static inline void rig_collect(struct rig *rig)
{
	struct rte_mbuf *m[32];
	uint16_t n;

	while ((n = dp_tx_take(rig->w, 0, m, 32)) != 0) {
		for (uint16_t i = 0; i < n; i++) {
			assert_int_equal(m[i]->nb_segs, 1);
			assert_true(rig->n_out < RIG_OUT);
			rig->out[rig->n_out] = malloc(m[i]->pkt_len);
			memcpy(rig->out[rig->n_out], rte_pktmbuf_mtod(m[i], void *), m[i]->pkt_len);
			rig->out_length[rig->n_out++] = m[i]->pkt_len;
			rte_pktmbuf_free(m[i]);
		}
	}
}

static inline void rig_receive(struct rig *rig, const uint8_t *bytes, size_t length)
{
	struct rte_mbuf *m = rig_mbuf(rig, bytes, length);
	dp_pipeline_run(rig->w, &m, 1, 0, rig->now_ns);
	rig_collect(rig);
}

static inline void rig_receive_frame(struct rig *rig, const struct frame *f)
{
	static uint8_t bytes[ORACLE_MOST];
	rig_receive(rig, bytes, oracle_build(f, bytes));
}

// A frame as a sender makes it, with sane defaults.
static inline struct frame rig_frame(
	struct tp_addr from, struct tp_addr to, const void *payload, size_t length)
{
	struct frame f = {.vlan = -1,
		.from = from,
		.to = to,
		.tos = 0xb9, // EF, ECT(1)
		.ttl = 64,
		.ip_id = 77,
		.payload = payload,
		.length = length};
	memcpy(f.dst_mac, RIG_PORT_MAC, 6);
	memcpy(f.src_mac, RIG_SENDER_MAC, 6);
	return f;
}

// The only frame that came out, taken apart.
static inline struct frame rig_only(const struct rig *rig)
{
	struct frame f;
	assert_int_equal(rig->n_out, 1);
	assert_true(oracle_read(rig->out[0], rig->out_length[0], &f));
	return f;
}

static inline void rig_random(void *out, size_t length)
{
	static uint32_t state = 12345;
	for (size_t i = 0; i < length; i++) {
		state = state * 1664525 + 1013904223;
		((uint8_t *)out)[i] = (uint8_t)(state >> 24);
	}
}

// ChannelData with `trailing` more bytes behind it; returns its length.
static inline size_t rig_channel_data(
	uint8_t *out, uint16_t channel, const uint8_t *data, size_t length, size_t trailing)
{
	oracle_put16(out, channel);
	oracle_put16(out + 2, (unsigned int)length);
	if (length != 0)
		memcpy(out + 4, data, length);
	memset(out + 4 + length, 0x5a, trailing);
	return 4 + length + trailing;
}

#define RIG_TESTS(tests)                                                                           \
	int main(void)                                                                             \
	{                                                                                          \
		if (test_eal_init("256") < 0)                                                      \
			return 1;                                                                  \
		return cmocka_run_group_tests(tests, NULL, NULL);                                  \
	}
