// SPDX-License-Identifier: BSD-3-Clause
// What peers send to clients behind a stream process (RFC 8656 section 16).
#include "tests/unit/dataplane/path/stream_scene.h"

static void test_peers_reach_the_client(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t length = 0; length < 9; length++) {
			struct scene s = scene(ipv6);
			uint8_t data[9];
			rig_random(data, sizeof(data));
			peer_sends(&s, s.peer, data, length);
			peer_sends(&s, s.other, data, length);
			stream_expect_channel(s.stream, RIG_CHANNEL, data, length);
			stream_expect_data(s.stream, &s.other, data, length);
			assert_false(stream_take(s.stream));
			assert_int_equal(rig_counter(s.rig, stream_down), 2);
			assert_int_equal(rig_counter(s.rig, channel_down), 1);
			assert_int_equal(rig_counter(s.rig, data_down), 1);
			assert_int_equal(rig_counter(s.rig, rx), 2);
			assert_int_equal(rig_counter(s.rig, tx), 0);
			assert_int_equal(s.rig->n_out, 0);
			end(&s);
		}
	}
}

static void test_an_icmp_error_reaches_the_client(void **state)
{
	struct scene s = scene(false);
	uint8_t icmp[8 + 100] = {3, 4, 0, 0, 0, 0, 5, 0}, quoted[100], bytes[200];
	struct tp_addr router = rig_addr("198.18.2.1", 0);
	struct frame q = rig_frame(s.relay, s.other, "quoted payload", 14);
	struct frame f = rig_frame(router, s.relay, NULL, 0);
	struct stun_message m;
	struct stun_attr attr;
	size_t length = oracle_build(&q, quoted) - 14;

	memcpy(icmp + 8, quoted + 14, length);
	f.protocol = 1;
	oracle_put16(icmp + 2, ~oracle_sum(0, icmp, 8 + length) & 0xffff);
	rig_receive(s.rig, bytes, oracle_ip(&f, bytes, icmp, 8 + length));
	assert_true(stream_take(s.stream));
	assert_int_equal(stun_read(s.stream->message, s.stream->length, &m), STUN_READ_OK);
	assert_true(stun_find(&m, STUN_ATTR_ICMP, &attr));
	assert_memory_equal(attr.value, "\0\0\3\4\0\0\5", 8);
	assert_false(stun_find(&m, STUN_ATTR_DATA, &attr));
	assert_int_equal(rig_counter(s.rig, icmp_down), 1);
	assert_int_equal(rig_counter(s.rig, stream_down), 1);
	end(&s);
}

static void test_the_longest_datagram_comes_whole(void **state)
{
	static uint8_t data[65487], udp[ORACLE_MOST], bytes[2048]; // what reassembly takes

	rig_random(data, sizeof(data));
	for (int by_channel = 0; by_channel < 2; by_channel++) {
		size_t size = sizeof(data);
		struct scene s = scene(false);
		struct frame f = rig_frame(by_channel ? s.peer : s.other, s.relay, data, size);
		size_t length = oracle_udp(&f, udp);
		f.fragment = true;
		f.id = 7;
		for (size_t at = 0; at < length; at += 1200) {
			size_t n = RTE_MIN(length - at, (size_t)1200);
			f.offset = (uint32_t)at;
			f.more = at + n < length;
			rig_receive(s.rig, bytes, oracle_ip(&f, bytes, udp + at, n));
		}
		if (by_channel)
			stream_expect_channel(s.stream, RIG_CHANNEL, data, size);
		else
			stream_expect_data(s.stream, &s.other, data, size);
		assert_int_equal(rig_counter(s.rig, stream_down), (length + 1199) / 1200);
		end(&s);
	}
}

// Over UDP the receiver sees it; over TCP nobody would.
static void test_damage_does_not_reach_the_client(void **state)
{
	struct scene s = scene(false);
	struct frame f = rig_frame(s.peer, s.relay, "123456789", 9);

	f.damage = 0x0100;
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, bad_checksum), 1);
	f.damage = 0;
	f.zero_checksum = true; // its sender sent none
	rig_receive_frame(s.rig, &f);
	stream_expect_channel(s.stream, RIG_CHANNEL, "123456789", 9);
	assert_false(stream_take(s.stream));
	end(&s);
}

static void test_a_stream_that_is_away(void **state)
{
	struct scene s = scene(false);

	stream_leave(s.rig, s.stream);
	peer_sends(&s, s.peer, "x", 1);
	assert_int_equal(rig_drop(s.rig, stream_away), 1);
	// What it had sent is not looked at any more.
	stream_channel(s.rig, s.stream, (const uint8_t *)"x", 1);
	assert_int_equal(rig_counter(s.rig, stream_up), 0);
	// Another one at its place is not it.
	struct stream_rig *other = stream_open(s.rig, STREAM_NUMBER + TP_STREAM_PLACES, -1);
	peer_sends(&s, s.peer, "x", 1);
	assert_int_equal(rig_drop(s.rig, stream_away), 2);
	assert_false(stream_take(other));
	stream_close(other);
	// It comes back with rings of its own; flows were there all the time.
	stream_close(s.stream);
	s.stream = stream_open(s.rig, STREAM_NUMBER, -1);
	peer_sends(&s, s.peer, "back", 4);
	stream_expect_channel(s.stream, RIG_CHANNEL, "back", 4);
	end(&s);
}

