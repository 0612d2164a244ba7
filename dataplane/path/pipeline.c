// SPDX-License-Identifier: BSD-3-Clause
// The order of the steps, said here and nowhere else.
#include "dataplane/path/count.h"
#include "dataplane/path/pipeline.h"
#include "dataplane/path/reassemble.h"
#include "dataplane/path/settings_apply.h"
#include "dataplane/path/stage.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/streams.h"
#include "dataplane/path/tx.h"

#define CHANNEL_KEYS                                                                               \
	(DP_VERDICT_BIT(DP_VERDICT_CHANNEL) | DP_VERDICT_BIT(DP_VERDICT_STUN) |                    \
		DP_VERDICT_BIT(DP_VERDICT_PEER))
#define PERMISSION_KEYS                                                                            \
	(DP_VERDICT_BIT(DP_VERDICT_SEND) | DP_VERDICT_BIT(DP_VERDICT_DATA) |                       \
		DP_VERDICT_BIT(DP_VERDICT_ICMP))

static void relay(struct dp_worker *w, struct dp_batch *b)
{
	dp_step_lookup(w, b, CHANNEL_KEYS);
	dp_step_channel_up(w, b);
	dp_step_stun(w, b);
	dp_step_channel_down(w, b);
	dp_step_icmp_quote(w, b);
	dp_step_lookup(w, b, PERMISSION_KEYS);
	dp_step_send(w, b);
	dp_step_data(w, b);
	dp_step_icmp_relay(w, b);
}

// Everything behind classification but the end.
static void run_classified(struct dp_worker *w, struct dp_batch *b)
{
	relay(w, b);
	if (dp_batch_has(b, DP_VERDICT_HAIRPIN)) {
		dp_step_hairpin(w, b);
		dp_step_lookup(w, b, DP_VERDICT_BIT(DP_VERDICT_PEER));
		dp_step_channel_down(w, b);
		dp_step_lookup(w, b, DP_VERDICT_BIT(DP_VERDICT_DATA));
		dp_step_data(w, b);
	}
	dp_step_binding(w, b);
	dp_step_challenge(w, b);
	dp_step_dtls(w, b);
	dp_step_stream_down(w, b);
	dp_step_next_hop(w, b);
	dp_step_tell_sender(w, b);
	dp_step_encap(w, b);
	dp_step_fragment(w, b);
	dp_step_punt(w, b);
	dp_moves_flush(&w->moves, w->dp->moves_wake);
}

static void run(struct dp_worker *w, struct dp_batch *b)
{
	dp_step_parse(w, b);
	dp_step_classify(w, b);
	dp_step_reassemble(w, b);
	run_classified(w, b);
}

// The fields that parse expects; the rest of a packet is written before it is read.
static inline void begin(struct dp_packet *p, struct rte_mbuf *m, uint32_t frames, uint8_t flags)
{
	p->m = m;
	p->stands_for = frames;
	p->flags = flags;
}

static void begin_batch(struct dp_batch *b, uint16_t n, uint16_t port, uint64_t now_ns)
{
	b->n = n;
	b->in_port = port;
	b->now_ns = now_ns;
	b->seen = 0;
}

// Datagrams that reassembly completed in this burst go the whole way again, as one packet each that
// stands for all its fragments. They hold no fragments, so no further ones come of them.
static void run_whole(struct dp_worker *w, struct dp_batch *b)
{
	uint16_t n = w->n_whole;

	if (n == 0)
		return;
	w->n_whole = 0;
	begin_batch(b, n, b->in_port, b->now_ns);
	for (uint16_t i = 0; i < n; i++)
		begin(&b->packet[i], w->whole[i].m, w->whole[i].frames, DP_PACKET_FRAGMENTED);
	run(w, b);
	dp_step_settle(w, b);
}

