// SPDX-License-Identifier: BSD-3-Clause
// A control process: the store, the TURN layer and the command queue as the daemon has them, in
// rounds like those of control/loop/session.c, with the harness in the place of loop and sockets.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/abi/ring.h"
#include "common/base/clock.h"
#include "control/alloc/adopt.h"
#include "control/alloc/expiry.h"
#include "control/alloc/store_private.h"
#include "control/dpcmd/commands.h"
#include "control/turn/policy.h"
#include "tests/faults/shared.h"

#define KEPT 64 // places in the command ring that a synchronisation leaves to requests

struct control {
	struct fault_shared *s;
	const struct conf *conf;
	struct fault_memory memory; // of the attachment
	struct ctl_store *store;
	struct ctl_turn *turn;
	struct ctl_user_store *users;
	struct ctl_acl *acl;
	struct ctl_command_queue commands;
	struct tp_ring command, ack;
	struct ctl_sync sync;
	struct tp_shm region; // in use
};

static int random_bytes(void *context, void *out, size_t len)
{
	struct fault_shared *s = context;
	if (s->plan.fail_random)
		return -EIO;
	for (size_t i = 0; i < len; i++) {
		s->random ^= s->random << 13;
		s->random ^= s->random >> 7;
		s->random ^= s->random << 17;
		((uint8_t *)out)[i] = (uint8_t)(s->random >> 24);
	}
	return 0;
}

static uint64_t send_command(void *context, const struct tp_cmd *cmd)
{
	struct control *c = context;
	struct ctl_commands sink = ctl_command_queue_sink(&c->commands);
	enum fault_op op = fault_doing(FAULT_NOTHING);
	fault_doing(op);
	c->s->commands++;
	c->s->op_of[(c->commands.sent + 1) % sizeof(c->s->op_of)] = (uint8_t)op;
	uint64_t sequence = sink.send(sink.context, cmd);
	fault_pass(FAULT_command_sent);
	return sequence;
}

static uint32_t room(void *context)
{
	return ctl_command_queue_room(&((struct control *)context)->commands);
}

static void take_answer(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct control *c = context;
	struct fault_answer *a = &c->s->answer[c->s->answers % FAULT_ANSWERS];
	*a = (struct fault_answer){.to = *destination, .from = *source, .length = length};
	memcpy(a->bytes, bytes, length);
	c->s->answers++;
	fault_pass(FAULT_answered);
}

// ---- Attaching.

static int open_turn(struct control *c)
{
	struct ctl_turn_options o = {.conf = c->conf,
		.store = c->store,
		.users = c->users,
		.acl = c->acl,
		.send = take_answer,
		.send_context = c,
		.random = {.bytes = random_bytes, .context = c->s},
		.replay_slots = 64};
	return ctl_turn_create(&o, &c->turn);
}

static int adopt(struct control *c, struct ctl_adoption *report)
{
	struct ctl_store_policy policy;
	ctl_policy_store(c->conf, &policy);
	struct ctl_store_options o = {.region = c->memory.region.base,
		.region_bytes = c->memory.region.bytes,
		.region_fd = c->memory.region.fd,
		.policy = &policy,
		.commands = {.send = send_command, .room = room, .context = c},
		.random = {.bytes = random_bytes, .context = c->s}};
	int rc = ctl_store_create(&o, &c->store);
	if (rc)
		return rc;
	fault_doing(FAULT_adopt);
	rc = ctl_store_adopt(c->store, c->s->now, report);
	fault_doing(FAULT_NOTHING);
	if (!rc)
		rc = open_turn(c);
	if (rc) {
		ctl_store_destroy(c->store);
		c->store = NULL;
	}
	return rc;
}

static int take_region(struct control *c)
{
	struct ctl_adoption report;
	const struct tp_shm *m = &c->memory.region;
	int rc = 0;
	if (c->store && !c->s->fresh_region) {
		tp_shm_close(&c->memory.region);
		return 0;
	}
	fault_watch(&c->s->plan, m->base, m->bytes);
	if (c->store) {
		fault_doing(FAULT_renew);
		rc = ctl_store_move(c->store, m->base, m->bytes, m->fd, c->s->now, &report);
		fault_doing(FAULT_NOTHING);
	} else {
		rc = adopt(c, &report);
	}
	if (rc) {
		fault_watch(&c->s->plan, c->region.base, c->region.bytes);
		tp_shm_close(&c->memory.region);
		return rc;
	}
	tp_shm_close(&c->region);
	c->region = *m;
	c->s->adoption = report;
	return 0;
}

