// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/relay_address.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"

#define EVEN_BITS UINT64_C(0x5555555555555555) // bit 0 of every word is an even port

// ---- Addresses.

static int family_index(const struct tp_ip *ip)
{
	return ip->family == TP_FAMILY_IPV6;
}

// How many addresses a prefix holds; 0 when there are too many, or it is no prefix.
static uint32_t prefix_size(const struct ctl_relay_prefix *p)
{
	size_t bits = 8 * tp_ip_length(&p->address);
	if (bits == 0 || p->prefix_bits > bits || bits - p->prefix_bits > 12)
		return 0;
	return UINT32_C(1) << (bits - p->prefix_bits);
}

// The last 32 bits: a prefix of at most 4096 addresses never reaches further.
static uint32_t low_bits(const struct tp_ip *ip)
{
	return tp_rd32(ip->bytes + tp_ip_length(ip) - 4);
}

static struct tp_ip ip_plus(const struct tp_ip *base, uint32_t offset)
{
	struct tp_ip ip = *base;
	tp_wr32(ip.bytes + tp_ip_length(base) - 4, low_bits(base) + offset);
	return ip;
}

// Index of an address of ours, or TP_INDEX_NONE.
static uint32_t find_address(const struct ctl_relays *r, const struct tp_ip *ip)
{
	for (uint32_t i = 0; i < r->places; i++) {
		const struct ctl_relay_place *p = &r->place[i];
		if (ip->family == p->address.family &&
			tp_ip_in_prefix(ip, &p->address, p->prefix_bits))
			return p->first + (low_bits(ip) - low_bits(&p->address));
	}
	return TP_INDEX_NONE;
}

// ---- Bitmaps.

static void take_bit(struct ctl_relays *r, uint32_t address, uint16_t port)
{
	struct ctl_relay_address *a = &r->address[address];
	uint32_t bit = (uint32_t)port - r->base;
	a->taken[bit / 64] |= UINT64_C(1) << bit % 64;
	a->free--;
	r->free[family_index(&a->address)]--;
}

static bool is_free(const struct ctl_relays *r, uint32_t address, uint16_t port)
{
	uint32_t bit = (uint32_t)port - r->base;
	return !(r->address[address].taken[bit / 64] >> bit % 64 & 1);
}

static uint64_t candidates(
	const struct ctl_relay_address *a, uint32_t word, enum ctl_port_wish wish)
{
	uint64_t open = ~a->taken[word];
	switch (wish) {
	case CTL_WISH_ANY:
		return open;
	case CTL_WISH_EVEN:
		return open & EVEN_BITS;
	case CTL_WISH_PAIR:
		return open & open >> 1 & EVEN_BITS;
	}
	return 0;
}

static uint32_t count_candidates(
	const struct ctl_relays *r, const struct ctl_relay_address *a, enum ctl_port_wish wish)
{
	if (wish == CTL_WISH_ANY)
		return a->free;
	uint32_t n = 0;
	for (uint32_t w = 0; w < r->words; w++)
		n += (uint32_t)__builtin_popcountll(candidates(a, w, wish));
	return n;
}

// The port of the nth candidate; there are more than n.
static uint16_t nth_candidate(const struct ctl_relays *r, const struct ctl_relay_address *a,
	enum ctl_port_wish wish, uint32_t n)
{
	uint32_t w = 0;
	uint64_t open = candidates(a, 0, wish);
	for (uint32_t c; (c = (uint32_t)__builtin_popcountll(open)) <= n;) {
		n -= c;
		open = candidates(a, ++w, wish);
	}
	while (n--)
		open &= open - 1;
	return (uint16_t)(r->base + 64 * w + (uint32_t)__builtin_ctzll(open));
}

// ---- Setting up.

static void prepare_bitmap(struct ctl_relays *r, struct ctl_relay_address *a)
{
	a->free = 0;
	for (uint32_t bit = 0; bit < 64 * r->words; bit++) {
		uint32_t port = r->base + bit;
		if (port < r->port_min || port > r->port_max)
			a->taken[bit / 64] |= UINT64_C(1) << bit % 64;
		else
			a->free++;
	}
	r->free[family_index(&a->address)] += a->free;
}

static bool overlaps(const struct ctl_relays *r, const struct ctl_relay_prefix *p)
{
	for (uint32_t i = 0; i < r->places; i++)
		if (r->place[i].address.family == p->address.family &&
			tp_ip_in_prefix(&r->place[i].address, &p->address, p->prefix_bits))
			return true;
	return find_address(r, &p->address) != TP_INDEX_NONE;
}

static int expand(struct ctl_relays *r, const struct ctl_store_policy *policy, uint8_t family)
{
	for (size_t i = 0; i < policy->n_relays; i++) {
		const struct ctl_relay_prefix *p = &policy->relays[i];
		if (p->address.family != family)
			continue;
		if (overlaps(r, p))
			return -EINVAL;
		r->place[r->places] = (struct ctl_relay_place){
			.address = p->address, .prefix_bits = p->prefix_bits, .first = r->count};
		for (uint32_t k = 0; k < prefix_size(p); k++) {
			struct ctl_relay_address *a = &r->address[r->count++];
			a->address = ip_plus(&p->address, k);
			a->public_address = ip_plus(&p->public_address, k);
		}
		r->places++;
	}
	return 0;
}

