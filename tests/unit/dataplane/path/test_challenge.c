// SPDX-License-Identifier: BSD-3-Clause
// The first Allocate of a client, answered 401 in the worker.
#include "common/wire/challenge.h"
#include "tests/unit/dataplane/path/rig.h"

static const uint8_t transaction[12] = "abcdefghijkl";

#define WALL_OFFSET UINT64_C(1700000000000000000)

static struct dp_nonce_sign sign_of(uint8_t fill)
{
	struct dp_nonce_sign sign = {.wall_offset_ns = WALL_OFFSET};
	memset(sign.key, fill, sizeof(sign.key));
	return sign;
}

static struct rig *make_with_key(void)
{
	struct rig *rig = rig_make();
	struct dp_nonce_sign sign = sign_of(7);

	dp_nonce_publish(&rig->dp.nonce_key, &sign);
	return rig;
}

static void set_link(struct rig *rig)
{
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
}

struct asked {
	bool ipv6, fingerprint;
	uint16_t attr; // one more, or 0
	size_t attr_length;
};

static struct frame allocate(const struct asked *q, uint8_t buffer[600])
{
	static const uint8_t udp[4] = {17};
	static const uint8_t zero[64];
	struct stun_writer w;

	stun_write_begin(&w, buffer, 600, STUN_REQUEST, STUN_ALLOCATE, transaction);
	stun_write_attr(&w, STUN_ATTR_REQUESTED_TRANSPORT, udp, sizeof(udp));
	if (q->attr != 0)
		stun_write_attr(&w, q->attr, zero, q->attr_length);
	if (q->fingerprint)
		stun_write_fingerprint(&w);
	return rig_frame(rig_addr(q->ipv6 ? "fd00:198:18::11" : "198.18.1.1", 40000),
		rig_addr(q->ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478), buffer,
		(size_t)stun_write_finish(&w));
}

// Attribute types in their order, 0 at the end.
static void types_of(const struct stun_message *m, uint16_t out[8])
{
	uint16_t at = STUN_HEADER_BYTES;
	struct stun_attr attr;
	unsigned int n = 0;

	memset(out, 0, 8 * sizeof(out[0]));
	while (stun_next_attr(m, &at, &attr)) {
		assert_true(n < 7);
		out[n++] = attr.type;
	}
}

static void test_the_answer_is_the_challenge_of_control(void **state)
{
	for (int i = 0; i < 4; i++) {
		struct asked q = {.ipv6 = i & 1, .fingerprint = i >= 2};
		struct rig *rig = make_with_key();
		struct dp_nonce_sign sign = sign_of(7);
		uint8_t buffer[600];
		char nonce[TP_NONCE_CHARS];
		struct stun_message m;
		struct stun_attr attr;
		uint16_t types[8];

		struct frame f = allocate(&q, buffer);
		f.vlan = q.fingerprint ? 0x4005 : -1;
		rig_receive_frame(rig, &f); // no control is attached
		struct frame out = rig_only(rig);
		assert_memory_equal(&out.from, &f.to, sizeof(f.to));
		assert_memory_equal(&out.to, &f.from, sizeof(f.from));
		assert_int_equal(out.damage, 0);
		assert_int_equal(out.vlan, q.fingerprint ? 5 : -1);
		assert_memory_equal(out.dst_mac, RIG_SENDER_MAC, 6);
		assert_int_equal(stun_read(out.payload, out.length, &m), STUN_READ_OK);
		assert_int_equal(m.class, STUN_ERROR);
		assert_int_equal(m.method, STUN_ALLOCATE);
		assert_memory_equal(m.transaction_id, transaction, 12);
		types_of(&m, types);
		const uint16_t order[8] = {STUN_ATTR_ERROR_CODE, STUN_ATTR_REALM, STUN_ATTR_NONCE,
			STUN_ATTR_PASSWORD_ALGORITHMS, q.fingerprint ? STUN_ATTR_FINGERPRINT : 0};
		assert_memory_equal(types, order, sizeof(types));
		assert_true(stun_find(&m, STUN_ATTR_ERROR_CODE, &attr));
		assert_memory_equal(attr.value, "\0\0\4\1", 4);
		assert_true(stun_find(&m, STUN_ATTR_REALM, &attr));
		const char *realm = q.ipv6 ? "b.example.org" : "example.org";
		assert_int_equal(attr.length, strlen(realm));
		assert_memory_equal(attr.value, realm, attr.length);
		struct tp_siphash_key key;
		memcpy(key.bytes, sign.key, sizeof(key.bytes));
		tp_nonce_write(&key,
			&(struct tp_nonce){.features = STUN_CHALLENGE_FEATURES,
				.time_s = (uint32_t)((rig->now_ns + WALL_OFFSET) / RIG_SECOND),
				.client = f.from,
				.listener = f.to},
			nonce);
		assert_true(stun_find(&m, STUN_ATTR_NONCE, &attr));
		assert_int_equal(attr.length, TP_NONCE_CHARS);
		assert_memory_equal(attr.value, nonce, TP_NONCE_CHARS);
		assert_true(!q.fingerprint || stun_fingerprint_ok(&m));
		assert_int_equal(rig_counter(rig, challenge), 1);
		assert_int_equal(rig_counter(rig, tx), 1);
		rig_end(rig);
	}
}