// Maps what came with the question.
static int take_memory(struct control *c, const int *fds, size_t n_fds)
{
	size_t taken = 0;
	int rc = n_fds == 2 ? tp_shm_open(fds[0], c->s->region_bytes, &c->memory.region) : -EPROTO;
	if (!rc) {
		taken++;
		tp_shm_close(&c->memory.rings);
		rc = tp_shm_open(fds[1], c->s->rings_bytes, &c->memory.rings);
		if (rc)
			tp_shm_close(&c->memory.region);
		else
			taken++;
	}
	for (; taken < n_fds; taken++)
		close(fds[taken]);
	return rc;
}

static void attach(struct control *c, const int *fds, size_t n_fds)
{
	size_t half = tp_ring_bytes(FAULT_SLOTS, sizeof(struct tp_cmd));
	c->s->rc = take_memory(c, fds, n_fds);
	if (!c->s->rc)
		c->s->rc = take_region(c);
	if (c->s->rc)
		return;
	uint8_t *rings = c->memory.rings.base;
	if (tp_ring_producer_init(
		    &c->command, rings, half, FAULT_SLOTS, sizeof(struct tp_cmd), -1) ||
		tp_ring_consumer_init(&c->ack, rings + half, c->memory.rings.bytes - half,
			FAULT_SLOTS, sizeof(struct tp_ack), -1))
		abort();
	ctl_command_queue_attach(&c->commands, &c->command, FAULT_SLOTS);
	ctl_store_resync_due(c->store);
	ctl_sync_start(&c->sync);
	c->s->attached = true;
	c->s->in_step = false;
}

static void detach(struct control *c)
{
	if (!c->s->attached)
		return;
	c->s->attached = c->s->in_step = false;
	ctl_command_queue_detach(&c->commands);
	fault_doing(FAULT_undo);
	ctl_turn_detach(c->turn, c->s->now);
	fault_doing(FAULT_NOTHING);
}

// ---- Rounds.

// False when the attachment ended.
static bool take_ack(struct control *c, const struct tp_ack *ack)
{
	struct fault_shared *s = c->s;
	if (ack->sequence == 0) {
		fault_doing(FAULT_arrive);
		fault_pass(FAULT_ack_taken);
		if (ack->type == TP_EVENT_MOVED)
			ctl_store_ack(c->store, ack, true, s->now);
		fault_doing(FAULT_NOTHING);
		return true;
	}
	if (!ctl_command_queue_ack(&c->commands, ack)) {
		detach(c);
		return false;
	}
	enum fault_op op = s->op_of[ack->sequence % sizeof(s->op_of)];
	fault_doing(op != FAULT_undo && ack->result && op != FAULT_delete && op != FAULT_expire
			    ? FAULT_undo
			    : op);
	fault_pass(FAULT_ack_taken);
	ctl_turn_ack(c->turn, ack, s->now);
	fault_doing(FAULT_NOTHING);
	if (c->sync.end_sequence != 0 && ack->sequence == c->sync.end_sequence)
		s->in_step = true;
	return true;
}

static void take_acks(struct control *c)
{
	const void *shared;
	while (c->s->attached && (shared = tp_ring_front(&c->ack))) {
		struct tp_ack ack;
		memcpy(&ack, shared, sizeof(ack));
		tp_ring_pop(&c->ack);
		if (!take_ack(c, &ack))
			return;
	}
}

static void flush(struct control *c, enum fault_op op)
{
	ctl_command_queue_flush(&c->commands);
	fault_doing(op);
	fault_pass(FAULT_published);
	fault_doing(FAULT_NOTHING);
}

static void go_round(struct control *c)
{
	enum fault_op op = FAULT_sync;
	take_acks(c);
	if (!c->s->attached)
		return;
	if (c->sync.end_sequence != 0 && ctl_store_resync_due(c->store)) {
		ctl_sync_start(&c->sync);
		c->s->in_step = false;
	}
	if (c->sync.end_sequence == 0) {
		fault_doing(FAULT_sync);
		ctl_sync_step(c->store, &c->sync, c->s->now, KEPT);
	} else {
		fault_doing(op = FAULT_expire);
		ctl_store_expire(c->store, c->s->now, 64);
	}
	flush(c, op);
}

static void take_request(struct control *c)
{
	struct fault_shared *s = c->s;
	if (!s->attached || c->sync.end_sequence == 0)
		return; // it waits in its ring, or is lost: the client sends it again
	struct ctl_request q = {.client = s->client,
		.listener = s->listener,
		.bytes = s->request,
		.length = s->request_length};
	fault_doing(s->op);
	ctl_turn_request(c->turn, &q, s->now);
	flush(c, s->op);
}

