// SPDX-License-Identifier: BSD-3-Clause
// Requests that came by TCP and TLS.
#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include "control/alloc/connection.h"

static int setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));

	relay_open(r);
	r->transport = CTL_TRANSPORT_TCP;
	r->stream = (struct tp_stream_client){7, 70};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct relay *r = *state;

	relay_close(r);
	free(r);
	return 0;
}

static struct ctl_request gone(const struct relay *r)
{
	return (struct ctl_request){.client = r->client,
		.listener = r->listener,
		.transport = r->transport,
		.stream = r->stream};
}

static void an_allocation_is_its_connections(void **state)
{
	struct relay *r = *state;
	struct tp_addr key = tp_stream_address(r->stream);
	uint32_t i = 0;

	relay_allocate(r);
	assert_true(tp_addr_equal(&r->w.command[0].allocation.client, &key));
	const struct tp_alloc_record *a = ctl_allocation_next(r->w.store, &i);
	assert_int_equal(a->stream.connection, 70);
	assert_int_equal(a->transport, CTL_TRANSPORT_TCP);
	assert_true(tp_addr_equal(&a->client, &r->client));
	// Another connection from the same address, as of a stream process that lies or a client
	// that is faster than the news of its end: nothing of it is seen there.
	r->stream.connection = 71;
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 437);
	relay_allocate(r);
	assert_int_equal(world_status(&r->w).allocations, 2);
}

static void a_closed_connection_makes_nothing_any_more(void **state)
{
	struct relay *r = *state;
	struct ctl_request place = gone(r);
	uint32_t sent;

	relay_allocate(r);
	r->hold_acks = true;
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 0); // waits for the dataplane
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.2", 0);
	request_sign(r);
	request_finish(r);
	assert_int_equal(request_send(r), 0); // waits behind it
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 2);
	sent = r->n_sent;
	ctl_turn_closed(r->turn, &place);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 1);
	relay_ack_all(r, 0);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
	assert_true(r->n_sent <= sent + 1);
	assert_int_equal(world_status(&r->w).permissions, 1);
}

static void binding_tells_the_tcp_clients_address(void **state)
{
	struct relay *r = *state;
	request_begin(r, STUN_BINDING);
	request_finish(r);
	assert_int_equal(request_send(r), 1);
	struct tp_addr mapped = sent_address(last_sent(r), STUN_ATTR_XOR_MAPPED_ADDRESS);
	assert_true(tp_addr_equal(&mapped, &r->client));
}

// RFC 5780 section 6: no OTHER-ADDRESS over TCP, so CHANGE-REQUEST is unknown there.
static void change_request_is_unknown_over_tcp(void **state)
{
	struct relay *r = *state;
	struct stun_attr a;

	request_begin(r, STUN_BINDING);
	stun_write_u32(&r->writer, STUN_ATTR_CHANGE_REQUEST, 6);
	request_finish(r);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 420);
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_OTHER_ADDRESS, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(an_allocation_is_its_connections),
		T(a_closed_connection_makes_nothing_any_more),
		T(binding_tells_the_tcp_clients_address),
		T(change_request_is_unknown_over_tcp),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
