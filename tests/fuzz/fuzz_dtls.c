// SPDX-License-Identifier: BSD-3-Clause
// DTLS in a worker, with strangers on one side and mad stream processes on the other: no mbuf is
// lost, the books close, what leaves is a record with a right checksum and never longer than what
// it answers, what comes down is a whole datagram of a client to a listener of DTLS.
#define RIG_DTLS
#include "tests/unit/dataplane/path/stream_rig.h"
// After cmocka's headers.
#include "common/wire/dtls_hello.h"
#include "dataplane/path/state.h"
#include "tests/fuzz/eal.h"
#include "tests/fuzz/script.h"

#define GAP     (20 * RIG_SECOND)
#define STREAMS 3

enum { OP_HELLO, OP_DATAGRAM, OP_SLOT, OP_RUN, OP_WORLD, OP_TAKE, OPS };

static struct world {
	struct rig *rig;
	struct stream_rig *stream[STREAMS];
	uint8_t cookie[DTLS_COOKIE_BYTES]; // the last one that was given out
	uint32_t proven;                   // hellos that came down
	bool mad;
} world;

static struct tp_addr client(uint8_t how)
{
	uint8_t port = how >> 1 & 7;

	if (port == 7) // nobody is there
		return rig_addr(how & 1 ? "::1" : "127.0.0.1", 40007);
	return rig_addr(how & 1 ? "fd00:198:18::11" : "198.18.1.1", 40000 + port);
}

static struct tp_addr listener(uint8_t how)
{
	struct tp_addr a = rig_addr(how & 1 ? "fd00:198:18::2" : "198.18.0.2", 3478);

	if (how & 16)
		a.port = 5349;
	return a;
}

// What left: answers to hellos, and what streams sent.
static void look(size_t asked)
{
	struct rig *rig = world.rig;

	rig_collect(rig);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		struct frame f;
		FUZZ_CHECK(oracle_read(rig->out[i], rig->out_length[i], &f));
		if (f.fragment)
			continue;
		FUZZ_CHECK(f.damage == 0 && !f.zero_checksum);
		FUZZ_CHECK(dtls_is_record(f.payload, f.length));
		FUZZ_CHECK(asked == 0 || f.length <= asked);
		if (asked > 0 && f.length == DTLS_HELLO_VERIFY_BYTES)
			memcpy(world.cookie, f.payload + f.length - DTLS_COOKIE_BYTES,
				DTLS_COOKIE_BYTES);
	}
	rig_forget(rig);
	rig_books_close(rig);
}

static void receive(uint8_t how, const uint8_t *bytes, size_t length)
{
	struct frame f = rig_frame(client(how), listener(how), bytes, length);

	rig_receive_frame(world.rig, &f);
	look(length);
}

// One as a client sends it, altered here and there; with our cookie, another, or none.
static void add_hello(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), bytes[512] = {0}, *at = bytes + 25;
	uint8_t cookie = how & 32 ? DTLS_COOKIE_BYTES : 0, alter = how & 64 ? fuzz_u8(s) & 3 : 0;

	tp_wr16(at, 0xfefd);
	at[2 + 32 + 1] = cookie;
	memcpy(at + 36, world.cookie, cookie);
	memcpy(at + 36 + cookie, "\0\2\xc0\x2b\1\0", 6);
	uint16_t body = 42 + cookie;
	bytes[0] = DTLS_HANDSHAKE;
	tp_wr16(bytes + 1, 0xfeff);
	tp_wr16(bytes + 11, DTLS_HANDSHAKE_BYTES + body);
	bytes[13] = 1;
	tp_wr16(bytes + 15, body);
	tp_wr16(bytes + 23, body);
	for (uint8_t i = 0; i < alter; i++) {
		uint8_t where = fuzz_u8(s);
		bytes[where % (25 + body)] = fuzz_u8(s);
	}
	receive(how, bytes, 25u + body);
}

static void add_datagram(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), length = fuzz_u8(s), bytes[1400] = {0};

	fuzz_take(s, bytes, length);
	receive(how, bytes, how & 128 ? sizeof(bytes) : length);
}