static void count_or_close(struct control *c)
{
	bool close = c->s->ask == ASK_CLOSE;
	if (!c->s->attached || c->sync.end_sequence == 0)
		return;
	fault_doing(close ? FAULT_delete : FAULT_count);
	if (close)
		ctl_allocation_delete(c->store, c->s->alloc, TP_END_OPERATOR, c->s->now, NULL);
	else
		ctl_allocation_poll_counters(c->store, c->s->alloc);
	flush(c, close ? FAULT_delete : FAULT_count);
}

static void report(struct control *c)
{
	struct fault_shared *s = c->s;
	if (!c->store)
		return;
	ctl_store_status(c->store, &s->status);
	ctl_relay_total(c->store, s->relays);
	s->deadlines = c->store->expiry.count;
	s->pending = ctl_turn_counters(c->turn)->pending;
}

static void destroy(struct control *c)
{
	ctl_turn_destroy(c->turn);
	ctl_store_destroy(c->store);
	ctl_acl_destroy(c->acl);
	if (c->users)
		c->users->destroy(c->users);
	tp_shm_close(&c->region);
	tp_shm_close(&c->memory.rings);
}

static void answer(struct control *c, const int *fds, size_t n_fds)
{
	switch (c->s->ask) {
	case ASK_ATTACH:
		attach(c, fds, n_fds);
		break;
	case ASK_ROUND:
		go_round(c);
		break;
	case ASK_REQUEST:
		take_request(c);
		break;
	case ASK_COUNT:
	case ASK_CLOSE:
		count_or_close(c);
		break;
	case ASK_DETACH:
		detach(c);
		break;
	case ASK_TICK:
		fault_doing(FAULT_tick);
		ctl_turn_tick(c->turn, c->s->now);
		fault_doing(FAULT_NOTHING);
		break;
	case ASK_END:
		break;
	}
	report(c);
}

static uint32_t descriptors(void)
{
	uint32_t n = 0;
	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD, NULL) >= 0;
	return n;
}

// There in the builds of the address sanitizer.
__attribute__((weak)) int __lsan_do_recoverable_leak_check(void);

static void live(struct control *c, int fd)
{
	int fds[2];
	size_t n_fds;
	char turn;
	uint32_t open_before = descriptors();
	uint64_t failed_before = c->s->plan.failed;
	c->region.fd = c->memory.region.fd = c->memory.rings.fd = -1;
	if (ctl_policy_acl(c->conf, NULL, 0, &c->acl) || ctl_policy_users(c->conf, &c->users))
		abort();
	fault_watch(&c->s->plan, NULL, 0);
	while (tp_message_receive(fd, &turn, 1, fds, 2, &n_fds) == 1) {
		bool last = c->s->ask == ASK_END; // shared: the next one comes with our answer
		answer(c, fds, n_fds);
		if (last) {
			fault_watch(NULL, NULL, 0);
			destroy(c);
			bool look = c->s->look_for_leaks || c->s->plan.failed != failed_before;
			if (descriptors() != open_before ||
				(look && __lsan_do_recoverable_leak_check &&
					__lsan_do_recoverable_leak_check()))
				_exit(FAULT_EXIT_LEAK);
		}
		if (write(fd, &turn, 1) != 1 || last)
			return;
	}
}

void fault_control_start(struct fault_control *c, struct fault_shared *s, const struct conf *conf)
{
	int fd[2];
	s->attached = s->in_step = false;
	s->commands = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		fault_fail("socketpair: %s", strerror(errno));
	c->pid = fork();
	if (c->pid < 0)
		fault_fail("fork: %s", strerror(errno));
	if (c->pid == 0) {
		struct control self = {.s = s, .conf = conf};
		close(fd[0]);
		live(&self, fd[1]);
		_exit(0);
	}
	close(fd[1]);
	c->fd = fd[0];
}

bool fault_control_ask(struct fault_control *c, struct fault_shared *s,
	const struct fault_memory *m, enum fault_ask ask)
{
	int fds[2] = {m ? m->region.fd : -1, m ? m->rings.fd : -1};
	char turn = 0;
	int status;
	s->ask = ask;
	bool answered =
		tp_message_send(c->fd, &turn, 1, fds, m ? 2 : 0) == 0 && read(c->fd, &turn, 1) == 1;
	if (answered && ask != ASK_END)
		return true;
	close(c->fd);
	if (waitpid(c->pid, &status, 0) != c->pid)
		fault_fail("waitpid: %s", strerror(errno));
	c->pid = 0;
	s->attached = s->in_step = false;
	if (WIFEXITED(status) && WEXITSTATUS(status) == (answered ? 0 : FAULT_EXIT_KILLED))
		return answered;
	if (WIFEXITED(status) && WEXITSTATUS(status) == FAULT_EXIT_LEAK)
		fault_fail("control leaves memory or descriptors behind");
	fault_fail("control died by itself: status %x", (unsigned int)status);
}
