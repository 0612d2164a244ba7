// SPDX-License-Identifier: BSD-3-Clause
// Realms, prepared names, temporary credentials past their time, reasons that are counted.
#include "tests/unit/control/turn/attempt.h"

#define E_ACUTE      "\xc3\xa9"
#define E_DECOMPOSED "e\xcc\x81"

static const struct conf_user users[] = {
	{.name = (char *)"alice", .password = (char *)"wonder"},
	{.name = (char *)"bob", .password = (char *)"build"},
	{.name = (char *)"carol", .password = (char *)"sing"},
	{.name = (char *)"caf" E_ACUTE, .password = (char *)"cr" E_ACUTE "me"},
	{.name = (char *)"%n%s\"'\\{}<>&;--", .password = (char *)"p"},
	// MD5("old:example.org:p")
	{.name = (char *)"old", .key = (char *)"ae63f1bdd808384602893691db8ce931"},
	{.name = (char *)"alice", .password = (char *)"in b", .realm_index = 1},
	{.name = (char *)"bea", .password = (char *)"bee", .realm_index = 1},
};
#define N_USERS (sizeof(users) / sizeof(users[0]))

// The listener of IPv6 is in the other realm.
static int setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	attempt_realms(&r->conf);
	r->conf.quotas.allocations_per_realm = 3;
	r->conf.quotas.allocations_per_user = 2;
	relay_open(r);
	r->conf.listeners[1].realm_index = 1;
	attempt_users(r, users, N_USERS);
	*state = r;
	return 0;
}

static void at(struct relay *r, bool other, uint16_t port)
{
	r->client = other ? addr("fd00:198:18::11", port) : addr("198.18.1.1", port);
	r->listener = other ? addr("fd00:198:18::2", 3478) : addr("198.18.0.2", 3478);
	relay_challenge(r);
}

static uint64_t failures(struct relay *r, enum ctl_auth_failure why)
{
	return ctl_turn_counters(r->turn)->auth_failures[why];
}

// The answer to an attempt is the one that a stranger gets, and it is counted as what it is.
static void refused_like_a_stranger(
	struct relay *r, const struct attempt *a, enum ctl_auth_failure why)
{
	static const struct attempt stranger = {.name = "mallory", .password = "x"};
	uint8_t one[CTL_RESPONSE_MAX_BYTES], other[CTL_RESPONSE_MAX_BYTES];
	struct attempt s = stranger;
	s.method = a->method;
	s.sha256 = a->sha256;
	uint64_t before = failures(r, why);
	assert_int_equal(attempt(r, a), 401);
	assert_int_equal(failures(r, why), before + 1);
	size_t length = attempt_answer(r, one);
	assert_int_equal(attempt(r, &s), 401);
	assert_int_equal(attempt_answer(r, other), length);
	assert_memory_equal(one, other, length);
}

// ---- Realms.

static void the_listener_decides_the_realm(void **state)
{
	struct relay *r = *state;
	struct stun_attr a;
	at(r, true, 4000);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_REALM, &a));
	assert_int_equal(a.length, strlen(OTHER_REALM));
	assert_memory_equal(a.value, OTHER_REALM, a.length);
	struct attempt of_b = {.name = "bea", .password = "bee", .realm = OTHER_REALM};
	struct attempt of_a = {.name = "bob", .password = "build", .realm = OTHER_REALM};
	struct attempt both = {.name = "alice", .password = "in b", .realm = OTHER_REALM};
	assert_int_equal(attempt(r, &of_a), 401);
	assert_int_equal(attempt(r, &of_b), 0);
	assert_int_equal(ctl_allocation_realm(r->w.store, relay_allocation(r)), 1);
	assert_int_equal(relay_allocation(r)->realm, 1);
	at(r, true, 4001);
	assert_int_equal(attempt(r, &both), 0);
	both.method = STUN_REFRESH;
	assert_int_equal(attempt(r, &both), 0);

	at(r, false, 4000);
	of_a.realm = of_b.realm = NULL;
	assert_int_equal(attempt(r, &of_b), 401);
	assert_int_equal(attempt(r, &of_a), 0);
	assert_int_equal(ctl_allocation_realm(r->w.store, relay_allocation(r)), 0);
}

static void another_realm_is_no_better_than_a_stranger(void **state)
{
	struct relay *r = *state;
	at(r, false, 4000);
	// Its key is right there; is right here.
	refused_like_a_stranger(r,
		&(struct attempt){.name = "alice", .password = "in b", .realm = OTHER_REALM},
		CTL_AUTH_wrong_realm);
	refused_like_a_stranger(r,
		&(struct attempt){.name = "alice",
			.password = "wonder",
			.realm = OTHER_REALM,
			.key_realm = RELAY_REALM},
		CTL_AUTH_wrong_realm);
	refused_like_a_stranger(r,
		&(struct attempt){.name = "alice",
			.password = "wonder",
			.realm = "\xff",
			.key_realm = RELAY_REALM},
		CTL_AUTH_wrong_realm);
}

