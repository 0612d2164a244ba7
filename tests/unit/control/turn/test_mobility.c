// SPDX-License-Identifier: BSD-3-Clause
// Allocations that move (RFC 8016), against section 3 of it, rule by rule.
#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include "control/alloc/mobility.h"
#include "control/auth/ticket.h"

struct ticket {
	uint8_t bytes[CTL_RESPONSE_MAX_BYTES];
	size_t length;
};

static int mobile_setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	r->conf.mobility = true;
	relay_open(r);
	*state = r;
	return 0;
}

static struct ticket sent_ticket(const struct sent *s)
{
	struct stun_attr a;
	struct ticket t;
	assert_true(stun_find(&s->message, STUN_ATTR_MOBILITY_TICKET, &a));
	memcpy(t.bytes, a.value, a.length);
	t.length = a.length;
	assert_int_equal(t.length, CTL_TICKET_CHARS);
	return t;
}

static bool has_ticket(const struct sent *s)
{
	struct stun_attr a;
	return stun_find(&s->message, STUN_ATTR_MOBILITY_TICKET, &a);
}

static struct ticket allocate_mobile(struct relay *r)
{
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(request_code(r), 0);
	return sent_ticket(last_sent(r));
}

// Another five-tuple, with a nonce for it.
static void go(struct relay *r, const char *host, uint16_t port)
{
	r->client = addr(host, port);
	r->listener = r->client.ip.family == TP_FAMILY_IPV4 ? addr("198.18.0.2", 3478)
							    : addr("fd00:198:18::2", 3478);
	bool hold = r->hold_acks;
	r->hold_acks = false;
	relay_challenge(r);
	r->hold_acks = hold;
}

static void request_resume(struct relay *r, const struct ticket *t)
{
	request_begin(r, STUN_REFRESH);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, t->bytes, t->length);
}

static int resume(struct relay *r, const struct ticket *t)
{
	request_resume(r, t);
	return request_code(r);
}

static void say_moved(struct relay *r, struct tp_alloc_ref ref, uint32_t move)
{
	struct tp_ack event = {.type = TP_EVENT_MOVED, .alloc = ref, .moved = move};
	ctl_store_ack(r->w.store, &event, true, r->w.now);
}

// ---- Section 3.1.2.

static void a_ticket_comes_when_it_was_asked_for(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	assert_false(has_ticket(last_sent(r)));
	assert_false(ctl_allocation_mobile(relay_allocation(r)));
	go(r, "198.18.1.1", 4001);
	allocate_mobile(r);
	assert_true(ctl_allocation_mobile(relay_allocation(r)));
	assert_true(last_sent(r)->length < 548); // any path, RFC 8489 section 6.1
}

static void a_ticket_in_allocate_must_be_empty(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, "1234", 4);
	assert_int_equal(request_code(r), 400);
	assert_null(relay_allocation(r));
}

static void mobility_is_forbidden_unless_configured(void **state)
{
	struct relay *r = *state;
	struct ticket t = {.length = CTL_TICKET_CHARS};
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
	assert_int_equal(request_code(r), 405);
	assert_null(relay_allocation(r));
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_MOBILITY_TICKET, "1234", 4);
	assert_int_equal(request_code(r), 400);
	assert_int_equal(resume(r, &t), 405); // before anything of it is looked at
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
}

static void the_allocate_repeated_has_a_ticket_too(void **state)
{
	struct relay *r = *state;
	struct ticket first = allocate_mobile(r);
	struct ticket again;
	assert_int_equal(request_send(r), 1);
	again = sent_ticket(last_sent(r)); // from the replay memory: the same bytes
	assert_memory_equal(first.bytes, again.bytes, first.length);
	world_pass(&r->w, 41 * TP_NS_PER_S);
	assert_int_equal(request_send(r), 1); // forgotten: from the record
	again = sent_ticket(last_sent(r));
	go(r, "198.18.1.9", 4000);
	assert_int_equal(resume(r, &again), 0);
}

// ---- Section 3.2.2.

