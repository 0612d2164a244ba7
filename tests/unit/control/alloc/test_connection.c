// SPDX-License-Identifier: BSD-3-Clause
// Allocations whose clients come by TCP or TLS: named by their connections, ended with them.
#include "tests/unit/control/alloc/check.h"
// After cmocka's headers.
#include <errno.h>

#include "control/alloc/connection.h"
#include "control/alloc/mobility.h"

#define STREAM 0xabcdu

// A connection with this number or above is open.
struct scene {
	struct world w;
	uint32_t open_from;
	struct ctl_connections connections;
};

static bool is_open(void *context, struct tp_stream_client client)
{
	const struct scene *s = context;
	assert_int_equal(client.stream, STREAM);
	return client.connection >= s->open_from;
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));
	world_policy(&s->w.policy);
	s->w.policy.listener_transports[1] = 1; // UDP only
	world_open(&s->w, 16, 50, 2);
	s->connections = (struct ctl_connections){.is_open = is_open, .context = s};
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;
	world_close(&s->w);
	free(s);
	return 0;
}

static struct ctl_allocation_request request(uint32_t client, uint32_t connection)
{
	struct ctl_allocation_request q = world_request(client);
	q.transport = CTL_TRANSPORT_TLS;
	q.stream = (struct tp_stream_client){STREAM, connection};
	q.mobile = true;
	return q;
}

static struct tp_alloc_ref allocate(struct scene *s, uint32_t client, uint32_t connection)
{
	struct ctl_allocation_request q = request(client, connection);
	struct ctl_change change;
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(s->w.store, &q, s->w.now, &change, NULL), 0);
	return change.alloc;
}

static const struct tp_alloc_record *find(struct scene *s, uint32_t connection)
{
	struct tp_addr key = tp_stream_address((struct tp_stream_client){STREAM, connection});
	return ctl_allocation_find(s->w.store, CTL_TRANSPORT_TLS, &key, &key, s->w.now);
}

static const struct tp_cmd *last(const struct scene *s)
{
	return &s->w.command[s->w.n_commands - 1];
}

static int closed(struct scene *s, uint32_t connection)
{
	return ctl_connection_closed(s->w.store, (struct tp_stream_client){STREAM, connection},
		&s->connections, s->w.now);
}

static bool sweep(struct scene *s)
{
	uint32_t index = 0;
	return ctl_connections_sweep(s->w.store, &index, UINT32_MAX, 0, &s->connections, s->w.now);
}

static void the_dataplane_is_told_the_connection(void **state)
{
	struct scene *s = *state;
	struct tp_addr key = tp_stream_address((struct tp_stream_client){STREAM, 5});
	const struct tp_addr listener = {.ip.family = TP_FAMILY_STREAM};

	allocate(s, 1, 5);
	assert_int_equal(last(s)->type, TP_CMD_ALLOC_SET);
	assert_true(tp_addr_equal(&last(s)->allocation.client, &key));
	assert_true(tp_addr_equal(&last(s)->allocation.listener, &listener));
	assert_int_equal(find(s, 5)->transport, CTL_TRANSPORT_TLS);
	assert_int_equal(find(s, 5)->client.port, world_request(1).client.port);
}

// The address may come again before the end of the connection before is known, or be claimed.
static void two_connections_of_one_address_do_not_meet(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request udp = world_request(1), again = request(1, 5);
	struct ctl_change change;

	allocate(s, 1, 5);
	allocate(s, 1, 6);
	world_allocate(&s->w, 1); // by UDP
	ctl_change_init(&change);
	assert_int_equal(
		ctl_allocation_create(s->w.store, &again, s->w.now, &change, NULL), -EEXIST);
	assert_ptr_not_equal(find(s, 5), find(s, 6));
	assert_int_equal(
		ctl_allocation_find(s->w.store, 0, &udp.client, &udp.listener, s->w.now)->transport,
		CTL_TRANSPORT_UDP);
	assert_null(ctl_allocation_find(
		s->w.store, CTL_TRANSPORT_TLS, &udp.client, &udp.listener, s->w.now));
}

static void the_end_of_a_connection_ends_its_allocation(void **state)
{
	struct scene *s = *state;
	struct tp_alloc_ref ref = allocate(s, 1, 5);

	allocate(s, 2, 6);
	s->open_from = 6;
	assert_int_equal(closed(s, 5), 0);
	assert_int_equal(last(s)->type, TP_CMD_ALLOC_DELETE);
	assert_int_equal(last(s)->alloc.index, ref.index);
	assert_null(find(s, 5));
	assert_non_null(find(s, 6));
	assert_int_equal(world_status(&s->w).ended[TP_END_CLOSED], 1);
	assert_int_equal(closed(s, 5), 0); // nothing any more
	assert_int_equal(closed(s, 77), 0);
	assert_int_equal(world_status(&s->w).allocations, 1);
}

