// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/path/rig.h"

struct scene {
	struct rig *rig;
	struct tp_addr client, listener, relay, peer, router;
	bool ipv6;
};

static struct scene scene(bool ipv6)
{
	struct scene s = {
		.rig = rig_make(),
		.client = rig_addr("198.18.1.1", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 50001),
		.peer = rig_addr(ipv6 ? "fd00:198:18::99" : "198.18.2.2", 6000),
		.router = rig_addr(ipv6 ? "fd00:198:18::1" : "198.18.2.1", 0),
		.ipv6 = ipv6,
	};
	rig_allocate(s.rig, 3, s.client, s.listener, s.relay, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 3, s.peer.ip, RIG_NOW + 300 * RIG_SECOND);
	return s;
}

// The error a router sends about a datagram from `source` to `destination`.
static size_t build(const struct scene *s, uint8_t *out, uint8_t type, uint8_t code, uint32_t rest,
	const struct tp_addr *source, const struct tp_addr *destination)
{
	uint8_t icmp[8 + 200] = {type, code}, quoted[200];
	struct frame q = rig_frame(*source, *destination, "quoted payload", 14);
	struct frame f = rig_frame(s->router, s->relay, NULL, 0);
	size_t length = oracle_build(&q, quoted) - 14;

	oracle_put16(icmp + 4, rest >> 16);
	oracle_put16(icmp + 6, rest & 0xffff);
	memcpy(icmp + 8, quoted + 14, length);
	length += 8;
	f.protocol = s->ipv6 ? 58 : 1;
	uint32_t sum = s->ipv6 ? oracle_l4_sum(&f.from.ip, &f.to.ip, 58, icmp, length)
			       : oracle_sum(0, icmp, length);
	oracle_put16(icmp + 2, ~sum & 0xffff);
	return oracle_ip(&f, out, icmp, length);
}

static void receive(struct scene *s, uint8_t type, uint8_t code, uint32_t rest,
	const struct tp_addr *source, const struct tp_addr *destination)
{
	uint8_t bytes[400];
	rig_receive(s->rig, bytes, build(s, bytes, type, code, rest, source, destination));
}

static void assert_told(struct scene *s, uint8_t type, uint8_t code, uint32_t data)
{
	struct stun_message m;
	struct stun_attr attr;
	struct tp_addr shown;
	struct frame f = rig_only(s->rig);

	assert_memory_equal(&f.from, &s->listener, sizeof(s->listener));
	assert_memory_equal(&f.to, &s->client, sizeof(s->client));
	assert_int_equal(f.damage, 0);
	assert_int_equal(stun_read(f.payload, f.length, &m), STUN_READ_OK);
	assert_int_equal(m.method, STUN_DATA);
	assert_int_equal(m.class, STUN_INDICATION);
	assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
	assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
	assert_memory_equal(&shown, &s->peer, sizeof(shown));
	assert_false(stun_find(&m, STUN_ATTR_DATA, &attr));
	assert_true(stun_find(&m, STUN_ATTR_ICMP, &attr));
	assert_int_equal(attr.length, 8);
	assert_int_equal(oracle_get16(attr.value), 0);
	assert_int_equal(attr.value[2], type);
	assert_int_equal(attr.value[3], code);
	assert_int_equal(oracle_get16(attr.value + 4) << 16 | oracle_get16(attr.value + 6), data);
	rig_forget(s->rig);
}

static void test_errors_reach_the_client(void **state)
{
	struct scene s = scene(false);

	receive(&s, 3, 3, 0x12345678, &s.relay, &s.peer);
	assert_told(&s, 3, 3, 0);
	receive(&s, 3, 4, 1400, &s.relay, &s.peer);
	assert_told(&s, 3, 4, 1400);
	receive(&s, 11, 0, 0, &s.relay, &s.peer);
	assert_told(&s, 11, 0, 0);
	assert_int_equal(rig_counter(s.rig, icmp_down), 3);
	// RFC 8656 section 12.5: also when the peer has a channel.
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	receive(&s, 3, 3, 0, &s.relay, &s.peer);
	assert_told(&s, 3, 3, 0);
	rig_end(s.rig);

	s = scene(true);
	receive(&s, 1, 4, 7, &s.relay, &s.peer);
	assert_told(&s, 1, 4, 0);
	receive(&s, 2, 0, 1280, &s.relay, &s.peer);
	assert_told(&s, 2, 0, 1280);
	receive(&s, 3, 0, 7, &s.relay, &s.peer);
	assert_told(&s, 3, 0, 0);
	rig_end(s.rig);
}

