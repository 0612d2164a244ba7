// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/path/rig.h"

static const uint8_t transaction[12] = "abcdefghijkl";

struct scene {
	struct rig *rig;
	struct tp_addr client, listener, relay, peer;
};

static struct scene scene(const char *client, const char *relay, const char *peer)
{
	bool ipv6 = strchr(client, ':') != NULL;
	struct scene s = {
		.rig = rig_make(),
		.client = rig_addr(client, 40000),
		.listener = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478),
		.relay = rig_addr(relay, 50001),
		.peer = rig_addr(peer, 6000),
	};
	rig_allocate(s.rig, 3, s.client, s.listener, s.relay, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 3, s.peer.ip, RIG_NOW + 300 * RIG_SECOND);
	return s;
}

static struct scene scene_of(int i)
{
	switch (i) {
	case 0:
		return scene("198.18.1.1", "198.18.0.2", "198.18.2.2");
	case 1:
		return scene("198.18.1.1", "fd00:198:18::2", "fd00:198:18::99");
	case 2:
		return scene("fd00:198:18::11", "198.18.0.2", "198.18.2.2");
	default:
		return scene("fd00:198:18::11", "fd00:198:18::2", "fd00:198:18::99");
	}
}

static void begin(struct stun_writer *w, uint8_t *buffer, size_t capacity)
{
	stun_write_begin(w, buffer, capacity, STUN_INDICATION, STUN_SEND, transaction);
}

static struct frame send_writer(struct scene *s, struct stun_writer *w)
{
	int length = stun_write_finish(w);
	assert_true(length > 0);
	struct frame f = rig_frame(s->client, s->listener, w->buffer, (size_t)length);
	rig_receive_frame(s->rig, &f);
	return f;
}

static void test_payloads_reach_the_peer_unchanged(void **state)
{
	uint8_t data[1400], message[1600];

	for (int i = 0; i < 4; i++) {
		struct scene s = scene_of(i);
		for (size_t length = 0; length <= sizeof(data); length += length < 40 ? 1 : 61) {
			struct stun_writer w;
			rig_random(data, length);
			begin(&w, message, sizeof(message));
			stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
			stun_write_attr(&w, STUN_ATTR_DATA, data, length);
			if (length % 3 == 1)
				stun_write_attr(&w, STUN_ATTR_SOFTWARE, "behind", 6);
			send_writer(&s, &w);
			struct frame f = rig_only(s.rig);
			assert_memory_equal(&f.from, &s.relay, sizeof(s.relay));
			assert_memory_equal(&f.to, &s.peer, sizeof(s.peer));
			assert_int_equal(f.length, length);
			assert_memory_equal(f.payload, data, length);
			assert_int_equal(f.damage, 0);
			assert_int_equal(f.ttl, 63);
			assert_int_equal(f.tos, 0xb9);
			rig_forget(s.rig);
		}
		assert_int_equal(rig_drops(s.rig), 0);
		rig_end(s.rig);
	}
}

static void test_payloads_reach_the_client_unchanged(void **state)
{
	uint8_t data[1400];

	for (int i = 0; i < 4; i++) {
		struct scene s = scene_of(i);
		for (size_t length = 0; length <= sizeof(data); length += length < 40 ? 1 : 61) {
			struct stun_message m;
			struct stun_attr attr;
			struct tp_addr shown;
			rig_random(data, length);
			struct frame in = rig_frame(s.peer, s.relay, data, length);
			rig_receive_frame(s.rig, &in);
			struct frame f = rig_only(s.rig);
			assert_memory_equal(&f.from, &s.listener, sizeof(s.listener));
			assert_memory_equal(&f.to, &s.client, sizeof(s.client));
			assert_int_equal(f.damage, 0);
			assert_int_equal(stun_read(f.payload, f.length, &m), STUN_READ_OK);
			assert_int_equal(m.method, STUN_DATA);
			assert_int_equal(m.class, STUN_INDICATION);
			assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
			assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
			assert_memory_equal(&shown, &s.peer, sizeof(shown));
			assert_true(stun_find(&m, STUN_ATTR_DATA, &attr));
			assert_int_equal(attr.length, length);
			assert_memory_equal(attr.value, data, length);
			for (const uint8_t *p = attr.value + length; p < f.payload + f.length; p++)
				assert_int_equal(*p, 0);
			rig_forget(s.rig);
		}
		rig_end(s.rig);
	}
}

