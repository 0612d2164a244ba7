// SPDX-License-Identifier: BSD-3-Clause
// The writer's side of the flow table: creation, publishing, replacing, removing.
#include <errno.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "common/base/hash.h"
#include "dataplane/table/flow_table_impl.h"

// Flows a primary bucket holds on average when the table is full: at 4 of 8 some 2 % of the buckets
// overflow; the reserve of one in eight is six times that.
#define FLOWS_PER_BUCKET    4
#define BUCKETS_PER_RESERVE 8
#define RESERVE_MIN         16
#define RECLAIM_STEP        16
#define RECLAIM_ALL         UINT32_MAX

static uint32_t primary_buckets(uint32_t capacity)
{
	return rte_align32pow2(RTE_MAX(UINT32_C(1), capacity / FLOWS_PER_BUCKET));
}

struct dp_flow_table *dp_flow_table_create(uint32_t capacity, struct rte_rcu_qsbr *qsbr, int socket)
{
	if (capacity == 0 || capacity > DP_FLOW_CAPACITY_MAX) {
		rte_errno = EINVAL;
		return NULL;
	}
	uint32_t primary = primary_buckets(capacity);
	uint32_t buckets = primary + primary / BUCKETS_PER_RESERVE + RESERVE_MIN;

	struct dp_flow_table *t =
		rte_zmalloc_socket("flow_table", sizeof(*t), RTE_CACHE_LINE_SIZE, socket);
	if (t == NULL)
		goto fail_memory;
	t->buckets = rte_zmalloc_socket(
		"flow_buckets", (size_t)buckets * sizeof(*t->buckets), RTE_CACHE_LINE_SIZE, socket);
	t->flows = rte_zmalloc_socket(
		"flows", ((size_t)capacity + 1) * sizeof(*t->flows), RTE_CACHE_LINE_SIZE, socket);
	if (t->buckets == NULL || t->flows == NULL)
		goto fail_memory;
	if (tp_random_bytes(&t->secret, sizeof(t->secret)) < 0) {
		dp_flow_table_destroy(t);
		rte_errno = EIO;
		return NULL;
	}
	t->mask = primary - 1;
	t->qsbr = qsbr;
	t->capacity = capacity;
	t->flow_fresh = 1;
	t->bucket_fresh = primary;
	t->bucket_end = buckets;
	return t;

fail_memory:
	dp_flow_table_destroy(t);
	rte_errno = ENOMEM;
	return NULL;
}

void dp_flow_table_destroy(struct dp_flow_table *t)
{
	if (t == NULL)
		return;
	rte_free(t->flows);
	rte_free(t->buckets);
	rte_free(t);
}

void dp_flow_table_memory(const struct dp_flow_table *t, struct tp_memory *out)
{
	tp_memory_block(out, TP_MEMORY_flows, TP_MEMORY_dpdk, t->buckets,
		(size_t)t->bucket_end * sizeof(*t->buckets));
	tp_memory_block(out, TP_MEMORY_flows, TP_MEMORY_dpdk, t->flows,
		((size_t)t->capacity + 1) * sizeof(*t->flows));
}

struct dp_flow *dp_flow_new(struct dp_flow_table *t)
{
	uint32_t index;

	dp_flow_reclaim(t, RECLAIM_STEP);
	if (t->flow_free != 0) {
		index = t->flow_free;
		t->flow_free = t->flows[index].next;
	} else if (t->flow_fresh <= t->capacity) {
		index = t->flow_fresh++;
	} else {
		return NULL;
	}
	memset(&t->flows[index], 0, sizeof(t->flows[index]));
	return &t->flows[index];
}

void dp_flow_discard(struct dp_flow_table *t, struct dp_flow *flow)
{
	flow->next = t->flow_free;
	t->flow_free = dp_flow_index(t, flow);
}

static uint32_t overflow_take(struct dp_flow_table *t)
{
	uint32_t at = t->bucket_free;

	if (at == 0 && t->buckets_retired.first != 0) {
		dp_flow_reclaim(t, RECLAIM_ALL);
		at = t->bucket_free;
	}
	if (at != 0)
		t->bucket_free = t->buckets[at].retired_next;
	else if (t->bucket_fresh < t->bucket_end)
		at = t->bucket_fresh++;
	else
		return 0;
	memset(&t->buckets[at], 0, sizeof(t->buckets[at]));
	return at;
}

static void slot_set(
	struct dp_flow_table *t, uint32_t at, uint32_t slot, uint16_t tag, struct dp_flow *flow)
{
	struct dp_flow_bucket *b = &t->buckets[at];

	flow->bucket = at * DP_BUCKET_SLOTS + slot;
	atomic_store_explicit(&b->tag[slot], tag, memory_order_relaxed);
	atomic_store_explicit(&b->flow[slot], dp_flow_index(t, flow), memory_order_release);
}

