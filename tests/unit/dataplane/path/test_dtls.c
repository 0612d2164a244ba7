// SPDX-License-Identifier: BSD-3-Clause
// DTLS of clients in the worker: cookies (RFC 6347 section 4.2.1), which stream process gets what,
// and what strangers may take.
#define RIG_DTLS
#include "tests/unit/dataplane/path/stream_rig.h"
// After cmocka's headers.
#include "dataplane/path/state.h"
#include "tests/unit/common/wire/dtls_hello.h"

#define OTHER_STREAM (STREAM_NUMBER + 1)
#define PERIOD       (60 * RIG_SECOND)

struct scene {
	struct rig *rig;
	struct stream_rig *stream;
	struct tp_addr client, listener;
	uint8_t hello[HELLO_MOST];
	size_t length;
};

static void set_flags(struct stream_rig *s, uint32_t flags)
{
	atomic_store(&s->link.flags, flags);
}

static struct stream_rig *stream_of_dtls(struct rig *rig, uint32_t number, uint64_t attached)
{
	struct stream_rig *s = stream_open(rig, number, -1);

	s->link.attached = attached;
	set_flags(s, TP_STREAM_DTLS);
	return s;
}

static struct scene scene(bool ipv6)
{
	struct scene s = {.rig = rig_make(),
		.client = rig_addr(ipv6 ? "fd00:198:18::11" : "198.18.1.1", 40000),
		.listener = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478)};

	s.stream = stream_of_dtls(s.rig, STREAM_NUMBER, 1);
	return s;
}

static void end(struct scene *s)
{
	rig_end(s->rig);
	stream_close(s->stream);
}

static void receive(struct scene *s, const void *bytes, size_t length)
{
	struct frame f = rig_frame(s->client, s->listener, bytes, length);

	rig_receive_frame(s->rig, &f);
}

static void send_hello(struct scene *s, const uint8_t *cookie, uint8_t cookie_bytes)
{
	s->length = hello_write(s->hello, 5, cookie, cookie_bytes);
	receive(s, s->hello, s->length);
}

// Begins without a cookie, which is returned.
static void get_cookie(struct scene *s, uint8_t cookie[DTLS_COOKIE_BYTES])
{
	struct frame f;

	rig_forget(s->rig);
	send_hello(s, NULL, 0);
	f = rig_only(s->rig);
	assert_int_equal(f.length, DTLS_HELLO_VERIFY_BYTES);
	memcpy(cookie, f.payload + f.length - DTLS_COOKIE_BYTES, DTLS_COOKIE_BYTES);
	rig_forget(s->rig);
}

static void send_proven(struct scene *s)
{
	uint8_t cookie[DTLS_COOKIE_BYTES];

	get_cookie(s, cookie);
	send_hello(s, cookie, sizeof(cookie));
}

// A record of a session.
static size_t record(uint8_t out[64])
{
	memset(out, 0x5a, 64);
	memcpy(out, "\x17\xfe\xfd\0\1\0\0\0\0\0\1\0\x33", DTLS_RECORD_BYTES);
	return 64;
}

static void assert_datagram(
	const struct scene *s, struct stream_rig *to, const void *bytes, size_t length)
{
	const struct tp_stream_slot *slot = tp_ring_front(&to->down);

	assert_non_null(slot);
	assert_int_equal(slot->kind, TP_STREAM_DATAGRAM);
	assert_int_equal(slot->more, 0);
	assert_int_equal(slot->length, length);
	assert_memory_equal(slot->payload, bytes, length);
	assert_memory_equal(&slot->client, &s->client, sizeof(s->client));
	assert_memory_equal(&slot->listener, &s->listener, sizeof(s->listener));
	assert_int_equal(slot->path.valid, 1);
	assert_memory_equal(slot->path.mac, RIG_SENDER_MAC, 6);
	tp_ring_pop(&to->down);
	assert_null(tp_ring_front(&to->down));
}

static void put_datagram(struct scene *s, struct stream_rig *from, uint16_t kind,
	const uint8_t *bytes, size_t length)
{
	stream_put(from,
		(struct tp_stream_slot){.kind = kind,
			.length = (uint16_t)length,
			.client = s->client,
			.listener = s->listener,
			.path = {.mac = {2, 0, 0, 0, 9, 9}, .vlan = 0xffff, .valid = 1}},
		bytes, length);
	tp_ring_flush(&from->up);
	stream_run(s->rig);
}

