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
static int check_header(
	const struct tp_region_header *h, uint64_t bytes, struct tp_region_shape *out, char *why)
{
	if (h->magic != TP_REGION_MAGIC)
		return wrong(why, "it does not begin like a session region");
	if (h->major != TP_ABI_MAJOR)
		return wrong(why, "it is of ABI version %u.%u, ours is %u.%u", h->major, h->minor,
			TP_ABI_MAJOR, TP_ABI_MINOR);
	if (h->alloc_capacity == 0)
		return wrong(why, "it has room for no allocation");
	// Of a minor version that we do not know either, if its records are of a size that we know.
	if (tp_region_shape_of(h, bytes, out) < 0)
		return wrong(why,
			"its size is %llu bytes, which its capacities do not make in any layout "
			"that we know (ABI version %u.%u, ours is %u.%u)",
			(unsigned long long)bytes, h->major, h->minor, TP_ABI_MAJOR, TP_ABI_MINOR);
	return 0;
}

int dp_region_check(int fd, struct tp_region_shape *out, char why[REGION_WHY_BYTES])
{
	struct tp_region_header header;
	struct stat st;
	int rc = check_memory(fd, why);

	if (rc < 0)
		return rc;
	if (fstat(fd, &st) < 0 || st.st_size < TP_REGION_HEADER_BYTES ||
		pread(fd, &header, sizeof(header), 0) != sizeof(header))
		return wrong(why, "it has no room for a header");
	return check_header(&header, (uint64_t)st.st_size, out, why);
}
