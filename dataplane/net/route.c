// SPDX-License-Identifier: BSD-3-Clause
// Routes as the kernel has them, the best of each prefix in a FIB. The default routes stand beside
// the FIBs: each change of one would rewrite a table of 32 MiB.
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_jhash.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rib.h>
#include <rte_rib6.h>

#include "common/base/log.h"
#include "dataplane/net/tables.h"

// Groups of 256 more-specific entries: a route longer than /24 may take one (IPv4) or one for each
// further byte (IPv6). 2-byte entries address at most this many.
#define TBL8_MAX 32767
#define TBL8_MIN 256

static uint32_t clamp_tbl8(uint64_t wanted)
{
	return wanted < TBL8_MIN ? TBL8_MIN : wanted > TBL8_MAX ? TBL8_MAX : (uint32_t)wanted;
}

static int create_fibs(struct net_tables *t, uint32_t max_routes)
{
	struct rte_fib_conf conf4 = {
		.type = RTE_FIB_DIR24_8,
		.default_nh = NET_DEFAULT,
		.max_routes = (int)max_routes,
		.dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = clamp_tbl8(max_routes / 4)},
	};
	struct rte_fib6_conf conf6 = {
		.type = RTE_FIB6_TRIE,
		.default_nh = NET_DEFAULT,
		.max_routes = (int)max_routes,
		.trie = {.nh_sz = RTE_FIB6_TRIE_2B, .num_tbl8 = clamp_tbl8(max_routes)},
	};
	int socket = (int)rte_socket_id();

	t->routes.fib4 = rte_fib_create("dp_fib4", socket, &conf4);
	if (t->routes.fib4)
		t->routes.fib6 = rte_fib6_create("dp_fib6", socket, &conf6);
	if (t->routes.fib6)
		return 0;
	tp_error("no memory for the routing tables (limits.routes is %u): %s", max_routes,
		rte_strerror(rte_errno));
	return -ENOMEM;
}

int dp_net_routes_init(struct net_tables *t)
{
	struct net_routes *r = &t->routes;
	uint32_t max_routes = t->dp->conf->limits.routes ? t->dp->conf->limits.routes : 1;

	r->capacity = 2 * max_routes;
	for (r->buckets = 256; r->buckets < r->capacity; r->buckets *= 2)
		;
	r->route = calloc(r->capacity, sizeof(*r->route));
	r->bucket = calloc(r->buckets, sizeof(*r->bucket));
	if (!r->route || !r->bucket)
		return -ENOMEM;
	for (uint32_t i = 0; i < r->capacity; i++)
		r->route[i].next = i + 1 < r->capacity ? i + 2 : 0;
	r->free_first = 1;
	return create_fibs(t, max_routes);
}

void dp_net_routes_fini(struct net_tables *t)
{
	rte_fib_free(t->routes.fib4);
	rte_fib6_free(t->routes.fib6);
	free(t->routes.route);
	free(t->routes.bucket);
	memset(&t->routes, 0, sizeof(t->routes));
}

static uint16_t find(const struct net_tables *t, const struct tp_ip *ip)
{
	const struct net_routes *r = &t->routes;
	uint64_t value = NET_DEFAULT;

	if (ip->family == TP_FAMILY_IPV4) {
		uint32_t ip4 = ((uint32_t)ip->bytes[0] << 24) | ((uint32_t)ip->bytes[1] << 16) |
			       ((uint32_t)ip->bytes[2] << 8) | ip->bytes[3];
		rte_fib_lookup_bulk(r->fib4, &ip4, &value, 1);
	} else if (ip->family == TP_FAMILY_IPV6) {
		uint8_t ip6[1][RTE_FIB6_IPV6_ADDR_SIZE];
		memcpy(ip6[0], ip->bytes, sizeof(ip6[0]));
		rte_fib6_lookup_bulk(r->fib6, ip6, &value, 1);
	} else {
		return 0;
	}
	if (value != NET_DEFAULT)
		return (uint16_t)value;
	return atomic_load_explicit(
		&r->default_value[ip->family == TP_FAMILY_IPV6], memory_order_relaxed);
}

uint16_t dp_net_route_lookup(const struct net_tables *t, const struct tp_ip *ip)
{
	uint16_t value = find(t, ip);

	return value == NET_NO_SENDER ? 0 : value;
}

bool dp_net_route_no_sender(const struct net_tables *t, const struct tp_ip *ip)
{
	return find(t, ip) == NET_NO_SENDER;
}