static void test_a_hello_gets_a_cookie_and_no_state(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		send_hello(&s, NULL, 0);
		struct frame f = rig_only(s.rig);
		assert_memory_equal(&f.from, &s.listener, sizeof(s.listener));
		assert_memory_equal(&f.to, &s.client, sizeof(s.client));
		assert_int_equal(f.damage, 0);
		assert_int_equal(f.length, DTLS_HELLO_VERIFY_BYTES);
		assert_true(f.length < s.length);
		assert_memory_equal(f.payload + 3, s.hello + 3, 8); // its epoch and number
		assert_int_equal(f.payload[13], 3);
		assert_null(tp_ring_front(&s.stream->down));
		assert_int_equal(rig_counter(s.rig, hello_verify), 1);
		end(&s);
	}
}

static void test_a_cookie_that_is_repeated_opens_the_way(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		send_proven(&s);
		assert_datagram(&s, s.stream, s.hello, s.length);
		assert_int_equal(s.rig->n_out, 0);
		assert_int_equal(rig_counter(s.rig, stream_down), 1);
		end(&s);
	}
}

static void test_a_cookie_is_good_for_its_hello_its_place_and_two_minutes(void **state)
{
	uint8_t cookie[DTLS_COOKIE_BYTES];
	struct scene s = scene(false);

	get_cookie(&s, cookie);
	s.client.port++;
	send_hello(&s, cookie, sizeof(cookie));
	s.client.port--;
	s.listener.port = 5349;
	send_hello(&s, cookie, sizeof(cookie));
	s.listener.port = 3478;
	s.length = hello_write(s.hello, 5, cookie, sizeof(cookie));
	s.hello[25 + 2 + 7] ^= 1; // another random
	receive(&s, s.hello, s.length);
	send_hello(&s, cookie, sizeof(cookie) - 1);
	cookie[0] ^= 1;
	send_hello(&s, cookie, sizeof(cookie));
	cookie[0] ^= 1;
	s.rig->now_ns += 2 * PERIOD;
	send_hello(&s, cookie, sizeof(cookie));
	assert_null(tp_ring_front(&s.stream->down));
	assert_int_equal(rig_counter(s.rig, hello_verify), 1 + 6);
	s.rig->now_ns -= PERIOD;
	send_hello(&s, cookie, sizeof(cookie));
	assert_datagram(&s, s.stream, s.hello, s.length);
	end(&s);
}

static void test_where_dtls_is_not_served(void **state)
{
	struct scene s = scene(false);
	uint8_t cookie[DTLS_COOKIE_BYTES], bytes[64];

	get_cookie(&s, cookie);
	set_flags(s.stream, 0);
	send_hello(&s, cookie, sizeof(cookie));
	send_hello(&s, NULL, 0);
	receive(&s, bytes, record(bytes));
	assert_int_equal(rig_drop(s.rig, dtls_unserved), 3);
	set_flags(s.stream, TP_STREAM_DTLS | TP_STREAM_DRAINING); // for new ones
	send_hello(&s, cookie, sizeof(cookie));
	assert_int_equal(rig_drop(s.rig, dtls_unserved), 4);
	stream_leave(s.rig, s.stream);
	send_hello(&s, cookie, sizeof(cookie));
	assert_int_equal(rig_drop(s.rig, dtls_unserved), 5);
	assert_int_equal(s.rig->n_out, 0);
	end(&s);
}

