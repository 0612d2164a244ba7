// SPDX-License-Identifier: BSD-3-Clause
// Workers that meet a client on the move (RFC 8016 section 3.2.2): what they forward, and that the
// management thread hears of it once.
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/path/moves.h"
#include "dataplane/path/state.h"
#include "tests/unit/dataplane/path/rig.h"

struct scene {
	struct rig *rig;
	struct tp_addr old, new, new_listener, relay, peer;
	struct dp_moves_wake wake;
};

static void scene_open(struct scene *s)
{
	*s = (struct scene){.rig = rig_make(),
		.old = rig_addr("198.18.1.1", 40000),
		.new = rig_addr("fd00:198:18::11", 50000),
		.new_listener = rig_addr("fd00:198:18::2", 3478),
		.relay = rig_addr("198.18.0.2", 50001),
		.peer = rig_addr("198.18.2.2", 6000),
		.wake = {.event_fd = eventfd(0, EFD_NONBLOCK)}};
	s->rig->dp.moves_wake = &s->wake;
	rig_allocate(
		s->rig, 3, s->old, rig_addr("198.18.0.2", 3478), s->relay, (struct tp_addr){0}, 0);
	rig_permit(s->rig, 3, s->peer.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s->rig, 3, s->peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, RIG_NOW + 600 * RIG_SECOND);
	cmd.allocation = (struct tp_cmd_alloc){.client = s->old,
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = {s->relay},
		.pending = s->new,
		.pending_listener = s->new_listener};
	cmd.move = 1;
	rig_command(s->rig, &cmd);
}

static void scene_close(struct scene *s)
{
	close(s->wake.event_fd);
	rig_end(s->rig);
}

static void send_channel(struct scene *s, bool by_new)
{
	uint8_t message[200];
	struct frame f = rig_frame(by_new ? s->new : s->old,
		by_new ? s->new_listener : rig_addr("198.18.0.2", 3478), message,
		rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"media", 5, 0));
	rig_receive_frame(s->rig, &f);
}

static void send_indication(struct scene *s)
{
	uint8_t message[200];
	static const uint8_t id[12] = "transaction";
	struct stun_writer w;
	stun_write_begin(&w, message, sizeof(message), STUN_INDICATION, STUN_SEND, id);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s->peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "media", 5);
	struct frame f = rig_frame(s->new, s->new_listener, message, (size_t)stun_write_finish(&w));
	rig_receive_frame(s->rig, &f);
}

static struct tp_addr answered_from(struct scene *s, uint16_t port)
{
	s->peer.port = port;
	struct frame f = rig_frame(s->peer, s->relay, (const uint8_t *)"reply", 5);
	rig_forget(s->rig);
	rig_receive_frame(s->rig, &f);
	struct tp_addr to = rig_only(s->rig).to;
	rig_forget(s->rig);
	return to;
}

static struct tp_addr answered_to(struct scene *s)
{
	return answered_from(s, 6000);
}

static void assert_answered_to(struct scene *s, const struct tp_addr *client)
{
	struct tp_addr by_channel = answered_to(s), by_permission = answered_from(s, 6001);

	s->peer.port = 6000;
	assert_true(tp_addr_equal(&by_channel, client));
	assert_true(tp_addr_equal(&by_permission, client));
}

// The rig's next hops are of no net: they go before flows do.
static bool moved(struct scene *s, uint32_t flow)
{
	struct tp_ack event;

	rig_unroute(s->rig);
	bool told = dp_apply_moved(s->rig->dp.apply, flow, &event);
	rig_route(s->rig);
	return told;
}

