// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/moves.h"

#include "common/abi/ring.h"
#include "dataplane/dp.h"
#include "dataplane/path/packet.h"

// False: the manager was faster, this client is not awaited any more.
static bool arrive(struct dp_flow *client)
{
	uint8_t state = atomic_load_explicit(&client->client_state, memory_order_relaxed);

	if (state == DP_CLIENT_AWAITED &&
		atomic_compare_exchange_strong_explicit(&client->client_state, &state,
			DP_CLIENT_ARRIVED, memory_order_acq_rel, memory_order_relaxed))
		return true;
	return state == DP_CLIENT_ARRIVED;
}

void dp_moves_note(struct dp_moves *m, const struct dp_flow_table *flows, struct dp_flow *flow)
{
	uint32_t head = atomic_load_explicit(&m->head, memory_order_relaxed);

	if (atomic_load_explicit(&flow->seen, memory_order_relaxed) != 0 ||
		!arrive(dp_flow_at(flows, flow->client)))
		return;
	if (head - atomic_load_explicit(&m->tail, memory_order_acquire) == DP_MOVES_SLOTS)
		return;
	// Another worker may be faster: then it names the flow.
	if (atomic_exchange_explicit(&flow->seen, 1, memory_order_relaxed) != 0)
		return;
	m->slot[head % DP_MOVES_SLOTS] = dp_flow_index(flows, flow);
	atomic_store_explicit(&m->head, head + 1, memory_order_seq_cst);
	m->news = true;
}

static void follow(const struct dp *dp, const struct dp_flow_table *flows, struct dp_packet *p)
{
	const struct dp_flow *flow = p->flow;
	uint32_t at = atomic_load_explicit(&dp->moving[flow->alloc.index], memory_order_acquire);

	if (at == 0)
		return;
	const struct dp_flow *client = dp_flow_at(flows, at);
	// A flow that was unlinked while we hold it may be of the last allocation of this index.
	if (atomic_load_explicit(&client->client_state, memory_order_acquire) !=
			DP_CLIENT_ARRIVED ||
		client->alloc.generation != flow->alloc.generation)
		return;
	p->out_family = client->key.family;
	p->out_local = client->src_local;
	p->out_source_port = client->src_port;
	p->out_destination_port = client->key.port;
	p->out_ip = client->key.ip;
	p->next_hop = atomic_load_explicit(&client->next_hop, memory_order_relaxed);
}

void dp_moves_follow(const struct dp *dp, const struct dp_flow_table *flows, struct dp_batch *b,
	struct dp_packet *p, uint8_t flags)
{
	if (flags & DP_FLOW_MOVE)
		follow(dp, flows, p);
	if (p->out_family == TP_FAMILY_STREAM)
		dp_packet_next(b, p, DP_VERDICT_STREAM);
}

void dp_moves_flush(struct dp_moves *m, struct dp_moves_wake *wake)
{
	if (!m->news)
		return;
	m->news = false;
	if (wake != NULL && atomic_exchange_explicit(&wake->wanted, 1, memory_order_seq_cst) == 0)
		tp_event_signal(wake->event_fd);
}

bool dp_moves_take(struct dp_moves *m, uint32_t *flow)
{
	uint32_t tail = atomic_load_explicit(&m->tail, memory_order_relaxed);

	if (tail == atomic_load_explicit(&m->head, memory_order_seq_cst))
		return false;
	*flow = m->slot[tail % DP_MOVES_SLOTS];
	atomic_store_explicit(&m->tail, tail + 1, memory_order_release);
	return true;
}
