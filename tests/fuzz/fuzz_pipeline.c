// SPDX-License-Identifier: BSD-3-Clause
// Bursts through a whole worker: raw frames, datagrams and fragments with right checksums between
// the addresses that it knows, datagrams of control. Nothing is read past a frame, no mbuf is lost,
// the books close, and what comes out is well-formed.
#include <sanitizer/asan_interface.h>

#include "tests/unit/dataplane/path/rig.h"
// After cmocka's headers.
#include "common/abi/health.h"
#include "common/base/log.h"
#include "common/wire/chandata.h"
#include "common/wire/nonce.h"
#include "dataplane/path/probe.h"
#include "dataplane/path/state.h"
#include "tests/fuzz/eal.h"

#define FRAME_MOST  1900
#define FENCE_BYTES 32
#define FOREVER     (UINT64_MAX / 2)
#define GAP         (20 * RIG_SECOND) // between inputs: budgets refill, reassembly gives up

enum { OP_RAW, OP_UDP, OP_UDP_TOO, OP_OTHER, OP_FRAGMENT, OP_INJECT, OP_WORLD, OP_RUN, OPS };

static struct rte_mbuf *kept[RIG_MBUFS];

struct burst {
	struct rig *rig;
	unsigned int n_kept; // buffers that nobody gets
	bool changed;        // allocations are not what make_world made
	struct rte_mbuf *m[DP_BURST];
	void *fence[DP_BURST];
	uint16_t n;
	bool forged; // a raw frame in it: checksums of what comes out are as they were
};

static void permit(struct rig *rig, uint32_t alloc, const char *peer, uint64_t deadline)
{
	rig_permit(rig, alloc, rig_addr(peer, 0).ip, deadline);
}

static void allocate(struct rig *rig, uint32_t alloc, struct tp_addr client,
	struct tp_addr listener, struct tp_addr relay, struct tp_addr relay6, uint64_t rate)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, alloc, FOREVER);

	cmd.allocation = (struct tp_cmd_alloc){.client = client,
		.listener = listener,
		.relay = {relay, relay6},
		.rate_bytes_per_s = rate};
	rig_command(rig, &cmd);
}

#define STRANGER "192.0.2.77" // without an allocation; where the first client moves to

// Two clients, the first with relayed addresses of both families; a third behind the hairpin with
// a small rate. Channels 0x4001 to a peer, 0x4002 to the third
// client, 0x4003 over.
static void make_allocations(struct rig *rig)
{
	struct tp_addr listener = rig_addr("198.18.0.2", 3478), none = {0};
	struct tp_addr listener6 = rig_addr("fd00:198:18::2", 3478);

	allocate(rig, 3, rig_addr("198.18.1.1", 40000), listener, rig_addr("198.18.0.2", 50001),
		rig_addr("fd00:198:18::2", 50003), 0);
	allocate(rig, 4, rig_addr("fd00:198:18::11", 40000), listener6,
		rig_addr("fd00:198:18::2", 50001), none, 0);
	allocate(rig, 5, rig_addr("198.18.1.9", 40000), listener, rig_addr("10.0.0.5", 50002), none,
		4000);
	permit(rig, 3, "198.18.2.2", FOREVER);
	permit(rig, 3, "fd00:198:18::99", FOREVER);
	permit(rig, 3, "203.0.113.5", FOREVER);
	permit(rig, 3, "198.18.2.3", RIG_NOW - 1);
	permit(rig, 4, "fd00:198:18::99", FOREVER);
	permit(rig, 5, "198.18.0.2", FOREVER);
	permit(rig, 5, "198.18.2.2", FOREVER);
	rig_bind(rig, 3, rig_addr("198.18.2.2", 6000), 0x4001, FOREVER);
	rig_bind(rig, 3, rig_addr("203.0.113.5", 50002), 0x4002, FOREVER);
	rig_bind(rig, 3, rig_addr("198.18.2.3", 6000), 0x4003, RIG_NOW - 1);
	rig_bind(rig, 3, rig_addr("fd00:198:18::99", 6000), 0x4004, FOREVER);
	rig_bind(rig, 4, rig_addr("fd00:198:18::99", 6000), 0x4001, FOREVER);
	rig_bind(rig, 5, rig_addr("198.18.2.2", 6000), 0x4001, FOREVER);
}