static uint32_t *bucket_of(struct net_tables *t, const struct tp_ip *prefix, uint8_t bits)
{
	uint32_t hash = rte_jhash(prefix, sizeof(*prefix), t->hops.secret ^ bits);

	return &t->routes.bucket[hash & (t->routes.buckets - 1)];
}

static bool same_prefix(const struct net_route *a, const struct tp_ip *prefix, uint8_t bits)
{
	return a->bits == bits && tp_ip_equal(&a->prefix, prefix);
}

struct net_route *dp_net_route_find(struct net_tables *t, const struct net_route *key)
{
	for (uint32_t i = *bucket_of(t, &key->prefix, key->bits); i != 0;) {
		struct net_route *route = &t->routes.route[i - 1];
		if (same_prefix(route, &key->prefix, key->bits) && route->rank == key->rank &&
			route->priority == key->priority)
			return route;
		i = route->next;
	}
	return NULL;
}

static const struct net_route *route_best(
	struct net_tables *t, const struct tp_ip *prefix, uint8_t bits)
{
	const struct net_route *best = NULL;

	for (uint32_t i = *bucket_of(t, prefix, bits); i != 0;) {
		const struct net_route *route = &t->routes.route[i - 1];
		if (same_prefix(route, prefix, bits) &&
			(!best || route->rank < best->rank ||
				(route->rank == best->rank && route->priority < best->priority)))
			best = route;
		i = route->next;
	}
	return best;
}

// Whether a FIB would take the value of a new prefix from the one around it. DPDK counts the groups
// that prefixes longer than /24 need, but such a one only when it goes, not when it comes: the
// count falls below zero, and no longer prefix fits any more.
static bool fib4_inherits(struct rte_fib *fib, uint32_t ip4, uint8_t bits, uint16_t value)
{
	struct rte_rib *rib = rte_fib_get_rib(fib);
	struct rte_rib_node *around = NULL;
	uint64_t theirs = 0;

	if (bits <= 24 || rte_rib_lookup_exact(rib, ip4, bits))
		return false;
	for (uint8_t shorter = bits; !around && shorter-- > 0;)
		around = rte_rib_lookup_exact(rib, ip4, shorter);
	return around && rte_rib_get_nh(around, &theirs) == 0 && theirs == value;
}

static bool fib6_inherits(struct rte_fib6 *fib, const uint8_t *ip6, uint8_t bits, uint16_t value)
{
	struct rte_rib6 *rib = rte_fib6_get_rib(fib);
	struct rte_rib6_node *around = NULL;
	uint64_t theirs = 0;

	if (bits <= 24 || rte_rib6_lookup_exact(rib, ip6, bits))
		return false;
	for (uint8_t shorter = bits; !around && shorter-- > 0;)
		around = rte_rib6_lookup_exact(rib, ip6, shorter);
	return around && rte_rib6_get_nh(around, &theirs) == 0 && theirs == value;
}

static int fib_set(struct net_tables *t, const struct tp_ip *prefix, uint8_t bits, uint16_t value)
{
	uint32_t ip4 = ((uint32_t)prefix->bytes[0] << 24) | ((uint32_t)prefix->bytes[1] << 16) |
		       ((uint32_t)prefix->bytes[2] << 8) | prefix->bytes[3];
	struct net_routes *r = &t->routes;
	int rc = 0;

	// No route has the value NET_DEFAULT; it stands there for a moment.
	if (prefix->family == TP_FAMILY_IPV4) {
		if (fib4_inherits(r->fib4, ip4, bits, value))
			rc = rte_fib_add(r->fib4, ip4, bits, NET_DEFAULT);
		return rc ? rc : rte_fib_add(r->fib4, ip4, bits, value);
	}
	if (fib6_inherits(r->fib6, prefix->bytes, bits, value))
		rc = rte_fib6_add(r->fib6, prefix->bytes, bits, NET_DEFAULT);
	return rc ? rc : rte_fib6_add(r->fib6, prefix->bytes, bits, value);
}

static void fib_unset(struct net_tables *t, const struct tp_ip *prefix, uint8_t bits)
{
	uint32_t ip4 = ((uint32_t)prefix->bytes[0] << 24) | ((uint32_t)prefix->bytes[1] << 16) |
		       ((uint32_t)prefix->bytes[2] << 8) | prefix->bytes[3];

	if (prefix->family == TP_FAMILY_IPV4)
		rte_fib_delete(t->routes.fib4, ip4, bits);
	else
		rte_fib6_delete(t->routes.fib6, prefix->bytes, bits);
}