// A port of DTLS alone takes nothing else.
static void test_what_a_listener_does_not_speak(void **state)
{
	struct scene s = scene(false);
	uint8_t request[64], indication[64];
	struct stun_writer w;

	stun_write_begin(&w, request, sizeof(request), STUN_REQUEST, STUN_BINDING,
		(const uint8_t *)"abcdefghijkl");
	size_t length = (size_t)stun_write_finish(&w);
	s.listener.port = 5349;
	receive(&s, request, length);
	assert_int_equal(rig_drop(s.rig, bad_first_byte), 1);
	receive(&s, "\x40\1\0\1x", 5);
	assert_int_equal(rig_drop(s.rig, no_channel), 1);
	// The lane has its own eye for a Send indication, also one of a client that it could serve.
	rig_allocate(s.rig, 3, s.client, s.listener, rig_addr("198.18.0.2", 50001), (struct tp_addr){0}, 0);
	rig_permit(s.rig, 3, rig_addr("198.18.2.2", 0).ip, RIG_NOW + 300 * RIG_SECOND);
	struct tp_addr peer = rig_addr("198.18.2.2", 6000);
	stun_write_begin(&w, indication, sizeof(indication), STUN_INDICATION, STUN_SEND,
		(const uint8_t *)"abcdefghijkl");
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
	receive(&s, indication, (size_t)stun_write_finish(&w));
	assert_int_equal(rig_drop(s.rig, bad_first_byte), 2);
	assert_int_equal(rig_drop(s.rig, no_allocation), 0);
	assert_int_equal(s.rig->n_out, 0);
	s.listener.port = 3478;
	receive(&s, request, length);
	assert_int_equal(s.rig->n_out, 1);
	end(&s);
}

static void test_no_hello_and_no_record(void **state)
{
	struct scene s = scene(false);
	uint8_t bytes[64];

	s.length = hello_write(s.hello, 0, NULL, 0);
	s.hello[21] = 1; // a later fragment
	receive(&s, s.hello, s.length);
	receive(&s, "\x16\xfe\xff", 3);
	size_t length = record(bytes);
	bytes[1] = 3;
	receive(&s, bytes, length);
	assert_int_equal(rig_drop(s.rig, bad_dtls), 3);
	assert_null(tp_ring_front(&s.stream->down));
	end(&s);
}

static void test_forged_sources_get_nothing(void **state)
{
	struct scene s = scene(false);
	uint8_t bytes[64];

	s.client = rig_addr("127.0.0.1", 40000);
	send_hello(&s, NULL, 0);
	receive(&s, bytes, record(bytes));
	assert_int_equal(rig_drop(s.rig, bad_source), 2);
	assert_int_equal(s.rig->n_out, 0);
	end(&s);
}

// A session is known from its hello on: no budget is asked about it, and no other stream.
static void test_who_is_known_goes_straight_there(void **state)
{
	struct scene s = scene(false);
	struct stream_rig *other = stream_of_dtls(s.rig, OTHER_STREAM, 2);
	uint8_t bytes[64];
	size_t length = record(bytes);

	send_proven(&s);
	bool first = tp_ring_front(&s.stream->down) != NULL;
	struct stream_rig *mine = first ? s.stream : other;
	assert_datagram(&s, mine, s.hello, s.length);
	dp_budget_set(
		s.rig->w->budget, &(struct dp_settings_values){.address_cost_ns = 10 * RIG_SECOND,
					  .unproven_cost_ns = 10 * RIG_SECOND});
	for (int i = 0; i < 20; i++) {
		receive(&s, bytes, length);
		assert_datagram(&s, mine, bytes, length);
	}
	// What a draining one has stays its own, but for new sessions.
	set_flags(mine, TP_STREAM_DTLS | TP_STREAM_DRAINING);
	receive(&s, bytes, length);
	assert_datagram(&s, mine, bytes, length);
	dp_budget_set(s.rig->w->budget, &(struct dp_settings_values){0});
	send_proven(&s);
	assert_datagram(&s, first ? other : s.stream, s.hello, s.length);
	end(&s);
	stream_close(other);
}

static void test_strangers_have_a_budget(void **state)
{
	struct scene s = scene(false);
	uint8_t bytes[64], cookie[DTLS_COOKIE_BYTES];
	size_t length = record(bytes);

	get_cookie(&s, cookie);
	dp_budget_set(
		s.rig->w->budget, &(struct dp_settings_values){.unproven_cost_ns = RIG_SECOND / 2,
					  .punt_cost_ns = RIG_SECOND / 8});
	for (uint16_t i = 0; i < 10; i++) {
		s.client.port = (uint16_t)(50000 + i);
		receive(&s, bytes, length);
	}
	assert_int_equal(rig_counter(s.rig, stream_down), 2);
	assert_int_equal(rig_drop(s.rig, budget_dtls), 8);
	// They take nothing from who has a cookie: half of the others' for one address.
	s.client.port = 40000;
	for (int i = 0; i < 10; i++)
		send_hello(&s, cookie, sizeof(cookie));
	assert_int_equal(rig_counter(s.rig, stream_down), 2 + 4);
	assert_int_equal(rig_drop(s.rig, budget_dtls), 8 + 6);
	// Nor from control's budgets.
	assert_true(dp_budget_unproven(s.rig->w->budget, s.rig->now_ns));
	dp_budget_set(
		s.rig->w->budget, &(struct dp_settings_values){.address_cost_ns = RIG_SECOND});
	for (int i = 0; i < 3; i++)
		send_hello(&s, NULL, 0);
	assert_int_equal(s.rig->n_out, 1);
	assert_int_equal(rig_drop(s.rig, budget_dtls), 8 + 6 + 2);
	end(&s);
}