static void a_ticket_takes_the_allocation_along(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	struct tp_addr old = r->client, relayed = record->relay[0];
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 600);
	struct ticket next = sent_ticket(last_sent(r));
	assert_memory_not_equal(t.bytes, next.bytes, CTL_TICKET_CHARS);
	// Both five-tuples find it; the dataplane was told of both.
	assert_ptr_equal(relay_allocation(r), record);
	const struct tp_cmd *cmd = &r->w.command[r->w.n_commands - 1];
	assert_int_equal(cmd->type, TP_CMD_ALLOC_SET);
	assert_true(tp_addr_equal(&cmd->allocation.client, &old));
	assert_true(tp_addr_equal(&cmd->allocation.pending, &r->client));
	assert_int_equal(cmd->move, 1);
	r->client = old;
	assert_ptr_equal(relay_allocation(r), record);
	// The dataplane says that data came: the old one is forgotten, the relayed address stays.
	say_moved(r, record->self, 1);
	assert_null(relay_allocation(r));
	r->client = addr("198.18.1.9", 5000);
	assert_ptr_equal(relay_allocation(r), record);
	assert_true(tp_addr_equal(&record->relay[0], &relayed));
	assert_true(tp_addr_equal(&record->client, &r->client));
	// The new ticket takes it further.
	go(r, "198.18.1.9", 5001);
	assert_int_equal(resume(r, &next), 0);
}

static void a_client_may_change_its_family(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	go(r, "fd00:198:19::9", 5000);
	assert_int_equal(resume(r, &t), 0);
	say_moved(r, record->self, 1);
	assert_ptr_equal(relay_allocation(r), record);
	assert_int_equal(record->relay[0].ip.family, TP_FAMILY_IPV4);
	assert_int_equal(record->client.ip.family, TP_FAMILY_IPV6);
	// It goes on as if it had been made here.
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), 0);
}

static void invalid_tickets_are_400(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	for (size_t i = 0; i < t.length; i++) {
		struct ticket bad = t;
		bad.bytes[i] ^= 1;
		assert_int_equal(resume(r, &bad), 400);
	}
	for (size_t length = 0; length < t.length; length += 13) {
		struct ticket bad = t;
		bad.length = length;
		assert_int_equal(resume(r, &bad), 400);
	}
	struct ticket longer = t;
	longer.length++;
	assert_int_equal(resume(r, &longer), 400);
	assert_null(relay_allocation(r));
	assert_int_equal(resume(r, &t), 0);
}

static void a_deleted_allocation_is_437(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 437);
	// Expired, and its record in use by somebody else.
	t = allocate_mobile(r);
	world_pass(&r->w, 601 * TP_NS_PER_S);
	go(r, "198.18.1.9", 5001);
	assert_int_equal(resume(r, &t), 437);
	ctl_store_expire(r->w.store, r->w.now, 10);
	relay_ack_all(r, 0);
	world_pass(&r->w, 61 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 10);
	for (uint16_t port = 6000; port < 6030; port++) {
		go(r, "198.18.1.9", port);
		allocate_mobile(r);
	}
	go(r, "198.18.1.9", 5002);
	assert_int_equal(resume(r, &t), 437);
}

static void the_same_five_tuple_is_400(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	assert_int_equal(resume(r, &t), 400);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	t = sent_ticket(last_sent(r));
	assert_int_equal(resume(r, &t), 400);
	go(r, "198.18.1.1", 4000); // the old one is stored, too
	assert_int_equal(resume(r, &t), 400);
}

static void another_user_is_441(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	r->user = "bob";
	r->password = "build";
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 441);
	r->password = "wrong";
	assert_int_equal(resume(r, &t), 401);
	r->user = "alice";
	r->password = "wonder";
	assert_int_equal(resume(r, &t), 0);
}

static void a_used_ticket_is_refused(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	go(r, "198.18.1.9", 5001);
	assert_int_equal(resume(r, &t), 400);
	go(r, "198.18.1.9", 5000); // another request from where it was used
	assert_int_equal(resume(r, &t), 400);
}

static void a_retransmission_is_answered_alike(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	struct sent first = *last_sent(r);
	uint32_t commands = r->w.n_commands;
	world_pass(&r->w, 30 * TP_NS_PER_S);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(last_sent(r)->length, first.length);
	assert_memory_equal(last_sent(r)->bytes, first.bytes, first.length);
	assert_int_equal(r->w.n_commands, commands);
}

static void a_retransmission_is_known_after_a_restart(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	uint32_t commands = r->w.n_commands;
	world_pass(&r->w, 45 * TP_NS_PER_S); // the replay memory has forgotten
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 600);
	assert_int_equal(r->w.n_commands, commands); // nothing happened again
	struct ticket next = sent_ticket(last_sent(r));
	world_pass(&r->w, 20 * TP_NS_PER_S);
	go(r, "198.18.1.9", 5002);
	assert_int_equal(resume(r, &next), 0);
	world_pass(&r->w, 61 * TP_NS_PER_S);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 400); // too late
}

