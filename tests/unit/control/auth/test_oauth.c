// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/oauth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// After those.
#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/rfc/rfc7635.h"
#include "tests/unit/control/auth/oauth_token.h"

#define NAME         RFC7635_SERVER_NAME
#define MADE_NS      (RFC7635_TIME_S * TP_NS_PER_S)
#define MADE         RFC7635_TIMESTAMP
#define FRACTION     UINT64_C(15625) // ns of a 1/64000 s
#define BASE64_OF(n) (((n) + 2) / 3 * 4)

static struct ctl_oauth_key key_of(const char *kid, enum ctl_oauth_algorithm algorithm)
{
	struct ctl_oauth_key k = {.kid = kid, .algorithm = algorithm};
	memcpy(k.key, RFC7635_KEY, algorithm == CTL_OAUTH_A256GCM ? 32 : 16);
	return k;
}

static int setup(void **state)
{
	const struct ctl_oauth_key keys[] = {
		key_of("big", CTL_OAUTH_A256GCM), key_of("small", CTL_OAUTH_A128GCM)};
	return ctl_oauth_create(NAME, keys, 2, (struct ctl_oauth **)state);
}

static int teardown(void **state)
{
	ctl_oauth_destroy(*state);
	return 0;
}

// From an exact-size copy at an odd address.
static enum ctl_oauth_result verify_at(struct ctl_oauth *o, const char *kid, const void *token,
	size_t length, uint64_t wall_ns, struct ctl_oauth_token *out)
{
	uint8_t *copy = malloc(length + 1);
	memcpy(copy + 1, token, length);
	enum ctl_oauth_result result =
		ctl_oauth_verify(o, kid, strlen(kid), copy + 1, length, wall_ns, out);
	free(copy);
	return result;
}

static enum ctl_oauth_result verify(
	struct ctl_oauth *o, const char *kid, const void *token, size_t length)
{
	static const struct ctl_oauth_token none;
	struct ctl_oauth_token out;
	enum ctl_oauth_result result = verify_at(o, kid, token, length, MADE_NS, &out);
	if (result != CTL_OAUTH_accepted) // nothing of a bad token gets out
		assert_memory_equal(&out, &none, sizeof(out));
	return result;
}

static void samples_of_rfc7635(void **state)
{
	static const struct {
		const char *kid;
		const uint8_t *token;
	} sample[] = {{"big", rfc7635_token_256}, {"small", rfc7635_token_128}};
	for (int i = 0; i < 2; i++) {
		struct ctl_oauth_token t;
		assert_int_equal(verify_at(*state, sample[i].kid, sample[i].token, 64, MADE_NS, &t),
			CTL_OAUTH_accepted);
		assert_int_equal(t.mac_key.length, 20);
		assert_memory_equal(t.mac_key.bytes, RFC7635_MAC_KEY, 20);
		assert_true(t.timestamp == RFC7635_TIMESTAMP);
		assert_int_equal(t.lifetime_s, 3600);
		assert_int_equal(t.left_s, 3600);
	}
	// The other way round neither key fits.
	assert_int_equal(verify(*state, "big", rfc7635_token_128, 64), CTL_OAUTH_tag);
	assert_int_equal(verify(*state, "small", rfc7635_token_256, 64), CTL_OAUTH_tag);
}

static void token_of_coturn_with_256_bits_of_mac_key(void **state)
{
	const struct ctl_oauth_key key = key_of("kid1", CTL_OAUTH_A256GCM);
	struct ctl_oauth_token t;
	struct ctl_oauth *o;
	assert_int_equal(ctl_oauth_create(COTURN_SERVER_NAME, &key, 1, &o), 0);
	assert_int_equal(
		verify_at(o, "kid1", coturn_token_256, sizeof(coturn_token_256), MADE_NS, &t),
		CTL_OAUTH_accepted);
	assert_int_equal(t.mac_key.length, 32);
	assert_memory_equal(t.mac_key.bytes, COTURN_MAC_KEY, 32);
	ctl_oauth_destroy(o);
}