static void exclude_listeners(struct ctl_relays *r, const struct ctl_store_policy *policy)
{
	for (size_t i = 0; i < policy->n_listeners; i++) {
		const struct tp_addr *l = &policy->listeners[i];
		uint32_t a = find_address(r, &l->ip);
		if (a != TP_INDEX_NONE && l->port >= r->port_min && l->port <= r->port_max &&
			is_free(r, a, l->port))
			take_bit(r, a, l->port);
	}
}

int ctl_relays_init(struct ctl_relays *r, const struct ctl_store_policy *policy)
{
	*r = (struct ctl_relays){.port_min = policy->port_min, .port_max = policy->port_max};
	if (policy->n_relays > TP_MAX_RELAYS || policy->n_listeners > TP_MAX_LISTENERS ||
		policy->port_min == 0 || policy->port_min > policy->port_max)
		return -EINVAL;
	uint32_t total = 0;
	for (size_t i = 0; i < policy->n_relays; i++) {
		const struct ctl_relay_prefix *p = &policy->relays[i];
		if (tp_ip_length(&p->address) == 0 || p->public_address.family != p->address.family)
			return -EINVAL;
		uint32_t n = prefix_size(p);
		if (n == 0 || total + n > TP_MAX_LOCALS)
			return -E2BIG;
		total += n;
	}
	r->base = policy->port_min & ~63;
	r->words = ((uint32_t)policy->port_max - r->base) / 64 + 1;
	r->address = calloc(total ? total : 1, sizeof(*r->address));
	r->bits = calloc((size_t)(total ? total : 1) * r->words, sizeof(*r->bits));
	if (!r->address || !r->bits)
		return -ENOMEM;
	int rc = expand(r, policy, TP_FAMILY_IPV4);
	if (rc)
		return rc;
	r->first[1] = r->count;
	rc = expand(r, policy, TP_FAMILY_IPV6);
	if (rc)
		return rc;
	r->first[2] = r->count;
	for (uint32_t i = 0; i < r->count; i++) {
		r->address[i].taken = r->bits + (size_t)i * r->words;
		prepare_bitmap(r, &r->address[i]);
	}
	exclude_listeners(r, policy);
	return 0;
}

void ctl_relays_fini(struct ctl_relays *r)
{
	free(r->address);
	free(r->bits);
}

// ---- Taking and releasing.

static int take_on(struct ctl_relays *r, struct ctl_draw *draw, uint32_t address,
	enum ctl_port_wish wish, struct ctl_relay_port *out)
{
	const struct ctl_relay_address *a = &r->address[address];
	uint32_t n = count_candidates(r, a, wish);
	if (n == 0)
		return -ENOSPC;
	uint32_t k;
	int rc = ctl_draw_below(draw, n, &k);
	if (rc)
		return rc;
	*out = (struct ctl_relay_port){.address = address, .port = nth_candidate(r, a, wish, k)};
	take_bit(r, address, out->port);
	if (wish == CTL_WISH_PAIR)
		take_bit(r, address, out->port + 1);
	return 0;
}

int ctl_relays_take(struct ctl_relays *r, struct ctl_draw *draw, uint8_t family,
	enum ctl_port_wish wish, struct ctl_relay_port *out)
{
	uint32_t first = r->first[family == TP_FAMILY_IPV6];
	uint32_t n = r->first[(family == TP_FAMILY_IPV6) + 1] - first;
	if (n == 0)
		return -EAFNOSUPPORT;

	// The less loaded of two random addresses keeps the load equal without a search.
	uint32_t a, b;
	int rc = ctl_draw_below(draw, n, &a);
	if (!rc)
		rc = ctl_draw_below(draw, n, &b);
	if (rc)
		return rc;
	uint32_t start = r->address[first + a].free >= r->address[first + b].free ? a : b;

	// When that one has none, any other may.
	for (uint32_t i = 0; i < n; i++) {
		rc = take_on(r, draw, first + (start + i) % n, wish, out);
		if (rc != -ENOSPC)
			return rc;
	}
	return -ENOSPC;
}

struct ctl_relay_port ctl_relays_mark(
	struct ctl_relays *r, const struct tp_addr *relay, bool *taken)
{
	*taken = false;
	uint32_t a = find_address(r, &relay->ip);
	if (a == TP_INDEX_NONE || relay->port < r->port_min || relay->port > r->port_max)
		return CTL_RELAY_NONE;
	*taken = !is_free(r, a, relay->port);
	if (*taken)
		return CTL_RELAY_NONE;
	take_bit(r, a, relay->port);
	return (struct ctl_relay_port){.address = a, .port = relay->port};
}

void ctl_relays_release(struct ctl_relays *r, struct ctl_relay_port port)
{
	if (port.address == TP_INDEX_NONE)
		return;
	struct ctl_relay_address *a = &r->address[port.address];
	uint32_t bit = (uint32_t)port.port - r->base;
	a->taken[bit / 64] &= ~(UINT64_C(1) << bit % 64);
	a->free++;
	r->free[family_index(&a->address)]++;
}

struct tp_addr ctl_relays_address(const struct ctl_relays *r, struct ctl_relay_port port)
{
	if (port.address == TP_INDEX_NONE)
		return (struct tp_addr){};
	return (struct tp_addr){.ip = r->address[port.address].address, .port = port.port};
}

struct tp_addr ctl_relays_public(const struct ctl_relays *r, const struct tp_addr *relay)
{
	uint32_t a = find_address(r, &relay->ip);
	if (a == TP_INDEX_NONE)
		return (struct tp_addr){};
	return (struct tp_addr){.ip = r->address[a].public_address, .port = relay->port};
}
