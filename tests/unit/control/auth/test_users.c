// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/users.h"

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

static struct ctl_user_answer ask(struct ctl_user_store *s, const char *user)
{
	struct asked a = {};
	s->lookup(s, (const uint8_t *)user, strlen(user), WORLD_WALL_NS, keep, &a);
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
		cmocka_unit_test(what_is_no_timestamp_is_a_name),
		cmocka_unit_test(without_secrets_there_are_none),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
