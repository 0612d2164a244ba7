// SPDX-License-Identifier: BSD-3-Clause
// As binding.c answers; whatever else may be the matter with a request is left to the general
// steps.
#include "dataplane/path/lane_binding.h"

#include "common/wire/fingerprint.h"
#include "dataplane/net/net.h"
#include "dataplane/path/budget.h"
#include "dataplane/path/police.h"
#include "dataplane/path/source.h"

// Where the answer goes: by the routes, or back to where it came from while there are none.
struct way {
	uint64_t mac;
	uint32_t mtu;
	uint8_t port;
};

// False: over a tagged link.
static bool find_way(const struct dp_worker *w, const struct dp_lane_burst *b,
	const struct dp_lane *lane, const struct dp_flow_key *key, const uint8_t *frame,
	struct way *out)
{
	struct tp_ip client = {.family = key->family};
	uint16_t number = DP_NEXT_HOP_NONE;
	const struct dp_next_hop *hop;

	memcpy(client.bytes, key->ip, sizeof(client.bytes));
	if (w->dp->net != NULL)
		number = dp_net_lookup(w->dp->net, &client);
	hop = &b->hops[number];
	out->mac = atomic_load_explicit(&hop->mac_state, memory_order_relaxed);
	if (out->mac & DP_MAC_RESOLVED) {
		out->port = (uint8_t)hop->port;
		out->mtu = __atomic_load_n(&hop->mtu, __ATOMIC_RELAXED);
		return hop->vlan == DP_UNTAGGED;
	}
	out->mac = dp_load64(frame + 6);
	out->port = lane->in_port;
	out->mtu = w->tx[lane->in_port].mtu;
	return true;
}

void dp_lane_fetch_budget(struct dp_worker *w, struct dp_lane *lane, uint32_t k)
{
	const struct dp_flow_key *key = &lane->key[k];

	if (lane->flow[k] == NULL)
		dp_budget_fetch(w->budget, key->family, key->ip, lane->tag[k]);
}

static bool within_budget(
	struct dp_worker *w, uint64_t now_ns, const uint64_t tag[2], struct dp_flow *alloc)
{
	if (alloc == NULL)
		return dp_budget_fetched(w->budget, tag, now_ns);
	return dp_police_packet(&alloc->requests[0], DP_ALLOC_REQUESTS, now_ns);
}

// What is not as it was in the request; its bytes are the answer's. Returns the length, and the sum
// over all of it.
static uint32_t write(uint8_t *at, const struct dp_flow_key *key, bool fingerprint, uint64_t *sum)
{
	bool ipv4 = key->family == TP_FAMILY_IPV4;
	uint32_t mapped = ipv4 ? DP_LANE_ADDRESS_IPV4 : DP_LANE_ADDRESS_IPV6;
	uint32_t attributes = mapped + (fingerprint ? DP_LANE_FINGERPRINT_BYTES : 0);
	uint8_t *value = at + STUN_HEADER_BYTES;

	*sum = dp_lane_sum_ipv6(at + 4); // cookie and transaction, sixteen bytes as well
	*sum += dp_lane_put(
		at, htobe32((uint32_t)stun_type(STUN_SUCCESS, STUN_BINDING) << 16 | attributes));
	*sum += dp_lane_put_address(
		value, STUN_ATTR_XOR_MAPPED_ADDRESS, at, key->ip, key->port, ipv4);
	if (fingerprint) {
		value += mapped;
		*sum += dp_lane_put(value, htobe32((uint32_t)STUN_ATTR_FINGERPRINT << 16 | 4));
		*sum += dp_lane_put(
			value + 4, htobe32(stun_fingerprint(at, STUN_HEADER_BYTES + mapped)));
	}
	return STUN_HEADER_BYTES + attributes;
}

// Nothing is written, and no budget touched, before all that the general steps may have to see.
enum dp_lane_fate dp_lane_answer(struct dp_worker *w, struct dp_lane_burst *b, struct dp_lane *lane,
	uint32_t k, struct rte_mbuf *m)
{
	const struct dp_lane_packet *p = &lane->packet[k];
	const struct dp_flow_key *key = &lane->key[k];
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), *data = frame + p->payload, *start;
	bool fingerprint = p->length != STUN_HEADER_BYTES, ipv4 = key->family == TP_FAMILY_IPV4;
	const struct tp_addr *listener = &w->locals->listener[key->local];
	uint32_t most = STUN_HEADER_BYTES + DP_LANE_ADDRESS_IPV6 + DP_LANE_FINGERPRINT_BYTES;
	struct way way;

	if (w->locals->listener_discovery[key->local].other.ip.family != TP_FAMILY_NONE ||
		m->data_off + (uint32_t)p->payload + most > m->buf_len ||
		(fingerprint && tp_rd32(data + STUN_HEADER_BYTES + 4) !=
					stun_fingerprint(data, STUN_HEADER_BYTES)) ||
		!dp_source_possible_at(w, key->family, key->ip, frame) ||
		!find_way(w, b, lane, key, frame, &way) ||
		TP_IPV6_BYTES + TP_UDP_BYTES + most > way.mtu)
		return DP_LANE_LEFT;
	if (!within_budget(w, b->now_ns, lane->tag[k], lane->flow[k]))
		return dp_lane_refuse(w, TP_DROP_budget_binding);
	uint64_t sum;
	uint32_t length = write(data, key, fingerprint, &sum);
	const struct dp_lane_leaving l = {.mac_to = way.mac,
		.mac_from = b->macs[way.port],
		.ports = rte_cpu_to_be_16(listener->port) | (uint32_t)key->port << 16,
		.length = TP_UDP_BYTES + length,
		.first = (dp_lane_tos(frame, ipv4) & b->tos_keep) | b->tos_set,
		.second = ipv4 ? dp_lane_new_id(b) : 0,
		.third = DP_MADE_HOP_LIMIT | DP_LANE_UDP_WORD};
	const struct dp_local *from = &b->locals[w->locals->listener_local[key->local]];
	uint32_t udp = dp_lane_udp_of(&l, sum, from, key->ip, ipv4, false);
	start = ipv4 ? dp_lane_write_ipv4(&l, from, key->ip, udp, data)
		     : dp_lane_write_ipv6(&l, from, key->ip, udp, data);
	dp_lane_leave(w, lane, k, way.port, m, start, (uint32_t)(data + length - start));
	return DP_LANE_SENT;
}