static void test_a_stream_that_does_not_keep_up(void **state)
{
	static uint8_t data[1400];
	struct scene s = scene(false);

	for (unsigned int i = 0; i < STREAM_DOWN + 10; i++)
		peer_sends(&s, s.peer, data, sizeof(data));
	assert_int_equal(rig_drop(s.rig, stream_full), 10);
	assert_int_equal(rig_counter(s.rig, stream_down), STREAM_DOWN);
	for (unsigned int i = 0; i < STREAM_DOWN; i++)
		stream_expect_channel(s.stream, RIG_CHANNEL, data, sizeof(data));
	assert_false(stream_take(s.stream));
	peer_sends(&s, s.peer, data, sizeof(data));
	stream_expect_channel(s.stream, RIG_CHANNEL, data, sizeof(data));
	end(&s);
}

// Two slots or none.
static void test_a_message_is_not_begun_without_room_for_its_end(void **state)
{
	static uint8_t data[1400], large[1965];
	struct scene s = scene(false);

	for (unsigned int i = 0; i < STREAM_DOWN - 1; i++)
		peer_sends(&s, s.peer, data, sizeof(data));
	peer_sends(&s, s.peer, large, sizeof(large)); // 4 + 1965 bytes: two slots
	assert_int_equal(rig_drop(s.rig, stream_full), 1);
	assert_int_equal(tp_ring_filled(&s.stream->down), STREAM_DOWN - 1);
	peer_sends(&s, s.peer, large, sizeof(large) - 1);
	assert_int_equal(tp_ring_filled(&s.stream->down), STREAM_DOWN);
	end(&s);
}

// A consumer that writes nonsense harms itself alone.
static void test_a_mad_tail_is_ignored(void **state)
{
	struct scene s = scene(false);

	atomic_store(&s.stream->link.down.shared->tail, 0x80000000u);
	for (unsigned int i = 0; i < STREAM_DOWN + 1; i++)
		peer_sends(&s, s.peer, "x", 1);
	assert_int_equal(rig_drop(s.rig, stream_full), 1);
	assert_true(s.stream->link.down.corrupt > 0);
	end(&s);
}

static void test_rates_are_those_of_udp(void **state)
{
	static uint8_t data[1000];
	struct scene s = scene_rate(false, 1000);

	for (int i = 0; i < 20; i++) {
		stream_channel(s.rig, s.stream, data, sizeof(data));
		peer_sends(&s, s.peer, data, sizeof(data));
	}
	assert_int_equal(s.rig->n_out, 6); // DP_POLICE_LEAST_BYTES and a little
	assert_int_equal(rig_counter(s.rig, stream_down), 6);
	assert_int_equal(rig_drop(s.rig, policed), 28);
	end(&s);
}

static void test_the_allocation_counts_both_directions(void **state)
{
	struct scene s = scene(false);
	struct tp_cmd cmd = rig_cmd(TP_CMD_COUNTERS, 3, 0);
	struct tp_ack ack;

	stream_channel(s.rig, s.stream, (const uint8_t *)"12345", 5);
	stream_send(s.rig, s.stream, &s.peer, "123", 3, false);
	peer_sends(&s, s.peer, "1234567", 7);
	peer_sends(&s, s.other, "12", 2);
	dp_apply_command(s.rig->dp.apply, &cmd, &ack);
	assert_int_equal(ack.result, 0);
	assert_int_equal(ack.counters.up_packets, 2);
	assert_int_equal(ack.counters.up_bytes, 8);
	assert_int_equal(ack.counters.down_packets, 2);
	assert_int_equal(ack.counters.down_bytes, 9);
	end(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_peers_reach_the_client),
	cmocka_unit_test(test_an_icmp_error_reaches_the_client),
	cmocka_unit_test(test_the_longest_datagram_comes_whole),
	cmocka_unit_test(test_damage_does_not_reach_the_client),
	cmocka_unit_test(test_a_stream_that_is_away),
	cmocka_unit_test(test_a_stream_that_does_not_keep_up),
	cmocka_unit_test(test_a_message_is_not_begun_without_room_for_its_end),
	cmocka_unit_test(test_a_mad_tail_is_ignored),
	cmocka_unit_test(test_rates_are_those_of_udp),
	cmocka_unit_test(test_the_allocation_counts_both_directions),
};
RIG_TESTS(tests)