// A listener moves to another realm while an allocation lives there.
static void allocations_are_of_a_realms_user(void **state)
{
	struct relay *r = *state;
	struct attempt a = {.name = "alice", .password = "wonder"};
	at(r, false, 4000);
	assert_int_equal(attempt(r, &a), 0);
	r->conf.listeners[0].realm_index = 1;
	attempt_users(r, users, N_USERS);
	struct attempt b = {
		.method = STUN_REFRESH, .name = "alice", .password = "in b", .realm = OTHER_REALM};
	assert_int_equal(attempt(r, &b), 441);
	b.method = 0;
	assert_int_equal(attempt(r, &b), 437); // the five-tuple is taken

	// Realms get other numbers: the record is still the same user's.
	r->conf.realms[0] = OTHER_REALM;
	r->conf.realms[1] = RELAY_REALM;
	r->w.policy.realm_tag[0] = ctl_realm_tag(OTHER_REALM);
	r->w.policy.realm_tag[1] = ctl_realm_tag(RELAY_REALM);
	struct ctl_store_options o = world_options(&r->w);
	struct ctl_store *store;
	struct ctl_adoption report;
	assert_int_equal(ctl_store_create(&o, &store), 0);
	assert_int_equal(ctl_store_adopt(store, r->w.now, &report), 0);
	assert_int_equal(report.allocations, 1);
	uint32_t index = 0;
	const struct tp_alloc_record *record = ctl_allocation_next(store, &index);
	assert_int_equal(record->realm, 1);
	assert_true(ctl_allocation_is_of(store, record, 1, "alice", 5));
	assert_false(ctl_allocation_is_of(store, record, 0, "alice", 5));
	ctl_store_destroy(store);
	// One that a control without realms wrote is the default realm's.
	struct tp_alloc_record *raw = (struct tp_alloc_record *)(uintptr_t)record; // the region's
	uint64_t tag = raw->realm_tag;
	raw->realm_tag = 0;
	assert_int_equal(ctl_store_create(&o, &store), 0);
	assert_int_equal(ctl_store_adopt(store, r->w.now, &report), 0);
	assert_int_equal(report.allocations, 1);
	assert_true(ctl_allocation_is_of(store, raw, 0, "alice", 5));
	ctl_store_destroy(store);
	raw->realm_tag = tag;
	// And its realm goes.
	r->w.policy.n_realms = 1;
	assert_int_equal(ctl_store_create(&o, &store), 0);
	assert_int_equal(ctl_store_adopt(store, r->w.now, &report), 0);
	assert_int_equal(report.allocations, 0);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_REALM], 1);
	ctl_store_destroy(store);
}

static void quotas_are_per_realm(void **state)
{
	struct relay *r = *state;
	static const struct attempt of_a[] = {{.name = "alice", .password = "wonder"},
		{.name = "alice", .password = "wonder"}, {.name = "bob", .password = "build"}};
	struct attempt of_b = {.name = "alice", .password = "in b", .realm = OTHER_REALM};
	struct attempt carol = {.name = "carol", .password = "sing"};
	for (uint16_t i = 0; i < 3; i++) {
		at(r, false, (uint16_t)(4000 + i));
		assert_int_equal(attempt(r, &of_a[i]), 0);
	}
	at(r, false, 4010);
	assert_int_equal(attempt(r, &carol), 486); // the realm's three
	for (uint16_t i = 0; i < 2; i++) {
		at(r, true, (uint16_t)(4000 + i));
		assert_int_equal(attempt(r, &of_b), 0);
	}
	at(r, true, 4010);
	assert_int_equal(attempt(r, &of_b), 486); // the user's two of this realm
	// One goes, one may come.
	at(r, false, 4000);
	struct attempt end = of_a[0];
	end.method = STUN_REFRESH;
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	r->user = "alice";
	r->password = "wonder";
	assert_int_equal(request_code(r), 0);
	assert_int_equal(attempt(r, &end), 437);
	at(r, false, 4010);
	assert_int_equal(attempt(r, &carol), 0);
}

// ---- Names.

