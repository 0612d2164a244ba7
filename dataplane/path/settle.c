// SPDX-License-Identifier: BSD-3-Clause
// The end of every packet: what leaves goes to its port's buffer, what was refused is counted and
// freed. The only place that frees a received frame for a reason.
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/tx.h"

void dp_step_settle(struct dp_worker *w, struct dp_batch *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict == DP_VERDICT_TX) {
			dp_tx_append(w, p->out_port, p->m, p->stands_for);
		} else if (p->verdict == DP_VERDICT_DROP) {
			dp_count_drop(
				w, (enum tp_drop_reason)p->reason, p->stands_for & DP_FRAME_FRAMES);
			if (p->stands_for & DP_FRAME_INJECTED)
				dp_count(w, TP_COUNTER_inject_failed, 1);
			rte_pktmbuf_free(p->m);
		}
	}
}
