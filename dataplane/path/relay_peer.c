// SPDX-License-Identifier: BSD-3-Clause
// Peer to client: ChannelData when a channel is bound to the peer (RFC 8656 section 12.7), else a
// Data indication by the permission (section 11.3).
#include "dataplane/path/account.h"
#include "dataplane/path/count.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/towards_client.h"
#include "dataplane/path/within_rate.h"

static bool expired(const struct dp_batch *b, const struct dp_flow *flow)
{
	return b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed);
}

static void to_client(
	const struct dp_worker *w, struct dp_batch *b, struct dp_packet *p, enum dp_prefix prefix)
{
	p->prefix = (uint8_t)prefix;
	p->channel = p->flow->channel;
	dp_towards_client(w, b, p, p->flow);
}

// No live channel: the permission is asked, under the same key without the peer's port.
static void try_permission(struct dp_batch *b, struct dp_packet *p)
{
	p->key.port = 0;
	dp_packet_next(b, p, DP_VERDICT_DATA);
}

void dp_step_channel_down(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t relayed = 0;

	if (!dp_batch_has(b, DP_VERDICT_PEER))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_PEER)
			continue;
		if (p->flow == NULL || expired(b, p->flow)) {
			try_permission(b, p);
		} else if (dp_within_rate_down(w, b, p)) {
			dp_account_channel(w, p->flow, p->payload_length);
			to_client(w, b, p, DP_PREFIX_CHANNEL);
			relayed++;
		}
	}
	dp_count(w, TP_COUNTER_channel_down, relayed);
}

static void relay_data(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct dp_flow *flow = p->flow;

	if (flow == NULL) {
		dp_packet_drop(b, p,
			p->flags & DP_PACKET_HAIRPIN ? TP_DROP_hairpin_no_allocation
						     : TP_DROP_no_permission);
		return;
	}
	if (expired(b, flow)) {
		dp_packet_drop(b, p, TP_DROP_permission_expired);
		return;
	}
	if (!dp_within_rate_down(w, b, p))
		return;
	dp_account_shared(&flow->packets, &flow->bytes, p->payload_length);
	p->shown_ip = p->key.ip;
	p->shown_port = p->in.src_port;
	to_client(w, b, p, DP_PREFIX_DATA);
}

void dp_step_data(struct dp_worker *w, struct dp_batch *b)
{
	uint32_t relayed = 0;

	if (!dp_batch_has(b, DP_VERDICT_DATA))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		struct dp_packet *p = &b->packet[i];
		if (p->verdict != DP_VERDICT_DATA)
			continue;
		relay_data(w, b, p);
		relayed += p->verdict != DP_VERDICT_DROP;
	}
	dp_count(w, TP_COUNTER_data_down, relayed);
}
