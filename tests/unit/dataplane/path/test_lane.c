// SPDX-License-Identifier: BSD-3-Clause
// The lane and the general steps do the same with every frame. The same random bursts go through
// two workers with the same allocations, once as they are and once with an empty second segment
// behind each frame, which the lane refuses; what comes out, in what order, what is counted and
// what the flows have at the end is compared. Only an IPv4 ID that counts datagrams as they are
// made may differ.
#include "tests/unit/dataplane/path/rig.h"

#include <netinet/in.h>

#include "dataplane/path/reassemble.h"
#include "dataplane/path/state.h"

#define ROUNDS   3000
#define SEEDS    4
#define MOST     1700
#define RATE     20000 // bytes a second of the policed allocations
#define CHANNELS 5
#define CAME_ID  0x8000 // in IPv4 IDs that came; those that are made are below

static uint32_t random_state;

static uint32_t pick(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % below;
}

static bool one_in(uint32_t n)
{
	return pick(n) == 0;
}

static void fill(uint8_t *out, size_t length)
{
	for (size_t i = 0; i < length; i++)
		out[i] = (uint8_t)pick(256);
}

// ---- the world: a client of each family with relayed addresses of both, and channels to peers of
// both, to another client's relayed address and to a peer whose time is short.

static const char *const CLIENT[] = {"198.18.1.1", "fd00:198:18::11", "198.18.1.9"};
static const char *const LISTENER[] = {"198.18.0.2", "fd00:198:18::2", "198.18.0.2"};
static const char *const PEER[] = {
	"198.18.2.2", "fd00:198:18::99", "203.0.113.5", "198.18.2.3", "fd00:198:18::98"};

// Without an allocation, and one that nobody can be; of either family.
static const char *const STRANGER[] = {"198.18.1.7", "127.0.0.1", "fd00:198:18::7", "::1"};

static struct tp_addr peer(uint32_t n)
{
	return rig_addr(PEER[n], n == 2 ? 50012 : 6000);
}

static struct tp_addr relay_of(uint32_t alloc, bool ipv6)
{
	return rig_addr(ipv6         ? "fd00:198:18::2"
			: alloc == 2 ? "10.0.0.5"
				     : "198.18.0.2",
		(uint16_t)(50010 + alloc));
}

static void populate(struct rig *rig, uint64_t rate)
{
	for (uint32_t a = 0; a < 3; a++) {
		rig_allocate(rig, a, rig_addr(CLIENT[a], 40000), rig_addr(LISTENER[a], 3478),
			relay_of(a, false), relay_of(a, true), rate);
		for (uint32_t n = 0; n < CHANNELS; n++) {
			uint64_t end = RIG_NOW + (n == 3 ? 3 : 500) * RIG_SECOND;
			struct tp_cmd cmd = rig_cmd(TP_CMD_PERMISSION_SET, a, end);
			struct tp_ack ack;
			cmd.permission = peer(n).ip;
			dp_apply_command(rig->dp.apply, &cmd, &ack);
			assert_int_equal(ack.result, 0);
			cmd = rig_cmd(TP_CMD_CHANNEL_SET, a, end);
			cmd.channel = (struct tp_cmd_channel){
				.peer = peer(n), .channel = (uint16_t)(0x4000 + n)};
			dp_apply_command(rig->dp.apply, &cmd, &ack);
			assert_int_equal(ack.result, 0);
		}
	}
	rig_route(rig);
}

// ---- frames

// To a peer of either family, with all that may stand in it.
static size_t send_indication(uint8_t *out, const uint8_t *data, size_t length)
{
	struct stun_writer w;
	struct tp_addr to = one_in(15)   ? rig_addr("198.18.2.99", 1)
			    : one_in(15) ? rig_addr("198.18.0.2", 3478)
					 : peer(pick(CHANNELS));
	uint8_t id[12];

	fill(id, sizeof(id));
	stun_write_begin(&w, out, MOST, STUN_INDICATION, one_in(20) ? STUN_DATA : STUN_SEND, id);
	if (one_in(8))
		stun_write_attr(&w, (uint16_t)(one_in(2) ? 0x8022 : 0x0007), "1234567", pick(8));
	if (!one_in(20))
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &to);
	if (one_in(6))
		stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	if (!one_in(20))
		stun_write_attr(
			&w, STUN_ATTR_DATA, data, (uint16_t)RTE_MIN(length, (size_t)MOST - 200));
	if (one_in(8)) // behind the data, at an odd place of the checksum now and then
		stun_write_attr(&w, 0x8022, "1234567", pick(8));
	if (one_in(8))
		stun_write_fingerprint(&w);
	return (size_t)stun_write_finish(&w);
}

