// SPDX-License-Identifier: BSD-3-Clause
// Between request and response: acknowledgements, refusals, retransmissions, slow user stores, a
// dataplane that goes away.
#include "tests/unit/control/turn/client.h"

static void success_waits_for_the_last_acknowledgement(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->hold_acks = true;
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_peer(r, "198.19.0.2", 0);
	request_peer(r, "198.19.0.3", 0);
	assert_int_equal(request_code(r), -1);
	relay_ack(r, 0);
	relay_ack(r, 0);
	assert_int_equal(r->n_sent, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 1);
	relay_ack(r, 0);
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

static void refusal_is_508_and_nothing_stays(void **state)
{
	struct relay *r = *state;
	struct ctl_store_status start = world_status(&r->w);
	relay_challenge(r);
	r->hold_acks = true;
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	relay_ack(r, -ENOSPC);
	assert_int_equal(sent_code(last_sent(r)), 508);
	assert_true(sent_signed(r, last_sent(r)));
	assert_null(relay_allocation(r));
	struct ctl_store_status end = world_status(&r->w);
	assert_int_equal(end.ports_free[0], start.ports_free[0]);
	assert_int_equal(end.allocs_free, start.allocs_free);
	assert_int_equal(end.users, 0);
	// The retransmission gets the same answer; a new request may succeed.
	uint8_t first[CTL_RESPONSE_MAX_BYTES];
	size_t length = last_sent(r)->length;
	memcpy(first, last_sent(r)->bytes, length);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(last_sent(r)->length, length);
	assert_memory_equal(last_sent(r)->bytes, first, length);
	request_allocate(r);
	request_code(r);
	relay_ack(r, 0);
	assert_int_equal(sent_code(last_sent(r)), 0);
}

static void refusal_of_one_peer_takes_all_back(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), 0);
	uint32_t at = relay_allocation(r)->first_peer;
	uint64_t deadline = ctl_peer_next(r->w.store, &at)->deadline_ns;
	world_pass(&r->w, TP_NS_PER_S);
	r->hold_acks = true;
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_peer(r, "198.19.0.2", 0);
	request_peer(r, "198.19.0.3", 0);
	assert_int_equal(request_code(r), -1);
	relay_ack(r, 0);
	relay_ack(r, -ENOSPC);
	relay_ack(r, 0);
	assert_int_equal(sent_code(last_sent(r)), 508);
	const struct tp_alloc_record *record = relay_allocation(r);
	assert_int_equal(record->peers, 1);
	at = record->first_peer;
	assert_int_equal(ctl_peer_next(r->w.store, &at)->deadline_ns, deadline);
	assert_int_equal(r->w.n_commands - r->w.n_acked, 3); // two deletes, the old deadline
	relay_ack(r, 0);
	relay_ack(r, -ENOENT);
	relay_ack(r, 0);
	assert_non_null(relay_allocation(r));
}

static void refused_refresh_keeps_the_old_deadline(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	uint64_t deadline = relay_allocation(r)->deadline_ns;
	world_pass(&r->w, 60 * TP_NS_PER_S);
	r->hold_acks = true;
	request_begin(r, STUN_REFRESH);
	request_code(r);
	relay_ack(r, -EINVAL);
	assert_int_equal(sent_code(last_sent(r)), 508);
	assert_int_equal(relay_allocation(r)->deadline_ns, deadline);
}

static void deletion_of_what_is_gone_succeeds(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->hold_acks = true;
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), -1);
	relay_ack(r, -ENOENT);
	assert_int_equal(sent_code(last_sent(r)), 0);
}