// Port zero is in the key of a permission; a datagram from there is one like any other.
static void test_a_peer_at_port_zero_is_shown_by_an_indication(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct scene s = scene_of(i);
		struct stun_message m;
		struct stun_attr attr;
		struct tp_addr shown;

		s.peer.port = 0;
		struct frame in = rig_frame(s.peer, s.relay, "zero", 4);
		rig_receive_frame(s.rig, &in);
		struct frame f = rig_only(s.rig);
		assert_int_equal(f.damage, 0);
		assert_int_equal(stun_read(f.payload, f.length, &m), STUN_READ_OK);
		assert_int_equal(m.class, STUN_INDICATION);
		assert_int_equal(m.method, STUN_DATA);
		assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
		assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
		assert_memory_equal(&shown, &s.peer, sizeof(shown));
		assert_int_equal(rig_counter(s.rig, channel_down), 0);
		assert_int_equal(rig_counter(s.rig, data_down), 1);
		rig_end(s.rig);
	}
}

static void test_transaction_ids_differ(void **state)
{
	struct scene s = scene_of(0);
	struct frame in = rig_frame(s.peer, s.relay, "x", 1), a, b;

	rig_receive_frame(s.rig, &in);
	rig_receive_frame(s.rig, &in);
	assert_true(oracle_read(s.rig->out[0], s.rig->out_length[0], &a));
	assert_true(oracle_read(s.rig->out[1], s.rig->out_length[1], &b));
	assert_memory_not_equal(a.payload + 8, b.payload + 8, 12);
	rig_end(s.rig);
}

static void test_damage_before_the_relay_is_still_seen(void **state)
{
	uint8_t data[99], message[256];

	rig_random(data, sizeof(data));
	for (int i = 0; i < 4; i++) {
		struct scene s = scene_of(i);
		struct stun_writer w;
		begin(&w, message, sizeof(message));
		stun_write_attr(&w, STUN_ATTR_DATA, data, sizeof(data));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		struct frame f =
			rig_frame(s.client, s.listener, message, (size_t)stun_write_finish(&w));
		f.damage = 0x0300;
		rig_receive_frame(s.rig, &f);
		assert_int_not_equal(rig_only(s.rig).damage, 0);
		rig_forget(s.rig);
		f = rig_frame(s.peer, s.relay, data, sizeof(data));
		f.damage = 0x0001;
		rig_receive_frame(s.rig, &f);
		assert_int_not_equal(rig_only(s.rig).damage, 0);
		rig_end(s.rig);
	}
}

static void test_the_first_of_duplicates_counts(void **state)
{
	struct scene s = scene_of(0);
	struct tp_addr other = rig_addr("198.18.2.3", 7000);
	uint8_t message[256];
	struct stun_writer w;

	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &other);
	stun_write_attr(&w, STUN_ATTR_DATA, "first", 5);
	stun_write_attr(&w, STUN_ATTR_DATA, "second", 6);
	send_writer(&s, &w);
	struct frame f = rig_only(s.rig);
	assert_memory_equal(&f.to, &s.peer, sizeof(s.peer));
	assert_int_equal(f.length, 5);
	assert_memory_equal(f.payload, "first", 5);
	assert_int_equal(f.damage, 0);
	rig_end(s.rig);
}

static void test_incomplete_or_strange_indications_are_dropped(void **state)
{
	struct scene s = scene_of(0);
	uint8_t message[256];
	struct stun_writer w;

	begin(&w, message, sizeof(message));
	stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
	send_writer(&s, &w);
	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	send_writer(&s, &w);
	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
	stun_write_attr(&w, 0x7ff0, "?", 1);
	send_writer(&s, &w);
	begin(&w, message, sizeof(message));
	stun_write_attr(&w, STUN_ATTR_XOR_PEER_ADDRESS, "12345", 5);
	stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
	send_writer(&s, &w);
	assert_int_equal(rig_drop(s.rig, bad_send), 4);
	// Optional ones may be anything.
	begin(&w, message, sizeof(message));
	stun_write_attr(&w, 0xfff0, "?", 1);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
	send_writer(&s, &w);
	assert_int_equal(s.rig->n_out, 1);
	rig_end(s.rig);
}