static void test_what_is_nobodys_goes_round_once(void **state)
{
	struct scene s = scene(false);
	struct stream_rig *second = stream_of_dtls(s.rig, OTHER_STREAM, 2);
	struct stream_rig *drains = stream_of_dtls(s.rig, OTHER_STREAM + 1, 3);
	uint8_t bytes[64];
	size_t length = record(bytes);

	set_flags(drains, TP_STREAM_DTLS | TP_STREAM_DRAINING);
	receive(&s, bytes, length);
	assert_datagram(&s, drains, bytes, length);
	put_datagram(&s, drains, TP_STREAM_NOT_MINE, bytes, length);
	const struct tp_stream_slot *slot = tp_ring_front(&s.stream->down);
	assert_non_null(slot);
	assert_memory_equal(slot->payload, bytes, length);
	tp_ring_pop(&s.stream->down);
	put_datagram(&s, s.stream, TP_STREAM_NOT_MINE, bytes, length);
	assert_non_null(tp_ring_front(&second->down));
	tp_ring_pop(&second->down);
	put_datagram(&s, second, TP_STREAM_NOT_MINE, bytes, length);
	assert_null(tp_ring_front(&drains->down));
	assert_null(tp_ring_front(&s.stream->down));
	assert_int_equal(rig_drop(s.rig, dtls_not_mine), 1);
	assert_int_equal(rig_counter(s.rig, stream_up), 3);
	assert_int_equal(rig_counter(s.rig, stream_down), 3);
	// The one that answers has it from then on.
	receive(&s, bytes, length);
	assert_datagram(&s, drains, bytes, length);
	put_datagram(&s, second, TP_STREAM_DATAGRAM, bytes, length);
	assert_int_equal(s.rig->n_out, 1);
	receive(&s, bytes, length);
	assert_datagram(&s, second, bytes, length);
	// No other one takes it away; when it gives it up, it goes round again.
	put_datagram(&s, drains, TP_STREAM_DATAGRAM, bytes, length);
	receive(&s, bytes, length);
	assert_datagram(&s, second, bytes, length);
	put_datagram(&s, second, TP_STREAM_NOT_MINE, bytes, length);
	assert_non_null(tp_ring_front(&drains->down));
	tp_ring_pop(&drains->down);
	end(&s);
	stream_close(second);
	stream_close(drains);
}

static void test_a_datagram_for_a_client_leaves(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = scene(ipv6);
		uint8_t bytes[64];
		size_t length = record(bytes);
		put_datagram(&s, s.stream, TP_STREAM_DATAGRAM, bytes, length);
		struct frame f = rig_only(s.rig);
		assert_memory_equal(&f.from, &s.listener, sizeof(s.listener));
		assert_memory_equal(&f.to, &s.client, sizeof(s.client));
		assert_int_equal(f.damage, 0);
		assert_int_equal(f.length, length);
		assert_memory_equal(f.payload, bytes, length);
		assert_int_equal(rig_counter(s.rig, injected), 1);
		assert_int_equal(rig_counter(s.rig, stream_up), 0);
		end(&s);
	}
}

