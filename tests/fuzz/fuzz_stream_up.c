// SPDX-License-Identifier: BSD-3-Clause
// The rings of a stream process, written and read by one that is mad: slots of any kind, length and
// order from below, datagrams of peers from above. Nothing is read past what a slot holds, no mbuf
// is lost, the books close, what leaves has a right checksum, what comes down is one whole message.
#include "tests/unit/dataplane/path/stream_rig.h"
// After cmocka's headers.
#include "dataplane/path/state.h"
#include "tests/fuzz/eal.h"
#include "tests/fuzz/script.h"

#define FOREVER (UINT64_MAX / 2)
#define GAP     (20 * RIG_SECOND)

enum { OP_SLOT, OP_MESSAGE, OP_RUN, OP_PEER, OP_WORLD, OP_TAKE, OPS };

static struct world {
	struct rig *rig;
	struct stream_rig *stream;
	struct rte_mbuf *kept[RIG_MBUFS];
	unsigned int n_kept;
	bool mad; // wrote over the rings' heads and tails
} world;

static struct tp_addr relay(bool ipv6)
{
	return rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 50001);
}

static struct tp_addr peer(bool ipv6, uint16_t port)
{
	return rig_addr(ipv6 ? "fd00:198:18::99" : "198.18.2.2", port);
}

static void allocate(struct rig *rig, uint32_t alloc, struct tp_addr client,
	struct tp_addr listener, struct tp_addr relay4, struct tp_addr relay6, uint64_t rate)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, alloc, FOREVER);

	cmd.allocation = (struct tp_cmd_alloc){.client = client,
		.listener = listener,
		.relay = {relay4, relay6},
		.rate_bytes_per_s = rate};
	rig_command(rig, &cmd);
}

// The stream's client with relayed addresses of both families, a second one with a small rate, one
// of UDP; each of the last two is a peer of the first.
static void make_world(void)
{
	struct rig *rig = rig_make();
	struct tp_addr none = {0}, second = rig_addr("10.0.0.5", 50002);
	struct tp_addr third = rig_addr("10.0.0.5", 50003);

	world.rig = rig;
	allocate(rig, 1, stream_client(STREAM_NUMBER, STREAM_CONNECTION), stream_listener(),
		relay(false), relay(true), 0);
	allocate(rig, 2, stream_client(STREAM_NUMBER, STREAM_CONNECTION + 1), stream_listener(),
		second, none, 100000);
	allocate(rig, 3, rig_addr("198.18.1.1", 40000), rig_addr("198.18.0.2", 3478), third, none,
		0);
	rig_permit(rig, 1, peer(false, 0).ip, FOREVER);
	rig_permit(rig, 1, peer(true, 0).ip, FOREVER);
	rig_permit(rig, 1, rig_addr("203.0.113.5", 0).ip, FOREVER);
	rig_bind(rig, 1, peer(false, 6000), 0x4001, FOREVER);
	rig_bind(rig, 1, peer(true, 6000), 0x4002, FOREVER);
	rig_bind(rig, 1, rig_addr("203.0.113.5", 50002), 0x4003, FOREVER);
	rig_bind(rig, 1, rig_addr("203.0.113.5", 50003), 0x4004, FOREVER);
	for (uint32_t alloc = 2; alloc < 4; alloc++)
		rig_permit(rig, alloc, relay(false).ip, FOREVER);
	rig_bind(rig, 2, relay(false), 0x4001, FOREVER);
}

// The payload of a slot: its bytes, then as much filling as it asks for.
static size_t take_payload(struct fuzz_script *s, uint8_t out[TP_STREAM_SLOT_PAYLOAD])
{
	uint8_t length = fuzz_u8(s), fill = fuzz_u8(s);
	size_t n = fuzz_take(s, out, length);
	size_t more = RTE_MIN((size_t)fill * 8, TP_STREAM_SLOT_PAYLOAD - n);

	memset(out + n, 0x5a, more);
	return n + more;
}

static void put(struct tp_stream_slot head, const uint8_t *payload, size_t length)
{
	struct tp_stream_slot *slot = tp_ring_reserve(&world.stream->up);

	if (slot == NULL)
		return;
	memset(slot, 0xee, TP_PACKET_SLOT_BYTES);
	*slot = head;
	memcpy(slot->payload, payload, length);
	tp_ring_commit(&world.stream->up);
	tp_ring_flush(&world.stream->up);
}

// As a mad stream may fill one.
static void add_slot(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), payload[TP_STREAM_SLOT_PAYLOAD];
	struct tp_stream_slot head = {.kind = how & 7, .dscp_ecn = how};

	head.more = how & 8 ? fuzz_u16(s) : fuzz_u8(s) & 3;
	head.connection = STREAM_CONNECTION + (how >> 4 & 1) - (how & 32 ? STREAM_CONNECTION : 0);
	size_t length = take_payload(s, payload);
	head.length = how & 64 ? fuzz_u16(s) : (uint16_t)length;
	put(head, payload, length);
}

