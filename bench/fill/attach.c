// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench/fill/fill.h"
#include "common/abi/shm_map.h"
#include "common/abi/sizes.h"

#define WAIT_MS 5000

static int greet(int fd)
{
	struct tp_hello hello = {.header = {.magic = TP_ABI_MAGIC,
					 .major = TP_ABI_MAJOR,
					 .minor = TP_ABI_MINOR,
					 .type = TP_MSG_HELLO,
					 .length_bytes = sizeof(hello)},
		.role = TP_ROLE_CONTROL,
		.pid = (uint32_t)getpid()};

	tp_sizes_fill(hello.sizes);
	return tp_message_send(fd, &hello, sizeof(hello), NULL, 0);
}

static int dial(const struct conf *conf)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((size_t)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/dataplane.sock",
		    conf->run_directory) >= sizeof(sa.sun_path) ||
		connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		int rc = errno ? -errno : -ENAMETOOLONG;
		close(fd);
		return rc;
	}
	return fd;
}

int fill_attach(struct fill *f)
{
	char why[CTL_ATTACH_WHY_BYTES] = "no answer";
	struct pollfd p = {.events = POLLIN};
	int fds[TP_ATTACHED_MAX_FDS], rc;
	struct tp_message_header header;
	struct tp_attached message;
	size_t n_fds = 0;
	ssize_t n;

	f->fd = dial(f->conf);
	if (f->fd < 0) {
		fprintf(stderr, "turnpike-bench: no dataplane in %s: %s\n", f->conf->run_directory,
			strerror(-f->fd));
		return f->fd;
	}
	p.fd = f->fd;
	rc = greet(f->fd);
	if (rc == 0 && poll(&p, 1, WAIT_MS) == 1 &&
		(n = tp_message_receive(f->fd, &message, sizeof(message), fds, TP_ATTACHED_MAX_FDS,
			 &n_fds)) >= (ssize_t)sizeof(header)) {
		memcpy(&header, &message, sizeof(header));
		if (header.type == TP_MSG_ATTACHED)
			rc = ctl_attachment_open(
				&message, (size_t)n, fds, n_fds, &f->attachment, why);
		else
			rc = -EBUSY;
	} else if (rc == 0) {
		rc = -ETIMEDOUT;
	}
	if (rc < 0)
		fprintf(stderr, "turnpike-bench: cannot attach: %s\n",
			rc == -EBUSY ? "refused; does a control run?" : why);
	return rc;
}

static int take_acks(struct fill *f)
{
	const void *shared;

	while ((shared = tp_ring_front(&f->attachment.ack))) {
		struct tp_ack ack;
		memcpy(&ack, shared, sizeof(ack));
		tp_ring_pop(&f->attachment.ack);
		if (ack.sequence == 0)
			continue;
		if (!ctl_command_queue_ack(&f->commands, &ack))
			return -EPROTO;
		f->refused += ack.result != 0;
	}
	return 0;
}

static bool enough(const struct fill *f, uint32_t room)
{
	return room == UINT32_MAX ? f->commands.acknowledged == f->commands.sent
				  : ctl_command_queue_room(&f->commands) >= room;
}

int fill_wait(struct fill *f, uint32_t room)
{
	struct pollfd p = {.fd = f->attachment.ack.event_fd, .events = POLLIN};
	int rc;

	ctl_command_queue_flush(&f->commands);
	while ((rc = take_acks(f)) == 0 && !enough(f, room)) {
		int n = tp_ring_sleep(&f->attachment.ack) ? poll(&p, 1, WAIT_MS) : 1;
		tp_ring_wake(&f->attachment.ack);
		if (n == 0)
			return -ETIMEDOUT;
	}
	return rc;
}