// A command that may be refused.
static void try_command(struct rig *rig, const struct tp_cmd *cmd)
{
	struct tp_ack ack;

	rig_unroute(rig);
	dp_apply_command(rig->dp.apply, cmd, &ack);
	rig_route(rig);
}

static void drop_allocations(struct rig *rig)
{
	for (uint32_t alloc = 3; alloc < 6; alloc++) {
		struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_DELETE, alloc, 0);
		try_command(rig, &cmd);
	}
}

static struct rig *make_world(void)
{
	struct rig *rig = rig_make();
	struct tp_addr listener = rig_addr("198.18.0.2", 3478);

	rig->conf.unauthenticated.per_address = 6;
	rig->conf.unauthenticated.punts = 3;
	rig->conf.compatibility.stun = CONF_STUN_RFC3489;
	rig->conf.nat_discovery.families[0] =
		(struct conf_discovery){.address = {listener.ip, rig_addr("198.18.0.3", 0).ip},
			.public_address = {listener.ip, rig_addr("198.18.0.3", 0).ip},
			.port = {3478, 3479}};
	dp_worker_destroy(rig->w);
	dp_apply_destroy(rig->dp.apply);
	dp_locals_destroy(rig->dp.locals);
	rig->dp.locals = dp_locals_create(&rig->conf, SOCKET_ID_ANY);
	FUZZ_CHECK(dp_apply_create(&rig->dp, &rig->dp.apply) == 0);
	FUZZ_CHECK(dp_worker_create(&rig->dp, 0, 0, &rig->w) == 0);
	rig->dp.workers[0] = rig->w;
	make_allocations(rig);
	FUZZ_CHECK(dp_probe_open(&rig->dp) == 0);
	return rig;
}

// ---- frames

static void run(struct burst *b);

// Into a buffer; `tight`: at its end, and what is behind it poisoned.
static void add(struct burst *b, const uint8_t *bytes, size_t length, bool tight)
{
	if (rte_mempool_avail_count(b->rig->dp.pool) == 0)
		return;
	struct rte_mbuf *m = rig_mbuf(b->rig, bytes, length);
	uint16_t data_off = (uint16_t)(m->buf_len - length);

	if (tight) {
		memmove((uint8_t *)m->buf_addr + data_off, rte_pktmbuf_mtod(m, void *), length);
		m->data_off = data_off;
	}
	b->fence[b->n] = (uint8_t *)m->buf_addr + m->buf_len;
	ASAN_POISON_MEMORY_REGION(b->fence[b->n], FENCE_BYTES);
	b->m[b->n++] = m;
}

static struct frame way_of(uint8_t way, uint8_t flags)
{
	static const struct {
		const char *from, *to;
		uint16_t from_port, to_port;
	} ways[] = {{"198.18.1.1", "198.18.0.2", 40000, 3478},
		{"fd00:198:18::11", "fd00:198:18::2", 40000, 3478},
		{"198.18.2.2", "198.18.0.2", 6000, 50001},
		{"fd00:198:18::99", "fd00:198:18::2", 6000, 50001},
		{"198.18.1.9", "198.18.0.2", 40000, 3478}, {"198.18.2.2", "10.0.0.5", 6000, 50002},
		{"fd00:198:18::99", "fd00:198:18::2", 6000, 50003},
		{STRANGER, "198.18.0.2", 999, 3478}, {"2001:db8::77", "fd00:198:18::2", 999, 3478},
		{"198.18.2.3", "198.18.0.2", 6000, 50001}, {"224.0.0.1", "198.18.0.2", 6000, 3478},
		{"198.18.2.2", "198.18.0.2", 0, 50001}, {"198.18.2.2", "198.18.0.2", 6001, 50001},
		{"198.18.2.2", "198.18.0.2", 6000, 50009}, {"198.18.2.2", "198.18.0.2", 6000, 80},
		{"198.18.2.2", "198.18.0.77", 6000, 50001}};
	struct frame f = rig_frame(rig_addr(ways[way & 15].from, ways[way & 15].from_port),
		rig_addr(ways[way & 15].to, ways[way & 15].to_port), NULL, 0);