static void without_room_a_sweep_follows(void **state)
{
	struct scene *s = *state;

	allocate(s, 1, 5);
	allocate(s, 2, 6);
	world_allocate(&s->w, 3); // by UDP: nobody's
	s->open_from = 7;
	s->w.room = 0;
	assert_int_equal(closed(s, 5), -ENOBUFS);
	assert_true(sweep(s));
	assert_int_equal(world_status(&s->w).allocations, 3);
	s->w.room = UINT32_MAX;
	assert_false(sweep(s));
	assert_int_equal(world_status(&s->w).allocations, 1);
	assert_int_equal(world_status(&s->w).ended[TP_END_CLOSED], 2);
}

static void a_sweep_goes_on_where_it_stopped(void **state)
{
	struct scene *s = *state;
	uint32_t index = 0;

	for (uint32_t n = 1; n <= 10; n++)
		allocate(s, n, n);
	s->open_from = 6;
	for (int rounds = 0; rounds < 3; rounds++)
		assert_true(
			ctl_connections_sweep(s->w.store, &index, 5, 0, &s->connections, s->w.now));
	assert_false(ctl_connections_sweep(s->w.store, &index, 5, 0, &s->connections, s->w.now));
	assert_int_equal(world_status(&s->w).allocations, 5);
}

static struct tp_alloc_ref ref_of(struct scene *s, uint32_t connection)
{
	return find(s, connection)->self;
}

static int move(struct scene *s, struct tp_alloc_ref ref, const struct ctl_allocation_request *to)
{
	static const uint8_t id[12] = "resume";
	struct ctl_move_request m = {.client = to->client,
		.listener = to->listener,
		.transport = to->transport,
		.stream = to->stream,
		.transaction_id = id,
		.lifetime_s = 600};
	struct ctl_change change;
	ctl_change_init(&change);
	return ctl_allocation_move(s->w.store, ref, &m, s->w.now, &change);
}

static void a_client_moves_between_connections_and_udp(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(2, 6), udp = world_request(3);
	struct tp_alloc_ref ref = allocate(s, 1, 5);
	struct tp_addr key = tp_stream_address(other.stream);

	assert_int_equal(move(s, ref, &other), 0);
	assert_true(tp_addr_equal(&last(s)->allocation.pending, &key));
	assert_int_equal(last(s)->allocation.pending_listener.ip.family, TP_FAMILY_STREAM);
	assert_ptr_equal(find(s, 6), find(s, 5));
	ctl_allocation_moved(s->w.store, ref, 1);
	assert_null(find(s, 5));
	assert_int_equal(find(s, 6)->stream.connection, 6);
	assert_int_equal(find(s, 6)->move_stream.connection, 0);

	assert_int_equal(move(s, ref, &udp), 0);
	assert_true(tp_addr_equal(&last(s)->allocation.pending, &udp.client));
	assert_true(tp_addr_equal(&last(s)->allocation.pending_listener, &udp.listener));
	ctl_allocation_moved(s->w.store, ref, 2);
	assert_null(find(s, 6));
	const struct tp_alloc_record *r =
		ctl_allocation_find(s->w.store, 0, &udp.client, &udp.listener, s->w.now);
	assert_non_null(r);
	assert_int_equal(r->stream.stream, 0);
	assert_true(tp_addr_equal(&last(s)->allocation.client, &key)); // what it was told last

	assert_int_equal(move(s, ref, &other), 0);
	ctl_allocation_moved(s->w.store, ref, 3);
	assert_int_equal(ref_of(s, 6).index, ref.index);
}

static void a_move_needs_a_listener_of_its_transport(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(2, 6);

	other.listener = s->w.policy.listeners[1];
	other.client.ip = ip("fd00:198:18::77");
	assert_int_equal(move(s, allocate(s, 1, 5), &other), -EINVAL);
}

// RFC 8016 section 3.2.2.
static void the_end_of_the_connection_that_it_leaves_ends_a_move(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(2, 6);
	struct tp_addr key = tp_stream_address(other.stream);
	struct tp_alloc_ref ref = allocate(s, 1, 5);

	assert_int_equal(move(s, ref, &other), 0);
	s->open_from = 6;
	s->w.room = 0;
	assert_int_equal(closed(s, 5), -ENOBUFS);
	s->w.room = 10;
	assert_int_equal(closed(s, 5), 0);
	assert_int_equal(last(s)->type, TP_CMD_ALLOC_SET);
	assert_int_equal(last(s)->move, 1);
	assert_true(tp_addr_equal(&last(s)->allocation.client, &key));
	assert_int_equal(last(s)->allocation.pending.ip.family, TP_FAMILY_NONE);
	assert_null(find(s, 5));
	assert_int_equal(find(s, 6)->move_family, TP_FAMILY_NONE);
	s->open_from = 7;
	assert_int_equal(closed(s, 6), 0);
	assert_int_equal(world_status(&s->w).allocations, 0);
}

