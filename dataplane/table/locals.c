// SPDX-License-Identifier: BSD-3-Clause
// Local addresses and listeners. Three small open-addressed tables over one array: by the address
// in packets, by the public address, and listeners by (local, port). Eight-byte slots; an IPv4
// address is the slot's tag itself, so a hit on it touches one line.
#include <errno.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "common/base/bytes.h"
#include "dataplane/table/locals.h"

#define LISTENER_SLOTS (4 * TP_MAX_LISTENERS)

struct local_slot {
	uint32_t tag;
	uint16_t local; // DP_LOCAL_NONE: empty
	uint16_t family;
};

struct listener_slot {
	uint16_t local;
	rte_be16_t port;
	uint16_t listener; // DP_LISTENER_NONE: empty
	uint16_t pad;
};

struct local_index {
	struct local_slot *slots;
	uint32_t mask;
};

struct dp_locals {
	struct dp_local *locals;
	struct local_index by_address;
	struct local_index by_public;
	uint16_t count;
	uint16_t n_listeners;
	uint16_t port_min, port_max; // host order
	struct listener_slot listener_slots[LISTENER_SLOTS];
	struct tp_addr listener[TP_MAX_LISTENERS];
	uint16_t listener_local[TP_MAX_LISTENERS];
	uint32_t listener_transports[TP_MAX_LISTENERS];
	struct dp_discovery listener_discovery[TP_MAX_LISTENERS];
	const char *listener_realm[TP_MAX_LISTENERS];
};

static uint32_t address_tag(uint8_t family, const uint8_t *ip)
{
	if (family == TP_FAMILY_IPV4)
		return tp_rd32(ip);
	uint64_t high = tp_rd64(ip), low = tp_rd64(ip + 8);
	return (uint32_t)(((high * UINT64_C(0x9e3779b97f4a7c15)) ^ low) *
				  UINT64_C(0xc2b2ae3d27d4eb4f) >>
			  32);
}

