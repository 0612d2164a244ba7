// SPDX-License-Identifier: BSD-3-Clause
// Local addresses and listeners: making the tables, and the finds that are not inline.
#include <errno.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "dataplane/table/local_find.h"

static void index_add(struct dp_local_index *index, const struct tp_ip *ip, uint16_t local)
{
	uint32_t tag = dp_local_tag(ip->family, ip->bytes);
	uint32_t at = dp_local_spread(tag) & index->mask;

	while (index->slots[at].local != DP_LOCAL_NONE)
		at = (at + 1) & index->mask;
	index->slots[at] = (struct dp_local_slot){.tag = tag, .local = local, .family = ip->family};
}

uint16_t dp_local_find(const struct dp_locals *l, uint8_t family, const uint8_t *ip)
{
	return dp_local_index_find(l, &l->by_address, false, family, ip)->local;
}

uint16_t dp_local_find_public(const struct dp_locals *l, const struct tp_ip *ip)
{
	if (tp_ip_length(ip) == 0)
		return DP_LOCAL_NONE;
	uint16_t local =
		dp_local_index_find(l, &l->by_public, true, ip->family, ip->bytes)->local;
	return local != DP_LOCAL_NONE ? local : dp_local_find(l, ip->family, ip->bytes);
}

uint16_t dp_listener_find(const struct dp_locals *l, uint16_t local, rte_be16_t port)
{
	return dp_listener_slot(l, local, port)->listener;
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
	return dp_local_in_relay_range(l, port);
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

static void mark_relay(struct dp_locals *l, struct dp_local *local)
{
	const struct tp_ip *ip = &local->address;

	local->relay = 1;
	((struct dp_local_slot *)dp_local_index_find(
		 l, &l->by_address, false, ip->family, ip->bytes))
		->relay = 1;
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
			mark_relay(l, local);
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
		struct dp_listener_slot *slot =
			(struct dp_listener_slot *)dp_listener_slot(l, index, port);
		if (slot->listener != DP_LISTENER_NONE) {
			l->listener_transports[slot->listener] |= listener->transports;
			continue;
		}
		*slot = (struct dp_listener_slot){
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
		if (dp_local_index_find(l, &l->by_public, true, ip->family, ip->bytes)->local ==
			DP_LOCAL_NONE)
			index_add(&l->by_public, ip, i);
	}
}

static int index_alloc(struct dp_local_index *index, uint32_t capacity, int socket)
{
	uint32_t slots = rte_align32pow2(2 * capacity + 2);

	index->mask = slots - 1;
	index->slots = rte_malloc_socket(
		"locals", slots * sizeof(*index->slots), RTE_CACHE_LINE_SIZE, socket);
	if (index->slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < slots; i++)
		index->slots[i] = (struct dp_local_slot){.local = DP_LOCAL_NONE};
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
	for (uint32_t i = 0; i < DP_LISTENER_SLOTS; i++)
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
