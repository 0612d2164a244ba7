// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/users.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "tests/unit/control/world.h"

static const struct ctl_user_entry entries[] = {
	{"zoe", "z"}, {"alice", "wonderland"}, {"bob", "builder"}, {"al", "short"}};
static const char *const secrets[] = {"north", "south"};

struct asked {
	int calls;
	struct ctl_user_answer answer;
};

static int setup(void **state)
{
	struct ctl_config_users_options o = {.realm = "example.org",
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
	assert_int_equal(a.n_keys, 2);
	struct ctl_key north = key_of("1700000600:alice", "gthUwOpcRoLI0MMCziCEBOWYnpo=");
	struct ctl_key south = key_of("1700000600:alice", "xPwKDiESQG3j7Uoy9nYVCEku37A=");
	assert_memory_equal(&a.key[0], &north, sizeof(north));
	assert_memory_equal(&a.key[1], &south, sizeof(south));
	assert_int_equal(ask(*state, "1700000600").result, 0); // the id may be missing
	assert_int_equal(ask(*state, "1700000000:x").result, 0);
}

static void expired_credentials_fit_nobody(void **state)
{
	struct ctl_user_answer a = ask(*state, "1699999999:alice");
	assert_int_equal(a.result, -ENOENT);
	assert_int_equal(a.n_keys, 2);
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
	assert_int_equal(a.answer.n_keys, 2);
	assert_int_equal(a.answer.key[0].length, 32);
	assert_memory_equal(a.answer.key[0].bytes, right, 32);
}

static void what_is_no_timestamp_is_a_name(void **state)
{
	static const char *const names[] = {"1700000600x", ":alice", "1700000600 :a",
		"99999999999999999999999:a", "x1700000600:a"};
	for (size_t i = 0; i < 5; i++) {
		struct ctl_user_answer a = ask(*state, names[i]);
		assert_int_equal(a.result, -ENOENT);
		assert_int_equal(a.n_keys, 1);
	}
}

static void without_secrets_there_are_none(void **state)
{
	struct ctl_config_users_options o = {.realm = "r", .users = entries, .n_users = 1};
	struct ctl_user_store *s;
	assert_int_equal(ctl_config_users_create(&o, &s), 0);
	assert_int_equal(ask(s, "1700000600:alice").result, -ENOENT);
	s->destroy(s);
	o.n_rest_secrets = CTL_USER_KEYS + 1;
	assert_int_equal(ctl_config_users_create(&o, &s), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_of_the_config),
		cmocka_unit_test(unknown_users_cost_the_same),
		cmocka_unit_test(time_limited_credentials),
		cmocka_unit_test(expired_credentials_fit_nobody),
		cmocka_unit_test(users_by_hash),
		cmocka_unit_test(a_hash_that_finds_nobody_costs_the_same),
		cmocka_unit_test(time_limited_credentials_with_sha256),
		cmocka_unit_test(what_is_no_timestamp_is_a_name),
		cmocka_unit_test(without_secrets_there_are_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
