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

// Whether the lane can send it: `bytes` of IP, and whether UDP has a checksum.
static __rte_always_inline bool fits(const struct dp_flow *flow, const struct dp_next_hop *hop,
	uint64_t mac, uint32_t bytes, bool ipv4, const uint8_t *payload)
{
	return atomic_load_explicit(&flow->flags, memory_order_relaxed) == 0 &&
	       (mac >> DP_MAC_RESOLVED_BIT & 1) != 0 && hop->vlan == DP_UNTAGGED &&
	       bytes <= __atomic_load_n(&hop->mtu, __ATOMIC_RELAXED) &&
	       (ipv4 || tp_raw16(payload - 2) != 0);
}

// From the headers that came, before anything is written over them.
static __rte_always_inline struct dp_lane_leaving leaving(struct dp_lane_burst *b,
	const struct dp_next_hop *hop, uint64_t mac, const uint8_t *frame, bool from_ipv4,
	bool to_ipv4)
{
	const uint8_t *ip = frame + TP_ETHER_BYTES;
	uint32_t came = from_ipv4 ? dp_load32(ip + 4) : 0;
	uint32_t third = from_ipv4 ? dp_load32(ip + 8) & UINT16_MAX : ip[7] | DP_LANE_UDP_WORD;
	struct dp_lane_leaving l = {.mac_to = mac,
		.mac_from = b->macs[hop->port],
		.first = (dp_lane_tos(frame, from_ipv4) & b->tos_keep) | b->tos_set,
		.third = (third & b->hops_keep) + b->hops_add};

	if (to_ipv4 && from_ipv4 && unlikely(b->keep_ipv4_id))
		l.second = came & (UINT16_MAX | DP_LANE_DF << 16);
	else if (to_ipv4)
		l.second = (came & DP_LANE_DF << 16) | dp_lane_new_id(b);
	return l;
}

static inline uint64_t mac_of(const struct dp_next_hop *hop)
{
	return atomic_load_explicit(&hop->mac_state, memory_order_relaxed);
}

static inline uint32_t ports_of(const struct dp_flow *flow)
{
	static_assert(offsetof(struct dp_flow, dst_port) == offsetof(struct dp_flow, src_port) + 2);
	return dp_load32((const uint8_t *)&flow->src_port);
}

// Padding of a ChannelData message stands behind the data, at an odd place of the checksum now and
// then, and does not go on.
static __rte_noinline uint32_t sum_of_padding(const uint8_t *data, const struct dp_lane_packet *p)
{
	return tp_sum_at(tp_sum_bytes(data + p->length, p->padding), p->length);
}

// Length and checksum of UDP behind the relay; `came`: as they were. What is the same for all
// datagrams of the flow it knows; the lengths are left, of which a message has up to three: UDP's
// twice, ChannelData's.
static __rte_always_inline uint32_t relayed_udp(const struct dp_flow *flow,
	const struct dp_lane_packet *p, uint32_t came, uint32_t length, const uint8_t *data)
{
	uint32_t down = p->prefix != 0 ? 0xffff : 0;
	uint32_t sum = (came >> 16) + flow->sum_change +
		       2 * ((uint16_t)came + (length ^ 0xffff)) +
		       (dp_lane_swap16(p->length) ^ down);

	if (unlikely(p->padding != 0))
		sum += sum_of_padding(data, p);
	return dp_lane_udp(length, dp_lane_fold32_high(sum), came >> 16 == 0);
}

// One way for up and down, which come mixed; one for each pair of families, which hardly do.
static __rte_always_inline enum dp_lane_fate relay_between(struct dp_worker *w,
	struct dp_lane_burst *b, struct dp_lane *lane, uint32_t k, struct dp_flow *flow,
	struct rte_mbuf *m, bool from_ipv4, bool to_ipv4)
{
	const struct dp_lane_packet *p = &lane->packet[k];
	const uint32_t came_at =
		TP_ETHER_BYTES + (from_ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES) + TP_UDP_BYTES;
	const struct dp_next_hop *hop =
		&b->hops[atomic_load_explicit(&flow->next_hop, memory_order_relaxed)];
	uint64_t mac = mac_of(hop);
	uint32_t length = TP_UDP_BYTES + (uint32_t)p->prefix + p->length;
	uint32_t bytes = (to_ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES) + length;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *payload = frame + came_at;
	if (unlikely(!fits(flow, hop, mac, bytes, to_ipv4, payload)))
		return DP_LANE_LEFT;
	if (unlikely(!within_rate(w, b, flow, p)))
		return DP_LANE_DROPPED;
	dp_account_channel(w, flow, p->length);

