// SPDX-License-Identifier: BSD-3-Clause
// What clients behind a stream process send goes to peers as for UDP (RFC 8656 section 15), and
// what a stream may write into its rings.
#include "tests/unit/dataplane/path/stream_scene.h"

static void test_channel_data_goes_to_the_peer(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (size_t length = 0; length < 70; length += 23) {
			struct scene s = scene(ipv6);
			uint8_t data[70];
			rig_random(data, sizeof(data));
			stream_channel(s.rig, s.stream, data, length);
			struct frame f = rig_only(s.rig);
			assert_to_peer(&s, &f, &s.peer);
			assert_false(f.df);
			assert_int_equal(f.length, length);
			assert_memory_equal(f.payload, data, length);
			assert_int_equal(rig_counter(s.rig, stream_up), 1);
			assert_int_equal(rig_counter(s.rig, channel_up), 1);
			assert_int_equal(rig_counter(s.rig, tx), 1);
			end(&s);
		}
	}
}

static void test_send_goes_to_the_peer(void **state)
{
	for (int form = 0; form < 4; form++) {
		struct scene s = scene(form & 1);
		stream_send(s.rig, s.stream, &s.other, "hello", 5, form & 2);
		struct frame f = rig_only(s.rig);
		assert_to_peer(&s, &f, &s.other);
		assert_int_equal(f.df, form == 2);
		assert_int_equal(f.length, 5);
		assert_memory_equal(f.payload, "hello", 5);
		assert_int_equal(rig_counter(s.rig, send_up), 1);
		end(&s);
	}
}

static void test_a_configured_hop_limit_holds(void **state)
{
	struct scene s = scene(false);

	s.rig->w->hop_limit = 17;
	stream_channel(s.rig, s.stream, (const uint8_t *)"x", 1);
	assert_int_equal(rig_only(s.rig).ttl, 17);
	end(&s);
}

static size_t whole(const struct rig *rig, uint8_t *udp)
{
	size_t end = 0, sum = 0;

	for (unsigned int i = 0; i < rig->n_out; i++) {
		struct frame f;
		assert_true(oracle_read(rig->out[i], rig->out_length[i], &f));
		assert_true(f.fragment);
		memcpy(udp + f.offset, f.payload, f.length);
		sum += f.length;
		if (!f.more)
			end = f.offset + f.length;
	}
	assert_int_equal(sum, end);
	return end;
}

static void test_the_longest_datagram_leaves_as_fragments(void **state)
{
	static uint8_t data[65535], udp[ORACLE_MOST];
	static const size_t most[] = {65507, 65535 - 8 - 40};

	rig_random(data, sizeof(data));
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		stream_channel(s.rig, s.stream, data, most[ipv6]);
		assert_int_equal(whole(s.rig, udp), 8 + most[ipv6]);
		assert_memory_equal(udp + 8, data, most[ipv6]);
		uint32_t sum = oracle_l4_sum(&s.relay.ip, &s.peer.ip, 17, udp, 8 + most[ipv6]);
		assert_int_equal(sum, 0xffff);
		assert_int_equal(rig_counter(s.rig, fragmented), 1);
		rig_forget(s.rig);
		// No datagram holds more, whatever the length of the message.
		stream_channel(s.rig, s.stream, data, most[ipv6] + 1);
		stream_channel(s.rig, s.stream, data, 65531);
		stream_channel(s.rig, s.stream, data, 65532);
		stream_channel(s.rig, s.stream, data, 65535);
		assert_int_equal(rig_drop(s.rig, too_big), 4);
		assert_int_equal(s.rig->n_out, 0);
		assert_int_equal(rig_counter(s.rig, stream_up), 5);
		end(&s);
	}
}