static void names_are_compared_as_prepared(void **state)
{
	struct relay *r = *state;
	struct attempt composed = {.name = "caf" E_ACUTE, .password = "cr" E_ACUTE "me"};
	struct attempt decomposed = {.name = "caf" E_DECOMPOSED,
		.key_name = "caf" E_ACUTE,
		.password = "cr" E_ACUTE "me",
		.method = STUN_REFRESH};
	at(r, false, 4000);
	assert_int_equal(attempt(r, &composed), 0);
	assert_int_equal(attempt(r, &decomposed), 0); // the same user
	decomposed.method = 0;
	at(r, false, 4001);
	assert_int_equal(attempt(r, &decomposed), 0);
	uint8_t name[CTL_USER_MAX_BYTES];
	assert_int_equal(ctl_allocation_user(r->w.store, relay_allocation(r), name), 5);
	assert_memory_equal(name, "caf" E_ACUTE, 5);
	at(r, false, 4002);
	assert_int_equal(attempt(r, &composed), 486); // it has two
	// By hash, which a client makes of the prepared name.
	composed.hashed = true;
	assert_int_equal(attempt(r, &composed), 486);
}

static void what_is_no_name_is_a_strangers(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} names[] = {{"alice\0", 6}, {"al\nice", 6}, {"alice\r\n", 7}, {"\x1b[2J", 4}, {"\x7f", 1},
		{"\xc2\x85", 2},
		{"\xe2\x80\xae"
		 "alice",
			8},
		{"\xcd\xb8", 2}, {"\xff", 1}, {"\xc1\xa1lice", 6}, {"\xed\xa0\x80", 3},
		{"alice\xc3", 6}, {"\0", 1}};
	struct relay *r = *state;
	at(r, false, 4000);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		refused_like_a_stranger(r,
			&(struct attempt){.name = names[i].bytes,
				.name_length = names[i].length,
				.key_name = "alice",
				.password = "wonder"},
			CTL_AUTH_unusable_name);
	// Longer than any name of ours: 763 bytes must be read (RFC 8489 section 14.3), of which
	// 513 may be a name; more is malformed.
	static char long_name[764];
	memset(long_name, 'a', sizeof(long_name));
	for (int i = 0; i < 3; i++)
		refused_like_a_stranger(r,
			&(struct attempt){.name = long_name,
				.name_length = (size_t[]){513, 514, 763}[i],
				.key_name = "alice",
				.password = "wonder"},
			i == 0 ? CTL_AUTH_unknown_user : CTL_AUTH_unusable_name);
	struct attempt longer = {
		.name = long_name, .name_length = 764, .key_name = "alice", .password = "wonder"};
	assert_int_equal(attempt(r, &longer), 400);
	assert_int_equal(failures(r, CTL_AUTH_malformed_credentials), 1);
	// 171 times U+0958 are 513 bytes that would be prepared to 1026.
	for (int i = 0; i < 171; i++)
		memcpy(long_name + 3 * i, "\xe0\xa5\x98", 3);
	refused_like_a_stranger(r,
		&(struct attempt){.name = long_name,
			.name_length = 513,
			.key_name = "alice",
			.password = "wonder"},
		CTL_AUTH_unusable_name);
	assert_null(relay_allocation(r));
}

static void strange_but_allowed_names_serve(void **state)
{
	struct relay *r = *state;
	struct attempt a = {.name = "%n%s\"'\\{}<>&;--", .password = "p"};
	at(r, false, 4000);
	assert_int_equal(attempt(r, &a), 0);
	uint8_t name[CTL_USER_MAX_BYTES];
	size_t length = ctl_allocation_user(r->w.store, relay_allocation(r), name);
	assert_int_equal(length, strlen(a.name));
	assert_memory_equal(name, a.name, length);
}

// ---- Keys.

static void a_key_serves_its_algorithm_only(void **state)
{
	struct relay *r = *state;
	struct attempt a = {.name = "old", .password = "p"};
	at(r, false, 4000);
	assert_int_equal(attempt(r, &a), 0);
	a.sha256 = true;
	refused_like_a_stranger(r, &a, CTL_AUTH_algorithm);
	a.hashed = true;
	refused_like_a_stranger(r, &a, CTL_AUTH_algorithm);
	a.sha256 = false;
	a.method = STUN_REFRESH;
	assert_int_equal(attempt(r, &a), 0);
}

// ---- Temporary credentials, of the secret "north":
// printf %s USER | openssl dgst -sha1 (or -sha256) -hmac north -binary | base64

static const struct attempt temporary = {
	.name = "1700000600:alice", .password = "gthUwOpcRoLI0MMCziCEBOWYnpo="};
#define NORTH_SHA256 "WzcodVppADLhv9te9OPGdlvH3LztIEihHpvPZM1g4U8="

// 590 seconds of the allocation are left when the credential runs out.
static void allocate_then_expire(struct relay *r)
{
	at(r, false, 4000);
	world_pass(&r->w, 590 * TP_NS_PER_S);
	at(r, false, 4000);
	assert_int_equal(attempt(r, &temporary), 0);
	world_pass(&r->w, 11 * TP_NS_PER_S);
	assert_true(r->w.now.wall_ns > UINT64_C(1700000600) * TP_NS_PER_S);
}

