// SPDX-License-Identifier: BSD-3-Clause
#include "keeper/store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

int keeper_store_put(struct keeper_store *s, int fd, const char *name)
{
	struct stat st;
	int rc = 0;

	if (fstat(fd, &st) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < s->n; i++)
		if (strcmp(s->kept[i].name, name) == 0 && same_file(s->kept[i].fd, fd))
			goto close;
	rc = -ENOSPC;
	if (s->n == KEEPER_STORE_MAX)
		goto close;
	s->kept[s->n].fd = fd;
	snprintf(s->kept[s->n].name, sizeof(s->kept[s->n].name), "%s", name);
	s->n++;
	return 0;
close:
	close(fd);
	return rc;
}

unsigned int keeper_store_remove(struct keeper_store *s, const char *name)
{
	unsigned int left = 0, n = s->n;

	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(s->kept[i].name, name) == 0)
			close(s->kept[i].fd);
		else
			s->kept[left++] = s->kept[i];
	}
	s->n = left;
	return n - left;
}

void keeper_store_names(const struct keeper_store *s, char out[KEEPER_STORE_NAMES_BYTES])
{
	size_t n = 0;

	out[0] = '\0';
	for (unsigned int i = 0; i < s->n; i++)
		n += (size_t)snprintf(out + n, KEEPER_STORE_NAMES_BYTES - n, "%s%s", i ? ":" : "",
			s->kept[i].name);
}

void keeper_store_close(struct keeper_store *s)
{
	while (s->n > 0)
		close(s->kept[--s->n].fd);
}
