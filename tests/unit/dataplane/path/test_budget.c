// SPDX-License-Identifier: BSD-3-Clause
// Budgets of those who have no allocation.
#include "common/wire/nonce.h"
#include "dataplane/path/state.h"
#include "tests/unit/dataplane/path/rig.h"

static const uint8_t transaction[12] = "abcdefghijkl";

static struct dp_budget *make_all(const struct dp_budget_rates *rates)
{
	struct dp_budget *b = dp_budget_create(rates, SOCKET_ID_ANY);
	assert_non_null(b);
	return b;
}

static struct dp_budget *make(uint32_t address, uint32_t network)
{
	return make_all(&(struct dp_budget_rates){.per_address = address, .per_network = network});
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
	struct dp_budget *b = make(10, 0);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.2", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + RIG_SECOND / 2), 5);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + 100 * RIG_SECOND), 10);
	dp_budget_destroy(b);
}

static void test_prefixes_are_64_and_56_of_ipv6(void **state)
{
	struct dp_budget *b = make(10, 25);

	assert_int_equal(asked(b, "fd00:198:18:100::1", RIG_NOW), 10);
	assert_int_equal(asked(b, "fd00:198:18:100:ffff::1", RIG_NOW), 0);
	assert_int_equal(asked(b, "fd00:198:18:101::1", RIG_NOW), 10);
	assert_int_equal(asked(b, "fd00:198:18:1ff::1", RIG_NOW), 5);
	assert_int_equal(asked(b, "fd00:198:18:200::1", RIG_NOW), 10);
	dp_budget_destroy(b);
}

static void test_a_network_has_a_budget_of_its_own(void **state)
{
	struct dp_budget *b = make(10, 25);

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.2", RIG_NOW), 10);
	assert_int_equal(asked(b, "198.18.1.3", RIG_NOW), 5);
	assert_int_equal(asked(b, "198.18.2.1", RIG_NOW), 10);
	dp_budget_destroy(b);
}

static void test_none_has_no_limit(void **state)
{
	struct dp_budget *b = make(0, 0);
	static const uint8_t ip[16] = {198, 18, 1, 1};

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 1000);
	for (int i = 0; i < 1000; i++) {
		assert_true(dp_budget_punt(b, TP_FAMILY_IPV4, ip, RIG_NOW));
		assert_true(dp_budget_unproven(b, RIG_NOW));
	}
	dp_budget_destroy(b);
}

static void test_one_address_gets_half_of_the_punts(void **state)
{
	struct dp_budget *b = make_all(&(struct dp_budget_rates){.punts = 10});
	const struct tp_addr from[] = {rig_addr("198.18.1.1", 1), rig_addr("fd00:198:18:1::1", 1),
		rig_addr("fd00:198:18:1::2", 1), rig_addr("198.18.1.2", 1)};
	static const uint32_t want[] = {5, 5, 0, 0};

	for (size_t i = 0; i < RTE_DIM(from); i++) {
		uint32_t got = 0;
		while (dp_budget_punt(b, from[i].ip.family, from[i].ip.bytes, RIG_NOW))
			got++;
		assert_int_equal(got, want[i]);
	}
	dp_budget_destroy(b);
}

// One delegated /56, or a /24 of one owner, is many addresses of one stranger.
static void test_one_network_leaves_a_quarter_of_the_punts(void **state)
{
	static const char *const network[2][4] = {
		{"198.18.1.1", "198.18.1.2", "198.18.1.3", "198.18.2.1"},
		{"fd00:198:18:1::1", "fd00:198:18:2::1", "fd00:198:18:3::1", "fd00:198:18:100::1"}};
	static const uint32_t want[] = {500, 250, 0, 250};

	for (int family = 0; family < 2; family++) {
		struct dp_budget *b = make_all(&(struct dp_budget_rates){.punts = 1000});
		for (size_t i = 0; i < RTE_DIM(want); i++) {
			struct tp_addr from = rig_addr(network[family][i], 1);
			uint32_t got = 0;
			for (int n = 0; n < 2000; n++)
				got += dp_budget_punt(b, from.ip.family, from.ip.bytes, RIG_NOW);
			assert_in_range(got, want[i] - (want[i] != 0), want[i] + 1);
		}
		dp_budget_destroy(b);
	}
}

static void test_the_unproven_never_take_from_the_proven(void **state)
{
	struct dp_budget *b = make_all(&(struct dp_budget_rates){.punts = 10, .unproven = 3});
	static const uint8_t ip[16] = {198, 18, 1, 1};
	uint32_t unproven = 0, proven = 0;

	for (int i = 0; i < 1000; i++)
		unproven += dp_budget_unproven(b, RIG_NOW);
	while (dp_budget_punt(b, TP_FAMILY_IPV4, ip, RIG_NOW))
		proven++;
	assert_int_equal(unproven, 3);
	assert_int_equal(proven, 5);
	dp_budget_destroy(b);
}