	f.vlan = flags & 1 ? 0x4005 : -1;
	f.df = (flags & 2) != 0;
	f.zero_checksum = (flags & 4) != 0;
	f.damage = flags & 8 ? 0x0101 : 0;
	f.ttl = flags & 16 ? 1 : 64;
	return f;
}

// The payload of a step: its bytes, then as much filling as it asks for.
#define TIGHT  32 // of the flags
#define PROVEN 64

static size_t take_payload(struct fuzz_script *s, uint8_t out[FRAME_MOST])
{
	uint8_t length = fuzz_u8(s), fill = fuzz_u8(s);
	size_t n = fuzz_take(s, out, length);
	size_t more = RTE_MIN((size_t)fill * 8, (size_t)FRAME_MOST - 80 - n);

	memset(out + n, 0x5a, more);
	return n + more;
}

// A request that shows a nonce of ours, made for the way it goes, with a key that control has or
// had; whether its integrity is right the dataplane does not know. What the script gave goes
// behind.
static size_t prove(const struct frame *f, uint8_t payload[FRAME_MOST], size_t length)
{
	static const uint8_t transaction_id[STUN_TRANSACTION_ID_BYTES], integrity[20];
	uint8_t what = length > 0 ? payload[0] : 0, rest[FRAME_MOST];
	struct tp_siphash_key key = {.bytes = {what >> 4 & 3}};
	struct tp_nonce nonce = {.client = f->from, .listener = f->to};
	struct stun_writer w;
	char text[TP_NONCE_CHARS];

	memcpy(rest, payload, length);
	tp_nonce_write(&key, &nonce, text);
	stun_write_begin(&w, payload, FRAME_MOST, STUN_REQUEST, what & 15, transaction_id);
	stun_write_attr(&w, STUN_ATTR_NONCE, text, sizeof(text) - (what >> 7));
	if (what & 0x40)
		stun_write_attr(&w, STUN_ATTR_NONCE, text, sizeof(text));
	stun_write_attr(&w, STUN_ATTR_MESSAGE_INTEGRITY, integrity, sizeof(integrity));
	stun_write_attr(&w, STUN_ATTR_SOFTWARE, rest, RTE_MIN(length, (size_t)FRAME_MOST / 2));
	int whole = stun_write_finish(&w);
	return whole > 0 ? (size_t)whole : 0;
}

static void add_udp(struct burst *b, struct fuzz_script *s)
{
	uint8_t payload[FRAME_MOST], out[FRAME_MOST + 100];
	uint8_t way = fuzz_u8(s), flags = fuzz_u8(s);
	struct frame f = way_of(way, flags);

	f.length = take_payload(s, payload);
	if (flags & PROVEN)
		f.length = prove(&f, payload, f.length);
	f.payload = payload;
	b->forged |= f.damage != 0;
	add(b, out, oracle_build(&f, out), flags & TIGHT);
}

// ICMP with the right checksum, or any other protocol.
static void add_other(struct burst *b, struct fuzz_script *s)
{
	uint8_t l4[FRAME_MOST], out[FRAME_MOST + 100];
	uint8_t way = fuzz_u8(s), flags = fuzz_u8(s);
	struct frame f = way_of(way, flags & 3);
	bool ipv4 = f.from.ip.family == TP_FAMILY_IPV4;
	size_t length = take_payload(s, l4);

	f.protocol = flags & 0x80 ? 6 : ipv4 ? 1 : 58;
	if (length >= 4 && !(flags & 0x40)) {
		l4[2] = l4[3] = 0;
		uint32_t sum = ipv4 ? oracle_sum(0, l4, length)
				    : oracle_l4_sum(&f.from.ip, &f.to.ip, 58, l4, length);
		oracle_put16(l4 + 2, ~sum & 0xffff);
	}
	add(b, out, oracle_ip(&f, out, l4, length), flags & TIGHT);
}