static void zero_with_a_ticket_deletes(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	request_resume(r, &t);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 0);
	assert_false(has_ticket(last_sent(r)));
	assert_int_equal(world_status(&r->w).allocations, 0);
}

static void a_five_tuple_with_an_allocation_is_437(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(resume(r, &t), 437);
	world_pass(&r->w, 1); // and is free again when that one is gone
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(resume(r, &t), 0);
	// The other way round: who moves somewhere has it.
	request_allocate(r);
	assert_int_equal(request_code(r), 437);
}

static void an_allocation_without_tickets_cannot_move(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	struct ctl_ticket forged = {.alloc = record->self, .counter = 0};
	struct ticket t = {.length = CTL_TICKET_CHARS};
	assert_int_equal(
		ctl_ticket_seal(r->crypto, ctl_store_ticket_key(r->w.store), &forged, t.bytes), 0);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 437);
}

// ---- While it moves.

static void requests_work_from_both_five_tuples(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	const char *const hosts[] = {"198.18.1.1", "198.18.1.9"};
	for (int i = 0; i < 2; i++) {
		go(r, hosts[i], i ? 5000 : 4000);
		request_begin(r, STUN_CHANNEL_BIND);
		stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, (0x4000u + (unsigned)i) << 16);
		request_peer(r, "198.19.0.1", (uint16_t)(7000 + i));
		assert_int_equal(request_code(r), 0);
		request_begin(r, STUN_REFRESH);
		assert_int_equal(request_code(r), 0);
	}
	assert_int_equal(record->peers, 3);
	assert_int_equal(r->w.command[r->w.n_commands - 1].allocation.pending.port, 5000);
}

static void the_newest_move_counts(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	t = sent_ticket(last_sent(r));
	go(r, "198.18.1.9", 5001);
	assert_int_equal(resume(r, &t), 0);
	assert_ptr_equal(relay_allocation(r), record);
	r->client.port = 5000;
	assert_null(relay_allocation(r));
	say_moved(r, record->self, 1); // about the one that was given up
	assert_int_equal(record->client.port, 4000);
	say_moved(r, record->self, 2);
	assert_int_equal(record->client.port, 5001);
	say_moved(r, record->self, 2);
	assert_int_equal(record->client.port, 5001);
}

// The dataplane had completed the first move when the second reached it: the second is answered
// like any, and the client is served at the place of the first until data comes from that of the
// second.
static void a_second_move_may_meet_the_end_of_the_first(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	t = sent_ticket(last_sent(r));
	go(r, "198.18.1.9", 5001);
	r->hold_acks = true;
	assert_int_equal(resume(r, &t), -1);
	// Meanwhile a request from the first new place is neither lost nor refused: it waits.
	r->client.port = 5000;
	request_begin(r, STUN_REFRESH);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 1); // the nonce is the other one's
	assert_int_equal(sent_code(last_sent(r)), 438);
	learn_nonce(r, last_sent(r));
	uint64_t overload = ctl_turn_counters(r->turn)->overload;
	request_begin(r, STUN_REFRESH);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->overload, overload + 1);
	struct tp_ack ack = {.sequence = r->w.command[r->w.n_commands - 1].sequence,
		.type = TP_CMD_ALLOC_SET,
		.alloc = record->self,
		.moved = 1};
	r->w.n_acked = r->w.n_commands;
	ctl_turn_ack(r->turn, &ack, r->w.now);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_true(has_ticket(last_sent(r)));
	r->hold_acks = false;
	assert_int_equal(record->client.port, 5000);
	assert_int_equal(record->move_port, 5001);
	assert_int_equal(request_send(r), 1); // its retransmission
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(r->w.command[r->w.n_commands - 1].allocation.client.port, 5000);
	go(r, "198.18.1.1", 4000);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 437);
	say_moved(r, record->self, 2);
	assert_int_equal(record->client.port, 5001);
	go(r, "198.18.1.9", 5000);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 437);
}