static void retransmission_gets_the_same_bytes(void **state)
{
	struct relay *r = *state;
	r->fingerprint = true;
	relay_challenge(r);
	static const uint16_t methods[] = {STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION,
		STUN_CHANNEL_BIND, STUN_REFRESH};
	for (int i = 0; i < 5; i++) {
		request_begin(r, methods[i]);
		if (i == 0)
			stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
		if (i == 2)
			request_peer(r, "198.19.0.1", 0);
		if (i == 4)
			stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
		// ChannelBind lacks everything: errors are repeated as well.
		assert_int_equal(request_code(r), i == 3 ? 400 : 0);
		struct sent first = *last_sent(r);
		struct ctl_store_status before = world_status(&r->w);
		uint32_t commands = r->w.n_commands;
		world_pass(&r->w, 10 * TP_NS_PER_S);
		assert_int_equal(request_send(r), 1);
		assert_int_equal(last_sent(r)->length, first.length);
		assert_memory_equal(last_sent(r)->bytes, first.bytes, first.length);
		assert_int_equal(r->w.n_commands, commands);
		struct ctl_store_status after = world_status(&r->w);
		assert_memory_equal(&before, &after, sizeof(before));
	}
	assert_int_equal(ctl_turn_counters(r->turn)->replayed, 5);
}

static void memory_of_responses_ends_after_40_seconds(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 40 * TP_NS_PER_S - 1);
	ctl_turn_tick(r->turn, r->w.now);
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 0);
	world_pass(&r->w, 1);
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 437);
}

static void same_bytes_from_another_client_are_another_request(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	struct tp_addr client = r->client;
	r->client.port++;
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 438); // its nonce belongs to the other one
	r->client = client;
	r->bytes[r->length - 1] ^= 1; // one bit of the integrity
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 401);
}

// Control was restarted: the record alone answers.
static void allocate_is_repeated_from_the_record(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	struct sent first = *last_sent(r);
	ctl_turn_destroy(r->turn);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(last_sent(r)->length, first.length);
	assert_memory_equal(last_sent(r)->bytes, first.bytes, first.length);
	request_allocate(r);
	assert_int_equal(request_code(r), 437); // another transaction
}

// RFC 8656 section 7.2: the reservation's token is the same, however late the repetition and
// whatever became of control.
static void a_reservation_is_repeated_from_the_record(void **state)
{
	static const uint8_t reserve = 0x80;
	struct relay *r = *state;
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_EVEN_PORT, &reserve, 1);
	assert_int_equal(request_code(r), 0);
	struct sent first = *last_sent(r);
	ctl_turn_destroy(r->turn);
	ctl_store_destroy(r->w.store);
	struct ctl_store_options store = world_options(&r->w);
	assert_int_equal(ctl_store_create(&store, &r->w.store), 0);
	assert_int_equal(ctl_store_adopt(r->w.store, r->w.now, NULL), 0);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(last_sent(r)->length, first.length);
	assert_memory_equal(last_sent(r)->bytes, first.bytes, first.length);
	// And it is good for what it says.
	struct stun_attr token;
	assert_true(stun_find(&first.message, STUN_ATTR_RESERVATION_TOKEN, &token));
	uint8_t copy[8];
	memcpy(copy, first.bytes + (token.value - first.message.bytes), sizeof(copy));
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_RESERVATION_TOKEN, copy, sizeof(copy));
	assert_int_equal(request_code(r), 0);
}

static void the_oldest_response_is_forgotten_first(void **state)
{
	struct relay *r = *state;
	ctl_turn_destroy(r->turn);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w},
		.replay_slots = 3};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
	relay_challenge(r);
	uint8_t saved[5][CTL_REQUEST_MAX_BYTES];
	size_t length[5];
	for (int i = 0; i < 5; i++) {
		request_begin(r, STUN_REFRESH);
		assert_int_equal(request_code(r), 437);
		length[i] = r->length;
		memcpy(saved[i], r->bytes, r->length);
	}
	for (int i = 4; i >= 0; i--) {
		memcpy(r->bytes, saved[i], r->length = length[i]);
		request_send(r);
		assert_int_equal(ctl_turn_counters(r->turn)->replayed, i >= 2 ? 5 - i : 3);
		if (i == 2)
			break;
	}
	memcpy(r->bytes, saved[0], r->length = length[0]);
	request_send(r);
	assert_int_equal(ctl_turn_counters(r->turn)->replayed, 3);
}

