// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/integrity.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/rfc/rfc5769.h"
#include "tests/rfc/rfc8489.h"
#include "tests/unit/control/world.h"
// After cmocka's headers.
#include "common/base/bytes.h"

static int setup(void **state)
{
	return ctl_crypto_create((struct ctl_crypto **)state);
}

static int teardown(void **state)
{
	ctl_crypto_destroy(*state);
	return 0;
}

static bool verify(struct ctl_crypto *c, const uint8_t *bytes, size_t length, const void *key,
	size_t key_length)
{
	struct stun_message m;
	struct stun_attr mi;
	assert_int_equal(stun_read(bytes, length, &m), STUN_READ_OK);
	assert_true(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &mi));
	return ctl_integrity_ok(c, &m, &mi, key, key_length);
}

static void rfc5769_short_term(void **state)
{
	const size_t n = strlen(RFC5769_PASSWORD);
	assert_true(verify(*state, rfc5769_request, sizeof(rfc5769_request), RFC5769_PASSWORD, n));
	assert_true(verify(
		*state, rfc5769_response_ipv4, sizeof(rfc5769_response_ipv4), RFC5769_PASSWORD, n));
	assert_true(verify(
		*state, rfc5769_response_ipv6, sizeof(rfc5769_response_ipv6), RFC5769_PASSWORD, n));
	assert_false(
		verify(*state, rfc5769_request, sizeof(rfc5769_request), RFC5769_PASSWORD, n - 1));
}

static void rfc5769_long_term(void **state)
{
	struct ctl_key key;
	assert_int_equal(
		ctl_crypto_long_term_key(*state, RFC5769_LONG_TERM_USERNAME,
			strlen(RFC5769_LONG_TERM_USERNAME), RFC5769_LONG_TERM_REALM,
			RFC5769_LONG_TERM_PASSWORD, strlen(RFC5769_LONG_TERM_PASSWORD), &key),
		0);
	assert_true(verify(*state, rfc5769_request_long_term, sizeof(rfc5769_request_long_term),
		key.bytes, sizeof(key.bytes)));
}

static void any_changed_byte_before_it_is_seen(void **state)
{
	uint8_t copy[sizeof(rfc5769_request)];
	struct stun_message m;
	struct stun_attr mi;
	assert_int_equal(stun_read(rfc5769_request, sizeof(copy), &m), STUN_READ_OK);
	stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &mi);
	for (size_t i = 8; i < mi.offset + 24u; i++) {
		if (i >= mi.offset && i < mi.offset + 4u)
			continue; // its own header
		memcpy(copy, rfc5769_request, sizeof(copy));
		copy[i] ^= 0x10;
		struct stun_message changed = m;
		struct stun_attr a = mi;
		changed.bytes = copy;
		a.value = copy + mi.offset + 4;
		assert_false(ctl_integrity_ok(
			*state, &changed, &a, RFC5769_PASSWORD, strlen(RFC5769_PASSWORD)));
	}
}

static void wrong_length_never_fits(void **state)
{
	struct stun_message m;
	struct stun_attr mi;
	assert_int_equal(stun_read(rfc5769_request, sizeof(rfc5769_request), &m), STUN_READ_OK);
	stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &mi);
	mi.length = 0;
	assert_false(ctl_integrity_ok(*state, &m, &mi, RFC5769_PASSWORD, strlen(RFC5769_PASSWORD)));
}

static void what_is_appended_verifies(void **state)
{
	uint8_t bytes[200];
	static const uint8_t id[12] = "0123456789a";
	struct stun_writer w;
	stun_write_begin(&w, bytes, sizeof(bytes), STUN_SUCCESS, STUN_REFRESH, id);
	stun_write_u32(&w, STUN_ATTR_LIFETIME, 600);
	assert_int_equal(ctl_integrity_append(*state, &w, "0123456789abcdef", 16), 0);
	stun_write_fingerprint(&w); // what follows does not count
	int length = stun_write_finish(&w);
	assert_int_equal(length, 20 + 8 + 24 + 8);
	assert_true(verify(*state, bytes, (size_t)length, "0123456789abcdef", 16));
	assert_false(verify(*state, bytes, (size_t)length, "0123456789abcdeg", 16));
	// No room: the writer says so.
	stun_write_begin(&w, bytes, 30, STUN_SUCCESS, STUN_REFRESH, id);
	assert_int_equal(ctl_integrity_append(*state, &w, "k", 1), 0);
	assert_int_equal(stun_write_finish(&w), -ENOBUFS);
}

// Appendix B.1: USERHASH, and the SHA-256 key under which its HMAC was made.
static void rfc8489_userhash_and_key(void **state)
{
	const size_t n = strlen(RFC8489_USERNAME);
	uint8_t hash[CTL_USERHASH_BYTES], mac[32];
	struct ctl_key key;
	assert_int_equal(ctl_crypto_userhash(*state, RFC8489_USERNAME, n, RFC8489_REALM, hash), 0);
	assert_memory_equal(hash, rfc8489_request + RFC8489_USERHASH_OFFSET, sizeof(hash));
	assert_int_equal(ctl_crypto_password_key(*state, CTL_PASSWORD_SHA256, RFC8489_USERNAME, n,
				 RFC8489_REALM, RFC8489_PASSWORD, strlen(RFC8489_PASSWORD), &key),
		0);
	assert_int_equal(key.length, 32);
	assert_non_null(HMAC(EVP_sha256(), key.bytes, (int)key.length, rfc8489_request,
		RFC8489_INTEGRITY_OFFSET, mac, NULL));
	assert_memory_equal(mac, rfc8489_request + RFC8489_INTEGRITY_OFFSET + 4, sizeof(mac));
}