static void test_nobody_is_told_of_what_may_not_be_fragmented(void **state)
{
	static uint8_t data[3000];

	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		stream_send(s.rig, s.stream, &s.peer, data, sizeof(data), true);
		assert_int_equal(rig_drop(s.rig, too_big), 1);
		assert_int_equal(s.rig->n_out, 0);
		stream_send(s.rig, s.stream, &s.peer, data, sizeof(data), false);
		assert_true(s.rig->n_out > 1);
		end(&s);
	}
}

static void test_what_ends_it_for_udp_ends_it_here(void **state)
{
	struct scene s = scene(false);
	struct tp_addr stranger = rig_addr("198.18.2.9", 6000);
	uint8_t message[8];

	stream_message(s.stream, STREAM_CONNECTION, message,
		rig_channel_data(message, 0x4002, NULL, 0, 0));  // not bound
	stream_message(s.stream, STREAM_CONNECTION + 1, message, // nobody's
		rig_channel_data(message, RIG_CHANNEL, NULL, 0, 0));
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, no_channel), 2);
	stream_send(s.rig, s.stream, &stranger, "x", 1, false);
	assert_int_equal(rig_drop(s.rig, no_permission), 1);
	s.rig->now_ns = FAR + 1;
	stream_channel(s.rig, s.stream, (const uint8_t *)"x", 1);
	stream_send(s.rig, s.stream, &s.peer, "x", 1, false);
	assert_int_equal(rig_drop(s.rig, channel_expired), 1);
	assert_int_equal(rig_drop(s.rig, permission_expired), 1);
	assert_int_equal(s.rig->n_out, 0);
	end(&s);
}

static void test_nothing_else_is_taken_of_a_stream(void **state)
{
	static const uint8_t dtls[] = {22, 1, 2, 3, 4}, reserved[] = {0x60, 0, 0, 0};
	struct scene s = scene(false);
	uint8_t request[64];
	struct stun_writer w;

	stream_message(s.stream, STREAM_CONNECTION, dtls, sizeof(dtls));
	stream_message(s.stream, STREAM_CONNECTION, reserved, sizeof(reserved));
	stream_message(s.stream, STREAM_CONNECTION, NULL, 0);
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, bad_first_byte), 3);
	assert_int_equal(rig_drop(s.rig, bad_first_byte), 3);
	for (uint16_t method = STUN_BINDING; method <= STUN_ALLOCATE; method += 2) {
		stun_write_begin(&w, request, sizeof(request), STUN_REQUEST, method,
			(const uint8_t *)"abcdefghijkl");
		stream_message(s.stream, STREAM_CONNECTION, request, (size_t)stun_write_finish(&w));
	}
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, stun_unexpected), 2);
	stream_message(s.stream, STREAM_CONNECTION, (const uint8_t *)"\0\1\0", 3);
	stream_message(
		s.stream, STREAM_CONNECTION, (const uint8_t *)"\0\1\0\0abcdefghijklmnop", 20);
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, bad_stun), 2);
	stream_message(s.stream, STREAM_CONNECTION, (const uint8_t *)"\x40\1\0\5abcd", 8);
	stream_message(s.stream, STREAM_CONNECTION, (const uint8_t *)"\x40\1\0", 3);
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, bad_chandata), 2);
	assert_null(tp_ring_front(&s.rig->punts));
	assert_int_equal(s.rig->n_out, 0);
	end(&s);
}

// A slot names a connection, never a stream: whose ring it is says which.
static void test_another_stream_reaches_nobodys_clients_but_its_own(void **state)
{
	struct scene s = scene(false);
	struct stream_rig *other = stream_open(s.rig, STREAM_NUMBER + 1, -1);

	stream_channel(s.rig, other, (const uint8_t *)"x", 1);
	assert_int_equal(rig_drop(s.rig, no_channel), 1);
	assert_int_equal(s.rig->n_out, 0);
	// Both in one turn.
	stream_message(other, STREAM_CONNECTION, (const uint8_t *)"\x40\1\0", 4);
	stream_channel(s.rig, s.stream, (const uint8_t *)"y", 1);
	assert_int_equal(rig_drop(s.rig, no_channel), 2);
	assert_int_equal(s.rig->n_out, 1);
	stream_close(other);
	end(&s);
}