// A fragment of a datagram of UDP: offset in eights, then whether more follow and its ID.
static void add_fragment(struct burst *b, struct fuzz_script *s)
{
	uint8_t piece[FRAME_MOST], out[FRAME_MOST + 100];
	uint8_t way = fuzz_u8(s), flags = fuzz_u8(s), offset = fuzz_u8(s), more = fuzz_u8(s);
	struct frame f = way_of(way, flags & 0x13);
	size_t length = take_payload(s, piece);

	f.fragment = true;
	f.offset = (flags & 0x80 ? offset * 32u : offset) * 8;
	f.more = more & 1;
	f.id = more >> 1 & 7;
	f.tos = flags & 0x40 ? 3 : 0xb9;
	b->forged = true; // the datagram's checksum is anything
	add(b, out, oracle_ip(&f, out, piece, length), flags & TIGHT);
}

// ---- the rest of the world

// What the management thread does with the flows that the worker named.
static void take_moves(struct burst *b)
{
	uint32_t flow;

	while (dp_worker_take_move(b->rig->w, &flow)) {
		struct tp_ack event;
		rig_unroute(b->rig);
		if (dp_apply_moved(b->rig->dp.apply, flow, &event))
			FUZZ_CHECK(event.type == TP_EVENT_MOVED && event.alloc.index == 3);
		rig_route(b->rig);
	}
}

static void run(struct burst *b)
{
	struct rig *rig = b->rig;

	if (b->n > 0)
		dp_pipeline_run(rig->w, b->m, b->n, 0, rig->now_ns);
	for (uint16_t i = 0; i < b->n; i++)
		ASAN_UNPOISON_MEMORY_REGION(b->fence[i], FENCE_BYTES);
	dp_pipeline_inject(rig->w, rig->now_ns);
	rig_collect(rig);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		struct frame f;
		FUZZ_CHECK(oracle_read(rig->out[i], rig->out_length[i], &f));
		FUZZ_CHECK(b->forged || f.fragment || f.protocol != 17 || f.damage == 0 ||
			   f.zero_checksum);
	}
	rig_forget(rig);
	take_moves(b);
	while (tp_ring_front(&rig->punts) != NULL)
		tp_ring_pop(&rig->punts);
	rig_books_close(rig);
	b->n = 0;
	b->forged = false;
}

static void inject(struct burst *b, struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s), payload[FRAME_MOST];
	struct tp_inject *slot = tp_ring_reserve(&b->rig->injects);

	if (slot == NULL)
		return;
	if (how & 0x80) { // as a mad control would fill it
		fuzz_take(s, slot, sizeof(*slot));
		memset(slot->payload, 0x5a, TP_PACKET_SLOT_BYTES - sizeof(*slot));
	} else {
		struct frame f = way_of(how, 0);
		size_t length = take_payload(s, payload);
		*slot = (struct tp_inject){.source = f.to,
			.destination = f.from,
			.length = (uint16_t)length,
			.path = {.valid = how >> 4 & 1, .port = how >> 5 & 1, .vlan = 0xffff}};
		memcpy(slot->payload, payload, length);
	}
	tp_ring_commit(&b->rig->injects);
	tp_ring_flush(&b->rig->injects);
}

