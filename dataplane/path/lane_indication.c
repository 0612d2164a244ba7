// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_read.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/lane_binding.h"
#include "dataplane/path/lane_sum.h"
#include "dataplane/path/state.h"
#include "dataplane/path/stun_scan.h"
#include "dataplane/table/local_find.h"

// XOR-PEER-ADDRESS into address and family of a permission's key, the port apart; false when it is
// none, or one of ours, which may mean a hairpin.
static bool read_peer(const struct dp_worker *w, const uint8_t *bytes, const struct stun_scan *s,
	struct dp_flow_key *key, rte_be16_t *port)
{
	const uint8_t *value = bytes + s->peer;
	struct tp_ip ip = {0};

	if (s->peer_length == 8 && value[1] == 1) {
		dp_store32(ip.bytes, dp_load32(value + 4) ^ dp_load32(bytes + 4));
		ip.family = TP_FAMILY_IPV4;
	} else if (s->peer_length == 20 && value[1] == 2) {
		dp_store64(ip.bytes, dp_load64(value + 4) ^ dp_load64(bytes + 4));
		dp_store64(ip.bytes + 8, dp_load64(value + 12) ^ dp_load64(bytes + 12));
		ip.family = TP_FAMILY_IPV6;
	} else {
		return false;
	}
	if (dp_local_index_find(w->locals, &w->locals->by_public, true, ip.family, ip.bytes)
				->local != DP_LOCAL_NONE ||
		dp_local_index_find(w->locals, &w->locals->by_address, false, ip.family, ip.bytes)
				->local != DP_LOCAL_NONE)
		return false;
	*port = tp_raw16(value + 2) ^ tp_raw16(bytes + 4);
	*key = (struct dp_flow_key){.side = DP_KEY_PEER, .family = ip.family};
	memcpy(key->ip, ip.bytes, sizeof(key->ip));
	return true;
}

// What stands before and after DATA leaves payload and checksum.
static void strip(struct dp_lane_packet *p, const uint8_t *bytes, const struct stun_scan *s)
{
	uint32_t end = (uint32_t)s->data + s->data_length, after = p->length - end;

	p->sum -= dp_lane_fold(dp_sum_words(bytes, s->data));
	if (after != 0)
		p->sum -= tp_sum_at(tp_sum_bytes(bytes + end, after), end);
	p->sum += DP_LANE_ZERO;
	p->payload = (uint16_t)(p->payload + s->data);
	p->length = s->data_length;
}

// RFC 8656 section 11.2 up to the permission. False: nothing was changed but flags, and the general
// steps say what is the matter.
static bool read_send(const struct dp_worker *w, struct dp_lane *lane, uint32_t k,
	const struct rte_mbuf *m, uint64_t now_ns, rte_be16_t *port)
{
	struct dp_lane_packet *p = &lane->packet[k];
	const uint8_t *bytes = rte_pktmbuf_mtod_offset(m, const uint8_t *, p->payload);
	const struct dp_flow *alloc = lane->flow[k];
	bool from_ipv4 = lane->key[k].family == TP_FAMILY_IPV4;
	struct dp_flow_key key;
	struct stun_scan s;

	if (alloc == NULL ||
		now_ns > atomic_load_explicit(&alloc->deadline_ns, memory_order_relaxed) ||
		atomic_load_explicit(&alloc->flags, memory_order_relaxed) != 0 ||
		!stun_scan(bytes, p->length, &s) || s.fingerprint || s.unknown_required ||
		s.peer == 0 || s.data == 0 || !read_peer(w, bytes, &s, &key, port))
		return false;
	uint32_t side = key.family == TP_FAMILY_IPV6;
	key.local = atomic_load_explicit(&alloc->relay_local[side], memory_order_relaxed);
	key.selector = alloc->relay_port[side];
	if (key.local == DP_LOCAL_NONE)
		return false;
	if (s.dont_fragment && from_ipv4)
		p->flags |= DP_LANE_DF;
	lane->key[k] = key;
	strip(p, bytes, &s);
	return true;
}

// A datagram of a peer without a live channel.
static void read_data(struct dp_lane *lane, uint32_t k, const struct rte_mbuf *m)
{
	struct dp_lane_packet *p = &lane->packet[k];
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	p->sum = dp_lane_sum_udp(frame, frame + p->payload, lane->key[k].family);

	// Its headers grow to the front, into the line before.
	__builtin_prefetch(frame - DP_LANE_HEADROOM / 2, 1, 3);
	lane->key[k].port = 0;
	p->flags |= DP_LANE_DATA;
	p->prefix = lane->key[k].family == TP_FAMILY_IPV4 ? DP_LANE_DATA_IPV4
							  : DP_LANE_DATA_IPV6;
}

void dp_lane_ask_permissions(struct dp_worker *w, struct dp_lane *lane,
	struct rte_mbuf *const burst[], uint64_t now_ns)
{
	const struct dp_flow_key *key[DP_BURST];
	struct dp_flow *flow[DP_BURST];
	rte_be16_t port[DP_BURST];
	uint8_t at[DP_BURST];
	uint32_t n = 0;

	for (uint32_t k = 0; k < lane->n; k++) {
		struct dp_lane_packet *p = &lane->packet[k];
		port[n] = 0;
		if (p->flags & (DP_LANE_SEND | DP_LANE_BINDING)) {
			if (p->flags & DP_LANE_BINDING) {
				dp_lane_fetch_budget(w, lane, k);
				continue;
			}
			if (!read_send(w, lane, k, burst[lane->at[k]], now_ns, &port[n])) {
				p->flags |= DP_LANE_BACK;
				continue;
			}
		} else if (p->prefix != 0 && !dp_lane_live(lane->flow[k], now_ns)) {
			read_data(lane, k, burst[lane->at[k]]);
		} else {
			continue;
		}
		key[n] = &lane->key[k];
		at[n++] = (uint8_t)k;
	}
	if (n == 0)
		return;
	dp_flow_lookup_bulk(w->flows, key, n, flow);
	for (uint32_t i = 0; i < n; i++) {
		lane->flow[at[i]] = flow[i];
		lane->key[at[i]].port = port[i];
	}
}