// A message that is whole, its payload so many slots long.
static void add_message(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), payload[TP_STREAM_SLOT_PAYLOAD];
	struct tp_stream_slot head = {.kind = TP_STREAM_MESSAGE,
		.more = how & 63,
		.connection = STREAM_CONNECTION + (how >> 6 & 1)};
	size_t length = take_payload(s, payload);

	head.length = (uint16_t)length;
	put(head, payload, length);
	memset(payload, 0x5a, sizeof(payload));
	for (uint16_t more = head.more; more > 0; more--)
		put((struct tp_stream_slot){.kind = TP_STREAM_REST,
			    .length = TP_STREAM_SLOT_PAYLOAD},
			payload, sizeof(payload));
}

static void run(void)
{
	struct rig *rig = world.rig;

	for (int turns = 0; turns < STREAM_UP; turns++)
		if (dp_pipeline_streams(rig->w, rig->now_ns) == 0)
			break;
	rig_collect(rig);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		struct frame f;
		FUZZ_CHECK(oracle_read(rig->out[i], rig->out_length[i], &f));
		FUZZ_CHECK(f.fragment || (f.damage == 0 && !f.zero_checksum));
	}
	rig_forget(rig);
	rig_books_close(rig);
}

static void take(void)
{
	struct stun_message m;

	while (!world.mad && stream_take(world.stream)) {
		const struct stream_rig *s = world.stream;
		FUZZ_CHECK(s->connection >= STREAM_CONNECTION && s->length >= 4);
		if (s->message[0] & 0x40)
			FUZZ_CHECK(oracle_get16(s->message + 2) + 4u == s->length);
		else
			FUZZ_CHECK(stun_read(s->message, s->length, &m) == STUN_READ_OK &&
				   m.method == STUN_DATA && m.class == STUN_INDICATION);
	}
}

// A datagram of a peer, or an ICMP error about what went to it.
static void add_peer(struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), data[TP_STREAM_SLOT_PAYLOAD], icmp[100] = {3, 1}, quoted[80];
	static uint8_t bytes[ORACLE_MOST];
	bool ipv6 = how & 1;
	size_t length = RTE_MIN(take_payload(s, data), (size_t)1900);
	struct frame f = rig_frame(peer(ipv6, 6000 + (how >> 1 & 1)), relay(ipv6), data, length);

	f.zero_checksum = (how & 4) != 0;
	f.damage = how & 8 ? 0x0101 : 0;
	if (!(how & 16) || ipv6) {
		rig_receive_frame(world.rig, &f);
		return;
	}
	struct frame q = rig_frame(relay(false), peer(false, 6000), "x", 1);
	length = oracle_build(&q, quoted) - 14;
	memcpy(icmp + 8, quoted + 14, length);
	f.protocol = 1;
	oracle_put16(icmp + 2, ~oracle_sum(0, icmp, 8 + length) & 0xffff);
	rig_receive(world.rig, bytes, oracle_ip(&f, bytes, icmp, 8 + length));
}

static void change_world(uint8_t what, uint8_t value)
{
	static const uint16_t mtus[] = {1500, 1280, 576, 68};
	struct rig *rig = world.rig;

	switch (what & 7) {
	case 0:
		rig->dp.next_hops[1 + (value & 1)].mtu = mtus[value >> 1 & 3];
		break;
	case 1: // so many buffers are left
		while (rte_mempool_avail_count(rig->dp.pool) > value)
			world.kept[world.n_kept++] = rte_pktmbuf_alloc(rig->dp.pool);
		break;
	case 2:
		rig->now_ns += (uint64_t)value * RIG_SECOND / 16;
		break;
	case 3:
		dp_worker_set_stream(rig->w, TP_STREAM_PLACE(STREAM_NUMBER),
			value & 1 ? &world.stream->link : NULL);
		break;
	case 4:
		rig->w->hop_limit = value;
		break;
	case 5:
		atomic_store(&world.stream->link.up.shared->head, value * 0x01010101u);
		world.mad = true;
		break;
	case 6:
		atomic_store(&world.stream->link.down.shared->tail, value * 0x01010101u);
		world.mad = true;
		break;
	}
}

static void end(void)
{
	struct rig *rig = world.rig;

	run();
	rte_pktmbuf_free_bulk(world.kept, world.n_kept);
	world.n_kept = 0;
	world.mad = false;
	for (uint8_t i = 0; i < 2; i++)
		rig_hop(rig, RIG_HOP_IPV4 + i, RIG_HOP_MAC[i], 1500);
	rig->w->hop_limit = 0;
	rig->now_ns += GAP;
	stream_leave(rig, world.stream);
	stream_close(world.stream);
	FUZZ_CHECK(rig_stats(rig).held == 0);
	FUZZ_CHECK(rte_mempool_in_use_count(rig->dp.pool) == 0);
}

static void step(struct fuzz_script *s)
{
	uint8_t what;

	switch (fuzz_u8(s) % OPS) {
	case OP_SLOT:
		add_slot(s);
		break;
	case OP_MESSAGE:
		add_message(s);
		break;
	case OP_PEER:
		add_peer(s);
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
		make_world();
	}
	world.stream = stream_open(world.rig, STREAM_NUMBER, -1);
	uint64_t relayed = rig_counter(world.rig, channel_up);
	for (int i = 0; i < 100 && fuzz_left(&s) > 0; i++)
		step(&s);
	run();
	take();
	bool more = rig_counter(world.rig, channel_up) != relayed;
	end();
	if (more)
		fuzz_canary(data + size);
}