// Settings of control, sane or not: what is refused changes nothing.
static void settings(struct rig *rig, uint8_t what, uint8_t value)
{
	static const uint16_t channel_most[] = {
		CHANDATA_CHANNEL_MAX, CHANDATA_CHANNEL_MAX_RFC5766, 0x3fff, UINT16_MAX};
	static const uint32_t rates[] = {6, 0, 1, UINT32_MAX};
	struct tp_cmd cmd = {.type = TP_CMD_SETTINGS, .layout = 1, .alloc = TP_ALLOC_NONE};
	struct tp_ack ack;

	cmd.settings = (struct tp_cmd_settings){.per_address = rates[what >> 4 & 3],
		.per_network = rates[what >> 6 & 3],
		.punts = rates[value & 3],
		.unproven = rates[value >> 2 & 3],
		.channel_max = channel_most[value >> 4 & 3],
		.hop_limit = value,
		.dscp = value,
		.log_level = TP_LOG_ERROR};
	dp_apply_command(rig->dp.apply, &cmd, &ack);
	FUZZ_CHECK((ack.result == 0) == (value <= CONF_DSCP_COPY && (value >> 4 & 3) < 2));
	dp_pipeline_begin(rig->w);
	FUZZ_CHECK(rig->w->channel_max == CHANDATA_CHANNEL_MAX ||
		   rig->w->channel_max == CHANDATA_CHANNEL_MAX_RFC5766);
}

// The rates of the third client, from none to more than a word holds.
static void rates(struct rig *rig, uint64_t bytes, uint64_t packets)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 5, FOREVER);

	cmd.allocation = (struct tp_cmd_alloc){.client = rig_addr("198.18.1.9", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = {rig_addr("10.0.0.5", 50002)},
		.rate_bytes_per_s = bytes,
		.rate_packets_per_s = packets};
	rig_command(rig, &cmd);
}

// The first client moves to where the stranger is, by 1, or control has it otherwise; what the
// worker saw in between decides what of that is possible. With 2 the relayed address of IPv6 goes,
// by 4 the lifetime ends.
static void move(struct burst *b, uint8_t how)
{
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, how & 4 ? RIG_NOW - 1 : FOREVER);

	cmd.allocation = (struct tp_cmd_alloc){.client = rig_addr("198.18.1.1", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = {rig_addr("198.18.0.2", 50001)}};
	if (!(how & 2))
		cmd.allocation.relay[1] = rig_addr("fd00:198:18::2", 50003);
	if (how & 1) {
		cmd.move = 1 + (how >> 3);
		cmd.allocation.pending = rig_addr(STRANGER, 999);
		cmd.allocation.pending_listener = cmd.allocation.listener;
	}
	try_command(b->rig, &cmd);
	b->changed = true;
}

// The third client's allocation, which the first's packets reach by the hairpin, goes, or only what
// permits them.
static void end_third(struct burst *b, uint8_t how)
{
	struct tp_cmd cmd = rig_cmd(how & 1 ? TP_CMD_ALLOC_DELETE : TP_CMD_PERMISSION_DELETE, 5, 0);

	if (!(how & 1))
		cmd.permission = rig_addr("198.18.0.2", 0).ip;
	try_command(b->rig, &cmd);
	b->changed = true;
}

// A probe relays or is dropped for want of a buffer, whatever burst and settings came before.
static void probe(struct rig *rig, uint8_t round)
{
	struct dp_probe_report report;

	dp_worker_probe(rig->w, round);
	dp_probe_run(rig->w, rig->now_ns);
	dp_worker_probe_report(rig->w, &report);
	FUZZ_CHECK(report.round == round && report.result != TP_PROBE_DAMAGED);
}

