// SPDX-License-Identifier: BSD-3-Clause
// The session region, made once a run. The dataplane writes its header and nothing else; pages are
// allocated when control touches them, so capacity costs nothing until it is used.
#include <errno.h>
#include <string.h>

#include "common/abi/record.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"

// Permissions and channels that an allocation has on average, and how many of them need room for a
// long user name.
#define PEERS_PER_ALLOCATION 4
#define ALLOCATIONS_PER_NAME 16
#define NAMES_AT_LEAST       1024

int dp_manage_region_create(struct dp_manage *m)
{
	uint32_t allocations = m->dp->conf->limits.allocations;
	uint32_t peers = allocations * PEERS_PER_ALLOCATION;
	uint32_t names = allocations / ALLOCATIONS_PER_NAME + NAMES_AT_LEAST;
	int rc;

	if (allocations == 0 || allocations > UINT32_MAX / PEERS_PER_ALLOCATION)
		return -EINVAL;
	rc = tp_shm_create(
		"turnpike-sessions", tp_region_bytes(allocations, peers, names), &m->region);
	if (rc < 0) {
		tp_error("cannot create the session region for %u allocations: %s", allocations,
			strerror(-rc));
		return rc;
	}
	dp_manage_region_head(m);
	tp_notice("nobody else holds the session region: when dataplane and control die at once, "
		  "all allocations are lost");
	return 0;
}

void dp_manage_region_head(struct dp_manage *m)
{
	struct tp_region_header *header = m->region.base;
	uint32_t allocations = m->dp->conf->limits.allocations;

	header->magic = TP_REGION_MAGIC;
	header->major = TP_ABI_MAJOR;
	header->minor = TP_ABI_MINOR;
	header->alloc_capacity = allocations;
	header->peer_capacity = allocations * PEERS_PER_ALLOCATION;
	header->name_capacity = allocations / ALLOCATIONS_PER_NAME + NAMES_AT_LEAST;
	header->instance = m->dp->instance;
}

// Control writes the keys without a lock. A key read half written signs nonces that are answered 438
// with a fresh one, until the next call.
void dp_manage_nonce_key(struct dp_manage *m)
{
	const struct tp_region_header *header = m->region.base;
	const volatile struct tp_nonce_key *key = header->nonce_key;
	struct dp_nonce_sign sign = {.wall_offset_ns = tp_wall_ns() - tp_now_ns()};

	if (key[0].created_wall_ns == 0) {
		dp_nonce_publish(&m->dp->nonce_key, NULL);
		return;
	}
	sign.keys = key[1].created_wall_ns != 0 ? 2 : 1;
	for (size_t n = 0; n < sign.keys; n++)
		for (size_t i = 0; i < sizeof(sign.key[n]); i++)
			sign.key[n][i] = key[n].key[i];
	dp_nonce_publish(&m->dp->nonce_key, &sign);
	explicit_bzero(&sign, sizeof(sign));
}
