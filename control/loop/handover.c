// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int ctl_handover_send(int link, const struct ctl_handover *m, const int *fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(CTL_HANDOVER_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	if (m->n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(m->n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(m->n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, m->n_fds * sizeof(int));
	}
	ssize_t n = sendmsg(link, &msg, MSG_NOSIGNAL);
	return n < 0 ? -errno : n == sizeof(*m) ? 0 : -EIO;
}

// All descriptors that came, even with a record that is none.
static unsigned int take_descriptors(struct msghdr *msg, int fds[CTL_HANDOVER_FDS])
{
	unsigned int n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t came = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < came; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			// 0 means "none" to those who get them.
			int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
			close(fd);
			if (high >= 0 && n < CTL_HANDOVER_FDS)
				fds[n++] = high;
			else if (high >= 0)
				close(high);
		}
	}
	return n;
}

int ctl_handover_receive(int link, struct ctl_handover *m, int fds[CTL_HANDOVER_FDS])
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(CTL_HANDOVER_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n;

	do
		n = recvmsg(link, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	unsigned int came = take_descriptors(&msg, fds);
	if (n == 0 && came == 0)
		return -ECONNRESET;
	if (n == sizeof(*m) && (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
		m->magic == CTL_HANDOVER_MAGIC && m->n_fds == came) {
		m->text[sizeof(m->text) - 1] = '\0';
		return 0;
	}
	while (came > 0)
		close(fds[--came]);
	return -EPROTO;
}