static void test_other_rates_hold_at_once(void **state)
{
	struct dp_budget *b = make(10, 0);
	struct dp_settings_values values = {.address_cost_ns = tp_budget_cost_ns(20)};

	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW), 10);
	dp_budget_set(b, &values);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + RIG_SECOND / 2), 10);
	assert_int_equal(asked(b, "198.18.1.2", RIG_NOW), 20);
	values.address_cost_ns = tp_budget_cost_ns(2);
	dp_budget_set(b, &values);
	assert_int_equal(asked(b, "198.18.1.3", RIG_NOW), 2);
	assert_int_equal(asked(b, "198.18.1.1", RIG_NOW + RIG_SECOND), 1);
	dp_budget_destroy(b);
}

// A million prefixes, each many times over its budget, in every order of magnitude of its rate: who
// has not been seen is never refused, and the one that asks most is never forgotten.
static void test_a_million_prefixes_keep_nobody_out(void **state)
{
	struct dp_budget *b = make(100, 400);
	uint64_t now_ns = RIG_NOW;
	uint32_t strangers = 0, busy = 0;

	for (uint32_t i = 0; i < 1000000; i++, now_ns += 3300) { // 300,000 a second
		uint8_t forged[16] = {(uint8_t)(11 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i, 1};
		dp_budget_source(b, TP_FAMILY_IPV4, forged, now_ns);
		if (i % 1000 == 0) {
			uint8_t real[16] = {198, 18, (uint8_t)(i / 256000), (uint8_t)(i / 1000)};
			strangers++;
			assert_true(dp_budget_source(b, TP_FAMILY_IPV4, real, now_ns));
			assert_true(dp_budget_source(b, TP_FAMILY_IPV4, real, now_ns));
		}
		if (i % 100 == 0) // 3,000 a second
			busy += ask(b, "203.0.113.9", now_ns);
	}
	assert_int_equal(strangers, 1000);
	// 3.3 seconds of its rate and the second that a budget holds.
	assert_in_range(busy, 420, 445);
	dp_budget_destroy(b);
}

static void test_a_flood_of_prefixes_never_refuses_a_stranger(void **state)
{
	struct dp_budget *b = make(10, 0);

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
	struct dp_budget *b = make(10, 0);

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
	struct dp_nonce_sign sign = {.keys = 1, .wall_offset_ns = 1};
	uint8_t buffer[600];

	dp_nonce_publish(&rig->dp.nonce_key, &sign);
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	dp_budget_destroy(rig->w->budget);
	rig->w->budget = make(2, 0);
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

static const uint8_t keys[3][16] = {"the key of today", "that of the eve.", "somebody else's."};

// A Refresh with integrity, and a nonce signed with that key for `owner`.
static struct frame with_nonce(
	struct tp_addr from, struct tp_addr owner, const uint8_t key[16], uint8_t *buffer)
{
	static const uint8_t integrity[20];
	bool ipv6 = from.ip.family == TP_FAMILY_IPV6;
	struct tp_addr listener = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478);
	struct tp_siphash_key k;
	struct stun_writer w;
	char nonce[TP_NONCE_CHARS];

	memcpy(k.bytes, key, sizeof(k.bytes));
	tp_nonce_write(&k,
		&(struct tp_nonce){
			.features = 1, .time_s = 5, .client = owner, .listener = listener},
		nonce);
	stun_write_begin(&w, buffer, 600, STUN_REQUEST, STUN_REFRESH, transaction);
	stun_write_attr(&w, STUN_ATTR_NONCE, nonce, sizeof(nonce));
	stun_write_attr(&w, STUN_ATTR_MESSAGE_INTEGRITY, integrity, sizeof(integrity));
	return rig_frame(from, listener, buffer, (size_t)stun_write_finish(&w));
}

static struct rig *make_proving(const struct dp_budget_rates *rates)
{
	struct rig *rig = rig_make();
	struct dp_nonce_sign sign = {.keys = 2};

	memcpy(sign.key, keys, sizeof(sign.key));
	dp_nonce_publish(&rig->dp.nonce_key, &sign);
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	dp_budget_destroy(rig->w->budget);
	rig->w->budget = make_all(rates);
	return rig;
}

static void test_requests_without_our_nonce_have_a_small_budget(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 8, .unproven = 1});
	struct tp_addr from = rig_addr("198.18.1.1", 7), other_port = rig_addr("198.18.1.1", 8),
		       other_ip = rig_addr("198.18.1.2", 7);
	uint8_t buffer[600];
	struct frame f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, "198.18.9.9", 1, buffer);

	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 1);
	// That was all for those that anybody can forge: none, somebody else's, cut short, signed
	// by nobody we know.
	rig_receive_frame(rig, &f);
	f = with_nonce(from, other_port, keys[0], buffer);
	rig_receive_frame(rig, &f);
	f = with_nonce(from, other_ip, keys[0], buffer);
	rig_receive_frame(rig, &f);
	f = with_nonce(from, from, keys[2], buffer);
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, budget_unproven), 4);
	assert_int_equal(rig_counter(rig, punted), 1);
	// With either key of ours, it is the other budget.
	for (uint64_t i = 0; i < 4; i++) {
		f = with_nonce(from, from, keys[i & 1], buffer);
		rig_receive_frame(rig, &f);
		assert_int_equal(rig_counter(rig, punted), 2 + i);
	}
	f = with_nonce(from, from, keys[0], buffer);
	rig_receive_frame(rig, &f); // its half
	assert_int_equal(rig_drop(rig, budget_punt), 1);
	assert_int_equal(rig_drop(rig, budget_unproven), 4);
	rig_end(rig);
}