// As a mad stream may fill one.
static void add_slot(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), who = fuzz_u8(s), length = fuzz_u8(s);
	struct stream_rig *from = world.stream[who % STREAMS];
	struct tp_stream_slot *slot = tp_ring_reserve(&from->up);
	struct tp_stream_slot head = {.kind = how & 7,
		.more = how & 8 ? fuzz_u8(s) : 0,
		.length = how & 16 ? fuzz_u16(s) : length,
		.client = client(who >> 2),
		.listener = listener(who >> 2),
		.path = {.vlan = 0xffff, .valid = 1}};

	if (slot == NULL)
		return;
	memset(slot, 0xee, TP_PACKET_SLOT_BYTES);
	if (how & 32) // any address, any path
		fuzz_take(s, &head.client, sizeof(head.client));
	if (how & 64)
		fuzz_take(s, &head.listener, sizeof(head.listener) + sizeof(head.path));
	*slot = head;
	fuzz_take(s, slot->payload, length);
	tp_ring_commit(&from->up);
	tp_ring_flush(&from->up);
}

static void run(void)
{
	for (int turns = 0; turns < STREAM_UP; turns++)
		if (dp_pipeline_streams(world.rig->w, world.rig->now_ns) == 0)
			break;
	look(0);
}

static void take_slot(const struct tp_stream_slot *slot)
{
	struct dtls_hello hello;

	FUZZ_CHECK(slot->kind == TP_STREAM_DATAGRAM && slot->length <= TP_STREAM_SLOT_PAYLOAD);
	FUZZ_CHECK(slot->client.port != 0 && slot->client.ip.family == slot->listener.ip.family);
	FUZZ_CHECK(slot->listener.port == 3478 || slot->listener.port == 5349);
	FUZZ_CHECK(slot->more == 0 && slot->length > 0);
	if (dtls_hello_read(slot->payload, slot->length, &hello) == DTLS_HELLO)
		world.proven++;
}

static void take(void)
{
	for (int i = 0; i < STREAMS && !world.mad; i++) {
		struct tp_ring *down = &world.stream[i]->down;
		for (const struct tp_stream_slot *slot; (slot = tp_ring_front(down)) != NULL;) {
			take_slot(slot);
			tp_ring_pop(down);
		}
	}
}

static void change_world(uint8_t what, uint8_t value)
{
	struct rig *rig = world.rig;
	struct stream_rig *stream = world.stream[value % STREAMS];

	switch (what & 7) {
	case 0:
		atomic_store(&stream->link.flags, value >> 2);
		break;
	case 1:
		stream_leave(rig, stream);
		break;
	case 2:
		dp_worker_set_stream(rig->w, TP_STREAM_PLACE(stream->link.stream), &stream->link);
		break;
	case 3:
		rig->now_ns += value * RIG_SECOND;
		break;
	case 4:
		dp_budget_set(rig->w->budget,
			&(struct dp_settings_values){.address_cost_ns = value * 1000000u,
				.punt_cost_ns = value * 1000000u,
				.unproven_cost_ns = value * 1000000u});
		break;
	case 5:
		atomic_store(&stream->link.up.shared->head, value * 0x01010101u);
		world.mad = true;
		break;
	case 6:
		atomic_store(&stream->link.down.shared->tail, value * 0x01010101u);
		world.mad = true;
		break;
	}
}

static void end(void)
{
	struct rig *rig = world.rig;

	run();
	take();
	for (int i = 0; i < STREAMS; i++) {
		stream_leave(rig, world.stream[i]);
		stream_close(world.stream[i]);
	}
	dp_budget_set(rig->w->budget, &(struct dp_settings_values){0});
	world.mad = false;
	rig->now_ns += GAP;
	FUZZ_CHECK(rig_stats(rig).held == 0);
	FUZZ_CHECK(rte_mempool_in_use_count(rig->dp.pool) == 0);
}

static void step(struct fuzz_script *s)
{
	uint8_t what;

	switch (fuzz_u8(s) % OPS) {
	case OP_HELLO:
		add_hello(s);
		break;
	case OP_DATAGRAM:
		add_datagram(s);
		break;
	case OP_SLOT:
		add_slot(s);
		break;
	case OP_WORLD:
		what = fuzz_u8(s);
		change_world(what, fuzz_u8(s));
		break;
	case OP_TAKE:
		take();
		break;
	default:
		run();
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);

	if (world.rig == NULL) {
		fuzz_eal();
		world.rig = rig_make();
	}
	world.proven = 0;
	for (uint32_t i = 0; i < STREAMS; i++) {
		world.stream[i] = stream_open(world.rig, STREAM_NUMBER + i, -1);
		world.stream[i]->link.attached = i + 1;
		atomic_store(&world.stream[i]->link.flags, TP_STREAM_DTLS);
	}
	for (int i = 0; i < 100 && fuzz_left(&s) > 0; i++)
		step(&s);
	end();
	if (world.proven > 0)
		fuzz_canary(data + size);
}