static void later_requests_of_the_five_tuple_wait_their_turn(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->hold_acks = true;
	uint8_t ids[5][12];
	r->n_sent = 0;
	for (uint16_t i = 0; i < 5; i++) {
		request_begin(r, STUN_CHANNEL_BIND);
		stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, (0x4000u + i) << 16);
		request_peer(r, "198.19.0.1", (uint16_t)(100 + i));
		request_sign(r);
		request_finish(r);
		memcpy(ids[i], r->transaction_id, 12);
		assert_int_equal(request_send(r), 0);
		assert_int_equal(request_send(r), 0); // a retransmission meanwhile is nothing
	}
	// Only the first has sent its commands.
	assert_int_equal(r->w.n_commands - r->w.n_acked, 2);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sent_code(&r->sent[i]), 0);
		assert_memory_equal(r->sent[i].message.transaction_id, ids[i], 12);
	}
	assert_int_equal(world_status(&r->w).channels, 5);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

// What waits behind an allocation that fails finds none.
static void deferred_requests_see_the_outcome(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	r->hold_acks = true;
	request_allocate(r);
	request_code(r);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_code(r);
	request_begin(r, STUN_REFRESH);
	request_code(r);
	relay_ack(r, -ENOSPC);
	assert_int_equal(r->n_sent, 3);
	assert_int_equal(sent_code(&r->sent[0]), 508);
	assert_int_equal(sent_code(&r->sent[1]), 437);
	assert_int_equal(sent_code(&r->sent[2]), 437);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

static void other_five_tuples_do_not_wait(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	struct tp_addr first = r->client;
	r->client.port++;
	char nonce[TP_NONCE_CHARS];
	memcpy(nonce, r->nonce, sizeof(nonce));
	relay_challenge(r);
	r->hold_acks = true;
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	r->client = first;
	memcpy(r->nonce, nonce, sizeof(nonce));
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	assert_int_equal(r->w.n_commands, 2);
	relay_ack(r, -ENOSPC);
	relay_ack(r, 0);
	assert_int_equal(r->n_sent, 2);
	assert_int_equal(sent_code(&r->sent[0]), 508);
	assert_int_equal(sent_code(&r->sent[1]), 0);
	assert_true(tp_addr_equal(&r->sent[1].destination, &first));
}

static void a_full_queue_drops(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->hold_acks = true;
	for (int i = 0; i < 40; i++) {
		request_begin(r, STUN_REFRESH);
		request_code(r);
	}
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 33);
	assert_int_equal(ctl_turn_counters(r->turn)->overload, 7);
	relay_ack_all(r, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

static void pending_requests_are_bounded(void **state)
{
	struct relay *r = *state;
	ctl_turn_destroy(r->turn);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w},
		.max_pending = 4};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
	r->hold_acks = true;
	for (int i = 0; i < 6; i++) {
		r->client.port++;
		if (i < 4)
			relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), -1);
	}
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 4);
	assert_int_equal(ctl_turn_counters(r->turn)->overload, 2);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 4);
}