	uint8_t *data = payload + HEAD - p->prefix;
	struct dp_lane_leaving l = leaving(b, hop, mac, frame, from_ipv4, to_ipv4);
	uint32_t udp = relayed_udp(flow, p, dp_load32(payload - 4), dp_lane_swap16(length), data);
	l.length = length;
	l.ports = ports_of(flow);
	dp_store32(data - HEAD, dp_lane_swap16(flow->channel) | dp_lane_swap16(p->length) << 16);
	data -= p->prefix;
	const struct dp_local *from = &b->locals[flow->src_local];
	uint8_t *start = to_ipv4 ? dp_lane_write_ipv4(&l, from, flow->dst_ip, udp, data)
				 : dp_lane_write_ipv6(&l, from, flow->dst_ip, udp, data);
	dp_lane_leave(w, lane, k, hop->port, m, start, TP_ETHER_BYTES + bytes);
	return DP_LANE_SENT;
}

static __rte_noinline enum dp_lane_fate relay_across(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct dp_flow *flow, struct rte_mbuf *m)
{
	return flow->dst_family == TP_FAMILY_IPV4
		       ? relay_between(w, b, lane, k, flow, m, false, true)
		       : relay_between(w, b, lane, k, flow, m, true, false);
}

static __rte_always_inline enum dp_lane_fate relay(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	struct dp_flow *flow = lane->flow[k];

	if (unlikely(flow == NULL))
		return dp_lane_refuse(w, TP_DROP_no_channel);
	if (unlikely(b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed)))
		return dp_lane_refuse(w, TP_DROP_channel_expired);
	if (unlikely(flow->dst_family != lane->packet[k].family))
		return relay_across(w, b, lane, k, flow, m);
	return likely(flow->dst_family == TP_FAMILY_IPV4)
		       ? relay_between(w, b, lane, k, flow, m, true, true)
		       : relay_between(w, b, lane, k, flow, m, false, false);
}

// ---- indications

// A Data indication around its data (RFC 8656 sections 11.3 and 18.3), up to it, and the padding
// behind; returns the sum over what was added.
static uint64_t write_data(struct dp_worker *w, const struct dp_flow_key *key,
	const struct dp_lane_packet *p, uint8_t *data, uint32_t padding)
{
	bool ipv4 = key->family == TP_FAMILY_IPV4;
	uint32_t address = ipv4 ? DP_LANE_ADDRESS_IPV4 : DP_LANE_ADDRESS_IPV6;
	uint32_t port = tp_raw16(data - TP_UDP_BYTES); // before something else stands there
	uint32_t message = p->prefix - STUN_HEADER_BYTES + p->length + padding;
	uint64_t random = dp_random(w), more = dp_random(w);
	uint8_t *at = data - p->prefix, *attr = at + STUN_HEADER_BYTES;
	uint64_t sum = dp_lane_put(
		at, htobe32((uint32_t)stun_type(STUN_INDICATION, STUN_DATA) << 16 | message));

	sum += dp_lane_put(at + 4, htobe32(STUN_MAGIC_COOKIE));
	sum += dp_lane_put(at + 8, (uint32_t)random);
	sum += dp_lane_put(at + 12, (uint32_t)(random >> 32));
	sum += dp_lane_put(at + 16, (uint32_t)more);
	sum += dp_lane_put_address(attr, STUN_ATTR_XOR_PEER_ADDRESS, at, key->ip, port, ipv4);
	sum += dp_lane_put(attr + address, htobe32((uint32_t)STUN_ATTR_DATA << 16 | p->length));
	for (uint32_t i = 0; i < padding; i++)
		data[p->length + i] = 0;
	return sum;
}

// The same way for a Send, which goes where it says itself, and for a Data indication.
static __rte_always_inline enum dp_lane_fate relay_indication(struct dp_worker *w,
	struct dp_lane_burst *b, struct dp_lane *lane, uint32_t k, struct rte_mbuf *m, bool send)
{
	const struct dp_lane_packet *p = &lane->packet[k];
	const struct dp_flow_key *key = &lane->key[k];
	struct dp_flow *flow = lane->flow[k];

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
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *data = frame + p->payload;
	bool came_ipv4 = p->family == TP_FAMILY_IPV4;
	const uint8_t *payload = frame + TP_ETHER_BYTES + TP_UDP_BYTES +
				 (came_ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES);
	bool no_sum = tp_raw16(payload - 2) == 0;
	uint64_t mac = mac_of(hop);
	uint32_t length = TP_UDP_BYTES + (uint32_t)p->prefix + p->length + padding;
	uint32_t bytes = (ipv4 ? TP_IPV4_BYTES : TP_IPV6_BYTES) + length;
	if (!fits(flow, hop, mac, bytes, ipv4, payload) ||
		m->data_off + (uint32_t)p->payload + p->length + padding > m->buf_len)
		return DP_LANE_LEFT;
	if (!within_rate(w, b, flow, p))
		return DP_LANE_DROPPED;
	if (send)
		dp_account_shared(&flow->up_packets, &flow->up_bytes, p->length);
	else
		dp_account_shared(&flow->packets, &flow->bytes, p->length);

