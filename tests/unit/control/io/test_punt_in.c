// SPDX-License-Identifier: BSD-3-Clause
#include "../dpcmd/attach_fixture.h"

#include <string.h>

#include "control/io/punt_in.h"

struct world {
	struct attach_fixture fixture;
	struct ctl_attachment attachment;
	struct conf conf;
	struct ctl_punt_in in;
	struct tp_ring workers[2]; // their ends of the punt rings
	struct tp_ring injects[2];
	struct ctl_request last;
	uint8_t bytes[TP_PACKET_SLOT_BYTES];
	unsigned int requests;
};

static void sink(void *context, const struct ctl_request *request)
{
	struct world *w = context;

	w->last = *request;
	memcpy(w->bytes, request->bytes, request->length);
	w->requests++;
}

static void *memory_of(struct world *w, uint16_t kind, uint16_t worker)
{
	for (unsigned int i = 0; i < w->fixture.message.rings; i++) {
		const struct tp_ring_place *p = &w->fixture.message.ring[i];
		if (p->kind == kind && p->worker == worker)
			return (uint8_t *)w->fixture.rings.base + p->offset;
	}
	return NULL;
}

static int setup(void **state)
{
	size_t bytes = tp_ring_bytes(FIXTURE_SLOTS, TP_PACKET_SLOT_BYTES);
	struct world *w = test_calloc(1, sizeof(*w));
	char why[CTL_ATTACH_WHY_BYTES];

	fixture_init(&w->fixture, 2);
	assert_int_equal(ctl_attachment_open(&w->fixture.message, sizeof(w->fixture.message),
				 w->fixture.fds, w->fixture.n_fds, &w->attachment, why),
		0);
	for (uint16_t i = 0; i < 2; i++) {
		assert_int_equal(
			tp_ring_producer_init(&w->workers[i], memory_of(w, TP_RING_PUNT, i), bytes,
				FIXTURE_SLOTS, TP_PACKET_SLOT_BYTES, -1),
			0);
		assert_int_equal(
			tp_ring_consumer_init(&w->injects[i], memory_of(w, TP_RING_INJECT, i),
				bytes, FIXTURE_SLOTS, TP_PACKET_SLOT_BYTES, -1),
			0);
	}
	w->conf.n_listeners = 2;
	w->conf.listeners[0] = (struct conf_listener){.address = tp_ip4(0xc6120002),
		.port = 3478,
		.transports = CONF_TRANSPORT_UDP | CONF_TRANSPORT_TCP};
	w->conf.listeners[1] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 5349, .transports = CONF_TRANSPORT_TLS};
	w->in = (struct ctl_punt_in){.conf = &w->conf, .sink = sink, .context = w};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	ctl_attachment_close(&w->attachment);
	fixture_fini(&w->fixture);
	test_free(w);
	return 0;
}

static struct tp_punt *reserve(struct world *w, uint16_t worker)
{
	struct tp_punt *p = tp_ring_reserve(&w->workers[worker]);

	assert_non_null(p);
	memset(p, 0, TP_PACKET_SLOT_BYTES);
	p->source = (struct tp_addr){.ip = tp_ip4(0xc612000a), .port = 1234};
	p->destination = (struct tp_addr){.ip = tp_ip4(0xc6120002), .port = 3478};
	p->path = (struct tp_reply_path){.mac = {2, 1}, .vlan = 0xffff, .valid = 1};
	p->dscp_ecn = 0xbb;
	p->length = 3;
	memcpy(p->payload, "abc", 3);
	return p;
}

static void publish(struct world *w, uint16_t worker)
{
	tp_ring_commit(&w->workers[worker]);
	tp_ring_flush(&w->workers[worker]);
}

static void a_request_goes_in_and_its_response_out_by_the_same_worker(void **state)
{
	struct world *w = *state;
	const struct tp_inject *got;

	reserve(w, 1);
	publish(w, 1);
	assert_false(ctl_punt_drain(&w->in, &w->attachment, 8));
	assert_int_equal(w->requests, 1);
	assert_int_equal(w->last.length, 3);
	assert_memory_equal(w->bytes, "abc", 3);
	assert_int_equal(w->last.client.port, 1234);
	assert_int_equal(w->last.transport, CTL_TRANSPORT_UDP);

	ctl_inject_send(&w->in, &w->attachment, &w->last.reply_to, &w->last.listener,
		&w->last.client, (const uint8_t *)"defg", 4);
	assert_null(tp_ring_front(&w->injects[1]));
	ctl_inject_flush(&w->attachment);
	assert_null(tp_ring_front(&w->injects[0]));
	got = tp_ring_front(&w->injects[1]);
	assert_non_null(got);
	assert_int_equal(got->length, 4);
	assert_memory_equal(got->payload, "defg", 4);
	assert_int_equal(got->source.port, 3478);
	assert_int_equal(got->destination.port, 1234);
	assert_int_equal(got->path.mac[0], 2);
	assert_int_equal(got->path.valid, 1);
	assert_int_equal(got->dscp_ecn, 0xb8); // DSCP goes back, ECN does not
}

