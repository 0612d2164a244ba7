// SPDX-License-Identifier: BSD-3-Clause
// Clients behind a stream process that meet clients of UDP: by a hairpin, and in one that moves
// from one to the other (RFC 8016).
#include "tests/unit/dataplane/path/stream_rig.h"

#define FAR (RIG_NOW + 300 * RIG_SECOND)

// ---- hairpin: allocation 1 of the stream's client, 2 of one of UDP

struct pair {
	struct rig *rig;
	struct stream_rig *stream;
	struct tp_addr udp, listener, relay[2], public[2];
};

static struct pair pair(void)
{
	struct pair s = {.rig = rig_make(),
		.udp = rig_addr("198.18.1.2", 40002),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = {rig_addr("10.0.0.5", 50001), rig_addr("10.0.0.5", 50002)},
		.public = {rig_addr("203.0.113.5", 50001), rig_addr("203.0.113.5", 50002)}};

	s.stream = stream_open(s.rig, STREAM_NUMBER, -1);
	rig_allocate(s.rig, 1, stream_client(STREAM_NUMBER, STREAM_CONNECTION), stream_listener(),
		s.relay[0], (struct tp_addr){0}, 0);
	rig_allocate(s.rig, 2, s.udp, s.listener, s.relay[1], (struct tp_addr){0}, 0);
	for (uint32_t i = 0; i < 2; i++)
		rig_permit(s.rig, i + 1, s.public[1 - i].ip, FAR);
	return s;
}

static void bind_both(struct pair *s)
{
	for (uint32_t i = 0; i < 2; i++)
		rig_bind(s->rig, i + 1, s->public[1 - i], RIG_CHANNEL, FAR);
}

static void end_pair(struct pair *s)
{
	rig_end(s->rig);
	stream_close(s->stream);
}

static void test_a_stream_client_and_one_of_udp_are_each_others_peers(void **state)
{
	struct pair s = pair();
	uint8_t message[300], data[200];

	rig_random(data, sizeof(data));
	bind_both(&s);
	stream_channel(s.rig, s.stream, data, sizeof(data));
	struct frame f = rig_only(s.rig);
	assert_memory_equal(&f.to, &s.udp, sizeof(s.udp));
	assert_int_equal(f.damage, 0);
	assert_int_equal(oracle_get16(f.payload), RIG_CHANNEL);
	assert_memory_equal(f.payload + 4, data, sizeof(data));
	f = rig_frame(s.udp, s.listener, message,
		rig_channel_data(message, RIG_CHANNEL, data, sizeof(data), 3));
	rig_receive_frame(s.rig, &f);
	stream_expect_channel(s.stream, RIG_CHANNEL, data, sizeof(data));
	f.damage = 1; // it is still seen
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, bad_checksum), 1);
	assert_int_equal(rig_counter(s.rig, hairpin), 3);
	assert_int_equal(rig_counter(s.rig, stream_up), 1);
	assert_int_equal(rig_counter(s.rig, stream_down), 1);
	end_pair(&s);
}

static void test_indications_show_the_public_form(void **state)
{
	struct pair s = pair();
	struct stun_message m;
	struct stun_attr attr;
	struct tp_addr shown;
	uint8_t message[100];
	struct stun_writer w;

	stream_send(s.rig, s.stream, &s.relay[1], "up", 2, false);
	struct frame f = rig_only(s.rig);
	assert_int_equal(stun_read(f.payload, f.length, &m), STUN_READ_OK);
	assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
	assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
	assert_memory_equal(&shown, &s.public[0], sizeof(shown));
	stun_write_begin(&w, message, sizeof(message), STUN_INDICATION, STUN_SEND,
		(const uint8_t *)"abcdefghijkl");
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.public[0]);
	stun_write_attr(&w, STUN_ATTR_DATA, "down", 4);
	f = rig_frame(s.udp, s.listener, message, (size_t)stun_write_finish(&w));
	rig_receive_frame(s.rig, &f);
	stream_expect_data(s.stream, &s.public[1], "down", 4);
	end_pair(&s);
}

static void test_two_stream_clients_are_each_others_peers(void **state)
{
	static uint8_t data[65531];
	struct pair s = pair();
	struct tp_addr relay = rig_addr("10.0.0.5", 50003), public = rig_addr("203.0.113.5", 50003);
	static uint8_t message[65535];

	rig_random(data, sizeof(data));
	rig_allocate(s.rig, 4, stream_client(STREAM_NUMBER, 77), stream_listener(), relay,
		(struct tp_addr){0}, 0);
	rig_permit(s.rig, 4, s.public[0].ip, FAR);
	rig_bind(s.rig, 4, s.public[0], 0x4003, FAR);
	rig_bind(s.rig, 1, public, RIG_CHANNEL, FAR);
	stream_message(
		s.stream, 77, message, rig_channel_data(message, 0x4003, data, sizeof(data), 0));
	stream_run(s.rig);
	stream_expect_channel(s.stream, RIG_CHANNEL, data, sizeof(data));
	assert_int_equal(rig_counter(s.rig, stream_up), 1);
	assert_int_equal(rig_counter(s.rig, stream_down), 1);
	assert_int_equal(rig_counter(s.rig, tx), 0);
	end_pair(&s);
}