// An empty slot in the chain of `primary`: bucket and slot, or false.
static bool slot_find(
	const struct dp_flow_table *t, uint32_t primary, uint32_t *bucket, uint32_t *slot)
{
	uint32_t at = primary;

	do {
		const struct dp_flow_bucket *b = &t->buckets[at];
		for (uint32_t i = 0; i < DP_BUCKET_SLOTS; i++) {
			if (atomic_load_explicit(&b->flow[i], memory_order_relaxed) == 0) {
				*bucket = at;
				*slot = i;
				return true;
			}
		}
		at = atomic_load_explicit(&b->chain, memory_order_relaxed);
	} while (at != 0);
	return false;
}

int dp_flow_publish(struct dp_flow_table *t, struct dp_flow *flow)
{
	uint64_t hash = dp_flow_hash(&t->secret, &flow->key);
	uint32_t primary = dp_flow_primary(t, hash);
	uint32_t at, slot;

	if (dp_flow_find_hashed(t, hash, &flow->key) != NULL)
		return -EEXIST;
	if (slot_find(t, primary, &at, &slot)) {
		slot_set(t, at, slot, dp_flow_tag(hash), flow);
	} else {
		at = overflow_take(t);
		if (at == 0)
			return -ENOSPC;
		slot_set(t, at, 0, dp_flow_tag(hash), flow);
		struct dp_flow_bucket *head = &t->buckets[primary];
		atomic_store_explicit(&t->buckets[at].chain,
			atomic_load_explicit(&head->chain, memory_order_relaxed),
			memory_order_relaxed);
		atomic_store_explicit(&head->chain, at, memory_order_release);
	}
	t->count++;
	return 0;
}

void dp_flow_swap(struct dp_flow_table *t, struct dp_flow *old, struct dp_flow *fresh)
{
	struct dp_flow_bucket *b = &t->buckets[old->bucket / DP_BUCKET_SLOTS];

	fresh->bucket = old->bucket;
	atomic_store_explicit(&b->flow[old->bucket % DP_BUCKET_SLOTS], dp_flow_index(t, fresh),
		memory_order_release);
}

void dp_flow_replace(struct dp_flow_table *t, struct dp_flow *old, struct dp_flow *fresh)
{
	dp_flow_swap(t, old, fresh);
	dp_flow_retire(t, dp_flow_index(t, old));
}

static bool bucket_empty(const struct dp_flow_bucket *b)
{
	for (uint32_t i = 0; i < DP_BUCKET_SLOTS; i++) {
		if (atomic_load_explicit(&b->flow[i], memory_order_relaxed) != 0)
			return false;
	}
	return true;
}

// Takes an empty overflow bucket out of its chain. Its own link stays, so a reader that stands on
// it goes on to the rest.
static void overflow_unlink(struct dp_flow_table *t, uint32_t primary, uint32_t empty)
{
	uint32_t at = primary;
	uint32_t next = atomic_load_explicit(&t->buckets[at].chain, memory_order_relaxed);

	while (next != empty) {
		at = next;
		next = atomic_load_explicit(&t->buckets[at].chain, memory_order_relaxed);
	}
	atomic_store_explicit(&t->buckets[at].chain,
		atomic_load_explicit(&t->buckets[empty].chain, memory_order_relaxed),
		memory_order_release);
	dp_bucket_retire(t, empty);
}

void dp_flow_unlink(struct dp_flow_table *t, struct dp_flow *flow)
{
	uint32_t at = flow->bucket / DP_BUCKET_SLOTS;
	uint32_t slot = flow->bucket % DP_BUCKET_SLOTS;
	struct dp_flow_bucket *b = &t->buckets[at];

	atomic_store_explicit(&b->flow[slot], 0, memory_order_release);
	atomic_store_explicit(&b->tag[slot], 0, memory_order_relaxed);
	if (at > t->mask && bucket_empty(b))
		overflow_unlink(t, dp_flow_primary(t, dp_flow_hash(&t->secret, &flow->key)), at);
	t->count--;
}

void dp_flow_free(struct dp_flow_table *t, struct dp_flow *flow)
{
	dp_flow_retire(t, dp_flow_index(t, flow));
	dp_flow_reclaim(t, RECLAIM_STEP);
}

void dp_flow_remove(struct dp_flow_table *t, struct dp_flow *flow)
{
	dp_flow_unlink(t, flow);
	dp_flow_free(t, flow);
}

uint32_t dp_flow_index(const struct dp_flow_table *t, const struct dp_flow *flow)
{
	return (uint32_t)(flow - t->flows);
}

struct dp_flow *dp_flow_at(const struct dp_flow_table *t, uint32_t index)
{
	return &t->flows[index];
}

uint32_t dp_flow_count(const struct dp_flow_table *t)
{
	return t->count;
}

uint32_t dp_flow_capacity(const struct dp_flow_table *t)
{
	return t->capacity;
}
