// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static pid_t read_holder(int fd)
{
	char text[24] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int ctl_lock_inherit(int fd)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%d\n", getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -EIO;
}

int ctl_lock_take(const char *run_directory, pid_t *holder)
{
	char path[PATH_MAX];
	int fd, rc;

	*holder = 0;
	if (snprintf(path, sizeof(path), "%s/control.lock", run_directory) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = errno == EWOULDBLOCK ? -EBUSY : -errno;
		*holder = read_holder(fd);
		close(fd);
		return rc;
	}
	rc = ctl_lock_inherit(fd);
	if (rc) {
		close(fd);
		return rc;
	}
	return fd;
}