static void test_slots_that_are_no_message_are_counted_drops(void **state)
{
	static const struct tp_stream_slot heads[] = {
		{.kind = 0, .length = 4, .connection = 9},
		{.kind = TP_STREAM_REST, .length = 4, .connection = 9},
		{.kind = TP_STREAM_DATAGRAM, .length = 4, .connection = 9},
		{.kind = TP_STREAM_NOT_MINE, .length = 4, .connection = 9},
		{.kind = UINT16_MAX, .length = 4, .connection = 9},
		{.kind = TP_STREAM_MESSAGE, .length = 4, .connection = 0},
		{.kind = TP_STREAM_MESSAGE, .length = TP_STREAM_SLOT_PAYLOAD + 1, .connection = 9},
		{.kind = TP_STREAM_MESSAGE, .length = UINT16_MAX, .connection = 9},
		{.kind = TP_STREAM_MESSAGE,
			.length = 4,
			.more = TP_STREAM_MOST_SLOTS,
			.connection = 9},
		{.kind = TP_STREAM_MESSAGE, .length = 4, .more = UINT16_MAX, .connection = 9},
		{.kind = TP_STREAM_MESSAGE, .length = 4, .more = 1, .connection = 9}, // no more
	};
	struct scene s = scene(false);

	for (size_t i = 0; i < RTE_DIM(heads); i++) {
		stream_put(s.stream, heads[i], "\x40\1\0", 4);
		tp_ring_flush(&s.stream->up);
		stream_run(s.rig);
		assert_int_equal(rig_drop(s.rig, bad_stream), i + 1);
		assert_int_equal(rig_counter(s.rig, stream_up), i + 1);
	}
	assert_int_equal(s.rig->n_out, 0);
	end(&s);
}

// What comes where the rest of a message should be is looked at for itself.
static void test_an_unfinished_message_takes_none_with_it(void **state)
{
	static const struct tp_stream_slot long_rest = {
		.kind = TP_STREAM_REST, .length = TP_STREAM_SLOT_PAYLOAD + 1};
	struct tp_stream_slot head = {
		.kind = TP_STREAM_MESSAGE, .length = 4, .more = 2, .connection = STREAM_CONNECTION};
	struct scene s = scene(false);

	stream_put(s.stream, head, "\x40\1\0", 4);
	stream_put(
		s.stream, (struct tp_stream_slot){.kind = TP_STREAM_REST, .length = 4}, "abcd", 4);
	stream_channel(s.rig, s.stream, (const uint8_t *)"whole", 5);
	assert_int_equal(rig_drop(s.rig, bad_stream), 1);
	assert_int_equal(rig_only(s.rig).length, 5);
	stream_put(s.stream, head, "\x40\1\0", 4);
	stream_put(s.stream, long_rest, NULL, 0);
	stream_channel(s.rig, s.stream, (const uint8_t *)"whole", 5);
	assert_int_equal(rig_drop(s.rig, bad_stream), 3); // the slot itself too
	assert_int_equal(s.rig->n_out, 2);
	end(&s);
}

