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

static struct tp_region_shape configured(const struct dp_manage *m)
{
	uint32_t allocations = m->dp->conf->limits.allocations;

	return (struct tp_region_shape){.allocations = allocations,
		.peers = allocations * PEERS_PER_ALLOCATION,
		.names = allocations / ALLOCATIONS_PER_NAME + NAMES_AT_LEAST,
		.alloc_record_bytes = sizeof(struct tp_alloc_record)};
}

static int create(const struct tp_region_shape *shape, struct tp_shm *out)
{
	int rc = tp_shm_create(TP_REGION_NAME, tp_region_shape_bytes(shape), out);

	if (rc < 0)
		tp_error("cannot create the session region for %u allocations: %s",
			shape->allocations, strerror(-rc));
	return rc;
}

// The records of `from` in a new region of another shape.
static int create_from(int from, const struct tp_region_shape *had,
	const struct tp_region_shape *shape, struct tp_shm *out)
{
	int rc = create(shape, out);

	if (rc < 0)
		return rc;
	rc = tp_region_copy(from, had, out->base, shape);
	if (rc < 0) {
		tp_error("the session region cannot be copied: %s", strerror(-rc));
		tp_shm_close(out);
	}
	return rc;
}

// The same records in a region of the configured capacities, which takes the place of the kept one.
static int resize(struct dp_manage *m, int kept, const struct tp_region_shape *had,
	const struct tp_region_shape *wanted)
{
	int rc = create_from(kept, had, wanted, &m->region);

	if (rc < 0)
		return rc;
	m->shape = *wanted;
	tp_notice(
		"session region: kept since the run before; limits.allocations is %u and was %u%s",
		wanted->allocations, had->allocations,
		wanted->allocations < had->allocations ? ": calls in records beyond are lost" : "");
	return 0;
}

static bool same_capacities(const struct tp_region_shape *a, const struct tp_region_shape *b)
{
	return a->allocations == b->allocations && a->peers == b->peers && a->names == b->names;
}

// 0: m->region is what was kept, as it is or copied; 1: it is not there yet.
static int take_kept(struct dp_manage *m, const struct tp_region_shape *wanted)
{
	char why[REGION_WHY_BYTES];
	struct tp_region_shape had;
	int fd = m->dp->kept_region_fd, rc;

	m->dp->kept_region_fd = 0;
	if (fd == 0)
		return 1;
	rc = dp_region_check(fd, &had, why);
	if (rc == 0 && !same_capacities(&had, wanted)) {
		rc = resize(m, fd, &had, wanted);
		close(fd);
		return rc;
	}
	if (rc == 0 && (rc = tp_shm_open(fd, tp_region_shape_bytes(&had), &m->region)) < 0)
		snprintf(why, sizeof(why), "it cannot be mapped: %s", strerror(-rc));
	if (rc == 0) {
		m->shape = had; // the control that comes says which layout it wants
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
	const struct tp_region_shape wanted = configured(m);
	int rc;

	if (wanted.allocations == 0 || wanted.allocations > UINT32_MAX / PEERS_PER_ALLOCATION)
		return -EINVAL;
	rc = take_kept(m, &wanted);
	if (rc > 0) {
		m->shape = wanted;
		rc = create(&wanted, &m->region);
	}
	if (rc < 0)
		return rc;
	dp_manage_region_head(m);
	return dp_manage_region_hold(m);
}

// The region stays the one there was until the new one is whole and where it is kept.
int dp_manage_region_convert(struct dp_manage *m, uint32_t alloc_record_bytes)
{
	const struct tp_region_shape had = m->shape;
	struct tp_shm old = m->region, fresh;
	int rc;

	if (had.alloc_record_bytes == alloc_record_bytes)
		return 0;
	m->shape.alloc_record_bytes = alloc_record_bytes;
	rc = create_from(old.fd, &had, &m->shape, &fresh);
	if (rc == 0) {
		m->region = fresh;
		dp_manage_region_head(m);
		rc = dp_manage_region_replace(m);
		if (rc < 0)
			tp_shm_close(&fresh);
	}
	if (rc < 0) {
		m->region = old;
		m->shape = had;
		return rc;
	}
	tp_shm_close(&old);
	tp_notice("session region: records of allocations have %u bytes for this control, and had "
		  "%u",
		alloc_record_bytes, had.alloc_record_bytes);
	return 0;
}

void dp_manage_region_head(struct dp_manage *m)
{
	struct tp_region_header *header = m->region.base;

	header->magic = TP_REGION_MAGIC;
	header->major = TP_ABI_MAJOR;
	header->minor = TP_ABI_MINOR;
	header->alloc_capacity = m->shape.allocations;
	header->peer_capacity = m->shape.peers;
	header->name_capacity = m->shape.names;
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