static void with_both_places_gone_it_ends(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(2, 6);

	assert_int_equal(move(s, allocate(s, 1, 5), &other), 0);
	s->open_from = 7;
	assert_false(sweep(s));
	assert_int_equal(world_status(&s->w).ended[TP_END_CLOSED], 1);
}

static void a_place_that_is_gone_is_not_moved_to(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request udp = world_request(9), other = request(2, 4);
	struct ctl_change change;

	udp.mobile = true;
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(s->w.store, &udp, s->w.now, &change, NULL), 0);
	assert_int_equal(move(s, change.alloc, &other), 0);
	s->open_from = 5;
	assert_int_equal(closed(s, 4), 0);
	assert_null(find(s, 4));
	assert_non_null(ctl_allocation_find(s->w.store, 0, &udp.client, &udp.listener, s->w.now));
	assert_int_equal(last(s)->allocation.pending.ip.family, TP_FAMILY_NONE);
}

// ---- the next control

static struct tp_alloc_record *record(struct scene *s, struct tp_alloc_ref ref)
{
	return (struct tp_alloc_record *)((uint8_t *)s->w.region + TP_REGION_HEADER_BYTES) +
	       ref.index;
}

static struct ctl_adoption adopt(struct scene *s)
{
	struct ctl_store_options options = world_options(&s->w);
	struct ctl_adoption report;

	ctl_store_destroy(s->w.store);
	assert_int_equal(ctl_store_create(&options, &s->w.store), 0);
	assert_int_equal(ctl_store_adopt(s->w.store, s->w.now, &report), 0);
	return report;
}

static void connections_are_adopted(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(3, 7), third = request(4, 8);

	allocate(s, 1, 5);
	assert_int_equal(move(s, allocate(s, 2, 6), &other), 0);
	assert_int_equal(move(s, ref_of(s, 6), &third), 0); // with a place before
	assert_int_equal(adopt(s).allocations, 2);
	assert_non_null(find(s, 5));
	assert_non_null(find(s, 6));
	assert_ptr_equal(find(s, 7), find(s, 6));
	assert_ptr_equal(find(s, 8), find(s, 6));
}

static void transport_and_connection_must_agree(void **state)
{
	struct scene *s = *state;
	struct tp_alloc_ref tls = allocate(s, 1, 5), zero = allocate(s, 2, 6),
			    udp = world_allocate(&s->w, 3);
	struct ctl_adoption report;

	record(s, tls)->stream.connection = 0;
	record(s, zero)->stream.stream = 0;
	record(s, udp)->stream.stream = 1;
	report = adopt(s);
	assert_int_equal(report.allocations, 0);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_CLIENT], 3);
}

static void one_connection_has_one_allocation(void **state)
{
	struct scene *s = *state;
	struct ctl_adoption report;

	allocate(s, 1, 5);
	record(s, allocate(s, 2, 6))->stream.connection = 5;
	report = adopt(s);
	assert_int_equal(report.allocations, 1);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_DUPLICATE_FIVE_TUPLE], 1);
}

static void a_listener_without_the_transport_is_unknown(void **state)
{
	struct scene *s = *state;
	struct ctl_adoption report;

	allocate(s, 1, 5);
	s->w.policy.listener_transports[0] = 1;
	report = adopt(s);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_LISTENER], 1);
}

static void damaged_moves_are_dropped(void **state)
{
	struct scene *s = *state;
	struct ctl_allocation_request other = request(3, 7), third = request(4, 8);
	struct tp_alloc_ref ref[3];

	for (uint32_t i = 0; i < 3; i++) {
		ref[i] = allocate(s, 10 + i, 10 + i);
		other = request(20 + i, 20 + i);
		third = request(30 + i, 30 + i);
		assert_int_equal(move(s, ref[i], &other), 0);
		assert_int_equal(move(s, ref[i], &third), 0);
	}
	record(s, ref[0])->move_stream.connection = 0;
	record(s, ref[1])->before_stream.stream = 0;
	record(s, ref[2])->before_stream.connection = 10; // the first one's: only that place goes
	assert_int_equal(adopt(s).dropped_allocations[CTL_ADOPT_MOBILITY], 2);
	assert_non_null(find(s, 12));
	assert_non_null(find(s, 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(the_dataplane_is_told_the_connection),
		T(two_connections_of_one_address_do_not_meet),
		T(the_end_of_a_connection_ends_its_allocation),
		T(without_room_a_sweep_follows),
		T(a_sweep_goes_on_where_it_stopped),
		T(a_client_moves_between_connections_and_udp),
		T(a_move_needs_a_listener_of_its_transport),
		T(the_end_of_the_connection_that_it_leaves_ends_a_move),
		T(with_both_places_gone_it_ends),
		T(a_place_that_is_gone_is_not_moved_to),
		T(connections_are_adopted),
		T(transport_and_connection_must_agree),
		T(one_connection_has_one_allocation),
		T(a_listener_without_the_transport_is_unknown),
		T(damaged_moves_are_dropped),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
