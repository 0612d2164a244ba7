// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/shm_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int tp_shm_create(const char *name, size_t bytes, struct tp_shm *out)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	void *base;
	int fd, rc;

	if (bytes == 0)
		return -EINVAL;
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) < 0 || fcntl(fd, F_ADD_SEALS, seals) < 0) {
		rc = -errno;
		goto fail;
	}
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		rc = -errno;
		goto fail;
	}
	*out = (struct tp_shm){.base = base, .bytes = bytes, .fd = fd};
	return 0;
fail:
	close(fd);
	return rc;
}

int tp_shm_open(int fd, size_t bytes, struct tp_shm *out)
{
	struct stat st;
	void *base;
	int seals;

	// Seals first: only with SHRINK sealed does the size read below stay true.
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno; // EINVAL: no memfd, so nothing is sealed
	if ((seals & F_SEAL_SHRINK) == 0)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (bytes == 0 || st.st_size < 0 || (uint64_t)st.st_size < bytes)
		return -EINVAL;
	base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	*out = (struct tp_shm){.base = base, .bytes = bytes, .fd = fd};
	return 0;
}

void tp_shm_close(struct tp_shm *shm)
{
	if (!shm->base)
		return;
	munmap(shm->base, shm->bytes);
	close(shm->fd);
	*shm = (struct tp_shm){.fd = -1};
}

// More than any message of abi.h carries; the kernel's own limit is 253.
#define MESSAGE_MAX_FDS 128

union message_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MESSAGE_MAX_FDS * sizeof(int))];
};

int tp_message_send(int sock, const void *message, size_t bytes, const int *fds, size_t n_fds)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)message, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	union message_control control;
	ssize_t n;

	if (bytes == 0 || n_fds > MESSAGE_MAX_FDS)
		return -EINVAL;
	if (n_fds > 0) {
		struct cmsghdr *c;

		memset(&control, 0, sizeof(control));
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do {
		n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == bytes ? 0 : -EMSGSIZE;
}

// Moves the descriptors of a received message to fds[]; those that find no room are closed and
// reported by false.
static bool message_take_fds(struct msghdr *msg, int *fds, size_t max_fds, size_t *n_fds)
{
	bool all = true;

	*n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*n_fds < max_fds) {
				fds[(*n_fds)++] = fd;
			} else {
				close(fd);
				all = false;
			}
		}
	}
	return all;
}

ssize_t tp_message_receive(
	int sock, void *buffer, size_t capacity, int *fds, size_t max_fds, size_t *n_fds)
{
	struct iovec iov = {.iov_base = buffer, .iov_len = capacity};
	union message_control control;
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	size_t taken = 0;
	bool all;
	ssize_t n;

	if (n_fds)
		*n_fds = 0;
	do {
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	all = message_take_fds(&msg, fds, n_fds ? max_fds : 0, &taken);
	if (!all || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		while (taken > 0)
			close(fds[--taken]);
		return -EMSGSIZE;
	}
	if (n_fds)
		*n_fds = taken;
	return n;
}
