// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/relay_address.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"

#define EVEN_BITS UINT64_C(0x5555555555555555) // bit 0 of every word is an even port

// ---- Addresses.

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

static int compare(const struct tp_ip *a, const struct tp_ip *b)
{
	return a->family != b->family ? a->family - b->family
				      : memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

// How many places begin at or below an address; they are disjoint, so only the last of these can
// hold it.
static uint32_t places_below(const struct ctl_relays *r, const struct tp_ip *ip)
{
	uint32_t low = 0, high = r->places;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		if (compare(&r->place[r->by_address[middle]].address, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

// Index of an address of ours, or TP_INDEX_NONE.
static uint32_t find_address(const struct ctl_relays *r, const struct tp_ip *ip)
{
	uint32_t n = places_below(r, ip);
	if (n == 0)
		return TP_INDEX_NONE;
	const struct ctl_relay_place *p = &r->place[r->by_address[n - 1]];
	if (ip->family != p->address.family || !tp_ip_in_prefix(ip, &p->address, p->prefix_bits))
		return TP_INDEX_NONE;
	return p->first + (low_bits(ip) - low_bits(&p->address));
}

// ---- Bitmaps.

static bool bit_is_free(const struct ctl_relay_address *a, uint32_t bit)
{
	return !(a->taken[bit / 64] >> bit % 64 & 1);
}

static bool is_free(const struct ctl_relays *r, uint32_t address, uint16_t port)
{
	return bit_is_free(&r->address[address], (uint32_t)port - r->base);
}

// A port becomes free (+1) or taken (-1), in the counts of its address and of the family.
static void count_port(struct ctl_relays *r, struct ctl_relay_address *a, uint32_t bit, int step)
{
	const bool counts[CTL_WISHES] = {true, bit % 2 == 0, bit_is_free(a, bit ^ 1)};
	int f = ctl_relays_family(a->address.family);
	for (int wish = 0; wish < CTL_WISHES; wish++) {
		if (!counts[wish])
			continue;
		a->free[wish] += (uint32_t)step;
		if (a->usable_at != TP_INDEX_NONE)
			r->free[f][wish] += (uint64_t)(int64_t)step;
	}
}

static void take_bit(struct ctl_relays *r, uint32_t address, uint16_t port)
{
	struct ctl_relay_address *a = &r->address[address];
	uint32_t bit = (uint32_t)port - r->base;
	count_port(r, a, bit, -1);
	a->taken[bit / 64] |= UINT64_C(1) << bit % 64;
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
	case CTL_WISHES:
		break;
	}
	return 0;
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

// ---- Which addresses are in use.

// Adds what an address has to the sums of its family (+1), or takes it out of them (-1).
static void count_address(struct ctl_relays *r, const struct ctl_relay_address *a, int step)
{
	int f = ctl_relays_family(a->address.family);
	for (int wish = 0; wish < CTL_WISHES; wish++)
		r->free[f][wish] += (uint64_t)(int64_t)step * a->free[wish];
	r->resting[f] += (uint64_t)(int64_t)step * a->resting;
}

static void set_usable(struct ctl_relays *r, uint32_t index, bool usable)
{
	struct ctl_relay_address *a = &r->address[index];
	int f = ctl_relays_family(a->address.family);
	if (usable == (a->usable_at != TP_INDEX_NONE))
		return;
	count_address(r, a, usable ? 1 : -1);
	if (usable) {
		a->usable_at = r->first[f] + r->n_usable[f]++;
		r->usable[a->usable_at] = index;
		return;
	}
	// The last one fills the gap.
	uint32_t last = r->usable[r->first[f] + --r->n_usable[f]];
	r->usable[a->usable_at] = last;
	r->address[last].usable_at = a->usable_at;
	a->usable_at = TP_INDEX_NONE;
}

void ctl_relays_set_use(struct ctl_relays *r, uint32_t place, enum ctl_relay_use use)
{
	struct ctl_relay_place *p = &r->place[place];
	int f = ctl_relays_family(p->address.family);
	for (uint32_t i = 0; i < p->count; i++)
		set_usable(r, p->first + i, use == CTL_RELAY_IN_USE);
	if (p->use == CTL_RELAY_REMOVED)
		r->n_known[f] += p->count;
	if (use == CTL_RELAY_REMOVED)
		r->n_known[f] -= p->count;
	p->use = (uint8_t)use;
}

// ---- Setting up.

// The bitmap of an address without listeners, and its counts.
static void prepare_first(struct ctl_relays *r, struct ctl_relay_address *a)
{
	for (uint32_t bit = 0; bit < 64 * r->words; bit++) {
		uint32_t port = r->base + bit;
		if (port < r->port_min || port > r->port_max)
			a->taken[bit / 64] |= UINT64_C(1) << bit % 64;
	}
	for (uint32_t w = 0; w < r->words; w++)
		for (int wish = 0; wish < CTL_WISHES; wish++)
			a->free[wish] += (uint32_t)__builtin_popcountll(
				candidates(a, w, (enum ctl_port_wish)wish));
}

static void prepare_bitmaps(struct ctl_relays *r)
{
	for (uint32_t i = 0; i < r->count; i++) {
		struct ctl_relay_address *a = &r->address[i];
		a->taken = r->bits + (size_t)i * r->words;
		a->usable_at = TP_INDEX_NONE;
		if (i == 0) {
			prepare_first(r, a);
			continue;
		}
		memcpy(a->taken, r->bits, r->words * sizeof(*r->bits));
		memcpy(a->free, r->address[0].free, sizeof(a->free));
	}
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

// Puts the last place where it belongs; -EINVAL when it overlaps one that is there.
static int sort_in(struct ctl_relays *r, uint16_t index)
{
	const struct ctl_relay_place *p = &r->place[index];
	uint32_t at = places_below(r, &p->address);
	if (find_address(r, &p->address) != TP_INDEX_NONE)
		return -EINVAL;
	if (at < r->places) {
		const struct tp_ip *next = &r->place[r->by_address[at]].address;
		if (next->family == p->address.family &&
			tp_ip_in_prefix(next, &p->address, p->prefix_bits))
			return -EINVAL;
	}
	memmove(&r->by_address[at + 1], &r->by_address[at],
		(r->places - at) * sizeof(r->by_address[0]));
	r->by_address[at] = index;
	r->places++;
	return 0;
}

static int expand(struct ctl_relays *r, const struct ctl_store_policy *policy, uint8_t family)
{
	for (size_t i = 0; i < policy->n_relays; i++) {
		const struct ctl_relay_prefix *p = &policy->relays[i];
		if (p->address.family != family)
			continue;
		uint32_t place = r->places;
		r->place[place] = (struct ctl_relay_place){.address = p->address,
			.public_address = p->public_address,
			.prefix_bits = p->prefix_bits,
			.first = r->count,
			.count = prefix_size(p)};
		int rc = sort_in(r, (uint16_t)place);
		if (rc)
			return rc;
		for (uint32_t k = 0; k < r->place[place].count; k++) {
			struct ctl_relay_address *a = &r->address[r->count++];
			a->address = ip_plus(&p->address, k);
			a->public_address = ip_plus(&p->public_address, k);
		}
	}
	return 0;
}

static int check_policy(const struct ctl_store_policy *policy, uint32_t *total)
{
	*total = 0;
	if (policy->n_relays > TP_MAX_RELAYS || policy->n_listeners > TP_MAX_LISTENERS ||
		policy->port_min == 0 || policy->port_min > policy->port_max)
		return -EINVAL;
	for (size_t i = 0; i < policy->n_relays; i++) {
		const struct ctl_relay_prefix *p = &policy->relays[i];
		if (tp_ip_length(&p->address) == 0 || p->public_address.family != p->address.family)
			return -EINVAL;
		uint32_t n = prefix_size(p);
		if (n == 0 || *total + n > TP_MAX_LOCALS)
			return -E2BIG;
		*total += n;
	}
	return 0;
}

int ctl_relays_init(struct ctl_relays *r, const struct ctl_store_policy *policy)
{
	*r = (struct ctl_relays){.port_min = policy->port_min, .port_max = policy->port_max};
	uint32_t total;
	int rc = check_policy(policy, &total);
	if (rc)
		return rc;
	r->base = policy->port_min & ~63;
	r->words = ((uint32_t)policy->port_max - r->base) / 64 + 1;
	r->address = calloc(total ? total : 1, sizeof(*r->address));
	r->usable = calloc(total ? total : 1, sizeof(*r->usable));
	r->bits = calloc((size_t)(total ? total : 1) * r->words, sizeof(*r->bits));
	if (!r->address || !r->usable || !r->bits)
		return -ENOMEM;
	rc = expand(r, policy, TP_FAMILY_IPV4);
	if (rc)
		return rc;
	r->first[1] = r->count;
	rc = expand(r, policy, TP_FAMILY_IPV6);
	if (rc)
		return rc;
	r->first[2] = r->count;
	r->n_known[0] = r->first[1];
	r->n_known[1] = r->count - r->first[1];
	prepare_bitmaps(r);
	exclude_listeners(r, policy);
	for (uint32_t i = 0; i < r->count; i++) {
		r->address[i].ports = r->address[i].free[CTL_WISH_ANY];
		set_usable(r, i, true);
	}
	return 0;
}

void ctl_relays_fini(struct ctl_relays *r)
{
	free(r->address);
	free(r->usable);
	free(r->bits);
}

// ---- Taking and releasing.

static int take_on(struct ctl_relays *r, struct ctl_draw *draw, uint32_t address,
	enum ctl_port_wish wish, struct ctl_relay_port *out)
{
	const struct ctl_relay_address *a = &r->address[address];
	uint32_t k;
	int rc = ctl_draw_below(draw, a->free[wish], &k);
	if (rc)
		return rc;
	*out = (struct ctl_relay_port){.address = address, .port = nth_candidate(r, a, wish, k)};
	take_bit(r, address, out->port);
	if (wish == CTL_WISH_PAIR)
		take_bit(r, address, out->port + 1);
	return 0;
}

// Whether `a` suits a wish better than `b`.
static bool better(const struct ctl_relay_address *a, const struct ctl_relay_address *b,
	enum ctl_port_wish wish)
{
	if (a->free[wish] == 0 || b->free[wish] == 0)
		return a->free[wish] != 0;
	return a->free[CTL_WISH_ANY] >= b->free[CTL_WISH_ANY];
}

int ctl_relays_take(struct ctl_relays *r, struct ctl_draw *draw, uint8_t family,
	enum ctl_port_wish wish, struct ctl_relay_port *out)
{
	int f = ctl_relays_family(family);
	if (!ctl_relays_have(r, family))
		return -EAFNOSUPPORT;
	if (r->free[f][wish] == 0)
		return -ENOSPC;

	// The less loaded of two random addresses keeps the load equal without a search.
	const uint32_t *usable = &r->usable[r->first[f]];
	uint32_t n = r->n_usable[f], a, b = 0;
	int rc = ctl_draw_below(draw, n, &a);
	if (!rc && n > 1)
		rc = ctl_draw_below(draw, n - 1, &b);
	if (rc)
		return rc;
	b = (a + 1 + b) % n;
	uint32_t at = better(&r->address[usable[a]], &r->address[usable[b]], wish) ? a : b;

	// When neither has one, another has.
	while (r->address[usable[at]].free[wish] == 0)
		at = (at + 1) % n;
	return take_on(r, draw, usable[at], wish, out);
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
	assert(!bit_is_free(a, bit));
	a->taken[bit / 64] &= ~(UINT64_C(1) << bit % 64);
	count_port(r, a, bit, 1);
}

void ctl_relays_rest(struct ctl_relays *r, struct ctl_relay_port port, int step)
{
	if (port.address == TP_INDEX_NONE)
		return;
	struct ctl_relay_address *a = &r->address[port.address];
	a->resting += (uint32_t)step;
	if (a->usable_at != TP_INDEX_NONE)
		r->resting[ctl_relays_family(a->address.family)] += (uint64_t)(int64_t)step;
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

struct tp_addr ctl_relays_private(const struct ctl_relays *r, const struct tp_addr *relay)
{
	for (uint32_t i = 0; i < r->places; i++) {
		const struct ctl_relay_place *p = &r->place[i];
		if (relay->ip.family != p->public_address.family ||
			!tp_ip_in_prefix(&relay->ip, &p->public_address, p->prefix_bits))
			continue;
		uint32_t a = p->first + (low_bits(&relay->ip) - low_bits(&p->public_address));
		return (struct tp_addr){.ip = r->address[a].address, .port = relay->port};
	}
	return (struct tp_addr){};
}