// As the authorization server hands it out, and as a client that must not look into it passes on.
static void base64_of_a_token_is_taken(void **state)
{
	unsigned char text[BASE64_OF(CTL_OAUTH_TOKEN_BYTES) + 1];
	int n = EVP_EncodeBlock(text, rfc7635_token_256, 64);
	assert_int_equal(verify(*state, "big", text, (size_t)n), CTL_OAUTH_accepted);
	for (int length = 0; length < n; length++)
		assert_int_equal(verify(*state, "big", text, (size_t)length), CTL_OAUTH_malformed);
	text[70] ^= 3;
	assert_int_equal(verify(*state, "big", text, (size_t)n), CTL_OAUTH_tag);
}

static void every_truncation_is_refused(void **state)
{
	uint8_t longer[65] = {0};
	for (size_t n = 0; n < 64; n++)
		assert_int_equal(verify(*state, "big", rfc7635_token_256, n), CTL_OAUTH_malformed);
	memcpy(longer, rfc7635_token_256, 64);
	assert_int_equal(verify(*state, "big", longer, 65), CTL_OAUTH_tag);
}

static void every_flipped_bit_is_refused(void **state)
{
	uint8_t token[64];
	for (size_t bit = 0; bit < 8 * sizeof(token); bit++) {
		memcpy(token, rfc7635_token_256, sizeof(token));
		token[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(verify(*state, "big", token, sizeof(token)),
			bit < 16 ? CTL_OAUTH_malformed : CTL_OAUTH_tag);
	}
}

static void the_kid_selects_the_key(void **state)
{
	static const char *const unknown[] = {"", "b", "bi", "bigg", "Big", "big ", "k%n"};
	struct ctl_oauth_token t;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(
			verify(*state, unknown[i], rfc7635_token_256, 64), CTL_OAUTH_unknown_kid);
	assert_int_equal(ctl_oauth_verify(*state, "big\0", 4, rfc7635_token_256, 64, MADE_NS, &t),
		CTL_OAUTH_unknown_kid);
}

static void a_token_for_another_server_is_refused(void **state)
{
	static const char *const others[] = {"", "blackdow.carleon.go", "blackdow.carleon.gov.",
		"BLACKDOW.carleon.gov", COTURN_SERVER_NAME};
	uint8_t block[64], token[TOKEN_MOST];
	size_t n = token_block(20, RFC7635_MAC_KEY, 20, MADE, 3600, block);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t length = token_seal(256, RFC7635_KEY, others[i], block, n, token);
		assert_int_equal(verify(*state, "big", token, length), CTL_OAUTH_tag);
	}
}

// Authentic tokens whose inside contradicts itself: an authorization server's fault, not ours.
static void lengths_inside_that_lie(void **state)
{
	static const uint16_t lies[] = {
		0, 1, 2, 19, 21, 32, 33, 34, 36, 255, 256, 0x7fff, 0x8000, 0xfff0, 0xfff2, 0xffff};
	uint8_t block[256], token[TOKEN_MOST], mac_key[200];
	memset(mac_key, 7, sizeof(mac_key));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		size_t n = token_block(lies[i], mac_key, 20, MADE, 3600, block);
		n = token_seal(256, RFC7635_KEY, NAME, block, n, token);
		assert_int_equal(verify(*state, "big", token, n), CTL_OAUTH_malformed);
	}
	// Every true length of a key.
	for (size_t length = 0; length < sizeof(mac_key); length++) {
		size_t n = token_block((uint16_t)length, mac_key, length, MADE, 3600, block);
		n = token_seal(256, RFC7635_KEY, NAME, block, n, token);
		assert_int_equal(verify(*state, "big", token, n),
			length >= 20 && length <= 32 ? CTL_OAUTH_accepted : CTL_OAUTH_malformed);
	}
	// Something behind the lifetime.
	size_t n = token_block(20, mac_key, 20, MADE, 3600, block);
	n = token_seal(256, RFC7635_KEY, NAME, block, n + 4, token);
	assert_int_equal(verify(*state, "big", token, n), CTL_OAUTH_malformed);
}

static void nonces_of_another_length_are_refused(void **state)
{
	uint8_t token[64];
	memcpy(token, rfc7635_token_256, sizeof(token));
	for (unsigned int n = 0; n < 0x10000; n += n < 300 ? 1 : 251) {
		if (n == 12)
			continue;
		tp_wr16(token, (uint16_t)n);
		assert_int_equal(verify(*state, "big", token, 64), CTL_OAUTH_malformed);
	}
}

