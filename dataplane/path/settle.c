// SPDX-License-Identifier: BSD-3-Clause
// The end of every packet: what leaves goes to its port's buffer, what was refused is counted and
// freed. The only place that frees a received frame for a reason.
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/tx.h"

static void settle(struct dp_worker *w, struct dp_packet *p)
{
	if (p->verdict == DP_VERDICT_TX) {
		dp_tx_append(w, p->out_port, p->m, p->stands_for);
	} else if (p->verdict == DP_VERDICT_DROP) {
		dp_count_drop(w, (enum tp_drop_reason)p->reason, p->stands_for & DP_FRAME_FRAMES);
		if (p->stands_for & DP_FRAME_INJECTED)
			dp_count(w, TP_COUNTER_inject_failed, 1);
		rte_pktmbuf_free(p->m);
	}
}

void dp_step_settle(struct dp_worker *w, struct dp_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		settle(w, &b->packet[i]);
}

void dp_step_settle_merged(struct dp_worker *w, struct dp_batch *b, const struct dp_lane *lane)
{
	uint32_t out = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		for (; out < lane->n_out && lane->out_at[out] < lane->left_at[i]; out++)
			dp_tx_put(w, lane->out_port[out], lane->out[out]);
		settle(w, &b->packet[i]);
	}
	for (; out < lane->n_out; out++)
		dp_tx_put(w, lane->out_port[out], lane->out[out]);
}
