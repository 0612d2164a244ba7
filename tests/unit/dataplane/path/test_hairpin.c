// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/path/rig.h"

// Two clients of one appliance, each with a relayed address on the NATed address 10.0.0.5, known
// to the world as 203.0.113.5.
struct scene {
	struct rig *rig;
	struct tp_addr listener, a, b;   // clients
	struct tp_addr relay_a, relay_b; // as packets carry them
	struct tp_addr public_a, public_b;
};

static struct scene scene(void)
{
	struct scene s = {
		.rig = rig_make(),
		.listener = rig_addr("198.18.0.2", 3478),
		.a = rig_addr("198.18.1.1", 40001),
		.b = rig_addr("198.18.1.2", 40002),
		.relay_a = rig_addr("10.0.0.5", 50001),
		.relay_b = rig_addr("10.0.0.5", 50002),
		.public_a = rig_addr("203.0.113.5", 50001),
		.public_b = rig_addr("203.0.113.5", 50002),
	};
	rig_allocate(s.rig, 1, s.a, s.listener, s.relay_a, (struct tp_addr){0}, 0);
	rig_allocate(s.rig, 2, s.b, s.listener, s.relay_b, (struct tp_addr){0}, 0);
	return s;
}

static void up_channel(struct scene *s, const void *data, size_t length)
{
	uint8_t message[1500];
	struct frame f = rig_frame(s->a, s->listener, message,
		rig_channel_data(message, RIG_CHANNEL, data, length, 0));
	rig_receive_frame(s->rig, &f);
}

static void up_send(struct scene *s, const struct tp_addr *peer, const void *data, size_t length)
{
	uint8_t message[1500];
	struct stun_writer w;

	stun_write_begin(&w, message, sizeof(message), STUN_INDICATION, STUN_SEND,
		(const uint8_t *)"abcdefghijkl");
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, peer);
	stun_write_attr(&w, STUN_ATTR_DATA, data, length);
	struct frame f = rig_frame(s->a, s->listener, message, (size_t)stun_write_finish(&w));
	rig_receive_frame(s->rig, &f);
}

static void assert_to_b(const struct scene *s, const struct frame *f)
{
	assert_memory_equal(&f->from, &s->listener, sizeof(s->listener));
	assert_memory_equal(&f->to, &s->b, sizeof(s->b));
	assert_int_equal(f->damage, 0);
	assert_int_equal(f->ttl, 63);
}