// The dataplane dies with a request under way: nothing is answered, nothing is kept, and an
// allocation whose fate is unknown rests.
static void a_dataplane_that_goes_away(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	uint64_t deadline = relay_allocation(r)->deadline_ns;
	r->hold_acks = true;
	world_pass(&r->w, TP_NS_PER_S);
	request_begin(r, STUN_REFRESH);
	request_code(r);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_code(r);
	struct tp_addr first = r->client;
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	request_code(r);
	r->n_sent = 0;
	r->w.room = 0;
	ctl_turn_detach(r->turn, r->w.now);
	assert_int_equal(r->n_sent, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	assert_null(relay_allocation(r));
	r->client = first;
	assert_int_equal(relay_allocation(r)->deadline_ns, deadline);
	assert_int_equal(relay_allocation(r)->peers, 0);
	assert_int_equal(world_status(&r->w).resting, 1);
	// Its acknowledgements, should they still come, mean nothing.
	world_forget(&r->w);
	struct tp_ack late = {.sequence = r->w.sequence, .type = TP_CMD_ALLOC_SET};
	ctl_turn_ack(r->turn, &late, r->w.now);
	assert_int_equal(r->n_sent, 0);
}

static void a_lost_acknowledgement_is_a_refusal(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	r->hold_acks = true;
	request_allocate(r);
	request_code(r);
	struct tp_ack later = {.sequence = r->w.sequence + 1, .type = TP_CMD_SYNC_END};
	ctl_turn_ack(r->turn, &later, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 508);
}

// ---- A user store that answers later.

struct slow_store {
	struct ctl_user_store store;
	struct ctl_user_store *real;
	struct {
		uint8_t user[64];
		size_t length;
		ctl_user_answer_fn answer;
		void *context;
	} asked[8];
	uint32_t n;
};

static void slow_lookup(struct ctl_user_store *store, const struct ctl_user_query *q,
	ctl_user_answer_fn answer, void *context)
{
	struct slow_store *s = (struct slow_store *)store;
	memcpy(s->asked[s->n].user, q->user, q->user_length);
	s->asked[s->n].length = q->user_length;
	s->asked[s->n].answer = answer;
	s->asked[s->n++].context = context;
}

static void slow_answer(struct slow_store *s, uint32_t i, uint64_t wall_ns)
{
	struct ctl_user_query q = {.user = s->asked[i].user,
		.user_length = s->asked[i].length,
		.algorithm = CTL_PASSWORD_MD5,
		.wall_ns = wall_ns};
	s->real->lookup(s->real, &q, s->asked[i].answer, s->asked[i].context);
}

static void slow_user_stores_are_waited_for(void **state)
{
	struct relay *r = *state;
	struct slow_store slow = {.store = {.lookup = slow_lookup}, .real = r->user_store};
	relay_challenge(r);
	ctl_turn_set_users(r->turn, &slow.store);
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), -1);
	assert_int_equal(slow.n, 1);           // the second waits for the first
	memset(r->bytes, 0, sizeof(r->bytes)); // the request's bytes were copied
	slow_answer(&slow, 0, r->w.now.wall_ns);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(slow.n, 2);
	slow_answer(&slow, 1, r->w.now.wall_ns);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 2);
	assert_int_equal(sent_code(last_sent(r)), 0);
	// A store that is down says so.
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), -1);
	struct ctl_user_answer down = {.result = -EIO};
	slow.asked[2].answer(slow.asked[2].context, &down);
	assert_int_equal(sent_code(last_sent(r)), 500);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	ctl_turn_set_users(r->turn, r->user_store);
}

static void send_again(struct relay *r, const uint8_t *bytes, size_t length)
{
	memcpy(r->bytes, bytes, length);
	r->length = length;
	request_send(r);
}

// The user store answers when the dataplane is gone already: nobody is told, nothing is remembered,
// and the retransmission is served by the next dataplane.
static void a_lookup_outlasts_the_dataplane(void **state)
{
	struct relay *r = *state;
	struct slow_store slow = {.store = {.lookup = slow_lookup}, .real = r->user_store};
	uint8_t allocate[CTL_REQUEST_MAX_BYTES];
	relay_challenge(r);
	ctl_turn_set_users(r->turn, &slow.store);
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	size_t length = r->length;
	memcpy(allocate, r->bytes, length);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), -1);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 2);
	r->w.room = 0;
	ctl_turn_detach(r->turn, r->w.now);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 1); // the store owes its answer
	slow_answer(&slow, 0, r->w.now.wall_ns);
	assert_int_equal(r->n_sent, 0);
	assert_int_equal(slow.n, 1); // what waited behind it does not ask
	assert_int_equal(slow.store.under_way, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	assert_int_equal(ctl_turn_counters(r->turn)
				 ->errors[CTL_METHOD_ALLOCATE][CTL_ERROR_INSUFFICIENT_CAPACITY],
		0);
	r->w.room = WORLD_COMMANDS / 2;
	send_again(r, allocate, length);
	slow_answer(&slow, 1, r->w.now.wall_ns);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->replayed, 0);
	ctl_turn_set_users(r->turn, r->user_store);
}

