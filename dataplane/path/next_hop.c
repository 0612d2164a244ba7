// SPDX-License-Identifier: BSD-3-Clause
// Where a decided packet goes on the link, what its hop limit becomes and whether it fits.
#include "dataplane/path/count.h"
#include "dataplane/path/link.h"
#include "dataplane/path/steps.h"

// IPv4 obeys DF; what came whole over IPv6 may not be fragmented on the way (RFC 8656 section 13,
// preferred behaviour). What came over a stream has only its DONT-FRAGMENT (section 15).
static bool may_fragment(const struct dp_packet *p)
{
	if (p->flags & DP_PACKET_MADE)
		return true;
	if (p->in.family == TP_FAMILY_STREAM)
		return (p->flags & DP_PACKET_SEND_DF) == 0;
	if (p->in.family == TP_FAMILY_IPV6)
		return (p->flags & DP_PACKET_FRAGMENTED) != 0 || p->in.fragment_header != 0;
	if (p->flags & DP_PACKET_SEND_DF && p->out_family == TP_FAMILY_IPV4)
		return false;
	return p->in.df == 0;
}

static bool take_hop(const struct dp_worker *w, struct dp_packet *p)
{
	if (p->flags & DP_PACKET_MADE) {
		p->hop_limit = DP_MADE_HOP_LIMIT;
		return true;
	}
	if (w->hop_limit != 0) {
		p->hop_limit = w->hop_limit;
		return true;
	}
	if (p->hop_limit <= 1)
		return false;
	p->hop_limit--;
	return true;
}

// A drop that its sender is told of.
static void refuse(struct dp_batch *b, struct dp_packet *p, enum tp_drop_reason reason)
{
	p->reason = (uint8_t)reason;
	dp_packet_next(b, p, DP_VERDICT_TELL_SENDER);
}

static void choose(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	if (!dp_next_hop_resolve(w, p) && !(p->flags & DP_PACKET_REFLECT)) {
		dp_packet_drop(b, p,
			p->next_hop == DP_NEXT_HOP_NONE ? TP_DROP_no_route : TP_DROP_no_neighbour);
		return;
	}
	if (!take_hop(w, p)) {
		refuse(b, p, TP_DROP_ttl_exceeded);
		return;
	}
	uint32_t bytes = dp_ip_header_bytes(p->out_family) + 8 +
			 dp_prefix_bytes((enum dp_prefix)p->prefix, p->key.family) +
			 p->payload_length + dp_prefix_padding(p);
	if (bytes <= p->mtu)
		dp_packet_next(b, p, DP_VERDICT_ENCAP);
	else if (may_fragment(p) && bytes <= UINT16_MAX)
		dp_packet_next(b, p, DP_VERDICT_OVERSIZE);
	else
		refuse(b, p, TP_DROP_too_big);
}

void dp_step_next_hop(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_FORWARD))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_FORWARD)
			choose(w, b, &b->packet[i]);
	}
}
