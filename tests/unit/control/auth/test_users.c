// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/users.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "tests/unit/control/world.h"

static const struct ctl_user_entry entries[] = {{.name = "zoe", .password = "z"},
	{.name = "alice", .password = "wonderland"}, {.name = "bob", .password = "builder"},
	{.name = "al", .password = "short"}};
static const char *const realms[] = {"example.org"};
static const char *const secrets[] = {"north", "south"};

#define NORTH_SHA256 "WzcodVppADLhv9te9OPGdlvH3LztIEihHpvPZM1g4U8="
#define SOUTH_SHA256 "/xHeb3cYbENw3W8fmcXoXkhrGjpJ178xpW4XEyh9FJk="
#define SENT_SHA1    "Ok1AoWotSKfESZD0Td5Q+ycPoUc="

struct asked {
	int calls;
	struct ctl_user_answer answer;
};

static int setup(void **state)
{
	struct ctl_config_users_options o = {.realms = realms,
		.n_realms = 1,
		.users = entries,
		.n_users = 4,
		.rest_secrets = secrets,
		.n_rest_secrets = 2};
	return ctl_config_users_create(&o, (struct ctl_user_store **)state);
}

static int teardown(void **state)
{
	struct ctl_user_store *s = *state;
	s->destroy(s);
	return 0;
}

static void keep(void *context, const struct ctl_user_answer *answer)
{
	struct asked *a = context;
	a->calls++;
	a->answer = *answer;
}

static struct ctl_user_answer ask_hash(
	struct ctl_user_store *s, const char *user, const char *realm)
{
	uint8_t hash[CTL_USERHASH_BYTES];
	char text[64];
	int n = snprintf(text, sizeof(text), "%s:%s", user, realm);
	assert_int_equal(EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha256(), NULL), 1);
	struct asked a = {};
	struct ctl_user_query q = {
		.userhash = hash, .algorithm = CTL_PASSWORD_SHA256, .wall_ns = WORLD_WALL_NS};
	s->lookup(s, &q, keep, &a);
	assert_int_equal(a.calls, 1);
	return a.answer;
}

static struct ctl_user_answer ask(struct ctl_user_store *s, const char *user)
{
	struct asked a = {};
	struct ctl_user_query q = {.user = (const uint8_t *)user,
		.user_length = strlen(user),
		.algorithm = CTL_PASSWORD_MD5,
		.wall_ns = WORLD_WALL_NS};
	s->lookup(s, &q, keep, &a);
	assert_int_equal(a.calls, 1);
	return a.answer;
}

static struct ctl_key key_of(const char *user, const char *password)
{
	struct ctl_crypto *c;
	struct ctl_key key;
	assert_int_equal(ctl_crypto_create(&c), 0);
	assert_int_equal(ctl_crypto_long_term_key(c, user, strlen(user), "example.org", password,
				 strlen(password), &key),
		0);
	ctl_crypto_destroy(c);
	return key;
}

static void users_of_the_config(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		struct ctl_user_answer a = ask(*state, entries[i].name);
		struct ctl_key right = key_of(entries[i].name, entries[i].password);
		assert_int_equal(a.result, 0);
		assert_int_equal(a.n_keys, 1);
		assert_memory_equal(&a.key[0], &right, sizeof(right));
	}
}

static void unknown_users_cost_the_same(void **state)
{
	static const char *const unknown[] = {"carol", "alic", "alicex", "a", "ALICE"};
	for (size_t i = 0; i < 5; i++) {
		struct ctl_user_answer a = ask(*state, unknown[i]);
		assert_int_equal(a.result, -ENOENT);
		assert_int_equal(a.n_keys, 1); // one to try in vain
	}
}

