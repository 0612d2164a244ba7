// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/nonce.h"

#include "tests/unit/control/world.h"

#define LIFETIME 600
#define FEATURES STUN_FEATURE_PASSWORD_ALGORITHMS

struct nonces {
	struct world w; // random only
	struct ctl_random random;
	struct tp_nonce_key keys[2];
	uint64_t wall_ns;
	struct tp_addr client, listener;
	char text[TP_NONCE_CHARS];
};

static int setup(void **state)
{
	struct nonces *t = calloc(1, sizeof(*t));
	t->w.random = 99;
	t->random = (struct ctl_random){.bytes = world_random, .context = &t->w};
	t->wall_ns = WORLD_WALL_NS;
	t->client = addr("198.18.1.1", 4000);
	t->listener = addr("198.18.0.2", 3478);
	assert_int_equal(ctl_nonce_rotate(t->keys, t->wall_ns, LIFETIME, &t->random), 0);
	ctl_nonce_write(t->keys, t->wall_ns, FEATURES, &t->client, &t->listener, t->text);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static bool ok(struct nonces *t)
{
	return ctl_nonce_ok(
		t->keys, t->wall_ns, LIFETIME, &t->client, &t->listener, t->text, sizeof(t->text));
}

static void our_own_is_good_until_it_is_old(void **state)
{
	struct nonces *t = *state;
	assert_true(ok(t));
	t->wall_ns += LIFETIME * TP_NS_PER_S;
	assert_true(ok(t));
	t->wall_ns += TP_NS_PER_S;
	assert_false(ok(t));
}

static void one_of_the_future_is_not(void **state)
{
	struct nonces *t = *state;
	t->wall_ns -= 5 * TP_NS_PER_S;
	assert_true(ok(t));
	t->wall_ns -= TP_NS_PER_S;
	assert_false(ok(t));
}

// The seconds of a nonce have 32 bits.
static void it_outlives_the_year_2106(void **state)
{
	struct nonces *t = *state;
	t->wall_ns = (UINT64_C(1) << 32) * TP_NS_PER_S - 10 * TP_NS_PER_S;
	ctl_nonce_write(t->keys, t->wall_ns, FEATURES, &t->client, &t->listener, t->text);
	assert_true(ok(t));
	t->wall_ns += LIFETIME * TP_NS_PER_S;
	assert_true(ok(t));
	t->wall_ns += TP_NS_PER_S;
	assert_false(ok(t));
	t->wall_ns = ((UINT64_C(1) << 32) + 2) * TP_NS_PER_S;
	ctl_nonce_write(t->keys, t->wall_ns, FEATURES, &t->client, &t->listener, t->text);
	t->wall_ns -= 5 * TP_NS_PER_S;
	assert_true(ok(t));
	t->wall_ns -= TP_NS_PER_S;
	assert_false(ok(t));
}

static void it_belongs_to_one_client_and_listener(void **state)
{
	struct nonces *t = *state;
	t->client.port++;
	assert_false(ok(t));
	t->client.port--;
	t->client.ip.bytes[3]++;
	assert_false(ok(t));
	t->client.ip.bytes[3]--;
	t->listener.port++;
	assert_false(ok(t));
	t->listener.port--;
	assert_true(ok(t));
}

static void any_changed_character_spoils_it(void **state)
{
	struct nonces *t = *state;
	for (size_t i = 0; i < TP_NONCE_CHARS; i++) {
		char c = t->text[i];
		t->text[i] = c == 'A' ? 'B' : 'A';
		assert_false(ok(t));
		t->text[i] = '-';
		assert_false(ok(t));
		t->text[i] = c;
	}
	for (size_t i = 0; i < TP_NONCE_CHARS; i++)
		assert_false(ctl_nonce_ok(
			t->keys, t->wall_ns, LIFETIME, &t->client, &t->listener, t->text, i));
}

static void two_keys_are_alive(void **state)
{
	struct nonces *t = *state;
	struct tp_nonce_key first = t->keys[0];
	t->wall_ns += LIFETIME * TP_NS_PER_S - 1;
	assert_int_equal(ctl_nonce_rotate(t->keys, t->wall_ns, LIFETIME, &t->random), 0);
	assert_memory_equal(&t->keys[0], &first, sizeof(first)); // not yet
	t->wall_ns += 1;
	assert_int_equal(ctl_nonce_rotate(t->keys, t->wall_ns, LIFETIME, &t->random), 0);
	assert_memory_equal(&t->keys[1], &first, sizeof(first));
	assert_memory_not_equal(&t->keys[0], &first, sizeof(first));
	assert_true(ok(t)); // by the old key
	char fresh[TP_NONCE_CHARS];
	ctl_nonce_write(t->keys, t->wall_ns, FEATURES, &t->client, &t->listener, fresh);
	memcpy(t->text, fresh, sizeof(fresh));
	assert_true(ok(t));
	t->keys[0].created_wall_ns = 0; // no key at all verifies nothing
	assert_false(ok(t));
}

static int no_random(void *context, void *out, size_t len)
{
	return -EIO;
}

static void without_randomness_the_keys_stay(void **state)
{
	struct nonces *t = *state;
	struct tp_nonce_key before[2];
	memcpy(before, t->keys, sizeof(before));
	struct ctl_random broken = {.bytes = no_random};
	assert_int_equal(ctl_nonce_rotate(t->keys, t->wall_ns + 2 * LIFETIME * TP_NS_PER_S,
				 LIFETIME, &broken),
		-EIO);
	assert_memory_equal(before, t->keys, sizeof(before));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(our_own_is_good_until_it_is_old),
		TEST(one_of_the_future_is_not),
		TEST(it_outlives_the_year_2106),
		TEST(it_belongs_to_one_client_and_listener),
		TEST(any_changed_character_spoils_it),
		TEST(two_keys_are_alive),
		TEST(without_randomness_the_keys_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
