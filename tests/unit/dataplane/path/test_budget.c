// SPDX-License-Identifier: BSD-3-Clause
// Budgets of those who have no allocation.
#include "common/wire/nonce.h"
#include "dataplane/path/state.h"
#include "tests/unit/dataplane/path/rig.h"

static const uint8_t transaction[12] = "abcdefghijkl";

static struct dp_budget *make(uint32_t address, uint32_t network, uint32_t punts)
{
	struct dp_budget *b = dp_budget_create(
		&(struct dp_budget_rates){
			.per_address = address, .per_network = network, .punts = punts},
		SOCKET_ID_ANY);
	assert_non_null(b);
	return b;
}

static bool ask(struct dp_budget *b, const char *from, uint64_t now_ns)
{
	struct tp_addr a = rig_addr(from, 1);
	return dp_budget_source(b, a.ip.family, a.ip.bytes, now_ns);
}

static uint32_t asked(struct dp_budget *b, const char *from, uint64_t now_ns)
{
	uint32_t n = 0;
	while (n < 1000 && ask(b, from, now_ns))
		n++;
	return n;
}

static void test_an_address_has_a_second_of_its_rate(void **state)
{
	struct dp_budget *b = make(10, 0, 0);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.2", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + RIG_SECOND / 2), 5);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + 100 * RIG_SECOND), 10);
	dp_budget_destroy(b);
}

static void test_prefixes_are_64_and_56_of_ipv6(void **state)
{
	struct dp_budget *b = make(10, 25, 0);

	assert_int_equal(asked(b, "fd00:198:18:100::1", RIG_NOW), 10);
	assert_int_equal(asked(b, "fd00:198:18:100:ffff::1", RIG_NOW), 0);
	assert_int_equal(asked(b, "fd00:198:18:101::1", RIG_NOW), 10);
	assert_int_equal(asked(b, "fd00:198:18:1ff::1", RIG_NOW), 5);
	assert_int_equal(asked(b, "fd00:198:18:200::1", RIG_NOW), 10);
	dp_budget_destroy(b);
}

static void test_a_network_has_a_budget_of_its_own(void **state)
{
	struct dp_budget *b = make(10, 25, 0);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.2", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.3", RIG_NOW), 5);
	assert_int_equal(asked(b, "198.18.2.1", RIG_NOW), 10);
	dp_budget_destroy(b);
}

static void test_none_has_no_limit(void **state)
{
	struct dp_budget *b = make(0, 0, 0);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 1000);
	for (int i = 0; i < 1000; i++)
		assert_true(dp_budget_punt(b, RIG_NOW));
	dp_budget_destroy(b);
}

static void test_a_flood_of_prefixes_never_refuses_a_stranger(void **state)
{
	struct dp_budget *b = make(10, 0, 0);

	// Far more prefixes than places, each far over its budget.
	for (uint32_t i = 0; i < 4 * DP_BUDGET_SETS * DP_BUDGET_WAYS; i++) {
		uint8_t ip[16] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		for (int n = 0; n < 12; n++)
			dp_budget_source(b, TP_FAMILY_IPV4, ip, RIG_NOW);
	}
	for (uint32_t i = 0; i < 1000; i++) {
		uint8_t ip[16] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i};
		assert_true(dp_budget_source(b, TP_FAMILY_IPV4, ip, RIG_NOW));
	}
	dp_budget_destroy(b);
}

static void test_the_busiest_is_forgotten_last(void **state)
{
	struct dp_budget *b = make(10, 0, 0);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	// One request each from many: they push each other out, not the one that is over its
	// budget.
	for (uint32_t i = 0; i < 4 * DP_BUDGET_SETS * DP_BUDGET_WAYS; i++) {
		uint8_t ip[16] = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		assert_true(dp_budget_source(b, TP_FAMILY_IPV4, ip, RIG_NOW));
	}
	assert_false(ask(b, "198.18.1.1", RIG_NOW));
	dp_budget_destroy(b);
}

static struct frame request(
	uint16_t method, uint16_t attr, const char *from, uint16_t port, uint8_t *buffer)
{
	struct stun_writer w;

	stun_write_begin(&w, buffer, 600, STUN_REQUEST, method, transaction);
	if (attr != 0)
		stun_write_u32(&w, attr, 0);
	return rig_frame(rig_addr(from, port), rig_addr("198.18.0.2", 3478), buffer,
		(size_t)stun_write_finish(&w));
}

static void test_what_is_over_is_counted_by_kind(void **state)
{
	struct rig *rig = rig_make();
	struct dp_nonce_sign sign = {.wall_offset_ns = 1};
	uint8_t buffer[600];

	dp_nonce_publish(&rig->dp.nonce_key, &sign);
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	dp_budget_destroy(rig->w->budget);
	rig->w->budget = make(2, 0, 0);
	for (int i = 0; i < 5; i++) {
		struct frame f = request(STUN_BINDING, 0, "198.18.1.1", 1, buffer);
		rig_receive_frame(rig, &f);
		f = request(STUN_ALLOCATE, STUN_ATTR_LIFETIME, "198.18.1.2", 1, buffer);
		rig_receive_frame(rig, &f);
		f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, "198.18.1.3", 1, buffer);
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig_counter(rig, binding), 2);
	assert_int_equal(rig_counter(rig, challenge), 2);
	assert_int_equal(rig_counter(rig, punted), 2);
	assert_int_equal(rig_drop(rig, budget_binding), 3);
	assert_int_equal(rig_drop(rig, budget_allocate), 3);
	assert_int_equal(rig_drop(rig, budget_punt), 3);
	rig_end(rig);
}

static void test_all_unknown_sources_share_one_budget_of_punts(void **state)
{
	struct rig *rig = rig_make();
	uint8_t buffer[600];
	static const char *const from[] = {"198.18.1.1", "198.18.2.1", "198.18.3.1"};

	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	dp_budget_destroy(rig->w->budget);
	rig->w->budget = make(0, 0, 2);
	rig_allocate(rig, 5, rig_addr("198.18.1.9", 9), rig_addr("198.18.0.2", 3478),
		rig_addr("198.18.0.2", 50001), (struct tp_addr){0}, 0);
	for (size_t i = 0; i < RTE_DIM(from); i++) {
		struct frame f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, from[i], 1, buffer);
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig_counter(rig, punted), 2);
	assert_int_equal(rig_drop(rig, budget_punt), 1);
	// Who has an allocation is not asked.
	for (uint64_t i = 0; i < 5; i++) {
		struct frame f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, "198.18.1.9", 9, buffer);
		rig_receive_frame(rig, &f);
		assert_int_equal(rig_counter(rig, punted), 3 + i);
	}
	rig_end(rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_an_address_has_a_second_of_its_rate),
	cmocka_unit_test(test_prefixes_are_64_and_56_of_ipv6),
	cmocka_unit_test(test_a_network_has_a_budget_of_its_own),
	cmocka_unit_test(test_none_has_no_limit),
	cmocka_unit_test(test_a_flood_of_prefixes_never_refuses_a_stranger),
	cmocka_unit_test(test_the_busiest_is_forgotten_last),
	cmocka_unit_test(test_what_is_over_is_counted_by_kind),
	cmocka_unit_test(test_all_unknown_sources_share_one_budget_of_punts),
};
RIG_TESTS(tests)
