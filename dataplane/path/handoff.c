// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include <rte_malloc.h>

#include "dataplane/path/count.h"
#include "dataplane/path/handoff.h"
#include "dataplane/path/tx.h"

int dp_handoff_init(struct dp_worker *w, uint16_t n_workers)
{
	ssize_t bytes = rte_ring_get_memsize(DP_HANDOFF_SLOTS);

	for (uint16_t i = 0; i < n_workers; i++) {
		if (i == w->index)
			continue;
		w->handoff[i] = rte_zmalloc_socket(
			"handoff", (size_t)bytes, RTE_CACHE_LINE_SIZE, w->socket);
		if (w->handoff[i] == NULL)
			return -ENOMEM;
		if (rte_ring_init(w->handoff[i], "handoff", DP_HANDOFF_SLOTS,
			    RING_F_SP_ENQ | RING_F_SC_DEQ) != 0)
			return -ENOMEM;
	}
	return 0;
}

void dp_handoff_fini(struct dp_worker *w)
{
	struct rte_mbuf *m;

	for (uint16_t i = 0; i < TP_MAX_WORKERS; i++) {
		if (w->handoff[i] == NULL)
			continue;
		while (rte_ring_dequeue(w->handoff[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_free(w->handoff[i]);
		w->handoff[i] = NULL;
	}
}

uint16_t dp_handoff_put(
	struct dp_worker *w, uint16_t owner, uint16_t port, struct rte_mbuf *const m[], uint16_t n)
{
	struct dp_worker *to = w->dp->workers[owner];
	uint64_t frames = 0;

	if (to == NULL || to->handoff[w->index] == NULL)
		return 0;
	uint16_t room = (uint16_t)RTE_MIN(rte_ring_free_count(to->handoff[w->index]), n);
	for (uint16_t i = 0; i < room; i++) {
		m[i]->port = port;
		frames += m[i]->hash.usr & DP_FRAME_FRAMES;
	}
	// Counted first: the sum over all workers never runs below zero.
	dp_add(&w->handoff_out, frames);
	rte_ring_sp_enqueue_bulk(to->handoff[w->index], (void *const *)m, room, NULL);
	w->handoff_dirty[owner] |= room != 0;
	return room;
}

void dp_handoff_wake(struct dp_worker *w)
{
	bool any = false;

	for (uint16_t i = 0; i < w->dp->n_workers; i++)
		any |= w->handoff_dirty[i];
	if (!any)
		return;
	// Pairs with the fence between `asleep` and the last look into the rings.
	atomic_thread_fence(memory_order_seq_cst);
	for (uint16_t i = 0; i < w->dp->n_workers; i++) {
		if (!w->handoff_dirty[i])
			continue;
		w->handoff_dirty[i] = false;
		if (atomic_load_explicit(&w->dp->workers[i]->asleep, memory_order_relaxed))
			dp_worker_kick(w->dp->workers[i]);
	}
}

uint32_t dp_handoff_take(struct dp_worker *w)
{
	struct rte_mbuf *m[DP_BURST];
	uint64_t frames = 0;
	uint32_t taken = 0;

	for (uint16_t from = 0; from < TP_MAX_WORKERS; from++) {
		if (w->handoff[from] == NULL)
			continue;
		uint32_t n =
			rte_ring_sc_dequeue_burst(w->handoff[from], (void **)m, DP_BURST, NULL);
		for (uint32_t i = 0; i < n; i++) {
			frames += m[i]->hash.usr & DP_FRAME_FRAMES;
			dp_tx_append(w, m[i]->port, m[i], m[i]->hash.usr);
		}
		taken += n;
	}
	if (taken != 0)
		dp_add(&w->handoff_in, frames);
	return taken;
}

bool dp_handoff_waiting(const struct dp_worker *w)
{
	for (uint16_t from = 0; from < TP_MAX_WORKERS; from++) {
		if (w->handoff[from] != NULL && !rte_ring_empty(w->handoff[from]))
			return true;
	}
	return false;
}