	struct dp_lane_leaving l = leaving(b, hop, mac, frame, came_ipv4, ipv4);
	l.second |= (uint32_t)(p->flags & DP_LANE_DF) << 16;
	l.ports = send ? key->selector | (uint32_t)key->port << 16 : ports_of(flow);
	l.length = length;
	const struct dp_local *from = &b->locals[send ? key->local : flow->src_local];
	uint64_t sum = p->sum + (send ? 0 : write_data(w, key, p, data, padding));
	uint32_t udp = dp_lane_udp_of(&l, sum, from, to, ipv4, no_sum);
	data -= p->prefix;
	uint8_t *start = ipv4 ? dp_lane_write_ipv4(&l, from, to, udp, data)
			      : dp_lane_write_ipv6(&l, from, to, udp, data);
	dp_lane_leave(w, lane, k, hop->port, m, start, TP_ETHER_BYTES + bytes);
	return DP_LANE_SENT;
}

static __rte_noinline enum dp_lane_fate relay_send(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	return relay_indication(w, b, lane, k, m, true);
}

static __rte_noinline enum dp_lane_fate relay_data(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	return relay_indication(w, b, lane, k, m, false);
}

static enum dp_lane_fate no_channel(struct dp_worker *w, struct dp_lane_burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	uint8_t flags = lane->packet[k].flags;

	if (flags & DP_LANE_BINDING)
		return dp_lane_answer(w, b, lane, k, m);
	return flags & DP_LANE_DATA ? relay_data(w, b, lane, k, m) : relay_send(w, b, lane, k, m);
}

static struct dp_lane_burst begin(const struct dp_worker *w, uint64_t now_ns)
{
	bool decrement = w->hop_limit == 0;

	return (struct dp_lane_burst){.hops = w->dp->next_hops,
		.locals = w->locals->locals,
		.macs = w->port_mac,
		.police = w->dp->police,
		.now_ns = now_ns,
		.tos_keep = (uint32_t)w->tos_keep << 8,
		.tos_set = DP_LANE_IPV4_HEAD | (uint32_t)w->tos_set << 8,
		.hops_keep = decrement ? 0xffff : 0xff00,
		.hops_add = decrement ? UINT32_MAX : w->hop_limit,
		.ipv4_id = w->ipv4_id,
		.keep_ipv4_id = w->keep_ipv4_id};
}

static __rte_noinline void drop(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

void dp_lane_relay(
	struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[], uint64_t now_ns)
{
	struct dp_lane_burst b = begin(w, now_ns);
	uint32_t prefixes = 0, channels = 0, stun[DP_LANE_STUN + 1] = {0};

	lane->n_out = 0;
	for (uint32_t k = 0; k < lane->n; k++) {
		const struct dp_lane_packet *p = &lane->packet[k];
		struct rte_mbuf *m = burst[lane->at[k]];
		bool channel = (p->flags & DP_LANE_STUN) == 0;
		enum dp_lane_fate fate = likely(channel) ? relay(w, &b, lane, k, m)
						 : no_channel(w, &b, lane, k, m);
		if (likely(fate == DP_LANE_SENT)) {
			channels += channel;
			if (likely(channel))
				prefixes += p->prefix;
			else
				stun[p->flags & DP_LANE_STUN]++;
		} else if (fate == DP_LANE_LEFT) {
			lane->left |= UINT32_C(1) << lane->at[k];
		} else {
			drop(m);
		}
	}
	w->ipv4_id = (uint16_t)b.ipv4_id;
	dp_count(w, TP_COUNTER_channel_up, channels - prefixes / HEAD);
	dp_count(w, TP_COUNTER_channel_down, prefixes / HEAD);
	dp_count(w, TP_COUNTER_send_up, stun[DP_LANE_SEND]);
	dp_count(w, TP_COUNTER_data_down, stun[DP_LANE_DATA]);
	dp_count(w, TP_COUNTER_binding, stun[DP_LANE_BINDING]);
}