// One token at one time: the result, and what it still grants.
static enum ctl_oauth_result at(struct ctl_oauth *o, uint64_t timestamp, uint32_t lifetime_s,
	uint64_t wall_ns, uint32_t *left_s)
{
	uint8_t block[64], token[TOKEN_MOST];
	struct ctl_oauth_token t;
	size_t n = token_block(20, RFC7635_MAC_KEY, 20, timestamp, lifetime_s, block);
	n = token_seal(256, RFC7635_KEY, NAME, block, n, token);
	enum ctl_oauth_result result = verify_at(o, "big", token, n, wall_ns, &t);
	*left_s = t.left_s;
	return result;
}

// Section 7: lifetime + Delta > abs(RDnew - TS). Section 9: lifetime + Delta - abs(RDnew - TS), and
// at most the lifetime.
static void the_time_by_the_formula(void **state)
{
	const uint64_t s = TP_NS_PER_S;
	uint32_t left_s;
	assert_int_equal(at(*state, MADE, 60, MADE_NS, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 60);
	assert_int_equal(at(*state, MADE, 60, MADE_NS + 5 * s, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 60);
	assert_int_equal(at(*state, MADE, 60, MADE_NS + 6 * s, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 59);
	assert_int_equal(at(*state, MADE, 60, MADE_NS + 60 * s, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 5);
	assert_int_equal(
		at(*state, MADE, 60, MADE_NS + 65 * s - FRACTION, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 1);
	assert_int_equal(at(*state, MADE, 60, MADE_NS + 65 * s, &left_s), CTL_OAUTH_expired);
	assert_int_equal(left_s, 0);
	// A clock of the authorization server that is ahead.
	assert_int_equal(at(*state, MADE, 60, MADE_NS - 4 * s, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(left_s, 60);
	assert_int_equal(
		at(*state, MADE, 60, MADE_NS - 65 * s + FRACTION, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(at(*state, MADE, 60, MADE_NS - 65 * s, &left_s), CTL_OAUTH_early);
	// The fraction of the timestamp: 16 bits of 1/64000 s.
	assert_int_equal(
		at(*state, MADE + 32000, 60, MADE_NS + 65 * s, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(
		at(*state, MADE + 32000, 60, MADE_NS + 65 * s + s / 2, &left_s), CTL_OAUTH_expired);
}

static void times_at_the_edges(void **state)
{
	uint32_t left_s;
	assert_int_equal(at(*state, 0, 3600, MADE_NS, &left_s), CTL_OAUTH_expired);
	assert_int_equal(at(*state, UINT64_MAX, 3600, MADE_NS, &left_s), CTL_OAUTH_early);
	assert_int_equal(at(*state, UINT64_MAX, UINT32_MAX, MADE_NS, &left_s), CTL_OAUTH_early);
	assert_int_equal(at(*state, 0, UINT32_MAX, MADE_NS, &left_s), CTL_OAUTH_accepted);
	assert_int_equal(at(*state, MADE, UINT32_MAX, MADE_NS, &left_s), CTL_OAUTH_accepted);
	assert_true(left_s == UINT32_MAX);
	// No lifetime grants no allocation.
	assert_int_equal(at(*state, MADE, 0, MADE_NS, &left_s), CTL_OAUTH_expired);
}

static void keys_have_their_period(void **state)
{
	struct ctl_oauth_key keys[2] = {
		key_of("old", CTL_OAUTH_A256GCM), key_of("new", CTL_OAUTH_A256GCM)};
	struct ctl_oauth_token t;
	struct ctl_oauth *o;
	keys[0].valid_from_s = RFC7635_TIME_S - 100;
	keys[0].valid_until_s = RFC7635_TIME_S + 100;
	keys[1].valid_from_s = RFC7635_TIME_S + 50;
	assert_int_equal(ctl_oauth_create(NAME, keys, 2, &o), 0);
	static const struct {
		const char *kid;
		int64_t after_s;
		enum ctl_oauth_result result;
	} cases[] = {{"old", -106, CTL_OAUTH_key_period}, {"old", -105, CTL_OAUTH_accepted},
		{"old", 104, CTL_OAUTH_accepted}, {"old", 105, CTL_OAUTH_key_period},
		{"new", 44, CTL_OAUTH_key_period}, {"new", 45, CTL_OAUTH_accepted},
		{"new", 3000, CTL_OAUTH_accepted}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			verify_at(o, cases[i].kid, rfc7635_token_256, 64,
				MADE_NS + (uint64_t)(cases[i].after_s * INT64_C(1000000000)), &t),
			cases[i].result);
	ctl_oauth_destroy(o);
}

// One kid has many clients: what an allocation is kept for differs between them, is the same for
// the same token, and shows nothing of the key.
static void identities_differ_by_mac_key(void **state)
{
	uint8_t block[64], token[TOKEN_MOST];
	struct ctl_oauth_token a, b, c;
	verify_at(*state, "big", rfc7635_token_256, 64, MADE_NS, &a);
	verify_at(*state, "big", rfc7635_token_256, 64, MADE_NS + TP_NS_PER_S, &b);
	assert_int_equal(a.identity_length, 3 + CTL_OAUTH_IDENTITY_MORE);
	assert_memory_equal(a.identity, "big:", 4);
	assert_memory_equal(a.identity, b.identity, a.identity_length);
	size_t n = token_block(20, "another mac key of 20", 20, MADE, 3600, block);
	n = token_seal(256, RFC7635_KEY, NAME, block, n, token);
	assert_int_equal(verify_at(*state, "big", token, n, MADE_NS, &c), CTL_OAUTH_accepted);
	assert_int_equal(c.identity_length, a.identity_length);
	assert_memory_not_equal(a.identity, c.identity, a.identity_length);
	assert_true(ctl_oauth_same_key(&a.mac_key, &b.mac_key));
	assert_false(ctl_oauth_same_key(&a.mac_key, &c.mac_key));
	// The same bytes, and a length that says otherwise.
	b.mac_key.length = 21;
	assert_false(ctl_oauth_same_key(&a.mac_key, &b.mac_key));
}

static void bad_sets_of_keys_are_refused(void **state)
{
	const struct ctl_oauth_key twice[] = {
		key_of("a", CTL_OAUTH_A256GCM), key_of("a", CTL_OAUTH_A128GCM)};
	const struct ctl_oauth_key empty = key_of("", CTL_OAUTH_A256GCM);
	const struct ctl_oauth_key longest =
		key_of("1234567890123456789012345678901234567890123", CTL_OAUTH_A256GCM);
	const struct ctl_oauth_key too_long =
		key_of("12345678901234567890123456789012345678901234", CTL_OAUTH_A256GCM);
	struct ctl_oauth *o;
	assert_int_equal(ctl_oauth_create(NAME, twice, 0, &o), -EINVAL);
	assert_int_equal(ctl_oauth_create(NAME, twice, 2, &o), -EINVAL);
	assert_int_equal(ctl_oauth_create(NAME, &empty, 1, &o), -EINVAL);
	assert_int_equal(ctl_oauth_create(NAME, &too_long, 1, &o), -EINVAL);
	assert_null(o);
	assert_int_equal(ctl_oauth_create(NAME, &longest, 1, &o), 0);
	assert_string_equal(ctl_oauth_server_name(o), NAME);
	assert_int_equal(verify(o, longest.kid, rfc7635_token_256, 64), CTL_OAUTH_accepted);
	ctl_oauth_destroy(o);
}

static void results_have_names(void **state)
{
	assert_string_equal(ctl_oauth_result_name(CTL_OAUTH_accepted), "accepted");
	assert_string_equal(ctl_oauth_result_name(CTL_OAUTH_integrity), "integrity");
	for (unsigned int i = 0; i < CTL_OAUTH_RESULTS; i++)
		assert_non_null(ctl_oauth_result_help(i));
	assert_null(ctl_oauth_result_name(CTL_OAUTH_RESULTS));
	assert_null(ctl_oauth_result_help(CTL_OAUTH_RESULTS));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(samples_of_rfc7635),
		TEST(token_of_coturn_with_256_bits_of_mac_key),
		TEST(base64_of_a_token_is_taken),
		TEST(every_truncation_is_refused),
		TEST(every_flipped_bit_is_refused),
		TEST(the_kid_selects_the_key),
		TEST(a_token_for_another_server_is_refused),
		TEST(lengths_inside_that_lie),
		TEST(nonces_of_another_length_are_refused),
		TEST(the_time_by_the_formula),
		TEST(times_at_the_edges),
		TEST(keys_have_their_period),
		TEST(identities_differ_by_mac_key),
		TEST(bad_sets_of_keys_are_refused),
		TEST(results_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
