// SPDX-License-Identifier: BSD-3-Clause
// Deferred frees: two lists in order of their QSBR tokens, threaded through the dead objects, so a
// removal never allocates and never waits.
#include <rte_pause.h>

#include "dataplane/table/flow_table_impl.h"

#define SETTLE_POLLS 20000 // of a pause each

void dp_flow_retire(struct dp_flow_table *t, uint32_t flow)
{
	struct dp_flow *dead = &t->flows[flow];

	if (t->qsbr == NULL) {
		dead->next = t->flow_free;
		t->flow_free = flow;
		return;
	}
	dead->bucket = (uint32_t)rte_rcu_qsbr_start(t->qsbr);
	dead->next = 0;
	if (t->flows_retired.last != 0)
		t->flows[t->flows_retired.last].next = flow;
	else
		t->flows_retired.first = flow;
	t->flows_retired.last = flow;
}

void dp_bucket_retire(struct dp_flow_table *t, uint32_t bucket)
{
	struct dp_flow_bucket *dead = &t->buckets[bucket];

	if (t->qsbr == NULL) {
		dead->retired_next = t->bucket_free;
		t->bucket_free = bucket;
		return;
	}
	dead->retired_token = rte_rcu_qsbr_start(t->qsbr);
	dead->retired_next = 0;
	if (t->buckets_retired.last != 0)
		t->buckets[t->buckets_retired.last].retired_next = bucket;
	else
		t->buckets_retired.first = bucket;
	t->buckets_retired.last = bucket;
}

// The token that ended in these 32 bits: the newest such one that was handed out already.
static uint64_t whole_token(const struct dp_flow_table *t, uint32_t low)
{
	uint64_t now = __atomic_load_n(&t->qsbr->token, __ATOMIC_RELAXED);
	return now - (uint32_t)((uint32_t)now - low);
}

void dp_flow_reclaim(struct dp_flow_table *t, uint32_t max)
{
	for (uint32_t n = 0; n < max && t->flows_retired.first != 0; n++) {
		uint32_t flow = t->flows_retired.first;
		struct dp_flow *dead = &t->flows[flow];
		if (rte_rcu_qsbr_check(t->qsbr, whole_token(t, dead->bucket), false) != 1)
			break;
		t->flows_retired.first = dead->next;
		if (dead->next == 0)
			t->flows_retired.last = 0;
		dead->next = t->flow_free;
		t->flow_free = flow;
	}
	for (uint32_t n = 0; n < max && t->buckets_retired.first != 0; n++) {
		uint32_t bucket = t->buckets_retired.first;
		struct dp_flow_bucket *dead = &t->buckets[bucket];
		if (rte_rcu_qsbr_check(t->qsbr, dead->retired_token, false) != 1)
			break;
		t->buckets_retired.first = dead->retired_next;
		if (dead->retired_next == 0)
			t->buckets_retired.last = 0;
		dead->retired_next = t->bucket_free;
		t->bucket_free = bucket;
	}
}

bool dp_flow_settle(struct dp_flow_table *t)
{
	if (t->qsbr == NULL)
		return true;
	uint64_t token = rte_rcu_qsbr_start(t->qsbr);
	for (uint32_t n = 0; n < SETTLE_POLLS; n++) {
		if (rte_rcu_qsbr_check(t->qsbr, token, false) == 1)
			return true;
		rte_pause();
	}
	return false;
}
