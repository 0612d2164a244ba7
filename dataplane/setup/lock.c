// SPDX-License-Identifier: BSD-3-Clause
// One dataplane a run directory: a flock that the kernel drops with the process.
#include "dataplane/setup/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/base/log.h"

// The holder wrote its pid into the file; 0 when it has not come that far.
static int lock_holder(int fd)
{
	char text[16] = {0};

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : 0;
}

static int lock_take(int fd, const char *path)
{
	char text[16];

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int rc = -errno;
		if (rc == -EWOULDBLOCK) {
			tp_error("%s is held by process %d: a dataplane already runs on this "
				 "run_directory",
				path, lock_holder(fd));
			return -EBUSY;
		}
		tp_error("%s cannot be locked: %s", path, strerror(-rc));
		return rc;
	}
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)len, 0) != len) {
		int rc = errno ? -errno : -EIO;
		tp_error("%s cannot be written: %s", path, strerror(-rc));
		return rc;
	}
	return 0;
}

int dp_lock_open(struct dp *dp)
{
	char path[PATH_MAX];
	int rc;

	dp->lock_fd = -1;
	snprintf(path, sizeof(path), "%s/dataplane.lock", dp->conf->run_directory);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	if (fd < 0) {
		rc = -errno;
		tp_error("%s cannot be opened: %s", path, strerror(errno));
		return rc;
	}
	if ((rc = lock_take(fd, path)) < 0) {
		close(fd);
		return rc;
	}
	dp->lock_fd = fd;
	return 0;
}

// The file stays: removing it would let two processes lock two files of the same name.
void dp_lock_close(struct dp *dp)
{
	if (dp->lock_fd >= 0)
		close(dp->lock_fd);
	dp->lock_fd = -1;
}