static void test_nobody_gains_by_a_forged_source(void **state)
{
	struct rig *rig = make_with_key();
	uint8_t buffer[600];

	for (int i = 0; i < 4; i++) {
		struct asked q = {.ipv6 = i & 1, .fingerprint = i >= 2};
		struct frame f = allocate(&q, buffer);
		size_t headers = q.ipv6 ? 48 : 28;

		rig_receive_frame(rig, &f);
		struct frame out = rig_only(rig);
		assert_true(2 * (out.length + headers) <= 5 * (f.length + headers));
		rig_forget(rig);
	}
	rig_end(rig);
}

static void test_anything_unusual_is_for_control(void **state)
{
	static const struct asked asked[] = {
		{.attr = STUN_ATTR_MESSAGE_INTEGRITY, .attr_length = 20},
		{.attr = STUN_ATTR_MESSAGE_INTEGRITY_SHA256, .attr_length = 32},
		{.attr = 0x7ff0, .attr_length = 4},
	};
	struct rig *rig = make_with_key();
	uint8_t buffer[600];

	set_link(rig);
	for (size_t i = 0; i < RTE_DIM(asked); i++) {
		struct frame f = allocate(&asked[i], buffer);
		rig_receive_frame(rig, &f);
		assert_int_equal(rig_counter(rig, punted), i + 1);
	}
	assert_int_equal(rig->n_out, 0);
	rig_end(rig);
}

static void test_without_a_key_control_answers(void **state)
{
	struct rig *rig = make_with_key();
	uint8_t buffer[600];
	struct frame f = allocate(&(struct asked){0}, buffer);

	set_link(rig);
	dp_nonce_publish(&rig->dp.nonce_key, NULL);
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 1);
	// In the middle of a change.
	struct dp_nonce_sign sign = sign_of(8);
	dp_nonce_publish(&rig->dp.nonce_key, &sign);
	rig->dp.nonce_key.sequence++;
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 2);
	assert_int_equal(rig->n_out, 0);
	const struct tp_punt *punt = tp_ring_front(&rig->punts);
	assert_non_null(punt);
	assert_int_equal(punt->length, f.length);
	assert_memory_equal(punt->payload, buffer, f.length);
	rig->dp.nonce_key.sequence++;
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, challenge), 1);
	rig_end(rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_the_answer_is_the_challenge_of_control),
	cmocka_unit_test(test_nobody_gains_by_a_forged_source),
	cmocka_unit_test(test_anything_unusual_is_for_control),
	cmocka_unit_test(test_without_a_key_control_answers),
};
RIG_TESTS(tests)