// Passwords computed with: printf %s USER | openssl dgst -sha1 -hmac SECRET -binary | base64
static void time_limited_credentials(void **state)
{
	struct ctl_user_answer a = ask(*state, "1700000600:alice");
	assert_int_equal(a.result, 0);
	assert_int_equal(a.n_keys, 4);
	struct ctl_key north = key_of("1700000600:alice", "gthUwOpcRoLI0MMCziCEBOWYnpo=");
	struct ctl_key south = key_of("1700000600:alice", "xPwKDiESQG3j7Uoy9nYVCEku37A=");
	assert_memory_equal(&a.key[0], &north, sizeof(north));
	assert_memory_equal(&a.key[2], &south, sizeof(south));
	// The other half of the keys: printf %s USER | openssl dgst -sha256 -hmac SECRET -binary |
	// base64
	north = key_of("1700000600:alice", NORTH_SHA256);
	south = key_of("1700000600:alice", SOUTH_SHA256);
	assert_memory_equal(&a.key[1], &north, sizeof(north));
	assert_memory_equal(&a.key[3], &south, sizeof(south));
	assert_false(a.expired);
}

// Who is past the time is told so; the keys, and so the work, are the same.
static void expired_credentials_are_marked(void **state)
{
	struct ctl_user_answer a = ask(*state, "1699999999:alice");
	assert_int_equal(a.result, 0);
	assert_true(a.expired);
	assert_int_equal(a.n_keys, 4);
	assert_false(ask(*state, "1700000000:alice").expired);
}

static void forms_of_time_limited_names(void **state)
{
	static const struct {
		const char *name;
		bool expired;
	} names[] = {{"1700000600", false}, {"1700000600:x", false},
		{"1700000600:1699999999", false}, {"alice:1700000600", false},
		{":1700000600", false}, {"1699999999", true}, {"alice:1699999999", true},
		{":1699999999", true}, {"0:x", true}, {"a b:1700000600", false}};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct ctl_user_answer a = ask(*state, names[i].name);
		assert_int_equal(a.result, 0);
		assert_int_equal(a.n_keys, 4);
		assert_int_equal(a.expired, names[i].expired);
	}
}

// RFC 8489 sections 14.4 and 18.5.1.2, with hashes of their own.
static void users_by_hash(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		struct ctl_user_answer a = ask_hash(*state, entries[i].name, "example.org");
		uint8_t right[32];
		char text[64];
		int n = snprintf(text, sizeof(text), "%s:example.org:%s", entries[i].name,
			entries[i].password);
		assert_int_equal(EVP_Digest(text, (size_t)n, right, NULL, EVP_sha256(), NULL), 1);
		assert_int_equal(a.result, 0);
		assert_int_equal(a.n_keys, 1);
		assert_int_equal(a.key[0].length, 32);
		assert_memory_equal(a.key[0].bytes, right, 32);
		assert_int_equal(a.user_length, strlen(entries[i].name));
		assert_memory_equal(a.user, entries[i].name, a.user_length);
	}
}

static void a_hash_that_finds_nobody_costs_the_same(void **state)
{
	struct ctl_user_answer a = ask_hash(*state, "carol", "example.org");
	assert_int_equal(a.result, -ENOENT);
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(a.key[0].length, 32);
	assert_int_equal(ask_hash(*state, "alice", "example.com").result, -ENOENT);
	// A time-limited name cannot be told from its hash.
	assert_int_equal(ask_hash(*state, "1700000600:alice", "example.org").result, -ENOENT);
}

static void time_limited_credentials_with_sha256(void **state)
{
	static const char user[] = "1700000600:alice";
	static const char text[] = "1700000600:alice:example.org:gthUwOpcRoLI0MMCziCEBOWYnpo=";
	uint8_t right[32];
	struct asked a = {};
	struct ctl_user_query q = {.user = (const uint8_t *)user,
		.user_length = strlen(user),
		.algorithm = CTL_PASSWORD_SHA256,
		.wall_ns = WORLD_WALL_NS};
	struct ctl_user_store *s = *state;
	s->lookup(s, &q, keep, &a);
	assert_int_equal(EVP_Digest(text, strlen(text), right, NULL, EVP_sha256(), NULL), 1);
	assert_int_equal(a.answer.n_keys, 4);
	assert_int_equal(a.answer.key[0].length, 32);
	assert_memory_equal(a.answer.key[0].bytes, right, 32);
}

