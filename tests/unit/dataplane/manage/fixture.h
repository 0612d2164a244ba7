// SPDX-License-Identifier: BSD-3-Clause
// A management thread on a socket in a directory of the test's own, turned by hand, and its
// clients.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/abi/health.h"
#include "common/abi/memory.h"
#include "common/abi/shm_map.h"
#include "common/abi/sizes.h"
#include "common/base/clock.h"
#include "dataplane/manage/manage.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/manage/fakes.h"

static struct {
	char directory[64];
	struct conf conf;
	struct fakes fakes;
	struct dp dp;
	struct rte_rcu_qsbr *qsbr;
	struct dp_manage *m;
} t;

// What a client got by TP_MSG_ATTACHED.
struct attached {
	struct tp_attached message;
	int fds[TP_ATTACHED_MAX_FDS];
	size_t n_fds;
	struct tp_shm rings;
	struct tp_ring command, ack;
};

// All but the management thread.
static inline int setup_world(void)
{
	memset(&t, 0, sizeof(t));
	snprintf(t.directory, sizeof(t.directory), "/tmp/tp-manage-XXXXXX");
	if (!mkdtemp(t.directory))
		return -1;
	t.conf.run_directory = t.directory;
	t.conf.limits.allocations = 1000000;
	t.conf.relay.port_min = 49152;
	t.conf.relay.port_max = 65535;
	t.conf.n_listeners = 1;
	t.conf.listeners[0] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 3478, .transports = CONF_TRANSPORT_UDP};
	t.fakes.worker_event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t.fakes.net_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t.qsbr = aligned_alloc(64, 4096);
	rte_rcu_qsbr_init(t.qsbr, 1);
	rte_rcu_qsbr_thread_register(t.qsbr, 0);
	rte_rcu_qsbr_thread_online(t.qsbr, 0);
	t.dp = (struct dp){.conf = &t.conf,
		.instance = 0x1234,
		.qsbr = t.qsbr,
		.n_workers = 1,
		.net = (struct dp_net *)&t.fakes,
		.apply = (struct dp_apply *)&t.fakes};
	t.dp.workers[0] = (struct dp_worker *)&t.fakes;
	t.dp.locals = dp_locals_create(&t.conf, SOCKET_ID_ANY);
	return t.dp.locals ? 0 : -1;
}

static inline int setup(void **state)
{
	return setup_world() == 0 ? dp_manage_create(&t.dp, &t.m) : -1;
}

static inline int teardown(void **state)
{
	dp_manage_destroy(t.m);
	dp_locals_destroy(t.dp.locals);
	free(t.qsbr);
	close(t.fakes.worker_event_fd);
	close(t.fakes.net_fd);
	return rmdir(t.directory); // fails when the socket was left
}

static inline void turns(int n)
{
	while (n-- > 0)
		assert_int_equal(dp_manage_turn(t.m, 0), 0);
}

static inline int dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dataplane.sock", t.directory);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	turns(1);
	return fd;
}

static inline struct tp_hello hello_of(enum tp_role role)
{
	struct tp_hello hello = {.header = {.magic = TP_ABI_MAGIC,
					 .major = TP_ABI_MAJOR,
					 .minor = TP_ABI_MINOR,
					 .type = TP_MSG_HELLO,
					 .length_bytes = sizeof(hello)},
		.role = (uint16_t)role,
		.pid = 1};

	tp_sizes_fill(hello.sizes);
	return hello;
}

static inline void say(int fd, const void *message, size_t bytes)
{
	assert_int_equal(send(fd, message, bytes, 0), bytes);
	turns(2);
}

static inline void expect_refusal(int fd, enum tp_refusal reason, uint32_t detail)
{
	struct tp_refused refused;

	assert_int_equal(recv(fd, &refused, sizeof(refused), MSG_DONTWAIT), sizeof(refused));
	assert_int_equal(refused.header.type, TP_MSG_REFUSED);
	assert_int_equal(refused.reason, reason);
	assert_int_equal(refused.detail, detail);
	assert_int_equal(recv(fd, &refused, sizeof(refused), MSG_DONTWAIT), 0);
	close(fd);
}

static inline int dial_as(enum tp_role role)
{
	struct tp_hello hello = hello_of(role);
	int fd = dial();

	say(fd, &hello, sizeof(hello));
	return fd;
}

static inline void attach(int fd, struct attached *a)
{
	const struct tp_ring_place *ring;

	ssize_t length = tp_message_receive(
		fd, &a->message, sizeof(a->message), a->fds, TP_ATTACHED_MAX_FDS, &a->n_fds);
	assert_int_equal(length, tp_attached_bytes(a->message.relays));
	assert_int_equal(a->message.header.length_bytes, tp_attached_bytes(a->message.relays));
	assert_int_equal(a->message.header.type, TP_MSG_ATTACHED);
	assert_int_equal(tp_shm_open(a->fds[1], a->message.rings_bytes, &a->rings), 0);
	ring = &a->message.ring[0];
	assert_int_equal(ring->kind, TP_RING_COMMAND);
	assert_int_equal(tp_ring_producer_init(&a->command, (char *)a->rings.base + ring->offset,
				 a->rings.bytes - ring->offset, ring->slots, ring->slot_bytes,
				 a->fds[ring->event_fd]),
		0);
	ring = &a->message.ring[1];
	assert_int_equal(ring->kind, TP_RING_ACK);
	assert_int_equal(tp_ring_consumer_init(&a->ack, (char *)a->rings.base + ring->offset,
				 a->rings.bytes - ring->offset, ring->slots, ring->slot_bytes,
				 a->fds[ring->event_fd]),
		0);
}

static inline void detach(int fd, struct attached *a)
{
	close(fd);
	turns(2);
	for (size_t i = 0; i < a->n_fds; i++)
		if (i != 1)
			close(a->fds[i]);
	tp_shm_close(&a->rings);
}

static inline void command(struct attached *a, uint64_t sequence, enum tp_cmd_type type)
{
	struct tp_cmd *cmd = tp_ring_reserve(&a->command);

	assert_non_null(cmd);
	*cmd = (struct tp_cmd){.sequence = sequence, .type = (uint16_t)type, .layout = 1};
	tp_ring_commit(&a->command);
}
