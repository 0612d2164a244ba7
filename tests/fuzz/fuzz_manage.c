// SPDX-License-Identifier: BSD-3-Clause
// dataplane.sock from the other side: messages of clients that the dataplane cannot trust, and what
// an attached control writes into its rings. Tables and workers are the fakes of the unit test.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/abi/shm_map.h"
#include "common/abi/sizes.h"
#include "dataplane/manage/manage.h"
#include "tests/fuzz/eal.h"
#include "tests/unit/dataplane/manage/fakes.h"

#define CLIENTS 3

enum { OP_GREET, OP_SEND, OP_CLOSE, OP_TURN, OP_TICK, OP_RINGS, OP_COMMAND, OP_READ, OPS };

struct client {
	int fd;
	bool attached;
	struct tp_shm rings;
	struct tp_ring command, ack;
};

static struct {
	char directory[64];
	struct conf conf;
	struct fakes fakes;
	struct dp dp;
	struct dp_manage *m;
	struct client client[CLIENTS];
	bool answered;
} t;

static void fini(void)
{
	dp_manage_destroy(t.m);
	rmdir(t.directory);
}

static void init(void)
{
	fuzz_eal();
	strcpy(t.directory, "/tmp/tp-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(t.directory));
	t.conf.run_directory = t.directory;
	t.conf.limits.allocations = 64;
	t.conf.relay.port_min = 49152;
	t.conf.relay.port_max = 65535;
	t.conf.n_listeners = 1;
	t.conf.listeners[0] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 3478, .transports = CONF_TRANSPORT_UDP};
	t.conf.relay.n_addresses = 1;
	t.conf.relay.addresses[0] = (struct conf_relay){.address = tp_ip4(0xc6120002),
		.public_address = tp_ip4(0xc6120002),
		.prefix_bits = 32};
	t.fakes.worker_event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t.fakes.net_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	t.dp = (struct dp){.conf = &t.conf,
		.n_workers = 1,
		.net = (struct dp_net *)&t.fakes,
		.apply = (struct dp_apply *)&t.fakes};
	t.dp.workers[0] = (struct dp_worker *)&t.fakes;
	t.dp.locals = dp_locals_create(&t.conf, SOCKET_ID_ANY);
	FUZZ_CHECK(t.dp.locals && dp_manage_create(&t.dp, &t.m) == 0);
	atexit(fini);
}

static void turn(void)
{
	FUZZ_CHECK(dp_manage_turn(t.m, 0) == 0);
}