static void hostile_slots_are_counted(void **state)
{
	struct world *w = *state;

	reserve(w, 0)->length = TP_PACKET_SLOT_BYTES - sizeof(struct tp_punt) + 1;
	publish(w, 0);
	reserve(w, 0)->length = UINT16_MAX;
	publish(w, 0);
	reserve(w, 0)->source.ip.family = 99;
	publish(w, 0);
	reserve(w, 0)->source.port = 0;
	publish(w, 0);
	reserve(w, 0)->destination.ip.bytes[9] = 1;
	publish(w, 0);
	reserve(w, 0)->source.ip.family = TP_FAMILY_IPV6;
	publish(w, 0);
	ctl_punt_drain(&w->in, &w->attachment, 16);
	assert_int_equal(w->requests, 0);
	assert_int_equal(w->in.counters.received, 6);
	assert_int_equal(w->in.counters.malformed, 6);
}

static void the_longest_payload_is_taken(void **state)
{
	struct world *w = *state;

	reserve(w, 0)->length = TP_PACKET_SLOT_BYTES - sizeof(struct tp_punt);
	publish(w, 0);
	ctl_punt_drain(&w->in, &w->attachment, 16);
	assert_int_equal(w->requests, 1);
}

static void only_udp_listeners_are_served(void **state)
{
	struct world *w = *state;

	reserve(w, 0)->destination.port = 5349; // tls
	publish(w, 0);
	reserve(w, 0)->destination.port = 9;
	publish(w, 0);
	ctl_punt_drain(&w->in, &w->attachment, 16);
	assert_int_equal(w->requests, 0);
	assert_int_equal(w->in.counters.not_listener, 2);
}

static void a_round_takes_a_share_of_each_worker(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 5; i++) {
		reserve(w, 0);
		publish(w, 0);
	}
	reserve(w, 1);
	publish(w, 1);
	assert_true(ctl_punt_drain(&w->in, &w->attachment, 2));
	assert_int_equal(w->requests, 3);
	assert_true(ctl_punt_drain(&w->in, &w->attachment, 2));
	assert_false(ctl_punt_drain(&w->in, &w->attachment, 2));
	assert_int_equal(w->requests, 6);
}

static void a_full_inject_ring_loses_the_response_and_counts(void **state)
{
	struct tp_addr addr = {.ip = tp_ip4(0xc6120002), .port = 3478};
	struct ctl_punt_way way = {.worker = 0};
	struct ctl_reply_to to = {0};
	struct world *w = *state;

	memcpy(to.bytes, &way, sizeof(way));
	for (int i = 0; i < FIXTURE_SLOTS + 3; i++)
		ctl_inject_send(&w->in, &w->attachment, &to, &addr, &addr, (const uint8_t *)"x", 1);
	assert_int_equal(w->in.counters.sent, FIXTURE_SLOTS);
	assert_int_equal(w->in.counters.inject_full, 3);
}

static void a_worker_of_another_attachment_gets_nothing(void **state)
{
	struct tp_addr addr = {.ip = tp_ip4(0xc6120002), .port = 3478};
	struct ctl_punt_way way = {.worker = 2};
	struct ctl_reply_to to = {0};
	struct world *w = *state;

	memcpy(to.bytes, &way, sizeof(way));
	ctl_inject_send(&w->in, &w->attachment, &to, &addr, &addr, (const uint8_t *)"x", 1);
	assert_int_equal(w->in.counters.sent, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_request_goes_in_and_its_response_out_by_the_same_worker),
		TEST(hostile_slots_are_counted),
		TEST(the_longest_payload_is_taken),
		TEST(only_udp_listeners_are_served),
		TEST(a_round_takes_a_share_of_each_worker),
		TEST(a_full_inject_ring_loses_the_response_and_counts),
		TEST(a_worker_of_another_attachment_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
