// SPDX-License-Identifier: BSD-3-Clause
// Control's socket of the stream processes over the world of session_world.h, and processes that
// the test plays.
#pragma once

#include "session_world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/abi/sizes.h"
#include "common/base/log.h"
#include "control/alloc/allocation.h"
#include "control/loop/streams_impl.h"

struct scene {
	struct world *w;
	char directory[32];
	char stub[64]; // what is started as turnpike-stream
};

// One process, as it sees control.
struct process {
	int sock;
	struct tp_shm rings;
	int fds[TP_STREAM_CONTROL_FDS];
	struct tp_ring request, response;
};

static inline void turn_loop(struct scene *s)
{
	event_base_loop(s->w->ctl.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	ctl_session_work(s->w->ctl.session);
	while (execute(s->w))
		ctl_session_work(s->w->ctl.session);
}

static inline int scene_setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	struct conf *conf;

	setup((void **)&s->w);
	conf = &s->w->conf;
	strcpy(s->directory, "/tmp/streams-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	conf->run_directory = s->directory;
	conf->path = (char *)(uintptr_t) "/nonexistent.json";
	conf->listeners[0].transports =
		CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP | CONF_TRANSPORT_DTLS;
	conf->streams.connections = 65536;
	// Found beside the "program".
	snprintf(s->stub, sizeof(s->stub), "%s/turnpike-stream", s->directory);
	s->w->ctl.program = s->stub;
	assert_int_equal(ctl_streams_create(&s->w->ctl, 0, &s->w->ctl.streams), 0);
	attach(s->w, NULL, 1);
	synchronise(s->w);
	*state = s;
	return 0;
}

static inline int scene_teardown(void **state)
{
	struct scene *s = *state;

	ctl_streams_destroy(s->w->ctl.streams);
	unlink(s->stub);
	assert_int_equal(rmdir(s->directory), 0); // the socket is gone
	s->w->ctl.streams = NULL;
	teardown((void **)&s->w);
	free(s);
	return 0;
}

static inline int dial(struct scene *s)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/streams.sock", s->directory);
	assert_int_equal(connect(sock, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return sock;
}

static inline struct tp_stream_hello hello_of(uint32_t number)
{
	struct tp_stream_hello hello = {.hello = {.header = {.magic = TP_ABI_MAGIC,
							  .major = TP_ABI_MAJOR,
							  .minor = TP_ABI_MINOR,
							  .type = TP_MSG_HELLO,
							  .length_bytes = sizeof(hello)},
						.role = TP_ROLE_STREAM,
						.pid = (uint32_t)getpid()},
		.stream = number};

	tp_sizes_fill(hello.hello.sizes);
	return hello;
}

// The type of the answer to a greeting, 0: the connection was closed.
static inline uint16_t greet(struct scene *s, int sock, const void *hello, size_t bytes,
	struct tp_stream_control *out, int fds[TP_STREAM_CONTROL_FDS])
{
	size_t n_fds = 0;
	ssize_t n;

	assert_int_equal(tp_message_send(sock, hello, bytes, NULL, 0), 0);
	for (int i = 0; i < 3; i++)
		turn_loop(s);
	memset(out, 0, sizeof(*out));
	n = tp_message_receive(sock, out, sizeof(*out), fds, TP_STREAM_CONTROL_FDS, &n_fds);
	if (n <= 0)
		return 0;
	assert_int_equal(n_fds, out->header.type == TP_MSG_STREAM_CONTROL ? 3 : 0);
	return out->header.type;
}

static inline void join(struct scene *s, struct process *p, uint32_t number)
{
	struct tp_stream_hello hello = hello_of(number);
	struct tp_stream_control said;
	uint8_t *base;

	p->sock = dial(s);
	turn_loop(s);
	assert_int_equal(
		greet(s, p->sock, &hello, sizeof(hello), &said, p->fds), TP_MSG_STREAM_CONTROL);
	assert_int_equal(said.rings, 2);
	assert_int_equal(said.ring[0].kind, TP_RING_STREAM_REQUEST);
	assert_int_equal(said.ring[1].kind, TP_RING_STREAM_RESPONSE);
	assert_int_equal(tp_shm_open(p->fds[0], said.rings_bytes, &p->rings), 0);
	base = p->rings.base;
	assert_int_equal(tp_ring_producer_init(&p->request, base + said.ring[0].offset,
				 said.rings_bytes - said.ring[0].offset, said.ring[0].slots,
				 said.ring[0].slot_bytes, p->fds[said.ring[0].event_fd]),
		0);
	assert_int_equal(tp_ring_consumer_init(&p->response, base + said.ring[1].offset,
				 said.rings_bytes - said.ring[1].offset, said.ring[1].slots,
				 said.ring[1].slot_bytes, p->fds[said.ring[1].event_fd]),
		0);
}

static inline void leave(struct scene *s, struct process *p)
{
	close(p->sock);
	close(p->fds[1]);
	close(p->fds[2]);
	tp_shm_close(&p->rings);
	turn_loop(s);
}

static inline void say(struct scene *s, struct process *p, uint16_t kind, uint32_t connection,
	const void *payload, uint16_t length)
{
	struct tp_stream_note *n = tp_ring_reserve(&p->request);

	assert_non_null(n);
	*n = (struct tp_stream_note){.kind = kind, .length = length, .connection = connection};
	memcpy(n->payload, payload ? payload : "", length);
	tp_ring_commit(&p->request);
	tp_ring_flush(&p->request);
	turn_loop(s);
}

static inline void announce_one(struct scene *s, struct process *p, uint32_t connection,
	enum tp_stream_transport transport, uint16_t port)
{
	struct tp_stream_opened o = {.client = {.ip = tp_ip4(0xc612000a), .port = port},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.transport = (uint8_t)transport};

	say(s, p, TP_STREAM_OPENED, connection, &o, sizeof(o));
}

static inline void announce(struct scene *s, struct process *p, uint32_t connection)
{
	announce_one(s, p, connection, TP_STREAM_TCP, 999);
}

// As an Allocate of that client would.
static inline void allocate(struct scene *s, uint32_t number, uint32_t connection)
{
	static const uint8_t id[12] = {1};
	struct ctl_allocation_request q = {.client = {.ip = tp_ip4(0xc612000a), .port = 999},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.transport = CTL_TRANSPORT_TCP,
		.stream = {number, connection},
		.families = CTL_FAMILY_BIT_IPV4,
		.user = (const uint8_t *)"u",
		.user_length = 1,
		.transaction_id = id,
		.lifetime_s = 600};
	struct ctl_change change;

	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(
				 s->w->ctl.session->store, &q, ctl_session_time(), &change, NULL),
		0);
	turn_loop(s);
}

static inline uint64_t allocations(const struct scene *s)
{
	struct ctl_store_status status;

	ctl_store_status(s->w->ctl.session->store, &status);
	return status.allocations;
}

static inline void write_stub(struct scene *s, const char *script)
{
	FILE *f = fopen(s->stub, "w");

	assert_non_null(f);
	fputs(script, f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(s->stub, 0755), 0);
}

// Until the process has ended and its end was taken.
static inline void wait_for_end(struct scene *s, pid_t pid)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	for (int i = 0; i < 1000 && s->w->ctl.streams->child[0] == pid; i++)
		event_base_loop(s->w->ctl.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_not_equal(s->w->ctl.streams->child[0], pid);
}
