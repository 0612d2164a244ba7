// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/moves.h"

#include "common/abi/ring.h"
#include "dataplane/table/flow_table.h"

void dp_moves_note(struct dp_moves *m, const struct dp_flow_table *flows, struct dp_flow *flow)
{
	uint32_t head = atomic_load_explicit(&m->head, memory_order_relaxed);

	if (atomic_load_explicit(&flow->seen, memory_order_relaxed) != 0 ||
		head - atomic_load_explicit(&m->tail, memory_order_acquire) == DP_MOVES_SLOTS)
		return;
	// Another worker may be faster: then it names the flow.
	if (atomic_exchange_explicit(&flow->seen, 1, memory_order_relaxed) != 0)
		return;
	m->slot[head % DP_MOVES_SLOTS] = dp_flow_index(flows, flow);
	atomic_store_explicit(&m->head, head + 1, memory_order_seq_cst);
	m->news = true;
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