static void what_is_no_timestamp_is_a_name(void **state)
{
	static const char *const names[] = {"1700000600x", ":alice", "1700000600 :a",
		"99999999999999999999999:a", "x1700000600:a", "alice:1700000600x",
		"alice:bob:1700000600", "alice:", ":", "alice:9999999999999"};
	for (size_t i = 0; i < 10; i++) {
		struct ctl_user_answer a = ask(*state, names[i]);
		assert_int_equal(a.result, -ENOENT);
		assert_int_equal(a.n_keys, 1);
	}
}

static void without_secrets_there_are_none(void **state)
{
	struct ctl_config_users_options o = {
		.realms = realms, .n_realms = 1, .users = entries, .n_users = 1};
	struct ctl_user_store *s;
	assert_int_equal(ctl_config_users_create(&o, &s), 0);
	assert_int_equal(ask(s, "1700000600:alice").result, -ENOENT);
	s->destroy(s);
	o.n_rest_secrets = CTL_USER_KEYS / 2 + 1;
	assert_int_equal(ctl_config_users_create(&o, &s), -E2BIG);
}

static struct ctl_user_answer ask_as(struct ctl_user_store *s, uint16_t realm, const char *user,
	enum ctl_password_algorithm algorithm)
{
	struct asked a = {};
	struct ctl_user_query q = {.realm = realm,
		.user = (const uint8_t *)user,
		.user_length = strlen(user),
		.algorithm = algorithm,
		.wall_ns = WORLD_WALL_NS};
	s->lookup(s, &q, keep, &a);
	assert_int_equal(a.calls, 1);
	return a.answer;
}

static void keys_in_the_place_of_passwords(void **state)
{
	static const struct ctl_user_entry users[] = {
		{.name = "old", .key = "000102030405060708090A0b0c0d0e0f"},
		{.name = "new",
			.key = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
			.key_sha256 = "000102030405060708090a0b0c0d0e0f"
				      "101112131415161718191a1b1c1d1e1f"}};
	struct ctl_config_users_options o = {
		.realms = realms, .n_realms = 1, .users = users, .n_users = 2};
	struct ctl_user_store *s;
	assert_int_equal(ctl_config_users_create(&o, &s), 0);
	struct ctl_user_answer a = ask_as(s, 0, "old", CTL_PASSWORD_MD5);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.key[0].length, 16);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(a.key[0].bytes[i], i);
	a = ask_as(s, 0, "new", CTL_PASSWORD_SHA256);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.key[0].length, 32);
	for (size_t i = 0; i < 32; i++)
		assert_int_equal(a.key[0].bytes[i], i);
	// Of whom no SHA-256 key is known: as a stranger, but counted as what it is.
	a = ask_as(s, 0, "old", CTL_PASSWORD_SHA256);
	assert_int_equal(a.result, -ENOENT);
	assert_int_equal(a.why, CTL_AUTH_algorithm);
	assert_int_equal(a.n_keys, 1);
	assert_int_equal(a.key[0].length, 32);
	s->destroy(s);
}

