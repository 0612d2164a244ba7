// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/nonce.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// After those.
#include <cmocka.h>
#include <openssl/evp.h>

#include "common/base/bytes.h"

static const struct tp_siphash_key key = {"0123456789abcde"};

static struct tp_nonce sample(void)
{
	struct tp_nonce n = {.features = STUN_FEATURE_PASSWORD_ALGORITHMS, .time_s = 0x65432100};
	n.client = (struct tp_addr){.ip = {{198, 18, 1, 1}, TP_FAMILY_IPV4, {}}, .port = 4000};
	n.listener = (struct tp_addr){.ip = {{198, 18, 0, 2}, TP_FAMILY_IPV4, {}}, .port = 3478};
	return n;
}

// RFC 8489 section 9.2 and 18.1: bit 0 is the most significant bit of the first of three bytes.
static void cookie_holds_the_features(void **state)
{
	static const struct {
		uint32_t features;
		const char *cookie;
	} cases[] = {
		{0, "obMatJos2AAAA"},
		{STUN_FEATURE_PASSWORD_ALGORITHMS, "obMatJos2gAAA"},
		{STUN_FEATURE_USERNAME_ANONYMITY, "obMatJos2QAAA"},
		{STUN_FEATURE_PASSWORD_ALGORITHMS | STUN_FEATURE_USERNAME_ANONYMITY,
			"obMatJos2wAAA"},
		{0xffffff, "obMatJos2////"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[TP_NONCE_CHARS];
		struct tp_nonce n = sample();
		n.features = cases[i].features;
		tp_nonce_write(&key, &n, text);
		assert_memory_equal(text, cases[i].cookie, 13);
		assert_int_equal(tp_nonce_features(text, sizeof(text)), cases[i].features);
	}
}

static void body_is_base64_of_time_and_tag(void **state)
{
	struct tp_nonce n = sample();
	char text[TP_NONCE_CHARS], right[17];
	uint8_t body[12];
	uint64_t tag = tp_nonce_tag(&key, &n);
	tp_nonce_write(&key, &n, text);
	tp_wr32(body, n.time_s);
	tp_wr32(body + 4, (uint32_t)(tag >> 32));
	tp_wr32(body + 8, (uint32_t)tag);
	assert_int_equal(EVP_EncodeBlock((unsigned char *)right, body, sizeof(body)), 16);
	assert_memory_equal(text + 13, right, 16);
}

static void what_was_written_is_read(void **state)
{
	for (uint32_t i = 0; i < 1000; i++) {
		char text[TP_NONCE_CHARS];
		struct tp_nonce n = sample(), back = sample();
		uint64_t tag;
		n.time_s = i * 4294967u;
		n.features = i * 16777u & 0xffffff;
		tp_nonce_write(&key, &n, text);
		assert_true(tp_nonce_read(text, sizeof(text), &back, &tag));
		assert_int_equal(back.time_s, n.time_s);
		assert_int_equal(back.features, n.features);
		assert_true(tag == tp_nonce_tag(&key, &n));
	}
}

static void every_part_is_under_the_tag(void **state)
{
	struct tp_nonce n = sample();
	uint64_t tag = tp_nonce_tag(&key, &n);
	n.features ^= STUN_FEATURE_PASSWORD_ALGORITHMS; // the bid-down
	assert_true(tag != tp_nonce_tag(&key, &n));
	n = sample();
	n.time_s++;
	assert_true(tag != tp_nonce_tag(&key, &n));
	n = sample();
	n.client.port++;
	assert_true(tag != tp_nonce_tag(&key, &n));
	n = sample();
	n.listener.ip.bytes[3]++;
	assert_true(tag != tp_nonce_tag(&key, &n));
}

static void foreign_texts_are_refused(void **state)
{
	struct tp_nonce n = sample();
	char text[TP_NONCE_CHARS + 1] = {};
	uint64_t tag;
	tp_nonce_write(&key, &n, text);
	for (size_t len = 0; len <= sizeof(text); len++)
		assert_int_equal(tp_nonce_read(text, len, &n, &tag), len == TP_NONCE_CHARS);
	for (size_t len = 0; len < TP_NONCE_COOKIE_CHARS; len++)
		assert_int_equal(tp_nonce_features(text, len), 0);
	for (size_t i = 0; i < TP_NONCE_CHARS; i++) {
		char c = text[i];
		text[i] = '-'; // of the URL alphabet
		assert_false(tp_nonce_read(text, TP_NONCE_CHARS, &n, &tag));
		if (i < TP_NONCE_COOKIE_CHARS)
			assert_int_equal(tp_nonce_features(text, TP_NONCE_CHARS), 0);
		text[i] = c;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cookie_holds_the_features),
		cmocka_unit_test(body_is_base64_of_time_and_tag),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(every_part_is_under_the_tag),
		cmocka_unit_test(foreign_texts_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