static void test_channel_to_channel_in_either_form(void **state)
{
	for (int form = 0; form < 4; form++) {
		struct scene s = scene();
		const struct tp_addr *b = form & 1 ? &s.public_b : &s.relay_b;
		const struct tp_addr *a = form & 2 ? &s.public_a : &s.relay_a;
		uint8_t data[333];

		rig_random(data, sizeof(data));
		rig_permit(s.rig, 1, b->ip, RIG_NOW + 300 * RIG_SECOND);
		rig_bind(s.rig, 1, *b, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
		rig_permit(s.rig, 2, a->ip, RIG_NOW + 300 * RIG_SECOND);
		rig_bind(s.rig, 2, *a, 0x4abc, RIG_NOW + 300 * RIG_SECOND);
		up_channel(&s, data, sizeof(data));
		struct frame f = rig_only(s.rig);
		assert_to_b(&s, &f);
		assert_int_equal(oracle_get16(f.payload), 0x4abc);
		assert_int_equal(oracle_get16(f.payload + 2), sizeof(data));
		assert_memory_equal(f.payload + 4, data, sizeof(data));
		assert_int_equal(rig_counter(s.rig, hairpin), 1);
		assert_int_equal(rig_counter(s.rig, channel_up), 1);
		assert_int_equal(rig_counter(s.rig, channel_down), 1);
		rig_end(s.rig);
	}
}

static void test_send_to_data_shows_the_public_form(void **state)
{
	for (int form = 0; form < 2; form++) {
		struct scene s = scene();
		struct stun_message m;
		struct stun_attr attr;
		struct tp_addr shown;

		rig_permit(s.rig, 1, s.public_b.ip, RIG_NOW + 300 * RIG_SECOND);
		rig_permit(s.rig, 2, s.public_a.ip, RIG_NOW + 300 * RIG_SECOND);
		up_send(&s, form ? &s.public_b : &s.relay_b, "hello", 5);
		struct frame f = rig_only(s.rig);
		assert_to_b(&s, &f);
		assert_int_equal(stun_read(f.payload, f.length, &m), STUN_READ_OK);
		assert_true(stun_find(&m, STUN_ATTR_XOR_PEER_ADDRESS, &attr));
		assert_true(stun_read_xor_address(&attr, m.transaction_id, &shown));
		assert_memory_equal(&shown, &s.public_a, sizeof(shown));
		assert_true(stun_find(&m, STUN_ATTR_DATA, &attr));
		assert_int_equal(attr.length, 5);
		assert_memory_equal(attr.value, "hello", 5);
		rig_end(s.rig);
	}
}

static void test_without_the_receivers_permission_nothing_passes(void **state)
{
	struct scene s = scene();

	rig_permit(s.rig, 1, s.public_b.ip, RIG_NOW + 300 * RIG_SECOND);
	up_send(&s, &s.public_b, "x", 1);
	assert_int_equal(rig_drop(s.rig, hairpin_no_allocation), 1);
	struct tp_addr nobody = s.public_b;
	nobody.port = 50999;
	up_send(&s, &nobody, "x", 1);
	nobody.port = 80; // outside the relay range
	up_send(&s, &nobody, "x", 1);
	assert_int_equal(rig_drop(s.rig, hairpin_no_allocation), 3);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

static void test_without_the_senders_permission_nothing_passes(void **state)
{
	struct scene s = scene();

	rig_permit(s.rig, 2, s.public_a.ip, RIG_NOW + 300 * RIG_SECOND);
	up_send(&s, &s.public_b, "x", 1);
	assert_int_equal(rig_drop(s.rig, no_permission), 1);
	rig_end(s.rig);
}

static void test_an_allocation_that_is_its_own_peer_gets_one_copy(void **state)
{
	struct scene s = scene();

	rig_permit(s.rig, 1, s.public_a.ip, RIG_NOW + 300 * RIG_SECOND);
	up_send(&s, &s.public_a, "me", 2);
	struct frame f = rig_only(s.rig);
	assert_memory_equal(&f.to, &s.a, sizeof(s.a));
	assert_int_equal(rig_counter(s.rig, hairpin), 1);
	rig_end(s.rig);
}

static void test_families_meet_in_the_middle(void **state)
{
	struct scene s = scene();
	struct tp_addr six = rig_addr("fd00:198:18::11", 40003);
	struct tp_addr listener = rig_addr("fd00:198:18::2", 3478);
	struct tp_addr relay = rig_addr("10.0.0.5", 50003);
	uint8_t message[64];

	rig_allocate(s.rig, 4, six, listener, relay, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 4, s.public_b.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 4, s.public_b, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	rig_permit(s.rig, 2, s.public_a.ip, RIG_NOW + 300 * RIG_SECOND);
	struct frame f = rig_frame(six, listener, message,
		rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"123456789", 9, 2));
	rig_receive_frame(s.rig, &f);
	struct frame out = rig_only(s.rig);
	assert_to_b(&s, &out);
	assert_int_equal(oracle_get16(out.payload), 0x0017);
	rig_end(s.rig);
}

static void test_damage_before_the_hairpin_is_still_seen(void **state)
{
	struct scene s = scene();
	uint8_t message[64];

	rig_permit(s.rig, 1, s.public_b.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 1, s.public_b, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	rig_permit(s.rig, 2, s.public_a.ip, RIG_NOW + 300 * RIG_SECOND);
	struct frame f = rig_frame(s.a, s.listener, message,
		rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"123456789", 9, 3));
	f.damage = 0x8000;
	rig_receive_frame(s.rig, &f);
	assert_int_not_equal(rig_only(s.rig).damage, 0);
	rig_end(s.rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_channel_to_channel_in_either_form),
	cmocka_unit_test(test_send_to_data_shows_the_public_form),
	cmocka_unit_test(test_without_the_receivers_permission_nothing_passes),
	cmocka_unit_test(test_without_the_senders_permission_nothing_passes),
	cmocka_unit_test(test_an_allocation_that_is_its_own_peer_gets_one_copy),
	cmocka_unit_test(test_families_meet_in_the_middle),
	cmocka_unit_test(test_damage_before_the_hairpin_is_still_seen),
};
RIG_TESTS(tests)