// RFC 8489 section 9: FINGERPRINT excepted, nothing counts that follows an integrity. That itself
// cannot be checked in an indication and does no harm.
static void test_after_integrity_nothing_counts(void **state)
{
	static const uint8_t value[32];
	struct scene s = scene_of(0);
	uint8_t message[256];
	struct stun_writer w;

	for (int sha256 = 0; sha256 < 2; sha256++) {
		uint16_t type =
			sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY;
		begin(&w, message, sizeof(message));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
		stun_write_attr(&w, type, value, sha256 ? 32 : 20);
		stun_write_attr(&w, 0x7ff0, "?", 1); // not even unknown
		stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, "", 0);
		stun_write_fingerprint(&w);
		send_writer(&s, &w);
		struct frame f = rig_only(s.rig);
		assert_int_equal(f.length, 1);
		assert_false(f.df);
		assert_int_equal(f.damage, 0);
		rig_forget(s.rig);

		begin(&w, message, sizeof(message));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		stun_write_attr(&w, type, value, sha256 ? 32 : 20);
		stun_write_attr(&w, STUN_ATTR_DATA, "x", 1);
		send_writer(&s, &w);
		assert_int_equal(rig_drop(s.rig, bad_send), 1 + sha256);
		begin(&w, message, sizeof(message));
		stun_write_attr(&w, type, value, sha256 ? 32 : 20);
		stun_write_fingerprint(&w);
		message[w.length - 1] ^= 1;
		send_writer(&s, &w);
		assert_int_equal(rig_drop(s.rig, bad_stun), 1 + sha256);
	}
	rig_end(s.rig);
}

static void send_to(struct scene *s, const struct tp_addr *peer)
{
	uint8_t message[256];
	struct stun_writer w;

	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
	send_writer(s, &w);
}

static void test_nothing_passes_without_permission(void **state)
{
	struct scene s = scene_of(0);
	struct tp_addr other = rig_addr("198.18.2.3", 6000), six = rig_addr("fd00:198:18::99", 1);

	send_to(&s, &other);
	assert_int_equal(rig_drop(s.rig, no_permission), 1);
	send_to(&s, &six);
	assert_int_equal(rig_drop(s.rig, family_mismatch), 1);
	s.rig->now_ns = RIG_NOW + 300 * RIG_SECOND + 1;
	send_to(&s, &s.peer);
	assert_int_equal(rig_drop(s.rig, permission_expired), 1);
	s.client.port++;
	send_to(&s, &s.peer);
	assert_int_equal(rig_drop(s.rig, no_allocation), 1);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

static void test_any_port_of_a_permitted_peer_is_reached(void **state)
{
	struct scene s = scene_of(0);

	s.peer.port = 1234;
	send_to(&s, &s.peer);
	struct frame f = rig_only(s.rig);
	assert_memory_equal(&f.to, &s.peer, sizeof(s.peer));
	rig_end(s.rig);
}

static void test_a_listener_is_no_peer(void **state)
{
	struct scene s = scene_of(0);

	rig_permit(s.rig, 3, s.listener.ip, RIG_NOW + 300 * RIG_SECOND);
	send_to(&s, &s.listener);
	assert_int_equal(rig_drop(s.rig, peer_denied), 1);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

static void test_dont_fragment_sets_df_on_ipv4(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct scene s = scene_of(i);
		uint8_t message[256];
		struct stun_writer w;
		begin(&w, message, sizeof(message));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
		stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
		send_writer(&s, &w);
		assert_int_equal(rig_only(s.rig).df, i == 0);
		rig_end(s.rig);
	}
}

static void test_a_wrong_fingerprint_is_refused(void **state)
{
	struct scene s = scene_of(0);
	uint8_t message[256];
	struct stun_writer w;

	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
	stun_write_fingerprint(&w);
	send_writer(&s, &w);
	assert_int_equal(rig_only(s.rig).length, 4);
	message[w.length - 1] ^= 1;
	struct frame f = rig_frame(s.client, s.listener, message, w.length);
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, bad_stun), 1);
	rig_end(s.rig);
}