// RFC 8489 section 14.6, at every length; the HMAC is libcrypto's own.
static void sha256_may_be_truncated(void **state)
{
	static const uint8_t id[12] = "0123456789a";
	for (uint16_t length = 0; length <= 36; length++) {
		uint8_t bytes[100], mac[36] = {};
		struct stun_message m;
		struct stun_attr a;
		struct stun_writer w;
		stun_write_begin(&w, bytes, sizeof(bytes), STUN_REQUEST, STUN_REFRESH, id);
		uint8_t *value = stun_write_reserve(&w, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, length);
		tp_wr16(bytes + 2, (uint16_t)(4 + length)); // padding is none of the legal ones
		HMAC(EVP_sha256(), "key", 3, bytes, 20, mac, NULL);
		memcpy(value, mac, length);
		int whole = stun_write_finish(&w);
		assert_int_equal(stun_read(bytes, (size_t)whole, &m), STUN_READ_OK);
		assert_true(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, &a));
		bool legal = length >= 16 && length <= 32 && length % 4 == 0;
		assert_int_equal(ctl_integrity_ok(*state, &m, &a, "key", 3), legal);
		bytes[24] ^= 1;
		assert_false(ctl_integrity_ok(*state, &m, &a, "key", 3));
	}
}

static void sha256_that_is_appended_verifies(void **state)
{
	uint8_t bytes[200], mac[32];
	static const uint8_t id[12] = "0123456789a";
	struct stun_message m;
	struct stun_attr a;
	struct stun_writer w;
	stun_write_begin(&w, bytes, sizeof(bytes), STUN_SUCCESS, STUN_REFRESH, id);
	stun_write_u32(&w, STUN_ATTR_LIFETIME, 600);
	assert_int_equal(ctl_integrity_sha256_append(*state, &w, "k", 1), 0);
	HMAC(EVP_sha256(), "k", 1, bytes, 28, mac, NULL);
	assert_memory_equal(bytes + 32, mac, 32);
	stun_write_fingerprint(&w);
	int length = stun_write_finish(&w);
	assert_int_equal(stun_read(bytes, (size_t)length, &m), STUN_READ_OK);
	assert_true(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, &a));
	assert_true(ctl_integrity_ok(*state, &m, &a, "k", 1));
	assert_false(ctl_integrity_ok(*state, &m, &a, "j", 1));
}

// RFC 2202 section 3, cases 1 and 2.
static void rfc2202_hmac(void **state)
{
	static const uint8_t one[20] = {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b,
		0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00};
	static const uint8_t two[20] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74,
		0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
	uint8_t key[20], out[20];
	memset(key, 0x0b, sizeof(key));
	assert_int_equal(ctl_crypto_hmac_sha1(*state, key, sizeof(key), "Hi There", 8, out), 0);
	assert_memory_equal(out, one, 20);
	assert_int_equal(
		ctl_crypto_hmac_sha1(*state, "Jefe", 4, "what do ya want for nothing?", 28, out),
		0);
	assert_memory_equal(out, two, 20);
}

// Whatever key came before, the same one included.
static void keys_in_any_order_give_the_same(void **state)
{
	static const uint8_t keys[200] = {1, 2, 3, 4, 5, 6, 7, 8};
	static const size_t lengths[] = {16, 16, 8, 16, 64, 65, 65, 64, 1, 1, 200, 16};
	struct ctl_crypto *kept, *fresh;
	uint8_t a[CTL_INTEGRITY_SHA256_BYTES], b[CTL_INTEGRITY_SHA256_BYTES];

	assert_int_equal(ctl_crypto_create(&kept), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		const uint8_t *key = keys + i % 3 / 2; // the second of two of one length is another one, once
		size_t length = lengths[i] - (key != keys && lengths[i] == 200);
		assert_int_equal(ctl_crypto_create(&fresh), 0);
		assert_int_equal(ctl_crypto_hmac_sha1(kept, key, length, "text", 4, a), 0);
		assert_int_equal(ctl_crypto_hmac_sha1(fresh, key, length, "text", 4, b), 0);
		assert_memory_equal(a, b, CTL_INTEGRITY_BYTES);
		for (int again = 0; again < 2; again++) {
			uint8_t bytes[2][64];
			struct stun_writer w[2];
			for (int k = 0; k < 2; k++) {
				stun_write_begin(&w[k], bytes[k], sizeof(bytes[k]), STUN_REQUEST,
					STUN_ALLOCATE, (const uint8_t *)"abcdefghijkl");
				assert_int_equal(ctl_integrity_append(
							 k ? fresh : kept, &w[k], key, length),
					0);
			}
			assert_memory_equal(bytes[0], bytes[1], 44);
		}
		assert_int_equal(ctl_crypto_hmac_sha256(kept, key, length, "text", 4, a), 0);
		assert_int_equal(ctl_crypto_hmac_sha256(fresh, key, length, "text", 4, b), 0);
		assert_memory_equal(a, b, CTL_INTEGRITY_SHA256_BYTES);
		ctl_crypto_destroy(fresh);
	}
	ctl_crypto_destroy(kept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5769_short_term),
		cmocka_unit_test(rfc5769_long_term),
		cmocka_unit_test(any_changed_byte_before_it_is_seen),
		cmocka_unit_test(wrong_length_never_fits),
		cmocka_unit_test(what_is_appended_verifies),
		cmocka_unit_test(rfc8489_userhash_and_key),
		cmocka_unit_test(sha256_may_be_truncated),
		cmocka_unit_test(sha256_that_is_appended_verifies),
		cmocka_unit_test(rfc2202_hmac),
		cmocka_unit_test(keys_in_any_order_give_the_same),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