// ---- moves

struct move {
	struct rig *rig;
	struct stream_rig *stream;
	struct tp_addr udp, listener, relay, peer;
	bool to_stream;
};

// The client moves from UDP to the stream, or the other way.
static struct move move(bool to_stream)
{
	struct move s = {.rig = rig_make(),
		.udp = rig_addr("198.18.1.1", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = rig_addr("198.18.0.2", 50001),
		.peer = rig_addr("198.18.2.2", 6000),
		.to_stream = to_stream};
	struct tp_addr stream = stream_client(STREAM_NUMBER, STREAM_CONNECTION);
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, RIG_NOW + 600 * RIG_SECOND);

	s.stream = stream_open(s.rig, STREAM_NUMBER, -1);
	cmd.allocation = (struct tp_cmd_alloc){.client = to_stream ? s.udp : stream,
		.listener = to_stream ? s.listener : stream_listener(),
		.relay = {s.relay}};
	rig_command(s.rig, &cmd);
	rig_permit(s.rig, 3, s.peer.ip, FAR);
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, FAR);
	cmd.allocation.pending = to_stream ? stream : s.udp;
	cmd.allocation.pending_listener = to_stream ? stream_listener() : s.listener;
	cmd.move = 1;
	rig_command(s.rig, &cmd);
	return s;
}

static void end_move(struct move *s)
{
	rig_end(s->rig);
	stream_close(s->stream);
}

static void assert_only_to(const struct rig *rig, const struct tp_addr *to)
{
	struct frame f = rig_only(rig);
	assert_memory_equal(&f.to, to, sizeof(*to));
}

static void client_sends(struct move *s, bool by_stream)
{
	uint8_t message[100];
	struct frame f = rig_frame(s->udp, s->listener, message,
		rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"media", 5, 0));

	rig_forget(s->rig);
	if (by_stream)
		stream_channel(s->rig, s->stream, (const uint8_t *)"media", 5);
	else
		rig_receive_frame(s->rig, &f);
	assert_only_to(s->rig, &s->peer);
	rig_forget(s->rig);
}

static void assert_client_is(struct move *s, bool by_stream)
{
	for (uint16_t port = 6000; port < 6002; port++) { // channel, permission
		struct tp_addr from = s->peer;
		from.port = port;
		struct frame f = rig_frame(from, s->relay, "reply", 5);
		rig_forget(s->rig);
		rig_receive_frame(s->rig, &f);
		assert_int_equal(s->rig->n_out, by_stream ? 0 : 1);
		assert_int_equal(stream_take(s->stream), by_stream);
		if (by_stream)
			assert_int_equal(s->stream->connection, STREAM_CONNECTION);
		else
			assert_only_to(s->rig, &s->udp);
	}
	rig_forget(s->rig);
}

static bool management_sees(struct move *s)
{
	struct tp_ack event;
	uint32_t flow;
	bool moved = false;

	while (dp_worker_take_move(s->rig->w, &flow)) {
		rig_unroute(s->rig);
		moved |= dp_apply_moved(s->rig->dp.apply, flow, &event);
		rig_route(s->rig);
	}
	return moved;
}

static void test_a_client_moves_between_udp_and_a_stream(void **state)
{
	for (int to_stream = 0; to_stream < 2; to_stream++) {
		struct move s = move(to_stream);
		assert_client_is(&s, !to_stream);
		client_sends(&s, !to_stream); // the old one still may
		assert_client_is(&s, !to_stream);
		client_sends(&s, to_stream);
		assert_client_is(&s, to_stream); // before the management thread knows
		assert_true(management_sees(&s));
		assert_client_is(&s, to_stream);
		client_sends(&s, to_stream);
		end_move(&s);
	}
}

static void test_a_move_taken_back_leaves_the_client_where_it_was(void **state)
{
	for (int to_stream = 0; to_stream < 2; to_stream++) {
		struct move s = move(to_stream);
		struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, RIG_NOW + 600 * RIG_SECOND);
		cmd.allocation = (struct tp_cmd_alloc){
			.client =
				to_stream ? s.udp : stream_client(STREAM_NUMBER, STREAM_CONNECTION),
			.listener = to_stream ? s.listener : stream_listener(),
			.relay = {s.relay}};
		rig_unroute(s.rig);
		rig_command(s.rig, &cmd);
		assert_client_is(&s, !to_stream);
		end_move(&s);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_stream_client_and_one_of_udp_are_each_others_peers),
	cmocka_unit_test(test_indications_show_the_public_form),
	cmocka_unit_test(test_two_stream_clients_are_each_others_peers),
	cmocka_unit_test(test_a_client_moves_between_udp_and_a_stream),
	cmocka_unit_test(test_a_move_taken_back_leaves_the_client_where_it_was),
};
RIG_TESTS(tests)