// Next hops, time, control and the key of nonces, as the management thread changes them.
static void change_world(struct burst *b, uint8_t what, uint8_t value)
{
	struct rig *rig = b->rig;
	static const uint16_t mtus[] = {1500, 1280, 576, 68};
	struct dp_nonce_sign sign = {.key = {{value >> 2 & 3}, {value >> 4 & 3}},
		.keys = value & 3,
		.wall_offset_ns = UINT64_C(1700000000000000000)};
	struct dp_next_hop *hop = &rig->dp.next_hops[1 + (value & 1)];

	switch (what & 15) {
	case 0:
		hop->mtu = mtus[value >> 1 & 3];
		break;
	case 1:
		atomic_store(&hop->mac_state, value & 2 ? DP_MAC_RESOLVED : 0);
		break;
	case 2:
		rig->now_ns += (uint64_t)value * RIG_SECOND / 16;
		dp_pipeline_tick(rig->w, rig->now_ns);
		break;
	case 3:
		dp_worker_set_link(rig->w, value & 1 ? &rig->link : NULL);
		dp_pipeline_begin(rig->w);
		break;
	case 4:
		dp_nonce_publish(&rig->dp.nonce_key, sign.keys < 3 ? &sign : NULL);
		break;
	case 5:
		rig->w->hop_limit = value;
		break;
	case 6:
		hop->vlan = value & 2 ? 7 : DP_UNTAGGED;
		break;
	case 7:
		rig->w->tx[0].multi_segs = value & 1;
		break;
	case 8: // so many buffers are left
		while (rte_mempool_avail_count(rig->dp.pool) > value)
			kept[b->n_kept++] = rte_pktmbuf_alloc(rig->dp.pool);
		break;
	case 9:
		rig->w->channel_max = CHANDATA_CHANNEL_MAX_RFC5766;
		break;
	case 10:
		settings(rig, what, value);
		break;
	case 11:
		rates(rig, value & 15 ? UINT64_MAX >> (value & 15) * 4 : 0,
			value >> 4 ? UINT64_MAX >> (value >> 4) * 4 : 0);
		break;
	case 12:
		move(b, value);
		break;
	case 13:
		end_third(b, value);
		break;
	case 14:
		probe(rig, value);
		break;
	}
}

static void begin(struct rig *rig)
{
	rig->now_ns += GAP;
	for (uint8_t i = 0; i < 2; i++)
		rig_hop(rig, RIG_HOP_IPV4 + i, RIG_HOP_MAC[i], 1500);
	rig->w->tx[0].multi_segs = false;
	memset(&rig->dp.nonce_key, 0, sizeof(rig->dp.nonce_key));
	dp_worker_set_link(rig->w, &rig->link);
	rates(rig, 4000, 0);
	settings(rig, 0, CONF_DSCP_COPY);
	rig->w->hop_limit = 0;
}

static void end(struct burst *b)
{
	struct rig *rig = b->rig;

	run(b);
	rte_pktmbuf_free_bulk(kept, b->n_kept);
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	while (dp_pipeline_inject(rig->w, rig->now_ns) > 0)
		;
	run(b);
	rig->now_ns += GAP;
	dp_pipeline_tick(rig->w, rig->now_ns);
	rig_books_close(rig);
	if (b->changed) {
		drop_allocations(rig);
		make_allocations(rig);
	}
	FUZZ_CHECK(rig_stats(rig).held == 0);
	FUZZ_CHECK(rte_mempool_in_use_count(rig->dp.pool) == 0);
}

static void step(struct burst *b, struct fuzz_script *s)
{
	uint8_t raw[FRAME_MOST], op = fuzz_u8(s);

	switch (op % OPS) {
	case OP_RAW:
		b->forged = true;
		add(b, raw, take_payload(s, raw), op & 0x80);
		break;
	case OP_UDP:
	case OP_UDP_TOO:
		add_udp(b, s);
		break;
	case OP_OTHER:
		add_other(b, s);
		break;
	case OP_FRAGMENT:
		add_fragment(b, s);
		break;
	case OP_INJECT:
		inject(b, s);
		break;
	case OP_WORLD: {
		uint8_t what = fuzz_u8(s);
		run(b);
		change_world(b, what, fuzz_u8(s));
		break;
	}
	default:
		run(b);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static struct rig *rig;
	struct fuzz_script s = fuzz_script(data, size);

	if (rig == NULL) {
		fuzz_eal();
		rig = make_world();
	}
	struct burst b = {.rig = rig};
	uint64_t relayed = rig_counter(rig, channel_up) + rig_counter(rig, channel_down);
	begin(rig);
	for (int i = 0; i < 200 && fuzz_left(&s) > 0; i++) {
		step(&b, &s);
		if (b.n == DP_BURST)
			run(&b);
	}
	end(&b);
	if (rig_counter(rig, channel_up) + rig_counter(rig, channel_down) != relayed)
		fuzz_canary(data + size);
}
