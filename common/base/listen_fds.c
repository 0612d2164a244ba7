// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/listen_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Decimal digits and nothing else.
static bool read_number(const char *text, unsigned long *out)
{
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*out = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0';
}

unsigned int tp_listen_fds_count(const char *pid, const char *count, pid_t self)
{
	unsigned long whose, n;

	if (!read_number(pid, &whose) || !read_number(count, &n))
		return 0;
	return whose == (unsigned long)self && n <= TP_LISTEN_FDS_MAX ? (unsigned int)n : 0;
}

int tp_listen_fds_find(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (int place = 0; names; place++) {
		const char *end = strchrnul(names, ':');
		if ((size_t)(end - names) == length && memcmp(names, name, length) == 0)
			return place;
		names = *end ? end + 1 : NULL;
	}
	return -1;
}

int tp_listen_fds_take(const char *name)
{
	unsigned int n = tp_listen_fds_count(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getpid());
	int place = tp_listen_fds_find(getenv("LISTEN_FDNAMES"), name), taken = 0;

	for (unsigned int i = 0; i < n; i++) {
		int fd = TP_LISTEN_FDS_START + (int)i;
		if ((int)i == place && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0)
			taken = fd;
		else
			close(fd);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return taken;
}
