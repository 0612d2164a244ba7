// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/own_fds.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

int dp_own_fds_walk(bool (*visit)(int fd, const char *target, void *arg), void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	bool on = true;

	if (!dir)
		return -errno;
	for (struct dirent *e; on && (e = readdir(dir));) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		on = visit(atoi(e->d_name), target, arg);
	}
	closedir(dir);
	return 0;
}