static void dial(struct client *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/dataplane.sock", t.directory);
	FUZZ_CHECK(connect(c->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	turn();
}

static void hang_up(struct client *c)
{
	if (c->attached)
		tp_shm_close(&c->rings);
	if (c->fd > 0)
		close(c->fd);
	*c = (struct client){0};
}

// A control with good manners up to here takes its rings.
static void attach(struct client *c, const struct tp_attached *m, int *fds, size_t n_fds)
{
	const struct tp_ring_place *command = NULL, *ack = NULL;

	FUZZ_CHECK(n_fds >= 3 && m->rings == 4);
	for (unsigned int i = 0; i < m->rings; i++) {
		if (m->ring[i].kind == TP_RING_COMMAND)
			command = &m->ring[i];
		else if (m->ring[i].kind == TP_RING_ACK)
			ack = &m->ring[i];
	}
	FUZZ_CHECK(command && ack && tp_shm_open(fds[1], m->rings_bytes, &c->rings) == 0);
	FUZZ_CHECK(tp_ring_producer_init(&c->command, (uint8_t *)c->rings.base + command->offset,
			   c->rings.bytes - command->offset, command->slots, command->slot_bytes,
			   -1) == 0);
	FUZZ_CHECK(tp_ring_consumer_init(&c->ack, (uint8_t *)c->rings.base + ack->offset,
			   c->rings.bytes - ack->offset, ack->slots, ack->slot_bytes, -1) == 0);
	c->attached = true;
	fds[1] = -1;
}

static void read_answers(struct client *c)
{
	static union {
		struct tp_attached attached;
		uint8_t bytes[32768];
	} buffer;
	int fds[TP_ATTACHED_MAX_FDS];
	struct tp_message_header header;
	size_t n_fds;
	ssize_t n;

	while (c->fd > 0 && (n = tp_message_receive(c->fd, &buffer, sizeof(buffer), fds,
				     TP_ATTACHED_MAX_FDS, &n_fds)) > 0) {
		memcpy(&header, &buffer, sizeof(header));
		FUZZ_CHECK(header.magic == TP_ABI_MAGIC && header.length_bytes == (size_t)n);
		t.answered |= header.type == TP_MSG_STATUS_REPLY;
		if (header.type == TP_MSG_ATTACHED && !c->attached)
			attach(c, &buffer.attached, fds, n_fds);
		for (size_t i = 0; i < n_fds; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
}

// Headers right unless the script says otherwise; sizes of ours, one of them altered. A stream's
// goes on behind them.
static void greet(struct client *c, struct fuzz_script *s)
{
	struct tp_stream_hello whole = {0};
	struct tp_hello hello = {.header = {.magic = TP_ABI_MAGIC,
					 .major = TP_ABI_MAJOR,
					 .type = TP_MSG_HELLO,
					 .length_bytes = sizeof(hello)}};
	uint8_t how = fuzz_u8(s);

	tp_sizes_fill(hello.sizes);
	hello.role = how & 3;
	if (how & 4)
		hello.sizes[fuzz_u8(s) % TP_SIZES] = fuzz_u8(s);
	if (how & 8)
		hello.header.type = fuzz_u8(s);
	if (how & 16)
		fuzz_take(s, &hello.header, sizeof(hello.header));
	size_t full = sizeof(hello);
	if (hello.role == TP_ROLE_STREAM) {
		whole.stream = fuzz_u8(s);
		full = sizeof(whole);
		hello.header.length_bytes += sizeof(whole) - sizeof(hello);
	}
	size_t length = how & 32 ? fuzz_u8(s) % full : full;
	if (how & 128)
		hello.header.major++;
	if (how & 64)
		hello.header.length_bytes = (uint32_t)length;
	whole.hello = hello;
	tp_message_send(c->fd, &whole, how & 8 ? sizeof(hello.header) : length, NULL, 0);
}

static void send_bytes(struct client *c, struct fuzz_script *s)
{
	uint8_t bytes[1200];
	uint8_t how = fuzz_u8(s); // 255: asks for the memory, 0: for the status, else so many words
	size_t length = how == 255 ? 0 : (size_t)how * 8;

	length = length < sizeof(bytes) ? length : sizeof(bytes);
	fuzz_take(s, bytes, length);
	// With a descriptor, which nobody may send.
	if (how != 255)
		tp_message_send(c->fd, bytes, length, &t.fakes.net_fd, length & 16 ? 1 : 0);
	struct tp_message_header question = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = how == 255 ? TP_MSG_MEMORY : TP_MSG_STATUS,
		.length_bytes = sizeof(question)};
	if (how == 0 || how == 255)
		tp_message_send(c->fd, &question, sizeof(question), NULL, 0);
}

static void write_rings(struct client *c, struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s);
	struct tp_ring *ring = how & 1 ? &c->command : &c->ack;
	uint32_t index;

	fuzz_take(s, &index, sizeof(index));
	if (c->attached && how & 2)
		atomic_store(&ring->shared->head, index);
	else if (c->attached)
		atomic_store(&ring->shared->tail, index);
}

static void command(struct client *c, struct fuzz_script *s)
{
	struct tp_cmd *slot = c->attached ? tp_ring_reserve(&c->command) : NULL;

	if (!slot)
		return;
	*slot = (struct tp_cmd){.type = fuzz_u8(s) & 0xf, .layout = 1};
	tp_ring_commit(&c->command);
	tp_ring_flush(&c->command);
}

static void step(struct fuzz_script *s)
{
	uint8_t op = fuzz_u8(s);
	struct client *c = &t.client[(op >> 3) % CLIENTS];

	if (c->fd <= 0)
		dial(c);
	switch (op % OPS) {
	case OP_GREET:
		greet(c, s);
		break;
	case OP_SEND:
		send_bytes(c, s);
		break;
	case OP_CLOSE:
		hang_up(c);
		break;
	case OP_TURN:
		for (int i = 0; i < 40; i++)
			turn();
		break;
	case OP_TICK:
		for (int i = 0; i < 8; i++)
			dp_manage_tick(t.m, 0);
		break;
	case OP_RINGS:
		write_rings(c, s);
		break;
	case OP_COMMAND:
		command(c, s);
		break;
	case OP_READ:
		turn();
		read_answers(c);
		break;
	}
	turn();
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);

	if (!t.m)
		init();
	t.answered = false;
	for (int i = 0; i < 64 && fuzz_left(&s) > 0; i++)
		step(&s);
	for (int i = 0; i < CLIENTS; i++)
		read_answers(&t.client[i]);
	if (t.answered)
		fuzz_canary(data + size);
	for (int i = 0; i < CLIENTS; i++)
		hang_up(&t.client[i]);
	for (int i = 0; i < 3; i++)
		turn();
	int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
	FUZZ_CHECK(next >= 0 && next < 64); // none leaked
	close(next);
}