// Brings the lookup structure to the best route of a prefix; `before` is what stood there (-1:
// nothing).
static void install(struct net_tables *t, const struct tp_ip *prefix, uint8_t bits, int before)
{
	const struct net_route *best = route_best(t, prefix, bits);
	int after = best ? best->value : -1;

	if (after == before)
		return;
	if (bits == 0) {
		atomic_store_explicit(&t->routes.default_value[prefix->family == TP_FAMILY_IPV6],
			after < 0 ? 0 : (uint16_t)after, memory_order_relaxed);
	} else if (after < 0) {
		fib_unset(t, prefix, bits);
	} else if (fib_set(t, prefix, bits, (uint16_t)after) != 0) {
		char text[TP_ADDR_STRLEN];
		if (t->routes.refused++ == 0)
			tp_warning("route %s/%u does not fit: raise limits.routes",
				tp_ip_format(prefix, text), bits);
	}
	atomic_fetch_add_explicit(&t->generation, 1, memory_order_release);
}

static int best_value(struct net_tables *t, const struct tp_ip *prefix, uint8_t bits)
{
	const struct net_route *best = route_best(t, prefix, bits);

	return best ? best->value : -1;
}

static void gateway_release(struct net_tables *t, uint16_t value)
{
	if (value < NET_ON_LINK)
		dp_net_hop_release(t, value);
}

static struct net_route *route_create(struct net_tables *t, const struct net_route *content)
{
	struct net_routes *r = &t->routes;
	uint32_t *bucket = bucket_of(t, &content->prefix, content->bits);
	uint32_t index = r->free_first;

	if (index == 0) {
		if (r->refused++ == 0)
			tp_warning("more than %u routes: raise limits.routes", r->capacity);
		return NULL;
	}
	r->free_first = r->route[index - 1].next;
	r->route[index - 1] = *content;
	r->route[index - 1].next = *bucket;
	*bucket = index;
	r->count++;
	return &r->route[index - 1];
}

void dp_net_route_set(struct net_tables *t, const struct net_route *content)
{
	int before = best_value(t, &content->prefix, content->bits);
	struct net_route *route = dp_net_route_find(t, content);
	uint16_t old;

	if (!route) {
		if (!route_create(t, content))
			gateway_release(t, content->value);
		else
			install(t, &content->prefix, content->bits, before);
		return;
	}
	old = route->value;
	route->value = content->value;
	route->multiple = content->multiple;
	route->seen = content->seen;
	install(t, &content->prefix, content->bits, before);
	gateway_release(t, old);
}

void dp_net_route_remove(struct net_tables *t, const struct net_route *key)
{
	struct net_route *route = dp_net_route_find(t, key);
	uint32_t *link = bucket_of(t, &key->prefix, key->bits);
	struct net_route old;
	int before;

	if (!route)
		return;
	old = *route;
	before = best_value(t, &old.prefix, old.bits);
	while (&t->routes.route[*link - 1] != route)
		link = &t->routes.route[*link - 1].next;
	route->next = t->routes.free_first;
	t->routes.free_first = *link;
	*link = old.next;
	memset(&route->prefix, 0, sizeof(route->prefix));
	t->routes.count--;
	install(t, &old.prefix, old.bits, before);
	gateway_release(t, old.value);
}

void dp_net_routes_sweep(struct net_tables *t)
{
	for (uint32_t i = 0; i < t->routes.capacity; i++) {
		struct net_route key = t->routes.route[i];
		if (key.prefix.family != TP_FAMILY_NONE && key.seen != t->epoch)
			dp_net_route_remove(t, &key);
	}
}

// A FIB is one block of DPDK's heap, but for its groups of more-specific entries, which it does not
// tell.
static void fib_memory(const void *fib, struct tp_memory *out)
{
	size_t bytes;

	if (fib && rte_malloc_validate(fib, &bytes) == 0)
		tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_dpdk, fib, bytes);
}

void dp_net_routes_memory(const struct net_tables *t, struct tp_memory *out)
{
	const struct net_routes *r = &t->routes;

	fib_memory(rte_fib_get_dp(r->fib4), out);
	fib_memory(rte_fib6_get_dp(r->fib6), out);
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, r->route,
		(size_t)r->capacity * sizeof(*r->route));
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, r->bucket,
		(size_t)r->buckets * sizeof(*r->bucket));
}
