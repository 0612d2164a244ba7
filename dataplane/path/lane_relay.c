// SPDX-License-Identifier: BSD-3-Clause
// Last pass of the lane: what the flow says of a datagram, and its new headers. All that could send
// it to the general steps is asked before anything is written, so that they find it untouched. Up
// and down are one way: a ChannelData header is written in both directions, and where there is none
// the UDP header goes over it.
#include "dataplane/path/account.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/lane_binding.h"
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/lane_write.h"
#include "dataplane/path/prefix.h"

#define HEAD 4 // of ChannelData

// False: over one of the rates, and counted.
static __rte_always_inline bool within_rate(struct dp_worker *w, const struct dp_lane_burst *b,
	const struct dp_flow *flow, const struct dp_lane_packet *p)
{
	uint64_t rate = atomic_load_explicit(&flow->rate, memory_order_relaxed);

	if (rate == 0)
		return true;
	struct dp_police_state *state = &b->police[flow->alloc.index];
	struct dp_police_pair *pair = p->prefix == 0 ? &state->up : &state->down;
	if (unlikely(!dp_police(&pair->bytes, dp_rate_kbytes(rate), p->length, b->now_ns))) {
		dp_count_drop(w, TP_DROP_policed, 1);
		return false;
	}
	if (unlikely(!dp_police_packet(&pair->packets, dp_rate_packets(rate), b->now_ns))) {
		dp_count_drop(w, TP_DROP_policed_packets, 1);
		return false;
	}
	return true;
}

// Before anything is written over the headers that came.
static inline uint32_t kept_id(const struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	return tp_raw16(at + TP_ETHER_BYTES - 2) == RTE_BE16(RTE_ETHER_TYPE_IPV4)
		       ? DP_LANE_KEPT | tp_raw16(at + TP_ETHER_BYTES + 4)
		       : 0;
}

static __rte_always_inline struct dp_lane_leaving leaving(const struct dp_lane_burst *b,
	const struct dp_next_hop *hop, const struct dp_lane_packet *p, const struct rte_mbuf *m)
{
	return (struct dp_lane_leaving){
		.mac_to = atomic_load_explicit(&hop->mac_state, memory_order_relaxed),
		.mac_from = b->macs[hop->port],
		.length = TP_UDP_BYTES + (uint32_t)p->prefix + p->length,
		.tos = (p->tos & b->tos_keep) | b->tos_set,
		.hops = (p->hops & b->hops_keep) + b->hops_add,
		.df = p->flags & DP_LANE_DF,
		.kept_id = unlikely(b->keep_ipv4_id) ? kept_id(m) : 0,
		.zero_sum = (p->flags & DP_LANE_ZERO_SUM) != 0,
	};
}

static inline uint64_t ports_of(const struct dp_flow *flow)
{
	return flow->src_port | (uint32_t)flow->dst_port << 16;
}

// Whether the lane can send it.
static __rte_always_inline bool fits(const struct dp_flow *flow, const struct dp_next_hop *hop,
	const struct dp_lane_leaving *l, uint32_t bytes, bool ipv4)
{
	return atomic_load_explicit(&flow->flags, memory_order_relaxed) == 0 &&
	       (l->mac_to & DP_MAC_RESOLVED) != 0 && hop->vlan == DP_UNTAGGED &&
	       bytes <= __atomic_load_n(&hop->mtu, __ATOMIC_RELAXED) && (ipv4 || !l->zero_sum);
}

static __rte_always_inline enum dp_lane_fate relay(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, const struct dp_lane_packet *p, struct dp_flow *flow,
	struct rte_mbuf *m)
{
	if (unlikely(flow == NULL))
		return dp_lane_refuse(w, TP_DROP_no_channel);
	if (unlikely(b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed)))
		return dp_lane_refuse(w, TP_DROP_channel_expired);

	const struct dp_next_hop *hop =
		&b->hops[atomic_load_explicit(&flow->next_hop, memory_order_relaxed)];
	bool ipv4 = flow->dst_family == TP_FAMILY_IPV4;
	struct dp_lane_leaving l = leaving(b, hop, p, m);
	l.ports = ports_of(flow);
	uint32_t bytes = (ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES) + l.length;
	if (unlikely(!fits(flow, hop, &l, bytes, ipv4)))
		return DP_LANE_LEFT;
	if (unlikely(!within_rate(w, b, flow, p)))
		return DP_LANE_DROPPED;
	dp_account_channel(w, flow, p->length);

	const struct dp_local *from = &b->locals[flow->src_local];
	uint8_t *data = rte_pktmbuf_mtod_offset(m, uint8_t *, p->payload);
	uint32_t head = dp_lane_swap16(flow->channel) | dp_lane_swap16(p->length) << 16;
	dp_store32(data - HEAD, head);
	data -= p->prefix;
	l.sum = p->sum + (p->prefix != 0 ? head : 0);
	uint8_t *start = ipv4 ? dp_lane_write_ipv4(b, &l, from, flow->dst_ip, data)
			      : dp_lane_write_ipv6(&l, from, flow->dst_ip, data);
	dp_lane_leave(lane, (uint8_t)hop->port, m, start, TP_ETHER_BYTES + bytes);
	return DP_LANE_SENT;
}

// ---- indications