// With nothing, FINGERPRINT, or what the general steps have to see.
static size_t binding_request(uint8_t *out)
{
	struct stun_writer w;
	uint8_t id[12];

	fill(id, sizeof(id));
	stun_write_begin(&w, out, MOST, one_in(30) ? STUN_INDICATION : STUN_REQUEST,
		one_in(30) ? STUN_ALLOCATE : STUN_BINDING, id);
	if (one_in(10))
		stun_write_attr(&w, (uint16_t)(one_in(2) ? 0x8022 : 0x0007), "1234567", pick(8));
	if (one_in(2))
		stun_write_fingerprint(&w);
	size_t bytes = (size_t)stun_write_finish(&w);
	if (one_in(20))
		out[pick((uint32_t)bytes)] ^= (uint8_t)(1u << pick(8));
	return bytes - (one_in(40) ? 4 : 0);
}

static size_t up_payload(uint8_t *out, size_t length)
{
	static uint8_t data[MOST];

	if (one_in(5))
		return binding_request(out);
	if (one_in(3)) {
		fill(data, length);
		return send_indication(out, data, length);
	}

	if (one_in(12)) {
		fill(out, length);
		return length; // STUN, DTLS, nothing
	}
	fill(data, length);
	size_t bytes = rig_channel_data(out, (uint16_t)(0x4000 + pick(CHANNELS + 1)), data, length,
		one_in(3) ? pick(6) : 0);
	if (one_in(40))
		oracle_put16(out + 2, pick(2000));
	return bytes;
}

// IPv4 header checksum right again, so that damage reaches what is behind it.
static void repair(uint8_t *bytes, size_t length)
{
	if (length < 34 || oracle_get16(bytes + 12) != 0x0800 || bytes[14] != 0x45)
		return;
	oracle_put16(bytes + 24, 0);
	oracle_put16(bytes + 24, ~oracle_sum(0, bytes + 14, 20) & 0xffff);
}

static size_t damage(uint8_t *bytes, size_t length)
{
	for (uint32_t i = pick(3); i > 0 && length > 0; i--) {
		uint32_t at = pick((uint32_t)RTE_MIN(length, (size_t)80));
		if (one_in(8))
			length = at;
		else
			bytes[at] = (uint8_t)(bytes[at] ^ 1u << pick(8));
	}
	if (pick(4) != 0)
		repair(bytes, length);
	return length;
}

static size_t make_frame(uint8_t *out)
{
	static const size_t sizes[] = {0, 1, 3, 4, 8, 20, 160, 161, 560, 1440, 1464, 1476};
	uint8_t payload[MOST];
	uint32_t a = pick(3), n = pick(CHANNELS);
	size_t length = one_in(2) ? 160 : sizes[pick(RTE_DIM(sizes))];
	bool up = pick(2), ipv6 = peer(n).ip.family == TP_FAMILY_IPV6;
	struct frame f;

	if (up) {
		f = rig_frame(rig_addr(CLIENT[a], 40000), rig_addr(LISTENER[a], 3478), payload,
			up_payload(payload, length));
		if (one_in(6))
			f.from = rig_addr(STRANGER[pick(2) + 2 * (a == 1)], (uint16_t)pick(3));
	} else {
		fill(payload, length);
		f = rig_frame(peer(n), relay_of(a, ipv6), payload, length);
		if (one_in(10))
			f.from.port = (uint16_t)pick(2); // no channel, or none possible
		if (one_in(20))
			f.to.port = (uint16_t)(49150 + pick(4));
	}
	f.tos = (uint8_t)pick(256);
	f.ttl = (uint8_t)(one_in(10) ? pick(3) : 64);
	f.df = pick(2);
	f.ip_id = CAME_ID | 0x1a5c; // one for all: which fragments collide depends on chance
	f.vlan = one_in(20) ? 5 : -1;
	f.zero_checksum = one_in(10);
	f.damage = (uint16_t)(one_in(10) ? pick(65536) : 0);
	size_t bytes = oracle_build(&f, out);
	if (one_in(30) && bytes + 6 < MOST) // Ethernet padding
		bytes += 6;
	return one_in(6) ? damage(out, bytes) : bytes;
}

static struct rte_mbuf *frame_mbuf(struct rig *rig, bool lane)
{
	static uint8_t bytes[ORACLE_MOST];
	size_t length = make_frame(bytes);
	struct rte_mbuf *m = rig_mbuf(rig, bytes, length);
	struct tp_packet parsed;