// The next dataplane is there before the answer: what came since waits behind the old request, and
// is served when that has ended.
static void requests_of_the_next_dataplane_are_served(void **state)
{
	struct relay *r = *state;
	struct slow_store slow = {.store = {.lookup = slow_lookup}, .real = r->user_store};
	relay_challenge(r);
	ctl_turn_set_users(r->turn, &slow.store);
	for (int i = 0; i < 1 + 32; i++) { // with as many behind it as may wait
		request_begin(r, STUN_REFRESH);
		assert_int_equal(request_code(r), -1);
	}
	ctl_turn_detach(r->turn, r->w.now);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 1);
	request_allocate(r);
	assert_int_equal(request_code(r), -1);
	assert_int_equal(ctl_turn_counters(r->turn)->overload, 0);
	slow_answer(&slow, 0, r->w.now.wall_ns);
	assert_int_equal(r->n_sent, 0);
	assert_int_equal(slow.n, 2);
	slow_answer(&slow, 1, r->w.now.wall_ns);
	relay_ack_all(r, 0);
	assert_int_equal(r->n_sent, 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	ctl_turn_set_users(r->turn, r->user_store);
}

// Allocate, permit, bind, end, over and over, with refusals: everything comes back.
static void cycles_leak_nothing(void **state)
{
	struct relay *r = *state;
	struct ctl_store_status start = world_status(&r->w);
	r->hold_acks = true;
	for (int i = 0; i < 3000; i++) {
		r->client.port = (uint16_t)(2000 + i % 700);
		relay_challenge(r);
		request_allocate(r);
		request_code(r);
		relay_ack_all(r, i % 5 == 0 ? -ENOSPC : 0);
		request_begin(r, STUN_CHANNEL_BIND);
		stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x40000000);
		request_peer(r, "198.19.0.1", 9);
		request_code(r);
		relay_ack_all(r, i % 7 == 0 ? -EEXIST : 0);
		request_begin(r, STUN_REFRESH);
		if (i % 3)
			stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
		request_code(r);
		relay_ack_all(r, 0);
		world_forget(&r->w);
		world_pass(&r->w, 30 * TP_NS_PER_S);
		ctl_turn_tick(r->turn, r->w.now);
		ctl_store_expire(r->w.store, r->w.now, 1000);
		relay_ack_all(r, 0);
	}
	world_pass(&r->w, 600 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 1000);
	world_pass(&r->w, 60 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 1000);
	struct ctl_store_status end = world_status(&r->w);
	assert_true(end.created > 1000);
	assert_int_equal(end.ports_free[0], start.ports_free[0]);
	assert_int_equal(end.allocs_free, start.allocs_free);
	assert_int_equal(end.peers_free, start.peers_free);
	assert_int_equal(end.users, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(success_waits_for_the_last_acknowledgement),
		TEST(refusal_is_508_and_nothing_stays),
		TEST(refusal_of_one_peer_takes_all_back),
		TEST(refused_refresh_keeps_the_old_deadline),
		TEST(deletion_of_what_is_gone_succeeds),
		TEST(retransmission_gets_the_same_bytes),
		TEST(memory_of_responses_ends_after_40_seconds),
		TEST(same_bytes_from_another_client_are_another_request),
		TEST(allocate_is_repeated_from_the_record),
		TEST(a_reservation_is_repeated_from_the_record),
		TEST(the_oldest_response_is_forgotten_first),
		TEST(later_requests_of_the_five_tuple_wait_their_turn),
		TEST(deferred_requests_see_the_outcome),
		TEST(other_five_tuples_do_not_wait),
		TEST(a_full_queue_drops),
		TEST(pending_requests_are_bounded),
		TEST(a_dataplane_that_goes_away),
		TEST(a_lost_acknowledgement_is_a_refusal),
		TEST(slow_user_stores_are_waited_for),
		TEST(a_lookup_outlasts_the_dataplane),
		TEST(requests_of_the_next_dataplane_are_served),
		TEST(cycles_leak_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