static uint64_t wakes(struct scene *s)
{
	uint64_t n = 0;
	return read(s->wake.event_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_data_goes_to_the_old_client_until_the_new_one_sends(void **state)
{
	for (int by_channel = 0; by_channel < 2; by_channel++) {
		struct scene s;
		uint32_t flow;

		scene_open(&s);
		struct tp_addr to = answered_to(&s);
		assert_true(tp_addr_equal(&to, &s.old));
		send_channel(&s, false);
		to = rig_only(s.rig).to;
		assert_true(tp_addr_equal(&to, &s.peer));
		rig_forget(s.rig);
		assert_int_equal(wakes(&s), 0);
		assert_false(dp_moves_take(&s.rig->w->moves, &flow));
		by_channel ? send_channel(&s, true) : send_indication(&s);
		to = rig_only(s.rig).to;
		assert_true(tp_addr_equal(&to, &s.peer));
		assert_int_equal(wakes(&s), 1);
		assert_true(dp_moves_take(&s.rig->w->moves, &flow));
		assert_false(dp_moves_take(&s.rig->w->moves, &flow));
		// At once, and when the management thread has done its part.
		assert_answered_to(&s, &s.new);
		assert_true(moved(&s, flow));
		assert_answered_to(&s, &s.new);
		send_channel(&s, false); // nobody's any more
		assert_int_equal(s.rig->n_out, 0);
		scene_close(&s);
	}
}

static void test_a_flow_is_named_once_and_wakes_once(void **state)
{
	struct scene s;
	uint32_t flow;

	scene_open(&s);
	for (int i = 0; i < 5; i++)
		send_channel(&s, true);
	assert_int_equal(wakes(&s), 1);
	send_indication(&s); // another flow: the thread is awake as far as we know
	assert_int_equal(wakes(&s), 0);
	assert_true(dp_moves_take(&s.rig->w->moves, &flow));
	assert_true(dp_moves_take(&s.rig->w->moves, &flow));
	assert_false(dp_moves_take(&s.rig->w->moves, &flow));
	scene_close(&s);
}

static void test_without_room_the_next_datagram_tries_again(void **state)
{
	struct scene s;
	uint32_t flow, taken = 0;

	scene_open(&s);
	struct dp_moves *m = &s.rig->w->moves;
	atomic_store(&m->head, atomic_load(&m->tail) + DP_MOVES_SLOTS);
	send_channel(&s, true);
	assert_int_equal(wakes(&s), 0);
	assert_answered_to(&s, &s.new); // that needs no room
	while (dp_moves_take(m, &flow))
		taken++;
	assert_int_equal(taken, DP_MOVES_SLOTS);
	send_channel(&s, true);
	assert_int_equal(wakes(&s), 1);
	assert_true(dp_moves_take(m, &flow));
	scene_close(&s);
}

// As the management thread does when a newer move replaces this one, while a worker holds a flow.
static void test_a_client_that_was_given_up_arrives_nowhere(void **state)
{
	struct scene s;
	uint32_t flow;

	scene_open(&s);
	struct dp_flow *client = dp_flow_at(s.rig->dp.flows, s.rig->dp.moving[3]);
	atomic_store(&client->client_state, DP_CLIENT_GIVEN_UP);
	send_channel(&s, true);
	assert_int_equal(client->client_state, DP_CLIENT_GIVEN_UP);
	assert_false(dp_moves_take(&s.rig->w->moves, &flow));
	assert_answered_to(&s, &s.old);
	scene_close(&s);
}

// A worker may hold a flow of the last allocation that had this index.
static void test_another_allocation_of_the_index_is_not_asked(void **state)
{
	struct scene s;

	scene_open(&s);
	send_channel(&s, true);
	dp_flow_at(s.rig->dp.flows, s.rig->dp.moving[3])->alloc.generation = 2;
	assert_answered_to(&s, &s.old);
	dp_flow_at(s.rig->dp.flows, s.rig->dp.moving[3])->alloc.generation = 1;
	scene_close(&s);
}

// One sees the client arrive, the other relays the peers' data in the same moment.
static void test_workers_agree(void **state)
{
	struct scene s;
	struct dp_worker *first, *second;

	scene_open(&s);
	first = s.rig->w;
	assert_int_equal(dp_worker_create(&s.rig->dp, 1, 1, &second), 0);
	send_channel(&s, true);
	s.rig->w = second;
	assert_answered_to(&s, &s.new);
	send_indication(&s); // both name a flow
	uint32_t flow;
	assert_true(dp_moves_take(&first->moves, &flow));
	assert_true(dp_moves_take(&second->moves, &flow));
	rig_forget(s.rig);
	dp_worker_destroy(second);
	s.rig->w = first;
	scene_close(&s);
}

// The sender and the receiver are clients of ours, and the receiver moves.
static void test_hairpin_follows(void **state)
{
	struct scene s;
	struct tp_addr a = rig_addr("198.18.1.3", 40001), relay_a = rig_addr("198.18.0.2", 50002);

	scene_open(&s);
	rig_allocate(s.rig, 4, a, rig_addr("198.18.0.2", 3478), relay_a, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 4, s.relay.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 4, s.relay, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	rig_permit(s.rig, 3, relay_a.ip, RIG_NOW + 300 * RIG_SECOND);
	for (int arrived = 0; arrived < 2; arrived++) {
		uint8_t message[200];
		if (arrived)
			send_channel(&s, true);
		rig_forget(s.rig);
		struct frame f = rig_frame(a, rig_addr("198.18.0.2", 3478), message,
			rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"media", 5, 0));
		rig_receive_frame(s.rig, &f);
		struct tp_addr to = rig_only(s.rig).to;
		assert_true(tp_addr_equal(&to, arrived ? &s.new : &s.old));
	}
	scene_close(&s);
}

static void test_an_expired_channel_says_nothing(void **state)
{
	struct scene s;
	uint32_t flow;

	scene_open(&s);
	s.rig->now_ns = RIG_NOW + 301 * RIG_SECOND;
	send_channel(&s, true);
	assert_int_equal(s.rig->n_out, 0);
	assert_false(dp_moves_take(&s.rig->w->moves, &flow));
	scene_close(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_data_goes_to_the_old_client_until_the_new_one_sends),
	cmocka_unit_test(test_a_flow_is_named_once_and_wakes_once),
	cmocka_unit_test(test_without_room_the_next_datagram_tries_again),
	cmocka_unit_test(test_a_client_that_was_given_up_arrives_nowhere),
	cmocka_unit_test(test_another_allocation_of_the_index_is_not_asked),
	cmocka_unit_test(test_workers_agree),
	cmocka_unit_test(test_hairpin_follows),
	cmocka_unit_test(test_an_expired_channel_says_nothing),
};
RIG_TESTS(tests)