// What the lane left goes through the general steps and meets the rest again at the end.
static void run_left(struct dp_worker *w, struct dp_batch *b, struct rte_mbuf *const burst[])
{
	struct dp_lane *lane = &w->lane;
	uint16_t n = 0;

	for (uint32_t left = lane->left; left != 0; left &= left - 1) {
		uint32_t i = (uint32_t)__builtin_ctz(left);
		lane->left_at[n] = (uint8_t)i;
		begin(&b->packet[n++], burst[i], 1, 0);
	}
	b->n = n;
	run(w, b);
	dp_step_settle_merged(w, b, lane);
	run_whole(w, b);
}

static void run_burst(struct dp_worker *w, struct rte_mbuf *const burst[], uint16_t n,
	uint16_t port, uint64_t now_ns)
{
	struct dp_lane *lane = &w->lane;
	uint64_t start;

	lane->in_port = (uint8_t)port;
	start = dp_lane_run(w, lane, burst, n, now_ns);

	if (lane->left != 0) {
		begin_batch(&w->batch, 0, port, now_ns);
		run_left(w, &w->batch, burst);
		dp_stage_end(w, TP_COUNTER_cycles_steps, start);
	}
	dp_stage_burst(w, n);
}

void dp_pipeline_run(struct dp_worker *w, struct rte_mbuf *const burst[], uint16_t n, uint16_t port,
	uint64_t now_ns)
{
	for (uint16_t at = 0; at < n; at = (uint16_t)(at + DP_BURST))
		run_burst(w, burst + at, RTE_MIN((uint16_t)(n - at), (uint16_t)DP_BURST), port,
			now_ns);
	dp_count(w, TP_COUNTER_rx, n);
}

void dp_pipeline_begin(struct dp_worker *w)
{
	w->link = atomic_load_explicit(&w->published, memory_order_acquire);
	dp_settings_follow(w);
}

uint32_t dp_pipeline_inject(struct dp_worker *w, uint64_t now_ns)
{
	struct dp_batch *b = &w->batch;

	if (w->link == NULL)
		return 0;
	begin_batch(b, 0, 0, now_ns);
	uint32_t taken = dp_step_inject(w, b);
	if (b->n == 0)
		return taken;
	dp_step_next_hop(w, b);
	dp_step_encap(w, b);
	dp_step_fragment(w, b);
	dp_step_settle(w, b);
	return taken;
}

uint32_t dp_pipeline_streams(struct dp_worker *w, uint64_t now_ns)
{
	struct dp_batch *b = &w->batch;
	uint32_t taken = 0;

	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *link = dp_streams_lowest(w, at);
		if (link == NULL)
			continue;
		begin_batch(b, 0, 0, now_ns);
		taken += dp_step_stream_up(w, b, link);
		if (b->n == 0)
			continue;
		dp_step_classify(w, b);
		for (uint16_t i = 0; i < b->n; i++)
			b->packet[i].key.side = DP_KEY_STREAM;
		run_classified(w, b);
		dp_step_settle(w, b);
	}
	return taken;
}

// Back to where it came from: a probe needs no route and no neighbour.
static void reflect(const struct dp_worker *w, struct dp_packet *p)
{
	p->mac = 0;
	p->out_port = 0;
	p->vlan = DP_UNTAGGED;
	p->mtu = w->tx[0].mtu;
}

struct dp_packet *dp_pipeline_probe(struct dp_worker *w, struct rte_mbuf *m, uint64_t now_ns)
{
	struct dp_batch *b = &w->batch;
	struct dp_packet *p = &b->packet[0];

	begin_batch(b, 1, 0, now_ns);
	begin(p, m, 0, DP_PACKET_REFLECT);
	dp_step_parse(w, b);
	dp_step_classify(w, b);
	reflect(w, p);
	p->key.side = DP_KEY_PROBE;
	dp_step_lookup(w, b, DP_VERDICT_BIT(DP_VERDICT_CHANNEL));
	dp_step_channel_up(w, b);
	dp_step_next_hop(w, b);
	dp_step_encap(w, b);
	return p;
}

void dp_pipeline_tick(struct dp_worker *w, uint64_t now_ns)
{
	dp_reassembly_expire(w, now_ns);
}
