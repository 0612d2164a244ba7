// SPDX-License-Identifier: BSD-3-Clause
// The session region: the one of the run before, if a holder kept it (region_check.c), else a new
// one. The dataplane writes its header and nothing else; pages are allocated when control touches
// them, so capacity costs nothing until it is used.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/abi/record.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/manage/region_check.h"

// Permissions and channels that an allocation has on average, and how many of them need room for a
// long user name.
#define PEERS_PER_ALLOCATION 4
#define ALLOCATIONS_PER_NAME 16
#define NAMES_AT_LEAST       1024

static struct region_capacities configured(const struct dp_manage *m)
{
	uint32_t allocations = m->dp->conf->limits.allocations;

	return (struct region_capacities){.allocations = allocations,
		.peers = allocations * PEERS_PER_ALLOCATION,
		.names = allocations / ALLOCATIONS_PER_NAME + NAMES_AT_LEAST};
}

static int create(struct dp_manage *m, const struct region_capacities *c)
{
	int rc = tp_shm_create(TP_REGION_NAME, region_capacities_bytes(c), &m->region);

	if (rc < 0)
		tp_error("cannot create the session region for %u allocations: %s", c->allocations,
			strerror(-rc));
	return rc;
}

// The same records in a region of other capacities, which takes the place of the kept one.
static int create_from(struct dp_manage *m, int kept, const struct region_capacities *had,
	const struct region_capacities *c)
{
	int rc = create(m, c);

	if (rc < 0)
		return rc;
	rc = dp_region_copy(kept, had, m->region.base, c);
	if (rc < 0) {
		tp_error("the kept session region cannot be copied: %s", strerror(-rc));
		return rc;
	}
	tp_notice(
		"session region: kept since the run before; limits.allocations is %u and was %u%s",
		c->allocations, had->allocations,
		c->allocations < had->allocations ? ": calls in records beyond are lost" : "");
	return 0;
}

// 0: m->region is what was kept, as it is or copied; 1: it is not there yet.
static int take_kept(struct dp_manage *m, const struct region_capacities *c)
{
	char why[REGION_WHY_BYTES];
	struct region_capacities had;
	int fd = m->dp->kept_region_fd, rc;

	m->dp->kept_region_fd = 0;
	if (fd == 0)
		return 1;
	rc = dp_region_check(fd, &had, why);
	if (rc == 0 && memcmp(&had, c, sizeof(had)) != 0) {
		rc = create_from(m, fd, &had, c);
		close(fd);
		return rc;
	}
	if (rc == 0 && (rc = tp_shm_open(fd, region_capacities_bytes(c), &m->region)) < 0)
		snprintf(why, sizeof(why), "it cannot be mapped: %s", strerror(-rc));
	if (rc == 0) {
		m->region_kept = true;
		tp_notice("session region: kept since the run before");
		return 0;
	}
	tp_error("the session region that was kept is not used, its allocations are lost: %s", why);
	close(fd);
	return 1;
}

int dp_manage_region_create(struct dp_manage *m)
{
	const struct region_capacities c = configured(m);
	int rc;

	if (c.allocations == 0 || c.allocations > UINT32_MAX / PEERS_PER_ALLOCATION)
		return -EINVAL;
	rc = take_kept(m, &c);
	if (rc > 0)
		rc = create(m, &c);
	if (rc < 0)
		return rc;
	dp_manage_region_head(m);
	return dp_manage_region_hold(m);
}

void dp_manage_region_head(struct dp_manage *m)
{
	struct tp_region_header *header = m->region.base;
	const struct region_capacities c = configured(m);

	header->magic = TP_REGION_MAGIC;
	header->major = TP_ABI_MAJOR;
	header->minor = TP_ABI_MINOR;
	header->alloc_capacity = c.allocations;
	header->peer_capacity = c.peers;
	header->name_capacity = c.names;
	header->instance = m->dp->instance;
}

// Control writes the keys without a lock. A key read half written signs nonces that are answered
// 438 with a fresh one, until the next call.
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
