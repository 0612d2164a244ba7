// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/relay_use.h"

#include <errno.h>

#include "control/alloc/store_private.h"

// ---- In the region (common/abi/record.h).

// The word that stands for an entry out of use.
static uint64_t word_of(const struct ctl_store *s, const struct ctl_relay_place *p, uint8_t use)
{
	struct tp_siphash_key key;
	memcpy(key.bytes, s->header->uid_prefix, 8);
	memcpy(key.bytes + 8, s->header->uid_prefix, 8);
	uint8_t name[sizeof(p->address) + 1];
	memcpy(name, &p->address, sizeof(p->address));
	name[sizeof(p->address)] = p->prefix_bits;
	return (tp_siphash(&key, name, sizeof(name)) & ~TP_RELAY_USE_MASK) | use;
}

static bool same_entry(uint64_t a, uint64_t b)
{
	return (a & ~TP_RELAY_USE_MASK) == (b & ~TP_RELAY_USE_MASK);
}

// There are as many words as entries, and each entry has one at most: a free one is found.
static void remember(struct ctl_store *s, const struct ctl_relay_place *p)
{
	struct tp_region_relays *kept = tp_region_relays(s->header);
	uint64_t word = word_of(s, p, p->use);
	uint64_t *place = NULL;
	for (uint32_t i = 0; i < TP_MAX_RELAYS; i++) {
		uint64_t *at = &kept->word[i];
		if (*at != 0 && same_entry(*at, word)) {
			place = at;
			break;
		}
		if (*at == 0 && !place)
			place = at;
	}
	if (place)
		*place = p->use == CTL_RELAY_IN_USE ? 0 : word;
}

static enum ctl_relay_use recall(struct ctl_store *s, const struct ctl_relay_place *p)
{
	const struct tp_region_relays *kept = tp_region_relays(s->header);
	uint64_t word = word_of(s, p, 0);
	for (uint32_t i = 0; i < TP_MAX_RELAYS; i++) {
		uint64_t use = kept->word[i] & TP_RELAY_USE_MASK;
		if (same_entry(kept->word[i], word) &&
			(use == TP_RELAY_DRAINED || use == TP_RELAY_REMOVED))
			return (enum ctl_relay_use)use;
	}
	return CTL_RELAY_IN_USE;
}

// ---- How loaded.

// Reserved ports of the addresses [first, first + count). There are few reservations.
static uint64_t reserved_ports(const struct ctl_store *s, uint32_t first, uint32_t count)
{
	uint64_t n = 0;
	for (uint32_t i = 0; i < CTL_RESERVATIONS; i++) {
		const struct ctl_reservation *r = &s->reservations[i];
		n += r->used && r->port.address >= first && r->port.address - first < count;
	}
	return n;
}

static struct ctl_relay_load load_of(const struct ctl_store *s, uint32_t first, uint32_t count)
{
	struct ctl_relay_load load = {.reserved = reserved_ports(s, first, count)};
	for (uint32_t i = first; i < first + count; i++) {
		const struct ctl_relay_address *a = &s->relays.address[i];
		load.ports += a->ports;
		load.free += a->free[CTL_WISH_ANY];
		load.resting += a->resting;
	}
	load.taken = load.ports - load.free - load.resting - load.reserved;
	return load;
}

bool ctl_relay_entry(const struct ctl_store *s, uint32_t index, struct ctl_relay_view *out)
{
	if (index >= s->relays.places)
		return false;
	const struct ctl_relay_place *p = &s->relays.place[index];
	*out = (struct ctl_relay_view){.address = p->address,
		.public_address = p->public_address,
		.prefix_bits = p->prefix_bits,
		.use = (enum ctl_relay_use)p->use,
		.addresses = p->count,
		.load = load_of(s, p->first, p->count)};
	return true;
}

