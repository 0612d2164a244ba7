// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/region.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BEFORE  TP_ALLOC_RECORD_BYTES_BEFORE
#define NOW     sizeof(struct tp_alloc_record)
#define AT_ONCE 256 // records converted

static_assert(offsetof(struct tp_alloc_record, move_stream) == BEFORE);

bool tp_alloc_record_known(uint32_t bytes)
{
	return bytes == NOW || bytes == BEFORE;
}

uint64_t tp_region_shape_bytes(const struct tp_region_shape *shape)
{
	return tp_region_bytes(0, shape->peers, shape->names) +
	       (uint64_t)shape->allocations * shape->alloc_record_bytes;
}

int tp_region_shape_of(
	const struct tp_region_header *header, uint64_t bytes, struct tp_region_shape *out)
{
	static const uint32_t known[] = {NOW, BEFORE};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		*out = (struct tp_region_shape){.allocations = header->alloc_capacity,
			.peers = header->peer_capacity,
			.names = header->name_capacity,
			.alloc_record_bytes = known[i]};
		if (tp_region_shape_bytes(out) == bytes)
			return 0;
	}
	return -EINVAL;
}

// ---- records of one layout to the other

// Where such a client is moving to, or was before, only layout 2 can say: it stays where it is.
static void give_up_moves(struct tp_alloc_record *r)
{
	if (r->move_transport == 0 && r->before.transport == 0)
		return;
	memset(r->move_ip, 0, sizeof(r->move_ip));
	r->move_port = 0;
	r->move_family = TP_FAMILY_NONE;
	r->move_transport = 0;
	r->move_listener = 0;
	memset(&r->before, 0, sizeof(r->before));
}

// In a record of full size. What is of another layout than its region's is of none from now on, and
// whoever adopts it drops it.
static void convert(struct tp_alloc_record *r, const struct tp_region_shape *had,
	const struct tp_region_shape *has)
{
	// ABI 1.1 called the records of both sizes layout 1.
	bool known = r->layout == TP_ALLOC_LAYOUT_BEFORE ||
		     (r->layout == TP_ALLOC_LAYOUT && had->alloc_record_bytes == NOW);

	give_up_moves(r);
	memset((uint8_t *)r + BEFORE, 0, NOW - BEFORE);
	r->layout = !known                           ? 0
		    : has->alloc_record_bytes == NOW ? TP_ALLOC_LAYOUT
						     : TP_ALLOC_LAYOUT_BEFORE;
}

// What was being written when its control died; without it that record would be torn for ever.
static void convert_journal(
	const struct tp_region_shape *had, const struct tp_region_shape *has, uint8_t *page)
{
	struct tp_region_alloc_journal *j =
		(struct tp_region_alloc_journal *)(page + TP_REGION_ALLOC_JOURNAL_OFFSET);
	struct tp_alloc_record r = {0};

	memcpy((uint8_t *)&r + sizeof(uint32_t), j->bytes, sizeof(j->bytes));
	convert(&r, had, has);
	memcpy(j->bytes, (const uint8_t *)&r + sizeof(uint32_t), sizeof(j->bytes));
}

// ---- copying

static int read_all(int from, uint64_t at, uint64_t bytes, uint8_t *to)
{
	while (bytes > 0) {
		ssize_t n = pread(from, to, bytes, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (uint64_t)n;
		to += n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

struct part {
	uint64_t from, bytes; // in the old region; those of whole records that have a place
	uint32_t had, has;    // bytes of a record
	uint8_t *to;          // the first one's place
	const struct tp_region_shape *old, *new;
};

static int copy_same(int from, const struct part *p, uint64_t at, uint64_t bytes)
{
	return read_all(from, p->from + at, bytes, p->to + at);
}

static int copy_converted(int from, const struct part *p, uint64_t at, uint64_t bytes)
{
	uint64_t first = at / p->had, end = (at + bytes + p->had - 1) / p->had;
	uint8_t some[AT_ONCE * NOW];
	int rc = 0;

	while (rc == 0 && first < end) {
		uint64_t n = end - first < AT_ONCE ? end - first : AT_ONCE;
		rc = read_all(from, p->from + first * p->had, n * p->had, some);
		for (uint64_t i = 0; rc == 0 && i < n; i++) {
			struct tp_alloc_record r = {0};
			memcpy(&r, some + i * p->had, p->had);
			convert(&r, p->old, p->new);
			memcpy(p->to + (first + i) * p->has, &r, p->has);
		}
		first += n;
	}
	return rc;
}

// Leaves out what was never written: neither side gets a page for it.
static int copy_part(int from, const struct part *p)
{
	uint64_t at = p->from, end = p->from + p->bytes;
	int rc = 0;

	while (rc == 0 && at < end) {
		off_t data = lseek(from, (off_t)at, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno; // nothing more
		off_t hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if ((uint64_t)data >= end)
			return 0;
		at = (uint64_t)hole < end ? (uint64_t)hole : end;
		rc = (p->had == p->has ? copy_same : copy_converted)(
			from, p, (uint64_t)data - p->from, at - (uint64_t)data);
	}
	return rc;
}

// The page, as it was but for the capacities.
static int copy_head(
	int from, const struct tp_region_shape *had, uint8_t *to, const struct tp_region_shape *has)
{
	struct tp_region_header *header = (struct tp_region_header *)to;
	int rc = read_all(from, 0, TP_REGION_HEADER_BYTES, to);

	if (rc < 0)
		return rc;
	header->minor = TP_ABI_MINOR;
	header->alloc_capacity = has->allocations;
	header->peer_capacity = has->peers;
	header->name_capacity = has->names;
	if (had->alloc_record_bytes != has->alloc_record_bytes)
		convert_journal(had, has, to);
	return 0;
}

int tp_region_copy(
	int from, const struct tp_region_shape *had, void *to, const struct tp_region_shape *has)
{
	const struct {
		uint32_t had, has, had_bytes, has_bytes;
	} kind[] = {
		{had->allocations, has->allocations, had->alloc_record_bytes,
			has->alloc_record_bytes},
		{had->peers, has->peers, sizeof(struct tp_peer_record),
			sizeof(struct tp_peer_record)},
		{had->names, has->names, sizeof(struct tp_name_record),
			sizeof(struct tp_name_record)},
	};
	uint64_t at = TP_REGION_HEADER_BYTES;
	uint8_t *out = (uint8_t *)to + TP_REGION_HEADER_BYTES;
	int rc = copy_head(from, had, to, has);

	for (size_t i = 0; rc == 0 && i < sizeof(kind) / sizeof(kind[0]); i++) {
		uint64_t n = kind[i].had < kind[i].has ? kind[i].had : kind[i].has;
		const struct part part = {.from = at,
			.bytes = n * kind[i].had_bytes,
			.had = kind[i].had_bytes,
			.has = kind[i].has_bytes,
			.to = out,
			.old = had,
			.new = has};
		rc = copy_part(from, &part);
		at += (uint64_t)kind[i].had * kind[i].had_bytes;
		out += (uint64_t)kind[i].has * kind[i].has_bytes;
	}
	return rc;
}