static void test_a_nonce_proves_over_ipv6_too(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 8, .unproven = 1});
	struct tp_addr from = rig_addr("fd00:198:18::11", 7),
		       other = rig_addr("fd00:198:18::12", 7);
	uint8_t buffer[600];
	struct frame f;

	for (int i = 0; i < 3; i++) {
		f = with_nonce(from, other, keys[0], buffer);
		rig_receive_frame(rig, &f);
		f = with_nonce(from, from, keys[0], buffer);
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig_counter(rig, punted), 1 + 3);
	assert_int_equal(rig_drop(rig, budget_unproven), 2);
	rig_end(rig);
}

static void test_a_nonce_without_integrity_proves_nothing(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 8, .unproven = 1});
	uint8_t buffer[600];
	struct frame f =
		with_nonce(rig_addr("198.18.1.1", 7), rig_addr("198.18.1.1", 7), keys[0], buffer);

	f.length -= 24; // the last attribute
	buffer[3] = (uint8_t)(buffer[3] - 24);
	for (int i = 0; i < 3; i++)
		rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 1);
	assert_int_equal(rig_drop(rig, budget_unproven), 2);
	rig_end(rig);
}

static void test_who_has_an_allocation_takes_from_none_of_these(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 1, .unproven = 1});
	uint8_t buffer[600];
	struct frame f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, "198.18.1.9", 9, buffer);

	rig_allocate(rig, 5, rig_addr("198.18.1.9", 9), rig_addr("198.18.0.2", 3478),
		rig_addr("198.18.0.2", 50001), (struct tp_addr){0}, 0);
	for (uint64_t i = 0; i < 5; i++) {
		rig_receive_frame(rig, &f);
		assert_int_equal(rig_counter(rig, punted), 1 + i);
	}
	rig_end(rig);
}

// Requests that reached control, the ring emptied behind each.
static uint32_t flood(struct rig *rig, const struct frame *f, uint32_t times)
{
	uint32_t got = 0;

	for (uint32_t i = 0; i < times; i++) {
		rig_receive_frame(rig, f);
		while (tp_ring_front(&rig->punts) != NULL) {
			tp_ring_pop(&rig->punts);
			got++;
		}
	}
	return got;
}

static void allocate(struct rig *rig, uint32_t alloc, struct tp_addr client)
{
	bool ipv6 = client.ip.family == TP_FAMILY_IPV6;

	rig_allocate(rig, alloc, client, rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478),
		rig_addr("198.18.0.2", (uint16_t)(50000 + alloc)), (struct tp_addr){0}, 0);
}

static void test_an_allocation_floods_only_its_own_budget(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 1, .unproven = 1});
	struct tp_addr loud = rig_addr("198.18.1.9", 9), quiet = rig_addr("fd00:198:18::11", 9);
	uint8_t buffer[600];

	allocate(rig, 5, loud);
	allocate(rig, 6, quiet);
	struct frame f = with_nonce(loud, loud, keys[0], buffer);
	uint32_t burst = flood(rig, &f, 1000);
	assert_in_range(burst, 4, DP_ALLOC_REQUESTS / 4);
	assert_int_equal(rig_drop(rig, budget_punt), 1000 - burst);
	// In the second after it is no more than the rate, however much is asked.
	uint32_t later = 0;
	for (int i = 0; i < 1000; i++) {
		rig->now_ns += RIG_SECOND / 1000;
		later += flood(rig, &f, 10);
	}
	assert_in_range(later, DP_ALLOC_REQUESTS - 5, DP_ALLOC_REQUESTS + 5);
	// Nobody else felt it.
	f = with_nonce(quiet, quiet, keys[1], buffer);
	assert_int_equal(flood(rig, &f, 3), 3);
	f = with_nonce(rig_addr("198.18.1.9", 10), rig_addr("198.18.1.9", 10), keys[0], buffer);
	assert_int_equal(flood(rig, &f, 1), 1);
	rig_end(rig);
}

