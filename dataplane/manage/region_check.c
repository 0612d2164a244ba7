// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/manage/region_check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3))) static int wrong(char *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, REGION_WHY_BYTES, format, ap);
	va_end(ap);
	return -EINVAL;
}

static int check_memory(int fd, char *why)
{
	const int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return wrong(why, "it is no memory that can be sealed");
	if (seals != needed)
		return wrong(why, "its seals are 0x%x, expected 0x%x", (unsigned int)seals,
			(unsigned int)needed);
	if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDWR)
		return wrong(why, "it is not open for writing");
	return 0;
}

// Of a copy: whoever holds the memory, too, may change it while we look.
static int check_header(const struct tp_region_header *h, uint64_t bytes, char *why)
{
	if (h->magic != TP_REGION_MAGIC)
		return wrong(why, "it does not begin like a session region");
	if (h->major != TP_ABI_MAJOR || h->minor != TP_ABI_MINOR)
		return wrong(why, "it is of ABI version %u.%u, ours is %u.%u", h->major, h->minor,
			TP_ABI_MAJOR, TP_ABI_MINOR);
	if (h->alloc_capacity == 0)
		return wrong(why, "it has room for no allocation");
	if (tp_region_bytes(h->alloc_capacity, h->peer_capacity, h->name_capacity) != bytes)
		return wrong(why, "its size is %llu bytes, which its capacities do not make",
			(unsigned long long)bytes);
	return 0;
}

int dp_region_check(int fd, struct region_capacities *out, char why[REGION_WHY_BYTES])
{
	struct tp_region_header header;
	struct stat st;
	int rc = check_memory(fd, why);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0 || st.st_size < TP_REGION_HEADER_BYTES ||
		pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return wrong(why, "it has no room for a header");
	rc = check_header(&header, (uint64_t)st.st_size, why);
	if (rc == 0)
		*out = (struct region_capacities){.allocations = header.alloc_capacity,
			.peers = header.peer_capacity,
			.names = header.name_capacity};
	return rc;
}

// ---- copying

static int copy_data(int from, uint64_t at, uint64_t end, uint8_t *to)
{
	while (at < end) {
		ssize_t n = pread(from, to, end - at, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += (uint64_t)n;
		to += n;
	}
	return 0;
}

// Leaves out what was never written: neither side gets a page for it.
static int copy_range(int from, uint64_t at, uint64_t bytes, uint8_t *to)
{
	uint64_t end = at + bytes;
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
		uint64_t until = (uint64_t)hole < end ? (uint64_t)hole : end;
		rc = copy_data(from, (uint64_t)data, until, to + ((uint64_t)data - at));
		to += until - at;
		at = until;
	}
	return rc;
}

int dp_region_copy(int from, const struct region_capacities *had, void *to,
	const struct region_capacities *has)
{
	const struct {
		uint64_t had, has, bytes;
	} part[] = {
		{1, 1, TP_REGION_HEADER_BYTES},
		{had->allocations, has->allocations, sizeof(struct tp_alloc_record)},
		{had->peers, has->peers, sizeof(struct tp_peer_record)},
		{had->names, has->names, sizeof(struct tp_name_record)},
	};
	uint64_t at = 0;
	uint8_t *out = to;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(part) / sizeof(part[0]); i++) {
		uint64_t n = part[i].had < part[i].has ? part[i].had : part[i].has;
		rc = copy_range(from, at, n * part[i].bytes, out);
		at += part[i].had * part[i].bytes;
		out += part[i].has * part[i].bytes;
	}
	return rc;
}