static int code_of(struct relay *r, uint16_t method)
{
	struct attempt a = temporary;
	a.method = method;
	return attempt(r, &a);
}

static void a_call_outlives_its_credential(void **state)
{
	struct relay *r = *state;
	allocate_then_expire(r);
	assert_int_equal(code_of(r, STUN_REFRESH), 0);
	// The others: their own errors, behind authentication.
	assert_int_equal(code_of(r, STUN_CREATE_PERMISSION), 400);
	assert_int_equal(code_of(r, STUN_CHANNEL_BIND), 400);
	// A guess is none the better for it, and another's allocation stays another's.
	struct attempt wrong = temporary;
	wrong.method = STUN_REFRESH;
	wrong.password = "guess";
	refused_like_a_stranger(r, &wrong, CTL_AUTH_wrong_password);
	struct attempt bob = {.name = "1700000600:bob",
		.password = "J8IP49Hz7aUcAstwXwJXfukSnsw=",
		.method = STUN_REFRESH};
	refused_like_a_stranger(r, &bob, CTL_AUTH_expired);
	// Nothing new: not on this five-tuple, nor on another.
	refused_like_a_stranger(r, &temporary, CTL_AUTH_expired);
	at(r, false, 4001);
	refused_like_a_stranger(r, &temporary, CTL_AUTH_expired);
	assert_int_equal(code_of(r, STUN_REFRESH), 401); // there is none to refresh
	at(r, false, 4000);
	assert_int_equal(code_of(r, STUN_REFRESH), 0);
}

static void unless_expiry_is_enforced_always(void **state)
{
	struct relay *r = *state;
	r->conf.auth.rest_expiry = CONF_REST_EXPIRY_ALWAYS;
	attempt_users(r, users, N_USERS);
	allocate_then_expire(r);
	static const uint16_t methods[] = {
		0, STUN_REFRESH, STUN_CREATE_PERMISSION, STUN_CHANNEL_BIND};
	for (size_t i = 0; i < 4; i++) {
		struct attempt a = temporary;
		a.method = methods[i];
		refused_like_a_stranger(r, &a, CTL_AUTH_expired);
	}
	assert_int_equal(failures(r, CTL_AUTH_expired), 4);
}

static void passwords_of_either_hmac_serve(void **state)
{
	struct relay *r = *state;
	for (int i = 0; i < 4; i++) {
		struct attempt a = temporary;
		a.sha256 = i & 1;
		if (i & 2)
			a.password = NORTH_SHA256;
		at(r, false, (uint16_t)(4000 + i));
		assert_int_equal(attempt(r, &a), i < 2 ? 0 : 486); // two of a user
	}
	// In the other realm, too.
	struct attempt b = temporary;
	b.realm = OTHER_REALM;
	at(r, true, 4000);
	assert_int_equal(attempt(r, &b), 0);
}

// ---- Counting.

static void reasons_are_counted(void **state)
{
	struct relay *r = *state;
	at(r, false, 4000);
	assert_int_equal(failures(r, CTL_AUTH_no_integrity), 1);
	assert_int_equal(attempt(r, &(struct attempt){.name = "mallory", .password = "x"}), 401);
	assert_int_equal(attempt(r, &(struct attempt){.name = "alice", .password = "x"}), 401);
	// The first reason counts: nobody there has that name.
	assert_int_equal(
		attempt(r, &(struct attempt){.name = "\xff", .password = "x", .realm = "z"}), 401);
	world_pass(&r->w, 601 * TP_NS_PER_S);
	assert_int_equal(attempt(r, &(struct attempt){.name = "alice", .password = "wonder"}), 438);
	uint64_t sum = 0;
	for (unsigned int f = 0; f < CTL_AUTH_FAILURES; f++)
		sum += failures(r, f);
	assert_int_equal(sum, 5);
	assert_int_equal(failures(r, CTL_AUTH_unknown_user), 1);
	assert_int_equal(failures(r, CTL_AUTH_wrong_password), 1);
	assert_int_equal(failures(r, CTL_AUTH_unusable_name), 1);
	assert_int_equal(failures(r, CTL_AUTH_stale_nonce), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_listener_decides_the_realm),
		TEST(another_realm_is_no_better_than_a_stranger),
		TEST(allocations_are_of_a_realms_user),
		TEST(quotas_are_per_realm),
		TEST(names_are_compared_as_prepared),
		TEST(what_is_no_name_is_a_strangers),
		TEST(strange_but_allowed_names_serve),
		TEST(a_key_serves_its_algorithm_only),
		TEST(a_call_outlives_its_credential),
		TEST(unless_expiry_is_enforced_always),
		TEST(passwords_of_either_hmac_serve),
		TEST(reasons_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
