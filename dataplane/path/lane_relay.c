// SPDX-License-Identifier: BSD-3-Clause
// Last pass of the lane: what the flow says of a datagram, and its new headers. All that could send
// it to the general steps is asked before anything is written, so that they find it untouched. Up
// and down are one way: a ChannelData header is written in both directions, and where there is none
// the UDP header goes over it.
#include <netinet/in.h>

#include "dataplane/path/account.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/lane_indication.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/prefix.h"
#include "dataplane/table/local_find.h"

#define ETHER_BYTES 14
#define IPV4_BYTES  20
#define IPV6_BYTES  40
#define UDP_BYTES   8
#define HEAD        4 // of ChannelData

#define ETHERTYPE_IPV4_HIGH (UINT64_C(0x0008) << 48)
#define ETHERTYPE_IPV6_HIGH (UINT64_C(0xdd86) << 48)
#define UDP_WORD            (IPPROTO_UDP << 8)
#define KEPT                UINT32_C(0x10000)

// What is the same for all datagrams of a burst, read once: every store into a frame could change
// it for all that the compiler knows.
struct burst {
	const struct dp_next_hop *hops;
	const struct dp_local *locals;
	const uint64_t *macs;
	struct dp_police_state *police;
	uint64_t now_ns;
	uint32_t tos_keep, tos_set;
	uint32_t hops_keep, hops_add;
	uint32_t ipv4_id;
	bool keep_ipv4_id;
};

// Everything that the headers are made of.
struct leaving {
	uint64_t mac_to, mac_from; // the latter's two high bytes are zero
	uint64_t sum;              // over the UDP payload
	uint64_t ports;            // source, then destination, as in the packet
	uint32_t length;           // of UDP
	uint32_t tos, hops, df;
	uint32_t kept_id; // KEPT and the IPv4 ID of the datagram, as in the packet; 0: a new one
	bool zero_sum;
};

static inline uint32_t swap16(uint32_t word)
{
	return __builtin_bswap16((uint16_t)word);
}

static inline void write_ethernet(const struct leaving *l, uint8_t *at, uint64_t type)
{
	dp_store64(at, l->mac_to);
	dp_store64(at + 6, l->mac_from | type);
}

// `sum`: over addresses.
static inline uint32_t udp_word(const struct leaving *l, uint64_t sum)
{
	uint32_t length = swap16(l->length);
	uint16_t checksum = (uint16_t)~dp_lane_fold(
		l->sum + sum + l->ports + 2 * (uint64_t)length + UDP_WORD);

	checksum = checksum == 0 ? 0xffff : checksum;
	if (unlikely(l->zero_sum))
		checksum = 0;
	return length | (uint32_t)checksum << 16;
}

// Both end where `data` begins, and return where the frame does.
static __rte_always_inline uint8_t *write_ipv4(struct burst *b, const struct leaving *l,
	const struct dp_local *from, const uint8_t *to, uint8_t *data)
{
	uint8_t *at = data - UDP_BYTES - IPV4_BYTES - ETHER_BYTES;
	uint32_t source = dp_load32(from->address.bytes), destination = dp_load32(to);
	uint32_t first = 0x45 | l->tos << 8 | swap16(IPV4_BYTES + l->length) << 16;
	uint32_t id = unlikely(l->kept_id) ? l->kept_id & UINT16_MAX : swap16(b->ipv4_id++);
	uint32_t second = id | l->df << 16;
	uint32_t third = l->hops | UDP_WORD;
	uint64_t addresses = (uint64_t)source + destination;
	uint32_t checksum = dp_lane_fold(addresses + first + second + third) ^ 0xffff;

	write_ethernet(l, at, ETHERTYPE_IPV4_HIGH);
	dp_store32(at + ETHER_BYTES, first);
	dp_store32(at + ETHER_BYTES + 4, second);
	dp_store32(at + ETHER_BYTES + 8, third | checksum << 16);
	dp_store32(at + ETHER_BYTES + 12, source);
	dp_store64(at + ETHER_BYTES + 16, destination | l->ports << 32);
	dp_store32(at + ETHER_BYTES + IPV4_BYTES + 4, udp_word(l, addresses));
	return at;
}