// Prefix and padding of a Data indication around the data; returns the sum over what was added.
static uint64_t write_data(struct dp_worker *w, const struct dp_flow_key *key,
	const struct dp_lane_packet *p, uint8_t *data, uint32_t padding)
{
	struct dp_packet shown; // only what is written here is read; to clear it all would cost more

	shown.key.family = key->family;
	shown.payload_length = p->length;
	shown.prefix = DP_PREFIX_DATA;
	shown.shown_ip = key->ip;
	shown.shown_port = tp_raw16(data - TP_UDP_BYTES);
	dp_write_indication(w, &shown, data - p->prefix, p->prefix);
	for (uint32_t i = 0; i < padding; i++)
		data[p->length + i] = 0;
	return dp_sum_words(data - p->prefix, p->prefix);
}

// The same way for a Send, which goes where it says itself, and for a Data indication.
static __rte_noinline enum dp_lane_fate relay_indication(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	const struct dp_lane_packet *p = &lane->packet[k];
	const struct dp_flow_key *key = &lane->key[k];
	struct dp_flow *flow = lane->flow[k];
	bool send = (p->flags & DP_LANE_SEND) != 0;

	if (p->flags & DP_LANE_BACK)
		return DP_LANE_LEFT;
	if (flow == NULL)
		return dp_lane_refuse(w, TP_DROP_no_permission);
	if (b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed))
		return dp_lane_refuse(w, TP_DROP_permission_expired);

	const struct dp_next_hop *hop = &b->hops[atomic_load_explicit(
		send ? &flow->peer_next_hop : &flow->next_hop, memory_order_relaxed)];
	const uint8_t *to = send ? key->ip : flow->dst_ip;
	bool ipv4 = (send ? key->family : flow->dst_family) == TP_FAMILY_IPV4;
	uint32_t padding = send ? 0 : -(uint32_t)p->length & 3;
	struct dp_lane_leaving l = leaving(b, hop, p, m);
	l.ports = send ? key->selector | (uint32_t)key->port << 16 : ports_of(flow);
	l.length += padding;
	uint32_t bytes = (ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES) + l.length;
	if (!fits(flow, hop, &l, bytes, ipv4) ||
		m->data_off + (uint32_t)p->payload + p->length + padding > m->buf_len)
		return DP_LANE_LEFT;
	if (!within_rate(w, b, flow, p))
		return DP_LANE_DROPPED;
	if (send)
		dp_account_shared(&flow->up_packets, &flow->up_bytes, p->length);
	else
		dp_account_shared(&flow->packets, &flow->bytes, p->length);

	const struct dp_local *from = &b->locals[send ? key->local : flow->src_local];
	uint8_t *data = rte_pktmbuf_mtod_offset(m, uint8_t *, p->payload);
	l.sum = p->sum + (send ? 0 : write_data(w, key, p, data, padding));
	data -= p->prefix;
	uint8_t *start = ipv4 ? dp_lane_write_ipv4(b, &l, from, to, data)
			      : dp_lane_write_ipv6(&l, from, to, data);
	dp_lane_leave(lane, (uint8_t)hop->port, m, start, TP_ETHER_BYTES + bytes);
	return DP_LANE_SENT;
}

static enum dp_lane_fate no_channel(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	return lane->packet[k].flags & DP_LANE_BINDING ? dp_lane_answer(w, b, lane, k, m)
						       : relay_indication(w, b, lane, k, m);
}

static struct dp_lane_burst begin(const struct dp_worker *w, uint64_t now_ns)
{
	return (struct dp_lane_burst){.hops = w->dp->next_hops,
		.locals = w->locals->locals,
		.macs = w->port_mac,
		.police = w->dp->police,
		.now_ns = now_ns,
		.tos_keep = w->tos_keep,
		.tos_set = w->tos_set,
		.hops_keep = w->hop_limit != 0 ? 0 : 0xff,
		.hops_add = w->hop_limit != 0 ? w->hop_limit : UINT32_MAX,
		.ipv4_id = w->ipv4_id,
		.keep_ipv4_id = w->keep_ipv4_id};
}

void dp_lane_relay(
	struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[], uint64_t now_ns)
{
	struct dp_lane_burst b = begin(w, now_ns);
	uint32_t prefixes = 0, stun[DP_LANE_STUN + 1] = {0};

	lane->n_out = 0;
	for (uint32_t k = 0; k < lane->n; k++) {
		const struct dp_lane_packet *p = &lane->packet[k];
		struct rte_mbuf *m = burst[lane->at[k]];
		bool channel = (p->flags & DP_LANE_STUN) == 0;
		enum dp_lane_fate fate = likely(channel) ? relay(w, &b, lane, p, lane->flow[k], m)
						 : no_channel(w, &b, lane, k, m);
		if (likely(fate == DP_LANE_SENT)) {
			lane->out_at[lane->n_out++] = lane->at[k];
			if (likely(channel))
				prefixes += p->prefix;
			else
				stun[p->flags & DP_LANE_STUN]++;
		} else if (fate == DP_LANE_LEFT) {
			lane->left |= UINT32_C(1) << lane->at[k];
		} else {
			rte_pktmbuf_free(m);
		}
	}
	w->ipv4_id = (uint16_t)b.ipv4_id;
	dp_count(w, TP_COUNTER_channel_up,
		lane->n_out - stun[DP_LANE_SEND] - stun[DP_LANE_DATA] - stun[DP_LANE_BINDING] -
			prefixes / HEAD);
	dp_count(w, TP_COUNTER_channel_down, prefixes / HEAD);
	dp_count(w, TP_COUNTER_send_up, stun[DP_LANE_SEND]);
	dp_count(w, TP_COUNTER_data_down, stun[DP_LANE_DATA]);
	dp_count(w, TP_COUNTER_binding, stun[DP_LANE_BINDING]);
}
