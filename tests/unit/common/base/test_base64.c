// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// After those.
#include <cmocka.h>
#include <openssl/evp.h>

// From an exact-size copy, so that sanitizers see a read behind it.
static bool read_text(const char *text, size_t capacity, uint8_t *out, size_t *n)
{
	size_t length = strlen(text);
	char *copy = malloc(length + 1);
	memcpy(copy + 1, text, length);
	bool ok = tp_base64_read(copy + 1, length, out, capacity, n);
	free(copy);
	return ok;
}

// RFC 4648 section 10.
static void vectors_of_rfc4648(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"Zg==", "f"}, {"Zm8=", "fo"},
		{"Zm9v", "foo"}, {"Zm9vYg==", "foob"}, {"Zm9vYmE=", "fooba"},
		{"Zm9vYmFy", "foobar"}};
	uint8_t out[16];
	size_t n;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_true(read_text(pairs[i][0], sizeof(out), out, &n));
		assert_int_equal(n, strlen(pairs[i][1]));
		assert_memory_equal(out, pairs[i][1], n);
	}
}

// Against libcrypto, every length up to 66 and all characters.
static void reads_what_libcrypto_writes(void **state)
{
	uint8_t bytes[66], out[66];
	unsigned char text[96];
	uint32_t random = 1;
	size_t n;
	for (size_t length = 0; length <= sizeof(bytes); length++) {
		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)((random = random * 1103515245 + 12345) >> 16);
		EVP_EncodeBlock(text, bytes, (int)length);
		assert_true(read_text((const char *)text, length, out, &n));
		assert_int_equal(n, length);
		assert_memory_equal(out, bytes, length);
		assert_true(n <= TP_BASE64_BYTES(strlen((const char *)text)));
		if (length > 0)
			assert_false(read_text((const char *)text, length - 1, out, &n));
		if (length % 3 == 0) {
			char written[96];
			tp_base64_write(bytes, length, written);
			assert_memory_equal(written, text, length / 3 * 4);
		}
	}
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {"Z", "Zg",
		"Zg=", "Zg==Zg==", "Z===", "====", "=Zg=", "Zg=g", "Zm9v\n", "Zm 9", "Zm-_",
		"Zh==", "Zm9=", "Zm9vYmF\x7f", "Zm9\xff"};
	uint8_t out[16];
	size_t n;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(read_text(bad[i], sizeof(out), out, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_rfc4648),
		cmocka_unit_test(reads_what_libcrypto_writes),
		cmocka_unit_test(anything_else_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
