// SPDX-License-Identifier: BSD-3-Clause
// What an operator wishes, as a numbering that this store can hold.
#include <errno.h>
#include <stdio.h>

#include "common/wire/chandata.h"
#include "control/alloc/store_private.h"
#include "control/alloc/synthetic.h"

static int power_of_two(uint32_t n, uint8_t *bits)
{
	if (n == 0 || (n & (n - 1)) != 0)
		return -EINVAL;
	*bits = (uint8_t)__builtin_ctz(n);
	return *bits > CTL_NUMBERING_PEER_BITS ? -EINVAL : 0;
}

// The largest aligned block of ports in the relay range.
static uint8_t port_block(const struct ctl_store_policy *p, uint16_t *first)
{
	for (uint8_t bits = CTL_NUMBERING_PORT_BITS; bits > 0; bits--) {
		uint32_t size = UINT32_C(1) << bits;
		uint32_t at = (p->port_min + size - 1) / size * size;
		if (at + size - 1 <= p->port_max) {
			*first = (uint16_t)at;
			return bits;
		}
	}
	*first = p->port_min;
	return 0;
}

static int find_listener(
	const struct ctl_store_policy *p, const struct tp_addr *wanted, struct tp_addr *out)
{
	for (size_t i = 0; i < p->n_listeners; i++) {
		const struct tp_addr *l = &p->listeners[i];
		if (l->ip.family != TP_FAMILY_IPV4 ||
			!(p->listener_transports[i] & 1 << CTL_TRANSPORT_UDP) ||
			(wanted->ip.family != TP_FAMILY_NONE && !tp_addr_equal(l, wanted)))
			continue;
		*out = *l;
		return 0;
	}
	return -ENOENT;
}

static int find_relay(const struct ctl_store *s, const struct ctl_synthetic_wish *wish,
	uint32_t addresses, struct tp_ip *out)
{
	struct ctl_relay_view v;
	for (uint32_t i = 0; ctl_relay_entry(s, i, &v); i++) {
		if (v.address.family != TP_FAMILY_IPV4 || v.use == CTL_RELAY_REMOVED)
			continue;
		bool named = wish->relay.family != TP_FAMILY_NONE;
		if (named && (!tp_ip_equal(&wish->relay, &v.address) ||
				     wish->relay_bits != v.prefix_bits))
			continue;
		if (v.addresses >= addresses) {
			*out = v.address;
			return 0;
		}
	}
	return -ENOENT;
}

static int refuse(char *why, const char *text)
{
	snprintf(why, CTL_SYNTHETIC_WHY_BYTES, "%s", text);
	return -EINVAL;
}

int ctl_synthetic_plan(const struct ctl_store *s, const struct ctl_synthetic_wish *wish,
	struct ctl_numbering *out, char why[CTL_SYNTHETIC_WHY_BYTES])
{
	struct ctl_numbering n = {
		.allocations = wish->allocations, .channel = CHANDATA_CHANNEL_MIN};
	if (power_of_two(wish->peers, &n.peer_bits) ||
		power_of_two(wish->channels, &n.channel_bits))
		return refuse(why, "peers and channels: expected powers of two, 1 to 512");
	if (n.allocations == 0)
		return refuse(why, "count: expected at least 1");
	n.port_bits = port_block(&s->policy, &n.relay.port);
	n.client = (struct tp_addr){.ip = wish->client, .port = CTL_NUMBERING_CLIENT_PORT};
	n.peer = (struct tp_addr){.ip = wish->peer, .port = CTL_NUMBERING_PEER_PORT};
	if (find_listener(&s->policy, &wish->listener, &n.listener))
		return refuse(why, "no such listener for IPv4 and UDP");
	uint32_t addresses = ctl_numbering_addresses(&n);
	if (find_relay(s, wish, addresses, &n.relay.ip)) {
		snprintf(why, CTL_SYNTHETIC_WHY_BYTES,
			"no %sIPv4 entry of relay.addresses has %u addresses of %u ports each",
			wish->relay.family != TP_FAMILY_NONE ? "such " : "", addresses,
			1u << n.port_bits);
		return -EINVAL;
	}
	const char *wrong = ctl_numbering_check(&n);
	if (wrong)
		return refuse(why, wrong);
	*out = n;
	return 0;
}