static __rte_always_inline uint8_t *write_ipv6(const struct leaving *l,
	const struct dp_local *from, const uint8_t *to, uint8_t *data)
{
	uint8_t *at = data - UDP_BYTES - IPV6_BYTES - ETHER_BYTES, *ip = at + ETHER_BYTES;

	write_ethernet(l, at, ETHERTYPE_IPV6_HIGH);
	dp_store32(ip, __builtin_bswap32(UINT32_C(6) << 28 | l->tos << 20));
	dp_store32(ip + 4,
		swap16(l->length) | (uint32_t)IPPROTO_UDP << 16 | l->hops << 24);
	memcpy(ip + 8, from->address.bytes, 16);
	memcpy(ip + 24, to, 16);
	dp_store32(ip + IPV6_BYTES, (uint32_t)l->ports);
	dp_store32(ip + IPV6_BYTES + 4, udp_word(l, from->source_sum + dp_lane_sum_ipv6(to)));
	return at;
}

// False: over one of the rates, and counted.
static __rte_always_inline bool within_rate(struct dp_worker *w, const struct burst *b,
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

enum fate {
	SENT,
	LEFT,
	DROPPED,
};

static enum fate refuse(struct dp_worker *w, enum tp_drop_reason reason)
{
	dp_count_drop(w, reason, 1);
	return DROPPED;
}

// Before anything is written over the headers that came.
static inline uint32_t kept_id(const struct rte_mbuf *m)
{
	const uint8_t *at = rte_pktmbuf_mtod(m, const uint8_t *);

	return tp_raw16(at + ETHER_BYTES - 2) == RTE_BE16(RTE_ETHER_TYPE_IPV4)
		       ? KEPT | tp_raw16(at + ETHER_BYTES + 4)
		       : 0;
}

static __rte_always_inline struct leaving leaving(const struct burst *b,
	const struct dp_next_hop *hop, const struct dp_lane_packet *p, const struct rte_mbuf *m)
{
	return (struct leaving){
		.mac_to = atomic_load_explicit(&hop->mac_state, memory_order_relaxed),
		.mac_from = b->macs[hop->port],
		.length = UDP_BYTES + (uint32_t)p->prefix + p->length,
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
	const struct leaving *l, uint32_t bytes, bool ipv4)
{
	return atomic_load_explicit(&flow->flags, memory_order_relaxed) == 0 &&
	       (l->mac_to & DP_MAC_RESOLVED) != 0 && hop->vlan == DP_UNTAGGED &&
	       bytes <= __atomic_load_n(&hop->mtu, __ATOMIC_RELAXED) && (ipv4 || !l->zero_sum);
}

static __rte_always_inline void leave(struct dp_lane *lane, const struct dp_next_hop *hop,
	struct rte_mbuf *m, const uint8_t *start, uint32_t bytes)
{
	m->data_off = (uint16_t)(start - (const uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)bytes;
	m->pkt_len = bytes;
	m->hash.usr = 1; // DP_FRAME_FRAMES: it stands for itself
	lane->out_port[lane->n_out] = (uint8_t)hop->port;
	lane->out[lane->n_out] = m;
}

static __rte_always_inline enum fate relay(struct dp_worker *w, struct burst *b,
	struct dp_lane *lane, const struct dp_lane_packet *p, struct dp_flow *flow,
	struct rte_mbuf *m)
{
	if (unlikely(flow == NULL))
		return refuse(w, TP_DROP_no_channel);
	if (unlikely(b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed)))
		return refuse(w, TP_DROP_channel_expired);

	const struct dp_next_hop *hop =
		&b->hops[atomic_load_explicit(&flow->next_hop, memory_order_relaxed)];
	bool ipv4 = flow->dst_family == TP_FAMILY_IPV4;
	struct leaving l = leaving(b, hop, p, m);
	l.ports = ports_of(flow);
	uint32_t bytes = (ipv4 ? IPV4_BYTES : IPV6_BYTES) + l.length;
	if (unlikely(!fits(flow, hop, &l, bytes, ipv4)))
		return LEFT;
	if (unlikely(!within_rate(w, b, flow, p)))
		return DROPPED;
	dp_account_channel(w, flow, p->length);

	const struct dp_local *from = &b->locals[flow->src_local];
	uint8_t *data = rte_pktmbuf_mtod_offset(m, uint8_t *, p->payload);
	uint32_t head = swap16(flow->channel) | swap16(p->length) << 16;
	dp_store32(data - HEAD, head);
	data -= p->prefix;
	l.sum = p->sum + (p->prefix != 0 ? head : 0);
	uint8_t *start = ipv4 ? write_ipv4(b, &l, from, flow->dst_ip, data)
			      : write_ipv6(&l, from, flow->dst_ip, data);
	leave(lane, hop, m, start, ETHER_BYTES + bytes);
	return SENT;
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
	shown.shown_port = tp_raw16(data - UDP_BYTES);
	dp_write_indication(w, &shown, data - p->prefix, p->prefix);
	for (uint32_t i = 0; i < padding; i++)
		data[p->length + i] = 0;
	return dp_sum_words(data - p->prefix, p->prefix);
}

// The same way for a Send, which goes where it says itself, and for a Data indication.
static __rte_noinline enum fate relay_indication(struct dp_worker *w, struct burst *b,
	struct dp_lane *lane, uint32_t k, struct rte_mbuf *m)
{
	const struct dp_lane_packet *p = &lane->packet[k];
	const struct dp_flow_key *key = &lane->key[k];
	struct dp_flow *flow = lane->flow[k];
	bool send = (p->flags & DP_LANE_SEND) != 0;

	if (p->flags & DP_LANE_BACK)
		return LEFT;
	if (flow == NULL)
		return refuse(w, TP_DROP_no_permission);
	if (b->now_ns > atomic_load_explicit(&flow->deadline_ns, memory_order_relaxed))
		return refuse(w, TP_DROP_permission_expired);

	const struct dp_next_hop *hop = &b->hops[atomic_load_explicit(
		send ? &flow->peer_next_hop : &flow->next_hop, memory_order_relaxed)];
	const uint8_t *to = send ? key->ip : flow->dst_ip;
	bool ipv4 = (send ? key->family : flow->dst_family) == TP_FAMILY_IPV4;
	uint32_t padding = send ? 0 : -(uint32_t)p->length & 3;
	struct leaving l = leaving(b, hop, p, m);
	l.ports = send ? key->selector | (uint32_t)key->port << 16 : ports_of(flow);
	l.length += padding;
	uint32_t bytes = (ipv4 ? IPV4_BYTES : IPV6_BYTES) + l.length;
	if (!fits(flow, hop, &l, bytes, ipv4) ||
		m->data_off + (uint32_t)p->payload + p->length + padding > m->buf_len)
		return LEFT;
	if (!within_rate(w, b, flow, p))
		return DROPPED;
	if (send)
		dp_account_shared(&flow->up_packets, &flow->up_bytes, p->length);
	else
		dp_account_shared(&flow->packets, &flow->bytes, p->length);

	const struct dp_local *from = &b->locals[send ? key->local : flow->src_local];
	uint8_t *data = rte_pktmbuf_mtod_offset(m, uint8_t *, p->payload);
	l.sum = p->sum + (send ? 0 : write_data(w, key, p, data, padding));
	data -= p->prefix;
	uint8_t *start = ipv4 ? write_ipv4(b, &l, from, to, data) : write_ipv6(&l, from, to, data);
	leave(lane, hop, m, start, ETHER_BYTES + bytes);
	return SENT;
}

static struct burst begin(const struct dp_worker *w, uint64_t now_ns)
{
	return (struct burst){.hops = w->dp->next_hops,
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

void dp_lane_relay(struct dp_worker *w, struct dp_lane *lane, struct rte_mbuf *const burst[],
	uint64_t now_ns)
{
	struct burst b = begin(w, now_ns);
	uint32_t prefixes = 0, indications[2] = {0};

	lane->n_out = 0;
	for (uint32_t k = 0; k < lane->n; k++) {
		const struct dp_lane_packet *p = &lane->packet[k];
		struct rte_mbuf *m = burst[lane->at[k]];
		bool channel = (p->flags & DP_LANE_INDICATION) == 0;
		enum fate fate = likely(channel) ? relay(w, &b, lane, p, lane->flow[k], m)
						 : relay_indication(w, &b, lane, k, m);
		if (likely(fate == SENT)) {
			lane->out_at[lane->n_out++] = lane->at[k];
			if (likely(channel))
				prefixes += p->prefix;
			else
				indications[(p->flags & DP_LANE_SEND) != 0]++;
		} else if (fate == LEFT) {
			lane->left |= UINT32_C(1) << lane->at[k];
		} else {
			rte_pktmbuf_free(m);
		}
	}
	w->ipv4_id = (uint16_t)b.ipv4_id;
	dp_count(w, TP_COUNTER_channel_up,
		lane->n_out - indications[0] - indications[1] - prefixes / HEAD);
	dp_count(w, TP_COUNTER_channel_down, prefixes / HEAD);
	dp_count(w, TP_COUNTER_send_up, indications[1]);
	dp_count(w, TP_COUNTER_data_down, indications[0]);
}