static void a_refused_move_leaves_all_as_it_was(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	uint64_t deadline = record->deadline_ns;
	world_pass(&r->w, TP_NS_PER_S);
	go(r, "198.18.1.9", 5000);
	r->hold_acks = true;
	assert_int_equal(resume(r, &t), -1);
	relay_ack(r, -ENOSPC);
	assert_int_equal(sent_code(last_sent(r)), 508);
	relay_ack_all(r, 0);
	assert_null(relay_allocation(r));
	assert_int_equal(record->deadline_ns, deadline);
	assert_int_equal(record->client.port, 4000);
	const struct tp_cmd *undo = &r->w.command[r->w.n_commands - 1];
	assert_int_equal(undo->type, TP_CMD_ALLOC_SET);
	assert_int_equal(undo->allocation.pending.ip.family, TP_FAMILY_NONE);
	r->hold_acks = false;
	assert_int_equal(resume(r, &t), 0); // the ticket is good as before

	// The same with a move under way before: that one goes on.
	struct ticket next = sent_ticket(last_sent(r));
	go(r, "198.18.1.9", 5001);
	r->hold_acks = true;
	assert_int_equal(resume(r, &next), -1);
	relay_ack(r, -ENOSPC);
	assert_int_equal(sent_code(last_sent(r)), 508);
	assert_int_equal(record->move_port, 5000);
	undo = &r->w.command[r->w.n_commands - 1];
	assert_int_equal(undo->allocation.pending.port, 5000);
	// The dataplane had completed it meanwhile, and says so.
	struct tp_ack ack = {.sequence = undo->sequence,
		.type = TP_CMD_ALLOC_SET,
		.alloc = record->self,
		.moved = undo->move};
	ctl_turn_ack(r->turn, &ack, r->w.now);
	assert_int_equal(record->client.port, 5000);
}

static void one_five_tuple_waits_for_the_other(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	go(r, "198.18.1.9", 5000);
	assert_int_equal(resume(r, &t), 0);
	r->hold_acks = true;
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), -1); // under way from the new five-tuple
	r->client = addr("198.18.1.1", 4000);
	request_begin(r, STUN_REFRESH);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 1); // the nonce is the other one's
	assert_int_equal(sent_code(last_sent(r)), 438);
	learn_nonce(r, last_sent(r));
	uint64_t overload = ctl_turn_counters(r->turn)->overload;
	request_begin(r, STUN_REFRESH);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 0); // dropped
	assert_int_equal(ctl_turn_counters(r->turn)->overload, overload + 1);
	relay_ack_all(r, 0);
	uint32_t commands = r->w.n_commands;
	assert_int_equal(request_send(r), 0); // its retransmission runs
	assert_int_equal(r->w.n_commands, commands + 1);
	relay_ack_all(r, 0);
	assert_int_equal(sent_code(last_sent(r)), 0);
}

static void a_dataplane_that_goes_away_takes_the_move_back(void **state)
{
	struct relay *r = *state;
	struct ticket t = allocate_mobile(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	go(r, "198.18.1.9", 5000);
	r->hold_acks = true;
	assert_int_equal(resume(r, &t), -1);
	ctl_turn_detach(r->turn, r->w.now);
	assert_int_equal(record->move_family, TP_FAMILY_NONE);
	world_forget(&r->w);
	r->hold_acks = false;
	assert_int_equal(request_send(r), 1); // the retransmission
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(record->move_port, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define MOBILE(f) cmocka_unit_test_setup_teardown(f, mobile_setup, relay_teardown)
		MOBILE(a_ticket_comes_when_it_was_asked_for),
		MOBILE(a_ticket_in_allocate_must_be_empty),
		cmocka_unit_test_setup_teardown(
			mobility_is_forbidden_unless_configured, relay_setup, relay_teardown),
		MOBILE(the_allocate_repeated_has_a_ticket_too),
		MOBILE(a_ticket_takes_the_allocation_along),
		MOBILE(a_client_may_change_its_family),
		MOBILE(invalid_tickets_are_400),
		MOBILE(a_deleted_allocation_is_437),
		MOBILE(the_same_five_tuple_is_400),
		MOBILE(another_user_is_441),
		MOBILE(a_used_ticket_is_refused),
		MOBILE(a_retransmission_is_answered_alike),
		MOBILE(a_retransmission_is_known_after_a_restart),
		MOBILE(zero_with_a_ticket_deletes),
		MOBILE(a_five_tuple_with_an_allocation_is_437),
		MOBILE(an_allocation_without_tickets_cannot_move),
		MOBILE(requests_work_from_both_five_tuples),
		MOBILE(the_newest_move_counts),
		MOBILE(a_second_move_may_meet_the_end_of_the_first),
		MOBILE(a_refused_move_leaves_all_as_it_was),
		MOBILE(one_five_tuple_waits_for_the_other),
		MOBILE(a_dataplane_that_goes_away_takes_the_move_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