// RFC 8016 section 3.2.2: errors are data of the peers like any other.
static void test_errors_follow_a_client_that_moves(void **state)
{
	struct scene s = scene(false);
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, RIG_NOW + 600 * RIG_SECOND);

	cmd.allocation = (struct tp_cmd_alloc){.client = s.client,
		.listener = s.listener,
		.relay = {s.relay},
		.pending = rig_addr("198.18.1.77", 7777),
		.pending_listener = s.listener};
	cmd.move = 1;
	rig_command(s.rig, &cmd);
	receive(&s, 3, 3, 0, &s.relay, &s.peer);
	assert_told(&s, 3, 3, 0);
	dp_flow_at(s.rig->dp.flows, s.rig->dp.moving[3])->client_state = DP_CLIENT_ARRIVED;
	s.client = cmd.allocation.pending;
	receive(&s, 3, 3, 0, &s.relay, &s.peer);
	assert_told(&s, 3, 3, 0);
	rig_end(s.rig);
}

static void test_other_messages_are_ignored(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		static const uint8_t types[2][4] = {{0, 5, 8, 12}, {4, 128, 129, 135}};
		for (int i = 0; i < 4; i++)
			receive(&s, types[ipv6][i], 0, 0, &s.relay, &s.peer);
		assert_int_equal(rig_drop(s.rig, icmp_ignored), 4);
		assert_int_equal(s.rig->n_out, 0);
		rig_end(s.rig);
	}
}

static void test_permission_is_that_of_the_quoted_destination(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		struct tp_addr other = rig_addr(ipv6 ? "fd00:198:18::98" : "198.18.2.3", 6000);
		receive(&s, 3, 3, 0, &s.relay, &other);
		// A quoted source that is not the address the error came to, or no relayed port.
		receive(&s, 3, 3, 0, &other, &s.peer);
		struct tp_addr port = s.relay;
		port.port = 3478;
		receive(&s, 3, 3, 0, &port, &s.peer);
		port.port = 50002;
		receive(&s, 3, 3, 0, &port, &s.peer);
		s.rig->now_ns = RIG_NOW + 301 * RIG_SECOND;
		receive(&s, 3, 3, 0, &s.relay, &s.peer);
		assert_int_equal(rig_drop(s.rig, icmp_ignored), 5);
		assert_int_equal(s.rig->n_out, 0);
		rig_end(s.rig);
	}
}

static void test_a_wrong_checksum_is_ignored(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		uint8_t bytes[400];
		size_t length = build(&s, bytes, 3, 0, 0, &s.relay, &s.peer);
		bytes[length - 1] ^= 1;
		rig_receive(s.rig, bytes, length);
		assert_int_equal(rig_drop(s.rig, icmp_ignored), 1);
		rig_end(s.rig);
	}
}

static void test_a_cut_quotation_is_ignored(void **state)
{
	struct scene s = scene(false);
	uint8_t icmp[8 + 27] = {3, 3}, bytes[400], quoted[100];
	struct frame q = rig_frame(s.relay, s.peer, "x", 1),
		     f = rig_frame(s.router, s.relay, NULL, 0);

	oracle_build(&q, quoted);
	memcpy(icmp + 8, quoted + 14, 27); // one byte of the UDP header is missing
	oracle_put16(icmp + 2, ~oracle_sum(0, icmp, sizeof(icmp)) & 0xffff);
	f.protocol = 1;
	rig_receive(s.rig, bytes, oracle_ip(&f, bytes, icmp, sizeof(icmp)));
	assert_int_equal(rig_drop(s.rig, icmp_ignored), 1);
	rig_end(s.rig);
}

static void test_a_storm_is_limited(void **state)
{
	struct scene s = scene(false);

	for (int i = 0; i < 10000; i++) {
		receive(&s, 3, 3, 0, &s.relay, &s.peer);
		rig_forget(s.rig);
	}
	assert_in_range(rig_counter(s.rig, icmp_down), 100, 1000);
	assert_int_equal(rig_counter(s.rig, icmp_down) + rig_drop(s.rig, icmp_ignored), 10000);
	// It recovers.
	s.rig->now_ns += RIG_SECOND;
	receive(&s, 3, 3, 0, &s.relay, &s.peer);
	assert_int_equal(s.rig->n_out, 1);
	rig_end(s.rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_errors_reach_the_client),
	cmocka_unit_test(test_errors_follow_a_client_that_moves),
	cmocka_unit_test(test_other_messages_are_ignored),
	cmocka_unit_test(test_permission_is_that_of_the_quoted_destination),
	cmocka_unit_test(test_a_wrong_checksum_is_ignored),
	cmocka_unit_test(test_a_cut_quotation_is_ignored),
	cmocka_unit_test(test_a_storm_is_limited),
};
RIG_TESTS(tests)
