// SPDX-License-Identifier: BSD-3-Clause
#include <rte_ethdev.h>

#include "dataplane/path/count.h"
#include "dataplane/path/handoff.h"
#include "dataplane/path/pipeline.h"
#include "dataplane/path/tx.h"

#define TX_TRIES 3

// Not sent: the received frames it stands for are a drop, control's datagram is a failure.
static void lost(struct dp_worker *w, struct rte_mbuf *m, enum tp_drop_reason reason)
{
	uint32_t word = m->hash.usr;

	dp_count_drop(w, reason, word & DP_FRAME_FRAMES);
	if (word & DP_FRAME_INJECTED)
		dp_count(w, TP_COUNTER_inject_failed, 1);
	rte_pktmbuf_free(m);
}

struct sums {
	uint64_t frames, bytes, injected, own;
};

static struct sums sum_of(struct rte_mbuf *const m[], uint16_t n)
{
	struct sums sums = {0};

	for (uint16_t i = 0; i < n; i++) {
		uint32_t word = m[i]->hash.usr;
		sums.frames += word & DP_FRAME_FRAMES;
		if (word & DP_FRAME_INJECTED)
			sums.injected++;
		else if (word & DP_FRAME_OWN)
			sums.own++;
		else if (!(word & DP_FRAME_REST))
			sums.bytes += m[i]->pkt_len;
	}
	return sums;
}

static void count_sent(struct dp_worker *w, const struct sums *sums)
{
	dp_count(w, TP_COUNTER_tx, sums->frames);
	dp_count(w, TP_COUNTER_tx_bytes, sums->bytes);
	if (sums->injected != 0)
		dp_count(w, TP_COUNTER_injected, sums->injected);
	if (sums->own != 0)
		dp_count(w, TP_COUNTER_too_big_sent, sums->own);
}

static void send_buffer(struct dp_worker *w, struct dp_tx *tx)
{
	uint16_t sent = 0;
	// Before the driver frees them; what it does not take is subtracted.
	struct sums sums = sum_of(tx->frame, tx->n);

	for (int i = 0; i < TX_TRIES && sent < tx->n; i++)
		sent = (uint16_t)(sent + rte_eth_tx_burst(tx->port_id, tx->queue, tx->frame + sent,
						 (uint16_t)(tx->n - sent)));
	if (sent < tx->n) {
		struct sums left = sum_of(tx->frame + sent, (uint16_t)(tx->n - sent));
		sums.frames -= left.frames;
		sums.bytes -= left.bytes;
		sums.injected -= left.injected;
		sums.own -= left.own;
		for (uint16_t i = sent; i < tx->n; i++)
			lost(w, tx->frame[i], TP_DROP_tx_full);
	}
	count_sent(w, &sums);
	tx->n = 0;
}

static void flush_port(struct dp_worker *w, uint16_t port)
{
	struct dp_tx *tx = &w->tx[port];

	if (tx->queue != DP_NO_QUEUE) {
		send_buffer(w, tx);
		return;
	}
	uint16_t taken = dp_handoff_put(w, tx->owner, port, tx->frame, tx->n);
	for (uint16_t i = taken; i < tx->n; i++)
		lost(w, tx->frame[i], TP_DROP_handoff_full);
	tx->n = 0;
}

void dp_tx_append(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, uint32_t stands_for)
{
	struct dp_tx *tx = &w->tx[port];

	m->hash.usr = stands_for;
	if (unlikely(m->nb_segs > 1) && !tx->multi_segs && rte_pktmbuf_linearize(m) != 0) {
		lost(w, m, TP_DROP_no_mbuf);
		return;
	}
	if (unlikely(tx->n == DP_TX_BUFFER)) {
		if (tx->collect) {
			lost(w, m, TP_DROP_tx_full);
			return;
		}
		flush_port(w, port);
	}
	tx->frame[tx->n++] = m;
}

void dp_tx_flush(struct dp_worker *w)
{
	for (uint16_t port = 0; port < w->dp->n_ports; port++) {
		if (w->tx[port].n != 0 && !w->tx[port].collect)
			flush_port(w, port);
	}
	dp_handoff_wake(w);
}

uint16_t dp_tx_take(struct dp_worker *w, uint16_t port, struct rte_mbuf *out[], uint16_t max)
{
	struct dp_tx *tx = &w->tx[port];
	uint16_t n = RTE_MIN(max, tx->n);
	struct sums sums = sum_of(tx->frame, n);

	memcpy(out, tx->frame, n * sizeof(*out));
	memmove(tx->frame, tx->frame + n, (size_t)(tx->n - n) * sizeof(*tx->frame));
	tx->n = (uint16_t)(tx->n - n);
	count_sent(w, &sums);
	return n;
}
