// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint64_t ctl_realm_tag(const char *realm)
{
	static const struct tp_siphash_key fixed;
	uint64_t tag = tp_siphash(&fixed, realm, strlen(realm));
	return tag ? tag : 1;
}

int ctl_region_format(void *region, size_t region_bytes, uint32_t allocs, uint32_t peers,
	uint32_t names, uint64_t instance)
{
	if (tp_region_bytes(allocs, peers, names) > region_bytes)
		return -EINVAL;
	struct tp_region_header *h = region;
	h->magic = TP_REGION_MAGIC;
	h->major = TP_ABI_MAJOR;
	h->minor = TP_ABI_MINOR;
	h->alloc_capacity = allocs;
	h->peer_capacity = peers;
	h->name_capacity = names;
	h->instance = instance;
	return 0;
}

// Reads the capacities once; what lies in the region afterwards cannot change them.
static int map_region(struct ctl_store *s, void *region, size_t bytes)
{
	struct tp_region_header *h = region;
	if (bytes < TP_REGION_HEADER_BYTES || h->magic != TP_REGION_MAGIC ||
		h->major != TP_ABI_MAJOR)
		return -EINVAL;
	s->header = h;
	s->keys = (struct tp_region_keys *)((uint8_t *)region + TP_REGION_KEYS_OFFSET);
	s->counted = (struct tp_region_counted *)((uint8_t *)region + TP_REGION_COUNTED_OFFSET);
	s->alloc_journal = (struct tp_region_alloc_journal *)((uint8_t *)region +
							      TP_REGION_ALLOC_JOURNAL_OFFSET);
	s->peer_journal = (struct tp_region_peer_journal *)((uint8_t *)region +
							    TP_REGION_PEER_JOURNAL_OFFSET);
	s->alloc_capacity = h->alloc_capacity;
	s->peer_capacity = h->peer_capacity;
	s->name_capacity = h->name_capacity;
	if (s->alloc_capacity == 0 || s->alloc_capacity > INT32_MAX / 2 ||
		s->peer_capacity > INT32_MAX / 2 || s->name_capacity > INT32_MAX / 2 ||
		tp_region_bytes(s->alloc_capacity, s->peer_capacity, s->name_capacity) > bytes)
		return -EINVAL;
	uint8_t *at = (uint8_t *)region + TP_REGION_HEADER_BYTES;
	s->allocs = (struct tp_alloc_record *)at;
	at += (uint64_t)s->alloc_capacity * sizeof(*s->allocs);
	s->peers = (struct tp_peer_record *)at;
	at += (uint64_t)s->peer_capacity * sizeof(*s->peers);
	s->names = (struct tp_name_record *)at;
	return 0;
}

static int make_indexes(struct ctl_store *s)
{
	int rc = ctl_draw_bytes(&s->draw, &s->key, sizeof(s->key));
	if (rc)
		return rc;
	uint32_t buckets = 64;
	while (buckets < s->alloc_capacity)
		buckets *= 2;
	s->bucket_mask = buckets - 1;
	s->renew_next = s->alloc_capacity;
	s->buckets = malloc(buckets * sizeof(*s->buckets));
	s->slots = calloc(s->alloc_capacity, sizeof(*s->slots));
	s->rest_first = s->rest_last = TP_INDEX_NONE;
	if (!s->buckets || !s->slots)
		return -ENOMEM;
	memset(s->buckets, 0xff, buckets * sizeof(*s->buckets));
	if (ctl_free_list_init(&s->free_allocs, s->alloc_capacity) ||
		ctl_free_list_init(&s->free_peers, s->peer_capacity) ||
		ctl_free_list_init(&s->free_names, s->name_capacity) ||
		ctl_heap_init(&s->expiry, ctl_heap_of_reservation(s, CTL_RESERVATIONS)) ||
		ctl_quota_init(&s->quota, s->alloc_capacity, &s->key))
		return -ENOMEM;
	return ctl_relays_init(&s->relays, &s->policy);
}

int ctl_store_create(const struct ctl_store_options *options, struct ctl_store **out)
{
	*out = NULL;
	struct ctl_store *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->policy = *options->policy;
	s->commands = options->commands;
	s->draw.random = options->random;
	s->working = options->working;
	s->written.fd = options->region_fd;
	int rc = map_region(s, options->region, options->region_bytes);
	if (!rc)
		rc = make_indexes(s);
	if (rc) {
		ctl_store_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void ctl_store_destroy(struct ctl_store *s)
{
	if (!s)
		return;
	free(s->buckets);
	free(s->slots);
	ctl_free_list_fini(&s->free_allocs);
	ctl_free_list_fini(&s->free_peers);
	ctl_free_list_fini(&s->free_names);
	ctl_heap_fini(&s->expiry);
	ctl_relays_fini(&s->relays);
	ctl_quota_fini(&s->quota);
	free(s);
}

void ctl_store_status(const struct ctl_store *s, struct ctl_store_status *out)
{
	*out = s->counts;
	out->alloc_capacity = s->alloc_capacity;
	out->peer_capacity = s->peer_capacity;
	out->name_capacity = s->name_capacity;
	out->allocs_free = s->free_allocs.count;
	out->peers_free = s->free_peers.count;
	out->names_free = s->free_names.count;
	out->ports_free[0] = s->relays.free[0][CTL_WISH_ANY];
	out->ports_free[1] = s->relays.free[1][CTL_WISH_ANY];
	out->users = s->quota.users - (s->counts.synthetic > 0);
}

struct tp_nonce_key *ctl_store_nonce_keys(struct ctl_store *s)
{
	return s->header->nonce_key;
}

uint32_t ctl_store_capacity(const struct ctl_store *s)
{
	return s->alloc_capacity;
}

const struct ctl_store_policy *ctl_store_policy(const struct ctl_store *s)
{
	return &s->policy;
}

void ctl_store_on_end(struct ctl_store *s, ctl_store_ended_fn ended, void *context)
{
	s->ended = ended;
	s->ended_context = context;
}

void ctl_send(struct ctl_store *s, const struct tp_cmd *cmd, struct ctl_change *change)
{
	const struct tp_alloc_record *of = ctl_live(s, cmd->alloc);
	if (of && ctl_over_tcp(of))
		return;
	uint64_t sequence = s->commands.send(s->commands.context, cmd);
	if (!change)
		return;
	if (change->first_sequence == 0)
		change->first_sequence = sequence;
	change->last_sequence = sequence;
}