static void test_a_forged_five_tuple_leaves_its_client_a_way(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 1, .unproven = 1});
	struct tp_addr client = rig_addr("198.18.1.9", 9);
	uint8_t forged[600], buffer[600];

	allocate(rig, 5, client);
	struct frame f = with_nonce(client, rig_addr("198.18.1.9", 8), keys[0], forged);
	assert_true(flood(rig, &f, 1000) < 1000);
	struct frame own = with_nonce(client, client, keys[0], buffer);
	assert_int_equal(flood(rig, &own, 1), 1);
	rig_end(rig);
}

static void test_answers_to_an_allocation_are_bounded_too(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.punts = 1, .unproven = 1});
	uint8_t buffer[600];
	struct frame f = request(STUN_BINDING, 0, "198.18.1.9", 9, buffer);

	allocate(rig, 5, rig_addr("198.18.1.9", 9));
	flood(rig, &f, 200);
	uint64_t answered = rig_counter(rig, binding);
	assert_in_range(answered, 4, DP_ALLOC_REQUESTS / 4);
	assert_int_equal(rig_drop(rig, budget_binding), 200 - answered);
	f = request(STUN_ALLOCATE, STUN_ATTR_LIFETIME, "198.18.1.9", 9, buffer);
	flood(rig, &f, 1);
	assert_int_equal(rig_drop(rig, budget_allocate), 1);
	rig_end(rig);
}

static void test_settings_of_control_reach_the_worker(void **state)
{
	struct rig *rig = make_proving(&(struct dp_budget_rates){.unproven = 1});
	struct tp_cmd cmd = {.type = TP_CMD_SETTINGS,
		.layout = 1,
		.alloc = TP_ALLOC_NONE,
		.settings = {.unproven = 3,
			.channel_max = 0x7fff,
			.hop_limit = 9,
			.dscp = 46,
			.log_level = 6}};
	uint8_t buffer[600];
	struct frame f = request(STUN_REFRESH, STUN_ATTR_LIFETIME, "198.18.9.9", 1, buffer);
	struct tp_ack ack;

	dp_apply_command(rig->dp.apply, &cmd, &ack);
	assert_int_equal(ack.result, 0);
	dp_pipeline_begin(rig->w);
	for (int i = 0; i < 5; i++)
		rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 3);
	assert_int_equal(rig->w->channel_max, 0x7fff);
	assert_int_equal(rig->w->hop_limit, 9);
	assert_int_equal(rig->w->tos_set, 46 << 2);
	// What makes no sense changes nothing.
	static const struct tp_cmd_settings wrong[] = {
		{.channel_max = 0x7fff, .dscp = 65, .log_level = 6},
		{.channel_max = 0x8000, .dscp = 64, .log_level = 6},
		{.channel_max = 0x4000, .dscp = 64, .log_level = 6},
		{.channel_max = 0x4fff, .dscp = 64, .log_level = 2},
		{.channel_max = 0x4fff, .dscp = 64, .log_level = 8},
	};
	for (size_t i = 0; i < RTE_DIM(wrong); i++) {
		cmd.settings = wrong[i];
		dp_apply_command(rig->dp.apply, &cmd, &ack);
		assert_int_equal(ack.result, -EINVAL);
	}
	dp_pipeline_begin(rig->w);
	assert_int_equal(rig->w->hop_limit, 9);
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
	cmocka_unit_test(test_one_address_gets_half_of_the_punts),
	cmocka_unit_test(test_one_network_leaves_a_quarter_of_the_punts),
	cmocka_unit_test(test_the_unproven_never_take_from_the_proven),
	cmocka_unit_test(test_other_rates_hold_at_once),
	cmocka_unit_test(test_a_million_prefixes_keep_nobody_out),
	cmocka_unit_test(test_requests_without_our_nonce_have_a_small_budget),
	cmocka_unit_test(test_a_nonce_proves_over_ipv6_too),
	cmocka_unit_test(test_a_nonce_without_integrity_proves_nothing),
	cmocka_unit_test(test_who_has_an_allocation_takes_from_none_of_these),
	cmocka_unit_test(test_an_allocation_floods_only_its_own_budget),
	cmocka_unit_test(test_a_forged_five_tuple_leaves_its_client_a_way),
	cmocka_unit_test(test_answers_to_an_allocation_are_bounded_too),
	cmocka_unit_test(test_settings_of_control_reach_the_worker),
};
RIG_TESTS(tests)