static void realms_have_users_of_their_own(void **state)
{
	static const char *const two[] = {"example.org", "b.example.org"};
	static const struct ctl_user_entry users[] = {
		{.name = "alice", .password = "in b", .realm = 1},
		{.name = "alice", .password = "wonderland"},
		{.name = "bob", .password = "builder", .realm = 1}};
	struct ctl_config_users_options o = {.realms = two,
		.n_realms = 2,
		.users = users,
		.n_users = 3,
		.rest_secrets = secrets,
		.n_rest_secrets = 1};
	struct ctl_user_store *s;
	assert_int_equal(ctl_config_users_create(&o, &s), 0);
	struct ctl_user_answer a = ask_as(s, 0, "alice", CTL_PASSWORD_MD5);
	struct ctl_key right = key_of("alice", "wonderland");
	assert_int_equal(a.result, 0);
	assert_memory_equal(&a.key[0], &right, sizeof(right));
	a = ask_as(s, 1, "alice", CTL_PASSWORD_MD5);
	assert_int_equal(a.result, 0);
	assert_memory_not_equal(&a.key[0], &right, sizeof(right));
	assert_int_equal(ask_as(s, 0, "bob", CTL_PASSWORD_MD5).result, -ENOENT);
	assert_int_equal(ask_as(s, 1, "bob", CTL_PASSWORD_MD5).result, 0);
	// A hash is of a realm, too; secrets serve all realms, each with keys of its own.
	assert_int_equal(ask_hash(s, "alice", "example.org").result, 0);
	assert_int_equal(ask_hash(s, "bob", "b.example.org").result, -ENOENT); // asked in the first
	a = ask_as(s, 0, "1700000600:x", CTL_PASSWORD_MD5);
	struct ctl_user_answer b = ask_as(s, 1, "1700000600:x", CTL_PASSWORD_MD5);
	assert_int_equal(a.n_keys, 2);
	assert_int_equal(b.n_keys, 2);
	assert_memory_not_equal(a.key[0].bytes, b.key[0].bytes, 16);
	s->destroy(s);
}

static void entries_that_make_no_sense(void **state)
{
	static const struct ctl_user_entry wrong[] = {{.name = "", .password = "p"}, {.name = "u"},
		{.name = "u", .password = "p", .realm = 1}, {.name = "u", .key = "00"},
		{.name = "u", .key = "g00102030405060708090a0b0c0d0e0f"},
		{.name = "u", .key = "000102030405060708090a0b0c0d0e0f", .key_sha256 = "00"}};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct ctl_config_users_options o = {
			.realms = realms, .n_realms = 1, .users = &wrong[i], .n_users = 1};
		struct ctl_user_store *s;
		assert_int_equal(ctl_config_users_create(&o, &s), -EINVAL);
		assert_null(s);
	}
}

// The service that made the password had the name as the client sends it.
static void temporary_keys_are_of_the_name_as_sent(void **state)
{
	static const char sent[] = "1700000600:e\xcc\x81", prepared[] = "1700000600:\xc3\xa9";
	struct ctl_user_store *s = *state;
	struct asked a = {};
	struct ctl_user_query q = {.user = (const uint8_t *)prepared,
		.user_length = strlen(prepared),
		.sent = (const uint8_t *)sent,
		.sent_length = strlen(sent),
		.algorithm = CTL_PASSWORD_MD5,
		.wall_ns = WORLD_WALL_NS};
	s->lookup(s, &q, keep, &a);
	assert_int_equal(a.answer.result, 0);
	assert_int_equal(a.answer.user_length, strlen(prepared));
	assert_memory_equal(a.answer.user, prepared, strlen(prepared));
	struct ctl_key right = key_of(sent, SENT_SHA1);
	assert_memory_equal(&a.answer.key[0], &right, sizeof(right));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_the_config),
		cmocka_unit_test(unknown_users_cost_the_same),
		cmocka_unit_test(time_limited_credentials),
		cmocka_unit_test(expired_credentials_are_marked),
		cmocka_unit_test(forms_of_time_limited_names),
		cmocka_unit_test(keys_in_the_place_of_passwords),
		cmocka_unit_test(realms_have_users_of_their_own),
		cmocka_unit_test(entries_that_make_no_sense),
		cmocka_unit_test(temporary_keys_are_of_the_name_as_sent),
		cmocka_unit_test(users_by_hash),
		cmocka_unit_test(a_hash_that_finds_nobody_costs_the_same),
		cmocka_unit_test(time_limited_credentials_with_sha256),
		cmocka_unit_test(what_is_no_timestamp_is_a_name),
		cmocka_unit_test(without_secrets_there_are_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