	// Fragments are never the lane's, and reassembly takes none in two segments.
	if (!lane && tp_packet_parse(bytes, length, &parsed) != TP_PARSE_FRAGMENT) {
		m->next = rte_pktmbuf_alloc(rig->dp.pool);
		m->nb_segs = 2;
	}
	return m;
}

// ---- runs

struct record {
	uint8_t *out;
	size_t length, room;
};

static void note(struct record *r, const void *bytes, size_t length)
{
	if (r->length + length > r->room) {
		r->room = 2 * (r->room + length);
		r->out = realloc(r->out, r->room);
		assert_non_null(r->out);
	}
	memcpy(r->out + r->length, bytes, length);
	r->length += length;
}

// Of a Data indication the transaction ID and what is encoded with it; its checksum by whether it
// is right.
static void unmark(uint8_t *bytes, size_t length)
{
	struct frame f;

	if (!oracle_read(bytes, length, &f))
		return;
	uint8_t *at = bytes + (f.payload - bytes) + (f.fragment ? 8 : 0);
	if ((f.fragment && f.offset != 0) || at + 36 > bytes + length ||
		oracle_get16(at) != 0x0017 || oracle_get16(at + 4) != 0x2112)
		return;
	bool ipv4 = at[25] == 1;
	for (int i = 0; i < 12 && !ipv4; i++)
		at[32 + i] ^= at[8 + i];
	memset(at + 8, 0, 12);
	oracle_put16(at - 2, f.fragment ? 0 : f.damage);
}

// Where a frame says what is behind Ethernet: EtherType, behind a tag.
static uint8_t *type_of(uint8_t *frame)
{
	return frame + (oracle_get16(frame + 12) == 0x8100 ? 16 : 12);
}

// Fragments, and errors to senders, are made on the way: the steps send them before whatever else
// is in the burst, the lane after what it has sent already.
static bool is_made_on_the_way(const uint8_t *type)
{
	if (oracle_get16(type) == 0x0800)
		return (oracle_get16(type + 8) & 0x3fff) != 0 || type[11] == IPPROTO_ICMP;
	return type[8] == IPPROTO_FRAGMENT || type[8] == IPPROTO_ICMPV6;
}

static void note_frames(struct record *r, struct rig *rig)
{
	rig_collect(rig);
	for (unsigned int i = 0; i < rig->n_out; i++) {
		uint8_t *type = type_of(rig->out[i]);
		unmark(rig->out[i], rig->out_length[i]);
		if (oracle_get16(type) == 0x0800 && oracle_get16(type + 6) < CAME_ID) {
			memset(type + 6, 0, 2); // IPv4 ID, and the checksum over it
			memset(type + 12, 0, 2);
		}
	}
	for (unsigned int i = 0; i < 2 * rig->n_out; i++) {
		unsigned int at = i % rig->n_out;
		if (is_made_on_the_way(type_of(rig->out[at])) != (i >= rig->n_out))
			continue;
		note(r, &rig->out_length[at], sizeof(rig->out_length[at]));
		note(r, rig->out[at], rig->out_length[at]);
	}
	rig_forget(rig);
}

static void note_end(struct record *r, struct rig *rig)
{
	struct rig_stats stats = rig_stats(rig);

	for (int i = TP_COUNTER_cycles_read; i <= TP_COUNTER_cycles_transmit; i++)
		stats.counter[i] = 0;
	note(r, &stats, sizeof(stats));
	for (uint32_t i = 1; i <= dp_flow_count(rig->dp.flows); i++) {
		const struct dp_flow *flow = dp_flow_at(rig->dp.flows, i);
		uint64_t counted[] = {flow->packets, flow->bytes, flow->up_packets, flow->up_bytes};
		note(r, counted, sizeof(counted));
	}
}

// Bursts of up to `most`; where there are rates, of one, for who comes first within a burst decides
// who is over them.
static struct record run(uint32_t seed, bool lane, uint32_t most, uint64_t rate, bool keep)
{
	struct record r = {0};
	struct rig *rig = rig_make();
	struct rte_mbuf *m[DP_BURST];