static void test_malformed_stun_is_dropped(void **state)
{
	struct scene s = scene_of(0);
	uint8_t message[256];
	struct stun_writer w;

	begin(&w, message, sizeof(message));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
	size_t length = (size_t)stun_write_finish(&w);
	for (size_t cut = 1; cut <= length; cut++) {
		struct frame f = rig_frame(s.client, s.listener, message, cut);
		rig_receive_frame(s.rig, &f);
	}
	assert_int_equal(s.rig->n_out, 1);
	assert_int_equal(rig_drop(s.rig, bad_stun), length - 1);
	message[4] ^= 1;
	struct frame f = rig_frame(s.client, s.listener, message, length);
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, bad_stun), length);
	rig_end(s.rig);
}

// RFC 8489 sections 14.5 and 14.6: behind an integrity attribute others are ignored, whatever they
// are. An indication has no use for one, but nothing forbids it.
static void test_what_stands_behind_integrity_does_not_count(void **state)
{
	static const struct {
		uint16_t type;
		size_t length;
	} kinds[] = {{STUN_ATTR_MESSAGE_INTEGRITY, 20}, {STUN_ATTR_MESSAGE_INTEGRITY_SHA256, 32}};
	static const uint8_t mac[32];
	struct tp_addr other = rig_addr("198.18.2.3", 7000);
	uint8_t message[256];
	struct stun_writer w;

	for (size_t i = 0; i < RTE_DIM(kinds); i++) {
		struct scene s = scene_of(0);
		rig_permit(s.rig, 3, other.ip, RIG_NOW + 300 * RIG_SECOND);
		// No data, no peer that counts.
		begin(&w, message, sizeof(message));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		stun_write_attr(&w, kinds[i].type, mac, kinds[i].length);
		stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
		send_writer(&s, &w);
		begin(&w, message, sizeof(message));
		stun_write_attr(&w, STUN_ATTR_DATA, "data", 4);
		stun_write_attr(&w, kinds[i].type, mac, kinds[i].length);
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		send_writer(&s, &w);
		assert_int_equal(rig_drop(s.rig, bad_send), 2);
		assert_int_equal(s.rig->n_out, 0);
		// Complete in front of it; behind it what would change or refuse it.
		begin(&w, message, sizeof(message));
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
		stun_write_attr(&w, STUN_ATTR_DATA, "first", 5);
		stun_write_attr(&w, kinds[i].type, mac, kinds[i].length);
		stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
		stun_write_attr(&w, 0x7ff0, "?", 1);
		stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &other);
		stun_write_attr(&w, STUN_ATTR_DATA, "second", 6);
		stun_write_fingerprint(&w);
		send_writer(&s, &w);
		struct frame f = rig_only(s.rig);
		assert_memory_equal(&f.to, &s.peer, sizeof(s.peer));
		assert_int_equal(f.length, 5);
		assert_memory_equal(f.payload, "first", 5);
		assert_int_equal(f.damage, 0);
		assert_int_equal(f.df, 0);
		rig_end(s.rig);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_payloads_reach_the_peer_unchanged),
	cmocka_unit_test(test_payloads_reach_the_client_unchanged),
	cmocka_unit_test(test_a_peer_at_port_zero_is_shown_by_an_indication),
	cmocka_unit_test(test_transaction_ids_differ),
	cmocka_unit_test(test_damage_before_the_relay_is_still_seen),
	cmocka_unit_test(test_the_first_of_duplicates_counts),
	cmocka_unit_test(test_incomplete_or_strange_indications_are_dropped),
	cmocka_unit_test(test_after_integrity_nothing_counts),
	cmocka_unit_test(test_nothing_passes_without_permission),
	cmocka_unit_test(test_any_port_of_a_permitted_peer_is_reached),
	cmocka_unit_test(test_a_listener_is_no_peer),
	cmocka_unit_test(test_dont_fragment_sets_df_on_ipv4),
	cmocka_unit_test(test_a_wrong_fingerprint_is_refused),
	cmocka_unit_test(test_malformed_stun_is_dropped),
	cmocka_unit_test(test_what_stands_behind_integrity_does_not_count),
};
RIG_TESTS(tests)