static uint32_t spread(uint32_t value)
{
	return (uint32_t)(value * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

static bool same_address(const struct tp_ip *have, uint8_t family, const uint8_t *ip)
{
	return have->family == family &&
	       memcmp(have->bytes, ip, family == TP_FAMILY_IPV4 ? 4 : 16) == 0;
}

// `public` selects which of a local's two addresses the index is over.
static uint16_t index_find(const struct dp_locals *l, const struct local_index *index, bool public,
	uint8_t family, const uint8_t *ip)
{
	uint32_t tag = address_tag(family, ip);

	for (uint32_t at = spread(tag) & index->mask;; at = (at + 1) & index->mask) {
		const struct local_slot *slot = &index->slots[at];
		if (slot->local == DP_LOCAL_NONE)
			return DP_LOCAL_NONE;
		if (slot->tag != tag || slot->family != family)
			continue;
		if (family == TP_FAMILY_IPV4)
			return slot->local;
		const struct dp_local *local = &l->locals[slot->local];
		if (same_address(public ? &local->public_address : &local->address, family, ip))
			return slot->local;
	}
}

static void index_add(struct local_index *index, const struct tp_ip *ip, uint16_t local)
{
	uint32_t tag = address_tag(ip->family, ip->bytes);
	uint32_t at = spread(tag) & index->mask;

	while (index->slots[at].local != DP_LOCAL_NONE)
		at = (at + 1) & index->mask;
	index->slots[at] = (struct local_slot){.tag = tag, .local = local, .family = ip->family};
}

uint16_t dp_local_find(const struct dp_locals *l, uint8_t family, const uint8_t *ip)
{
	return index_find(l, &l->by_address, false, family, ip);
}

uint16_t dp_local_find_public(const struct dp_locals *l, const struct tp_ip *ip)
{
	if (tp_ip_length(ip) == 0)
		return DP_LOCAL_NONE;
	uint16_t local = index_find(l, &l->by_public, true, ip->family, ip->bytes);
	return local != DP_LOCAL_NONE ? local : dp_local_find(l, ip->family, ip->bytes);
}

static struct listener_slot *listener_slot(
	const struct dp_locals *l, uint16_t local, rte_be16_t port)
{
	uint32_t at = spread((uint32_t)local << 16 | port) % LISTENER_SLOTS;

	while (l->listener_slots[at].listener != DP_LISTENER_NONE &&
		(l->listener_slots[at].local != local || l->listener_slots[at].port != port))
		at = (at + 1) % LISTENER_SLOTS;
	return (struct listener_slot *)&l->listener_slots[at];
}

uint16_t dp_listener_find(const struct dp_locals *l, uint16_t local, rte_be16_t port)
{
	return listener_slot(l, local, port)->listener;
}

uint16_t dp_listener_count(const struct dp_locals *l)
{
	return l->n_listeners;
}

bool dp_listener_serves(const struct dp_locals *l, uint16_t listener, uint32_t transports)
{
	return (l->listener_transports[listener] & transports) != 0;
}

const struct dp_discovery *dp_listener_discovery(const struct dp_locals *l, uint16_t listener)
{
	return &l->listener_discovery[listener];
}

const char *dp_listener_realm(const struct dp_locals *l, uint16_t listener)
{
	return l->listener_realm[listener];
}

const struct tp_addr *dp_listener_at(const struct dp_locals *l, uint16_t listener, uint16_t *local)
{
	*local = l->listener_local[listener];
	return &l->listener[listener];
}

bool dp_local_relay_port(const struct dp_locals *l, rte_be16_t port)
{
	uint16_t host = rte_be_to_cpu_16(port);
	return host >= l->port_min && host <= l->port_max;
}

uint16_t dp_local_count(const struct dp_locals *l)
{
	return l->count;
}

const struct dp_local *dp_local_at(const struct dp_locals *l, uint16_t index)
{
	return &l->locals[index];
}

// Ones' complement sum over the address as 16-bit words in memory order, folded to 16 bits.
static uint32_t source_sum(const struct tp_ip *ip)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < tp_ip_length(ip); i += 2) {
		uint16_t word;
		memcpy(&word, ip->bytes + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

// The address `offset` further on; the caller stays inside a prefix.
static struct tp_ip ip_plus(const struct tp_ip *base, uint32_t offset)
{
	struct tp_ip ip = *base;

	for (size_t i = tp_ip_length(base); i-- > 0 && offset != 0;) {
		offset += ip.bytes[i];
		ip.bytes[i] = (uint8_t)offset;
		offset >>= 8;
	}
	return ip;
}

// Addresses of a relay entry; 0 when they are more than TP_MAX_LOCALS.
static uint32_t relay_size(const struct conf_relay *relay)
{
	uint32_t host_bits = (uint32_t)tp_ip_length(&relay->address) * 8 - relay->prefix_bits;
	return host_bits > 12 ? 0 : UINT32_C(1) << host_bits;
}

// Finds or makes the local with this address; NULL when the array is full.
static struct dp_local *local_add(
	struct dp_locals *l, uint32_t capacity, const struct tp_ip *address)
{
	uint16_t known = dp_local_find(l, address->family, address->bytes);

	if (known != DP_LOCAL_NONE)
		return &l->locals[known];
	if (l->count == capacity)
		return NULL;
	struct dp_local *local = &l->locals[l->count];
	local->address = *address;
	local->public_address = *address;
	local->source_sum = source_sum(address);
	index_add(&l->by_address, address, l->count);
	l->count++;
	return local;
}

static int add_relays(struct dp_locals *l, uint32_t capacity, const struct conf *conf)
{
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *relay = &conf->relay.addresses[i];
		for (uint32_t offset = 0; offset < relay_size(relay); offset++) {
			struct tp_ip address = ip_plus(&relay->address, offset);
			struct dp_local *local = local_add(l, capacity, &address);
			if (local == NULL)
				return -E2BIG;
			if (local->relay)
				continue;
			local->relay = 1;
			local->public_address = ip_plus(&relay->public_address, offset);
		}
	}
	return 0;
}

static void add_discovery(
	struct dp_discovery *out, const struct conf *conf, const struct tp_addr *listener)
{
	struct conf_discovery_place at;

	if (!conf_discovery_find(conf->nat_discovery.families, listener, &at))
		return;
	out->origin.ip = at.of->public_address[at.address];
	out->origin.port = at.of->port[at.port];
	out->other.ip = at.of->public_address[!at.address];
	out->other.port = at.of->port[!at.port];
}

static int add_listeners(struct dp_locals *l, uint32_t capacity, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *listener = &conf->listeners[i];
		struct dp_local *local = local_add(l, capacity, &listener->address);
		if (local == NULL)
			return -E2BIG;
		local->listener = 1;
		if (!(listener->transports & (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)))
			continue;
		uint16_t index = (uint16_t)(local - l->locals);
		rte_be16_t port = rte_cpu_to_be_16(listener->port);
		struct listener_slot *slot = listener_slot(l, index, port);
		if (slot->listener != DP_LISTENER_NONE) {
			l->listener_transports[slot->listener] |= listener->transports;
			continue;
		}
		*slot = (struct listener_slot){
			.local = index, .port = port, .listener = l->n_listeners};
		l->listener[l->n_listeners] =
			(struct tp_addr){.ip = listener->address, .port = listener->port};
		l->listener_local[l->n_listeners] = index;
		l->listener_transports[l->n_listeners] = listener->transports;
		l->listener_realm[l->n_listeners] =
			conf->n_realms > 0 ? conf->realms[listener->realm_index] : "";
		add_discovery(
			&l->listener_discovery[l->n_listeners], conf, &l->listener[l->n_listeners]);
		l->n_listeners++;
	}
	return 0;
}

// Only relay addresses have a public form that differs; the first of two equal ones counts.
static void index_public(struct dp_locals *l)
{
	for (uint16_t i = 0; i < l->count; i++) {
		const struct tp_ip *ip = &l->locals[i].public_address;
		if (index_find(l, &l->by_public, true, ip->family, ip->bytes) == DP_LOCAL_NONE)
			index_add(&l->by_public, ip, i);
	}
}

static int index_alloc(struct local_index *index, uint32_t capacity, int socket)
{
	uint32_t slots = rte_align32pow2(2 * capacity + 2);

	index->mask = slots - 1;
	index->slots = rte_malloc_socket(
		"locals", slots * sizeof(*index->slots), RTE_CACHE_LINE_SIZE, socket);
	if (index->slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		index->slots[i] = (struct local_slot){.local = DP_LOCAL_NONE};
	return 0;
}

// How many locals the config can make at most, counted before duplicates; 0 when a prefix alone is
// too many.
static uint32_t count_most(const struct conf *conf)
{
	uint32_t most = (uint32_t)conf->n_listeners;

	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		uint32_t size = relay_size(&conf->relay.addresses[i]);
		if (size == 0)
			return 0;
		most += size;
	}
	return RTE_MIN(most, (uint32_t)TP_MAX_LOCALS);
}

struct dp_locals *dp_locals_create(const struct conf *conf, int socket)
{
	uint32_t capacity = count_most(conf);
	int error = E2BIG;
	struct dp_locals *l = NULL;

	if (capacity == 0 && conf->relay.n_addresses != 0)
		goto fail;
	error = ENOMEM;
	l = rte_zmalloc_socket("locals", sizeof(*l), RTE_CACHE_LINE_SIZE, socket);
	if (l == NULL)
		goto fail;
	l->locals = rte_zmalloc_socket(
		"locals", (capacity + 1) * sizeof(*l->locals), RTE_CACHE_LINE_SIZE, socket);
	if (l->locals == NULL || index_alloc(&l->by_address, capacity, socket) < 0 ||
		index_alloc(&l->by_public, capacity, socket) < 0)
		goto fail;
	for (uint32_t i = 0; i < LISTENER_SLOTS; i++)
		l->listener_slots[i].listener = DP_LISTENER_NONE;
	l->port_min = conf->relay.port_min;
	l->port_max = conf->relay.port_max;
	error = E2BIG;
	if (add_relays(l, capacity, conf) < 0 || add_listeners(l, capacity, conf) < 0)
		goto fail;
	index_public(l);
	return l;

fail:
	dp_locals_destroy(l);
	rte_errno = error;
	return NULL;
}

void dp_locals_destroy(struct dp_locals *l)
{
	if (l == NULL)
		return;
	rte_free(l->by_address.slots);
	rte_free(l->by_public.slots);
	rte_free(l->locals);
	rte_free(l);
}