	random_state = seed;
	rig->w->random = seed;
	// Which datagrams share a set depends on its seed.
	dp_reassembly_destroy(rig->w);
	assert_int_equal(dp_reassembly_create(rig->w), 0);
	rig->w->keep_ipv4_id = keep;
	populate(rig, rate);
	if (rate != 0) // they run out now and then
		dp_budget_set(rig->w->budget,
			&(struct dp_settings_values){.address_cost_ns = RIG_SECOND / 20,
				.network_cost_ns = RIG_SECOND / 30});
	rig->dp.next_hops[RIG_HOP_IPV6].mtu = 1400;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint16_t n = (uint16_t)(1 + pick(most));
		rig->w->ipv4_id = 0;
		for (uint16_t i = 0; i < n; i++)
			m[i] = frame_mbuf(rig, lane);
		dp_pipeline_run(rig->w, m, n, 0, rig->now_ns);
		note_frames(&r, rig);
		rig->now_ns += RIG_SECOND / 500;
		if (one_in(50))
			rig->w->hop_limit = (uint8_t)(rig->w->hop_limit == 0 ? 9 : 0);
		if (one_in(50))
			atomic_fetch_xor(
				&rig->dp.next_hops[RIG_HOP_IPV4].mac_state, DP_MAC_RESOLVED);
		if (one_in(50))
			rig->w->tos_set ^= 0x20;
	}
	note_end(&r, rig);
	rig_end(rig);
	return r;
}

static void compare(uint32_t most, uint64_t rate, bool keep)
{
	for (uint32_t seed = 1; seed <= SEEDS; seed++) {
		struct record lane = run(seed * 7919, true, most, rate, keep);
		struct record general = run(seed * 7919, false, most, rate, keep);
		assert_int_equal(lane.length, general.length);
		assert_memory_equal(lane.out, general.out, lane.length);
		free(lane.out);
		free(general.out);
	}
}

static void test_lane_does_what_the_steps_do(void **state)
{
	compare(DP_BURST, 0, false);
}

static void test_lane_keeps_ids_as_the_steps_do(void **state)
{
	compare(DP_BURST, 0, true);
}

static void test_lane_polices_as_the_steps_do(void **state)
{
	compare(1, RATE, false);
}

// That the comparison is one: most of a burst of plain ChannelData never meets the general steps.
static void test_plain_channel_data_stays_on_the_lane(void **state)
{
	struct rig *rig = rig_make();
	struct rte_mbuf *m[DP_BURST];
	static uint8_t bytes[ORACLE_MOST];
	uint8_t payload[200];

	random_state = 1;
	populate(rig, 0);
	for (uint32_t i = 0; i < DP_BURST; i++) {
		uint32_t a = i / 2 % 2;
		struct frame f = rig_frame(peer(i / 4 % 2), relay_of(a, i / 4 % 2), payload, 160);
		fill(payload, sizeof(payload));
		if (i % 2)
			f = rig_frame(rig_addr(CLIENT[a], 40000), rig_addr(LISTENER[a], 3478),
				payload,
				rig_channel_data(
					payload, (uint16_t)(0x4000 + i / 4 % 2), bytes, 99, 1));
		m[i] = rig_mbuf(rig, bytes, oracle_build(&f, bytes));
	}
	dp_pipeline_run(rig->w, m, DP_BURST, 0, rig->now_ns);
	assert_int_equal(rig->w->lane.left, 0);
	assert_int_equal(rig_counter(rig, burst_32), 1);
	rig_collect(rig);
	assert_int_equal(rig->n_out, DP_BURST);
	rig_end(rig);
}

static void test_plain_binding_requests_stay_on_the_lane(void **state)
{
	struct rig *rig = rig_make();
	struct rte_mbuf *m[4];
	static uint8_t bytes[ORACLE_MOST];
	uint8_t payload[64];

	random_state = 1;
	populate(rig, 0);
	for (uint32_t i = 0; i < RTE_DIM(m); i++) {
		struct stun_writer w;
		uint8_t id[12] = {(uint8_t)i};
		stun_write_begin(&w, payload, sizeof(payload), STUN_REQUEST, STUN_BINDING, id);
		if (i & 2)
			stun_write_fingerprint(&w);
		struct frame f = rig_frame(rig_addr(STRANGER[i & 1 ? 2 : 0], 777),
			rig_addr(LISTENER[i & 1], 3478), payload, (size_t)stun_write_finish(&w));
		m[i] = rig_mbuf(rig, bytes, oracle_build(&f, bytes));
	}
	dp_pipeline_run(rig->w, m, RTE_DIM(m), 0, rig->now_ns);
	assert_int_equal(rig->w->lane.left, 0);
	assert_int_equal(rig_counter(rig, binding), RTE_DIM(m));
	rig_collect(rig);
	rig_end(rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_lane_does_what_the_steps_do),
	cmocka_unit_test(test_lane_keeps_ids_as_the_steps_do),
	cmocka_unit_test(test_lane_polices_as_the_steps_do),
	cmocka_unit_test(test_plain_channel_data_stays_on_the_lane),
	cmocka_unit_test(test_plain_binding_requests_stay_on_the_lane),
};
RIG_TESTS(tests)