static void test_a_message_in_small_pieces_is_one(void **state)
{
	struct scene s = scene(false);
	struct tp_stream_slot head = {
		.kind = TP_STREAM_MESSAGE, .length = 1, .more = 6, .connection = STREAM_CONNECTION};

	stream_put(s.stream, head, "\x40", 1); // its header in two slots: no sane stream
	head = (struct tp_stream_slot){.kind = TP_STREAM_REST};
	for (int i = 0; i < 6; i++) {
		head.length = i == 5 ? 0 : 1;
		stream_put(s.stream, head, &"\1\0\2ab"[i], head.length);
	}
	tp_ring_flush(&s.stream->up);
	stream_run(s.rig);
	assert_int_equal(rig_drop(s.rig, bad_chandata), 1);
	head = (struct tp_stream_slot){.kind = TP_STREAM_MESSAGE,
		.length = 4,
		.more = 3,
		.dscp_ecn = 0xb9,
		.connection = STREAM_CONNECTION};
	stream_put(s.stream, head, "\x40\1\0\3", 4);
	head = (struct tp_stream_slot){.kind = TP_STREAM_REST};
	for (int i = 0; i < 3; i++) {
		head.length = 1;
		stream_put(s.stream, head, &"abc"[i], 1);
	}
	tp_ring_flush(&s.stream->up);
	stream_run(s.rig);
	struct frame f = rig_only(s.rig);
	assert_to_peer(&s, &f, &s.peer);
	assert_int_equal(f.length, 3);
	assert_memory_equal(f.payload, "abc", 3);
	end(&s);
}

// A sum over segments that begin at odd bytes.
static void test_pieces_of_odd_length_are_summed_right(void **state)
{
	static const uint16_t piece[] = {4 + 3, 501, 0, 601};
	struct scene s = scene(false);
	uint8_t message[7 + 501 + 601];
	size_t at = 0;

	memset(message, 0xff, sizeof(message)); // the last 100 bytes stand behind the data
	oracle_put16(message, RIG_CHANNEL);
	oracle_put16(message + 2, sizeof(message) - 4 - 100);
	for (size_t i = 0; i < RTE_DIM(piece); i++) {
		stream_put(s.stream,
			(struct tp_stream_slot){.kind = i == 0 ? TP_STREAM_MESSAGE : TP_STREAM_REST,
				.more = i == 0 ? RTE_DIM(piece) - 1 : 0,
				.length = piece[i],
				.connection = STREAM_CONNECTION,
				.dscp_ecn = 0xb9},
			message + at, piece[i]);
		at += piece[i];
	}
	tp_ring_flush(&s.stream->up);
	stream_run(s.rig);
	struct frame f = rig_only(s.rig);
	assert_to_peer(&s, &f, &s.peer);
	assert_int_equal(f.length, sizeof(message) - 4 - 100);
	assert_memory_equal(f.payload, message + 4, f.length);
	end(&s);
}

static void test_without_packet_memory_messages_are_dropped(void **state)
{
	static struct rte_mbuf *m[RIG_MBUFS];
	static uint8_t data[6000];
	struct scene s = scene(false);
	unsigned int n = 0;

	while (n < RIG_MBUFS - 1 && (m[n] = rte_pktmbuf_alloc(s.rig->dp.pool)) != NULL)
		n++;
	stream_channel(s.rig, s.stream, data, sizeof(data)); // one buffer is left
	assert_int_equal(rig_drop(s.rig, no_mbuf), 1);
	rte_pktmbuf_free_bulk(m, n);
	stream_channel(s.rig, s.stream, data, 100);
	assert_int_equal(s.rig->n_out, 1);
	end(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_channel_data_goes_to_the_peer),
	cmocka_unit_test(test_send_goes_to_the_peer),
	cmocka_unit_test(test_a_configured_hop_limit_holds),
	cmocka_unit_test(test_the_longest_datagram_leaves_as_fragments),
	cmocka_unit_test(test_nobody_is_told_of_what_may_not_be_fragmented),
	cmocka_unit_test(test_what_ends_it_for_udp_ends_it_here),
	cmocka_unit_test(test_nothing_else_is_taken_of_a_stream),
	cmocka_unit_test(test_another_stream_reaches_nobodys_clients_but_its_own),
	cmocka_unit_test(test_slots_that_are_no_message_are_counted_drops),
	cmocka_unit_test(test_an_unfinished_message_takes_none_with_it),
	cmocka_unit_test(test_a_message_in_small_pieces_is_one),
	cmocka_unit_test(test_pieces_of_odd_length_are_summed_right),
	cmocka_unit_test(test_without_packet_memory_messages_are_dropped),
};
RIG_TESTS(tests)