bool ctl_relay_single(const struct ctl_store *s, uint32_t index, struct ctl_relay_view *out)
{
	if (index >= s->relays.count)
		return false;
	const struct ctl_relay_address *a = &s->relays.address[index];
	// Places lie in the order of their addresses' numbers.
	uint32_t low = 0, high = s->relays.places;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;
		if (s->relays.place[middle].first <= index)
			low = middle;
		else
			high = middle;
	}
	*out = (struct ctl_relay_view){.address = a->address,
		.public_address = a->public_address,
		.prefix_bits = (uint8_t)(8 * tp_ip_length(&a->address)),
		.use = (enum ctl_relay_use)s->relays.place[low].use,
		.addresses = 1,
		.load = load_of(s, index, 1)};
	return true;
}

void ctl_relay_total(const struct ctl_store *s, struct ctl_relay_totals out[2])
{
	struct ctl_relay_view v;
	for (int f = 0; f < 2; f++)
		out[f] = (struct ctl_relay_totals){};
	for (uint32_t i = 0; ctl_relay_entry(s, i, &v); i++) {
		struct ctl_relay_totals *t = &out[ctl_relays_family(v.address.family)];
		t->load.ports += v.load.ports;
		t->load.free += v.load.free;
		t->load.taken += v.load.taken;
		t->load.resting += v.load.resting;
		t->load.reserved += v.load.reserved;
		t->addresses += v.addresses;
		if (v.use == CTL_RELAY_IN_USE)
			continue;
		t->drained_free += v.load.free;
		*(v.use == CTL_RELAY_DRAINED ? &t->drained : &t->removed) += v.addresses;
	}
}

// ---- Changing it.

uint32_t ctl_relay_find(const struct ctl_store *s, const struct tp_ip *address, uint8_t bits)
{
	for (uint32_t i = 0; i < s->relays.places; i++) {
		const struct ctl_relay_place *p = &s->relays.place[i];
		if (p->prefix_bits == bits && tp_ip_equal(&p->address, address))
			return i;
	}
	return TP_INDEX_NONE;
}

uint32_t ctl_relay_holder(const struct ctl_store *s, const struct tp_ip *address)
{
	for (uint32_t i = 0; i < s->relays.places; i++) {
		const struct ctl_relay_place *p = &s->relays.place[i];
		if (p->address.family == address->family &&
			(tp_ip_in_prefix(address, &p->address, p->prefix_bits) ||
				tp_ip_in_prefix(address, &p->public_address, p->prefix_bits)))
			return i;
	}
	return TP_INDEX_NONE;
}

int ctl_relay_set_use(struct ctl_store *s, uint32_t entry, enum ctl_relay_use use)
{
	struct ctl_relay_view v;
	if (!ctl_relay_entry(s, entry, &v))
		return -ENOENT;
	if (use == CTL_RELAY_REMOVED && (v.use == CTL_RELAY_IN_USE || !ctl_relay_empty(&v.load)))
		return -EBUSY;
	// A removed one is out of use already: draining it would bring it half back.
	if (use == CTL_RELAY_DRAINED && v.use == CTL_RELAY_REMOVED)
		return 0;
	ctl_relays_set_use(&s->relays, entry, use);
	remember(s, &s->relays.place[entry]);
	return 0;
}

void ctl_relay_use_adopt(struct ctl_store *s)
{
	struct tp_region_relays *kept = tp_region_relays(s->header);
	for (uint32_t i = 0; i < s->relays.places; i++) {
		enum ctl_relay_use use = recall(s, &s->relays.place[i]);
		struct ctl_relay_view v;
		// Nothing was there when it was removed; if something is, the region is damaged.
		if (use == CTL_RELAY_REMOVED && ctl_relay_entry(s, i, &v) &&
			!ctl_relay_empty(&v.load))
			use = CTL_RELAY_DRAINED;
		ctl_relays_set_use(&s->relays, i, use);
	}
	// What the configuration does not have any more is forgotten with this.
	memset(kept, 0, sizeof(*kept));
	for (uint32_t i = 0; i < s->relays.places; i++)
		if (s->relays.place[i].use != CTL_RELAY_IN_USE)
			remember(s, &s->relays.place[i]);
}
