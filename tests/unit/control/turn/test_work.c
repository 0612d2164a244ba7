// SPDX-License-Identifier: BSD-3-Clause
// Who guesses learns nothing: neither from the bytes of a refusal nor from the work that it takes.
// The linker puts the counters below in the place of libcrypto's functions (meson.build).
#include <openssl/crypto.h>

#include "tests/unit/control/turn/attempt.h"

struct work {
	unsigned int digests, macs, hashed_bytes, compares;
};
static struct work work;

int __real_EVP_DigestInit_ex2(EVP_MD_CTX *ctx, const EVP_MD *type, const OSSL_PARAM params[]);
int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *ctx, const EVP_MD *type, const OSSL_PARAM params[]);
int __real_EVP_MAC_init(
	EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[]);
int __wrap_EVP_MAC_init(
	EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[]);
int __real_EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen);
int __wrap_EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen);
int __real_CRYPTO_memcmp(const void *a, const void *b, size_t len);
int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len);

int __wrap_EVP_DigestInit_ex2(EVP_MD_CTX *ctx, const EVP_MD *type, const OSSL_PARAM params[])
{
	work.digests++;
	return __real_EVP_DigestInit_ex2(ctx, type, params);
}

int __wrap_EVP_MAC_init(
	EVP_MAC_CTX *ctx, const unsigned char *key, size_t keylen, const OSSL_PARAM params[])
{
	work.macs++;
	return __real_EVP_MAC_init(ctx, key, keylen, params);
}

int __wrap_EVP_MAC_update(EVP_MAC_CTX *ctx, const unsigned char *data, size_t datalen)
{
	work.hashed_bytes += (unsigned int)datalen;
	return __real_EVP_MAC_update(ctx, data, datalen);
}

int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t len)
{
	work.compares++;
	return __real_CRYPTO_memcmp(a, b, len);
}

static const struct conf_user users[] = {
	{.name = (char *)"alice", .password = (char *)"wonder"},
	{.name = (char *)"md5er", .key = (char *)"00112233445566778899aabbccddeeff"},
};

static int setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	relay_open(r);
	attempt_users(r, users, 2);
	relay_challenge(r);
	*state = r;
	return 0;
}

// The work and the bytes of one refusal. Names have one length each time, so that requests have.
static size_t refusal(struct relay *r, const struct attempt *a, struct work *did,
	uint8_t answer[CTL_RESPONSE_MAX_BYTES])
{
	work = (struct work){};
	assert_int_equal(attempt(r, a), 401);
	*did = work;
	return attempt_answer(r, answer);
}

static void all_the_same(struct relay *r, const struct attempt *attempts, size_t n,
	unsigned int macs, unsigned int digests)
{
	uint8_t first[CTL_RESPONSE_MAX_BYTES], other[CTL_RESPONSE_MAX_BYTES];
	struct work one, two;
	size_t length = refusal(r, &attempts[0], &one, first);
	assert_int_equal(one.macs, macs);
	assert_int_equal(one.digests, digests);
	assert_int_equal(one.compares, macs - digests); // the passwords' HMACs are not compared
	for (size_t i = 1; i < n; i++) {
		if (refusal(r, &attempts[i], &two, other) != length ||
			memcmp(&one, &two, sizeof(one)) != 0 || memcmp(first, other, length) != 0)
			fail_msg("attempt %zu: %u macs of %u bytes, %u digests, %u compares", i,
				two.macs, two.hashed_bytes, two.digests, two.compares);
	}
}

// By USERNAME and by USERHASH, with each algorithm: a wrong password, nobody, a name that cannot
// be, another realm (even with the right password), a user without such a key.
static void users_of_the_config(void **state)
{
	struct relay *r = *state;
	for (int i = 0; i < 4; i++) {
		struct attempt a[] = {{.name = "alice", .password = "wrong"},
			{.name = "nobdy", .password = "wrong"},
			{.name = "al\nce", .password = "wrong"},
			{.name = "\xff"
				 "lice",
				.password = "wrong"},
			{.name = "alice",
				.password = "wonder",
				.realm = "example.com",
				.key_realm = RELAY_REALM},
			{.name = "md5er", .password = "wrong"}};
		for (size_t k = 0; k < sizeof(a) / sizeof(a[0]); k++) {
			a[k].sha256 = i & 1;
			a[k].hashed = i & 2;
		}
		all_the_same(r, a, sizeof(a) / sizeof(a[0]), 1, 0);
	}
}

// One secret makes two keys: two HMACs and two digests; then each is tried.
static void temporary_credentials(void **state)
{
	struct relay *r = *state;
	for (int i = 0; i < 4; i++) {
		r->conf.auth.rest_expiry =
			i & 2 ? CONF_REST_EXPIRY_ALWAYS : CONF_REST_EXPIRY_ALLOCATE;
		attempt_users(r, users, 2);
		struct attempt a[] = {{.name = "1700000600:alice", .password = "wrong"},
			{.name = "1700000600:nobdy", .password = "wrong"},
			{.name = "1699999999:alice", .password = "wrong"},
			// It fits, and is past its time.
			{.name = "1699999999:alice", .password = "l+MS1UMTPZoJ9NP0h1pa699ZC3E="},
			{.name = "1700000600:alice",
				.password = "gthUwOpcRoLI0MMCziCEBOWYnpo=",
				.realm = "example.com",
				.key_realm = RELAY_REALM}};
		for (size_t k = 0; k < sizeof(a) / sizeof(a[0]); k++)
			a[k].sha256 = i & 1;
		all_the_same(r, a, sizeof(a) / sizeof(a[0]), 4, 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users_of_the_config),
		TEST(temporary_credentials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