static void test_a_stream_speaks_for_dtls_listeners_only(void **state)
{
	static const uint16_t kinds[] = {TP_STREAM_DATAGRAM, TP_STREAM_NOT_MINE};
	struct scene s = scene(false);
	uint8_t bytes[64];
	size_t length = record(bytes);
	struct tp_stream_slot good = {
		.length = (uint16_t)length, .client = s.client, .listener = s.listener};

	for (size_t k = 0; k < RTE_DIM(kinds); k++) {
		struct tp_stream_slot bad[8];
		good.kind = kinds[k];
		for (size_t i = 0; i < RTE_DIM(bad); i++)
			bad[i] = good;
		bad[0].listener = rig_addr("198.18.0.2", 53);
		bad[1].listener = rig_addr("198.18.0.77", 3478);
		bad[2].listener = rig_addr("fd00:198:18::2", 3478);
		bad[3].client.port = 0;
		bad[4].client.ip.family = TP_FAMILY_STREAM;
		bad[5].length = TP_STREAM_SLOT_PAYLOAD + 1;
		bad[6].length = 20; // cuts the record
		bad[7].more = 1;
		for (size_t i = 0; i < RTE_DIM(bad); i++) {
			stream_put(s.stream, bad[i], bytes, length);
			tp_ring_flush(&s.stream->up);
			stream_run(s.rig);
			assert_int_equal(rig_drop(s.rig, bad_stream), k * RTE_DIM(bad) + i + 1);
		}
	}
	assert_int_equal(s.rig->n_out, 0);
	assert_null(tp_ring_front(&s.stream->down));
	end(&s);
}

static void test_a_full_ring_is_a_counted_drop(void **state)
{
	struct scene s = scene(false);
	uint8_t bytes[64];
	size_t length = record(bytes);

	send_proven(&s);
	for (int i = 1; i < STREAM_DOWN; i++)
		receive(&s, bytes, length);
	assert_int_equal(rig_drops(s.rig), 0);
	receive(&s, bytes, length);
	assert_int_equal(rig_drop(s.rig, stream_full), 1);
	put_datagram(&s, s.stream, TP_STREAM_NOT_MINE, bytes, length); // nobody else
	assert_int_equal(rig_drop(s.rig, dtls_not_mine), 1);
	end(&s);
}

static void receive_cut(struct rig *rig, struct frame f)
{
	static uint8_t udp[ORACLE_MOST], bytes[ORACLE_MOST];
	size_t length = oracle_udp(&f, udp), chunk = 1400;

	f.fragment = true;
	f.id = 0x1234;
	for (size_t at = 0; at < length; at += chunk) {
		size_t n = RTE_MIN(length - at, chunk);
		f.offset = (uint32_t)at;
		f.more = at + n < length;
		rig_receive(rig, bytes, oracle_ip(&f, bytes, udp + at, n));
	}
}

// A datagram that came in fragments is one.
static void test_long_datagrams_take_several_slots(void **state)
{
	static uint8_t bytes[4000];
	struct scene s = scene(false);
	size_t got = 0;

	send_proven(&s);
	assert_datagram(&s, s.stream, s.hello, s.length);
	rig_random(bytes, sizeof(bytes));
	record(bytes);
	struct frame f = rig_frame(s.client, s.listener, bytes, sizeof(bytes));
	receive_cut(s.rig, f);
	for (const struct tp_stream_slot *slot; (slot = tp_ring_front(&s.stream->down)) != NULL;) {
		assert_int_equal(slot->kind, got == 0 ? TP_STREAM_DATAGRAM : TP_STREAM_REST);
		assert_memory_equal(slot->payload, bytes + got, slot->length);
		got += slot->length;
		tp_ring_pop(&s.stream->down);
	}
	assert_int_equal(got, sizeof(bytes));
	end(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_a_hello_gets_a_cookie_and_no_state),
	cmocka_unit_test(test_a_cookie_that_is_repeated_opens_the_way),
	cmocka_unit_test(test_a_cookie_is_good_for_its_hello_its_place_and_two_minutes),
	cmocka_unit_test(test_where_dtls_is_not_served),
	cmocka_unit_test(test_what_a_listener_does_not_speak),
	cmocka_unit_test(test_no_hello_and_no_record),
	cmocka_unit_test(test_forged_sources_get_nothing),
	cmocka_unit_test(test_who_is_known_goes_straight_there),
	cmocka_unit_test(test_strangers_have_a_budget),
	cmocka_unit_test(test_what_is_nobodys_goes_round_once),
	cmocka_unit_test(test_a_datagram_for_a_client_leaves),
	cmocka_unit_test(test_a_stream_speaks_for_dtls_listeners_only),
	cmocka_unit_test(test_a_full_ring_is_a_counted_drop),
	cmocka_unit_test(test_long_datagrams_take_several_slots),
};
RIG_TESTS(tests)
