// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/numbering.h"

#include "common/base/bytes.h"
#include "common/wire/chandata.h"

static uint32_t mask(unsigned int bits)
{
	return (UINT32_C(1) << bits) - 1;
}

// Of the numbers below n.
static unsigned int bits_of(uint32_t n)
{
	return n < 2 ? 0 : 32 - (unsigned int)__builtin_clz(n - 1);
}

uint32_t ctl_numbering_addresses(const struct ctl_numbering *n)
{
	return ((n->allocations - 1) >> n->port_bits) + 1;
}

static bool spread(const struct tp_addr *first, unsigned int address_bits, unsigned int port_bits)
{
	return first->ip.family == TP_FAMILY_IPV4 && first->port != 0 &&
	       (tp_rd32(first->ip.bytes) & mask(address_bits)) == 0 &&
	       (first->port & mask(port_bits)) == 0;
}

const char *ctl_numbering_check(const struct ctl_numbering *n)
{
	unsigned int extra = n->channel_bits > n->peer_bits ? n->channel_bits - n->peer_bits : 0;

	if (n->allocations == 0 || n->channel_bits > CTL_NUMBERING_PEER_BITS ||
		n->peer_bits > CTL_NUMBERING_PEER_BITS || n->port_bits > CTL_NUMBERING_PORT_BITS ||
		ctl_numbering_flows(n) > UINT32_C(1) << 31)
		return "too many flows for one number";
	unsigned int addresses = bits_of(ctl_numbering_addresses(n));
	if (n->listener.ip.family != TP_FAMILY_IPV4 || n->listener.port == 0)
		return "the listener is no IPv4 address and port";
	if (!spread(&n->client, addresses, n->port_bits))
		return "the first client address has bits where those of the number go";
	if (!spread(&n->relay, addresses, n->port_bits))
		return "the first relayed address has bits where those of the number go";
	if (!spread(&n->peer, n->peer_bits, extra))
		return "the first peer address has bits where those of the number go";
	if ((n->channel & mask(n->channel_bits)) != 0 ||
		!chandata_channel_ok(n->channel, CHANDATA_CHANNEL_MAX))
		return "the first channel has bits where those of the number go";
	return NULL;
}

static struct tp_addr plus(const struct tp_addr *first, uint32_t address, uint32_t port)
{
	return (struct tp_addr){.ip = tp_ip4(tp_rd32(first->ip.bytes) + address),
		.port = (uint16_t)(first->port + port)};
}

struct tp_addr ctl_numbering_client(const struct ctl_numbering *n, uint32_t allocation)
{
	return plus(&n->client, allocation >> n->port_bits, allocation & mask(n->port_bits));
}

struct tp_addr ctl_numbering_relay(const struct ctl_numbering *n, uint32_t allocation)
{
	return plus(&n->relay, allocation >> n->port_bits, allocation & mask(n->port_bits));
}

struct tp_addr ctl_numbering_peer(const struct ctl_numbering *n, uint32_t k)
{
	return plus(&n->peer, k & mask(n->peer_bits), k >> n->peer_bits);
}
