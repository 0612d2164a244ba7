// SPDX-License-Identifier: BSD-3-Clause
// The vectors of RFC 5769 through the reader; their integrity with libcrypto, so that whoever
// verifies MESSAGE-INTEGRITY can rely on the vectors.
#include "tests/rfc/rfc5769.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base/bytes.h"
#include "common/wire/fingerprint.h"
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"

static struct stun_message read_ok(const void *bytes, size_t len)
{
	struct stun_message m;
	assert_int_equal(stun_read(bytes, len, &m), STUN_READ_OK);
	return m;
}
#define READ(array) read_ok(array, sizeof(array))

static void assert_text(const struct stun_message *m, uint16_t type, const char *want)
{
	struct stun_attr a;
	assert_true(stun_find(m, type, &a));
	assert_int_equal(a.length, strlen(want));
	assert_memory_equal(a.value, want, a.length);
}

static void assert_integrity(const struct stun_message *m, const void *key, size_t key_len)
{
	uint8_t text[256], mac[20];
	struct stun_attr a;

	assert_true(stun_find(m, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	memcpy(text, m->bytes, a.offset);
	tp_wr16(text + 2, (uint16_t)(a.offset + 24 - STUN_HEADER_BYTES));
	assert_non_null(HMAC(EVP_sha1(), key, (int)key_len, text, a.offset, mac, NULL));
	assert_memory_equal(a.value, mac, 20);
}

static void test_request(void **state)
{
	struct stun_message m = READ(rfc5769_request);
	struct stun_attr a;

	assert_int_equal(m.class, STUN_REQUEST);
	assert_int_equal(m.method, STUN_BINDING);
	assert_text(&m, STUN_ATTR_SOFTWARE, "STUN test client");
	assert_text(&m, STUN_ATTR_USERNAME, RFC5769_USERNAME);
	assert_true(stun_find(&m, STUN_ATTR_PRIORITY, &a));
	assert_int_equal(tp_rd32(a.value), 0x6e0001ff);
	assert_true(stun_fingerprint_ok(&m));
	assert_integrity(&m, RFC5769_PASSWORD, strlen(RFC5769_PASSWORD));
	assert_int_equal(stun_unknown_required(&m, NULL, 0), 0);
}

static void assert_response(const struct stun_message *m, const char *ip)
{
	struct tp_addr want = {.port = RFC5769_PORT}, got;
	struct stun_attr a;

	assert_int_equal(m->class, STUN_SUCCESS);
	assert_text(m, STUN_ATTR_SOFTWARE, "test vector");
	assert_int_equal(tp_ip_parse(ip, &want.ip), 0);
	assert_true(stun_find(m, STUN_ATTR_XOR_MAPPED_ADDRESS, &a));
	assert_true(stun_read_xor_address(&a, m->transaction_id, &got));
	assert_true(tp_addr_equal(&got, &want));
	assert_true(stun_fingerprint_ok(m));
	assert_integrity(m, RFC5769_PASSWORD, strlen(RFC5769_PASSWORD));
}

static void test_responses(void **state)
{
	struct stun_message v4 = READ(rfc5769_response_ipv4), v6 = READ(rfc5769_response_ipv6);

	assert_response(&v4, RFC5769_IPV4);
	assert_response(&v6, RFC5769_IPV6);
}

static void test_long_term(void **state)
{
	static const char text[] = RFC5769_LONG_TERM_USERNAME ":" RFC5769_LONG_TERM_REALM
							      ":" RFC5769_LONG_TERM_PASSWORD;
	struct stun_message m = READ(rfc5769_request_long_term);
	uint8_t key[16];

	assert_text(&m, STUN_ATTR_USERNAME, RFC5769_LONG_TERM_USERNAME);
	assert_text(&m, STUN_ATTR_REALM, RFC5769_LONG_TERM_REALM);
	assert_text(&m, STUN_ATTR_NONCE, RFC5769_LONG_TERM_NONCE);
	assert_false(stun_has_fingerprint(&m));
	assert_int_equal(EVP_Digest(text, sizeof(text) - 1, key, NULL, EVP_md5(), NULL), 1);
	assert_integrity(&m, key, sizeof(key));
}

// Written again with our writer they come out the same, but for the RFC's padding with spaces,
// which changes integrity and fingerprint: the long-term request has zero padding throughout.
static void test_written_again(void **state)
{
	uint8_t out[256];
	struct stun_writer w;
	struct stun_message m = READ(rfc5769_request_long_term);
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES;

	stun_write_begin(&w, out, sizeof(out), m.class, m.method, m.transaction_id);
	while (stun_next_attr(&m, &at, &a))
		stun_write_attr(&w, a.type, a.value, a.length);
	assert_int_equal(stun_write_finish(&w), sizeof(rfc5769_request_long_term));
	assert_memory_equal(out, rfc5769_request_long_term, sizeof(rfc5769_request_long_term));
}

static void test_any_alignment_and_damage(void **state)
{
	uint8_t buffer[sizeof(rfc5769_response_ipv6) + 8];

	for (size_t offset = 0; offset < 8; offset++) {
		memcpy(buffer + offset, rfc5769_response_ipv6, sizeof(rfc5769_response_ipv6));
		struct stun_message m = read_ok(buffer + offset, sizeof(rfc5769_response_ipv6));
		assert_response(&m, RFC5769_IPV6);
	}
	// A flipped bit of the transaction id or of the value is seen.
	for (size_t bit = 8 * 8; bit < 20 * 8; bit++) {
		memcpy(buffer, rfc5769_response_ipv6, sizeof(rfc5769_response_ipv6));
		buffer[bit / 8] ^= (uint8_t)(1 << bit % 8);
		struct stun_message m = read_ok(buffer, sizeof(rfc5769_response_ipv6));
		assert_true(stun_has_fingerprint(&m));
		assert_false(stun_fingerprint_ok(&m));
	}
}

static void test_crc32_check_value(void **state)
{
	// The check value that every catalogue of CRCs prints, whole and in two pieces.
	assert_int_equal(stun_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(stun_crc32(stun_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(stun_crc32(0, "", 0), 0);

	// Bit by bit, at any alignment and of any length.
	uint8_t bytes[80];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t from = 0; from < 8; from++)
		for (size_t to = from; to <= sizeof(bytes); to++) {
			uint32_t crc = UINT32_MAX;
			for (size_t i = from; i < to; i++) {
				crc ^= bytes[i];
				for (int bit = 0; bit < 8; bit++)
					crc = crc & 1 ? crc >> 1 ^ 0xedb88320 : crc >> 1;
			}
			assert_int_equal(stun_crc32(0, bytes + from, to - from), ~crc);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_long_term),
		cmocka_unit_test(test_written_again),
		cmocka_unit_test(test_any_alignment_and_damage),
		cmocka_unit_test(test_crc32_check_value),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
