// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/bytes.h"
#include "control/stream/proxy.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static struct tp_addr addr(const char *ip, uint16_t port)
{
	struct tp_addr out = {.port = port};

	assert_int_equal(tp_ip_parse(ip, &out.ip), 0);
	return out;
}

// Reads it with something behind it, and every beginning of it.
static enum stream_proxy_result read_all(const void *bytes, size_t n, struct stream_proxy *out)
{
	enum stream_proxy_result result;
	uint8_t *copy;

	for (size_t i = 0; i < n; i++) {
		copy = malloc(i ? i : 1);
		memcpy(copy, bytes, i);
		assert_int_equal(stream_proxy_read(copy, i, out), STREAM_PROXY_MORE);
		free(copy);
	}
	copy = malloc(n + 3);
	memcpy(copy, bytes, n);
	memcpy(copy + n, "\x16\n\r", 3);
	result = stream_proxy_read(copy, n + 3, out);
	free(copy);
	return result;
}

static enum stream_proxy_result read_text(const char *text, struct stream_proxy *out)
{
	return stream_proxy_read((const uint8_t *)text, strlen(text), out);
}

// A header of version 2; its end is where `out` says.
static size_t binary(uint8_t out[600], uint8_t command, uint8_t family, const char *body, size_t n)
{
	memcpy(out, SIGNATURE, 12);
	out[12] = command;
	out[13] = family;
	tp_wr16(out + 14, (uint16_t)n);
	memcpy(out + 16, body, n);
	return 16 + n;
}

static void a_line_names_its_client(void **state)
{
	const char *v4 = "PROXY TCP4 203.0.113.7 198.18.0.2 51000 3478\r\n",
		   *v6 = "PROXY TCP6 2001:db8::1 fd00:198:18::2 65535 1\r\n",
		   *mapped = "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:198.18.0.2 7 8\r\n";
	struct tp_addr a = addr("203.0.113.7", 51000), b = addr("2001:db8::1", 65535),
		       c = addr("203.0.113.7", 7);
	struct stream_proxy p;

	assert_int_equal(read_all(v4, strlen(v4), &p), STREAM_PROXY_WHOLE);
	assert_memory_equal(&p.client, &a, sizeof(a));
	assert_int_equal(p.bytes, strlen(v4));
	assert_int_equal(read_all(v6, strlen(v6), &p), STREAM_PROXY_WHOLE);
	assert_memory_equal(&p.client, &b, sizeof(b));
	assert_int_equal(read_all(mapped, strlen(mapped), &p), STREAM_PROXY_WHOLE);
	assert_memory_equal(&p.client, &c, sizeof(c));
}

static void a_line_may_name_nobody(void **state)
{
	const char *texts[] = {"PROXY UNKNOWN\r\n", "PROXY UNKNOWN ff::1 anything at all\r\n"};
	struct stream_proxy p;

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(read_all(texts[i], strlen(texts[i]), &p), STREAM_PROXY_WHOLE);
		assert_int_equal(p.client.ip.family, TP_FAMILY_NONE);
		assert_int_equal(p.bytes, strlen(texts[i]));
	}
}

static void lines_that_are_none(void **state)
{
	static const char *const texts[] = {"GET / HTTP/1.1\r\n", "PROXX", "PROXY\r\n",
		"PROXY \r\n", "PROXY TCP4\r\n", "PROXY TCP5 203.0.113.7 198.18.0.2 1 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 1 2\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 1\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 1 2 3\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 1 2 \r\n",
		"PROXY TCP4  203.0.113.7 198.18.0.2 1 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 65536 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 100000 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 -1 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 0 2\r\n",
		"PROXY TCP4 203.0.113.7 198.18.0.2 1 x\r\n",
		"PROXY TCP4 203.0.113.300 198.18.0.2 1 2\r\n",
		"PROXY TCP4 fd00::1 198.18.0.2 1 2\r\n", "PROXY TCP6 203.0.113.7 fd00::1 1 2\r\n",
		"PROXY TCP4 0.0.0.0 198.18.0.2 1 2\r\n", "PROXY TCP4 224.0.0.1 198.18.0.2 1 2\r\n",
		"PROXY TCP4 255.255.255.255 198.18.0.2 1 2\r\n", "PROXY TCP6 :: fd00::1 1 2\r\n",
		"PROXY TCP6 ff02::1 fd00::1 1 2\r\n",
		"PROXY TCP6 ::ffff:0.0.0.0 ::ffff:198.18.0.2 1 2\r\n"};
	struct stream_proxy p;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(read_text(texts[i], &p), STREAM_PROXY_WRONG);
}

static void a_line_has_an_end(void **state)
{
	char text[200] = "PROXY UNKNOWN ";
	struct stream_proxy p;

	memset(text + 14, 'x', sizeof(text) - 14);
	assert_int_equal(stream_proxy_read((uint8_t *)text, 106, &p), STREAM_PROXY_MORE);
	assert_int_equal(stream_proxy_read((uint8_t *)text, 107, &p), STREAM_PROXY_WRONG);
	memcpy(text + 105, "\r\n", 2);
	assert_int_equal(stream_proxy_read((uint8_t *)text, 107, &p), STREAM_PROXY_WHOLE);
	assert_int_equal(p.bytes, 107);
	memcpy(text + 105, "x\r\n", 3);
	assert_int_equal(stream_proxy_read((uint8_t *)text, 108, &p), STREAM_PROXY_WRONG);
	assert_int_equal(stream_proxy_read((const uint8_t *)"PROXY UNKNOWN\0\r\n", 16, &p),
		STREAM_PROXY_WRONG);
}

static void version_2_names_its_client(void **state)
{
	struct tp_addr a = addr("203.0.113.7", 51000), b = addr("2001:db8::1", 51000);
	static const char v4[] = "\xcb\0\x71\7\xc6\x12\0\2\xc7\x38\r\x96"
				 "\3\0\4tlvs",
			  v6[] = "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\xfd\0\1\x98\0\x18\0\0\0"
				 "\0\0\0\0\0\0\2\xc7\x38\r\x96";
	struct stream_proxy p;
	uint8_t bytes[600];
	size_t n = binary(bytes, 0x21, 0x11, v4, sizeof(v4) - 1);

	assert_int_equal(read_all(bytes, n, &p), STREAM_PROXY_WHOLE);
	assert_memory_equal(&p.client, &a, sizeof(a));
	assert_int_equal(p.bytes, n); // TLVs too
	n = binary(bytes, 0x21, 0x21, v6, sizeof(v6) - 1);
	assert_int_equal(read_all(bytes, n, &p), STREAM_PROXY_WHOLE);
	assert_memory_equal(&p.client, &b, sizeof(b));
	assert_int_equal(p.bytes, n);
}

static void version_2_may_name_nobody(void **state)
{
	static const char body[600];
	const struct {
		uint8_t command, family;
		size_t length;
	} kinds[] = {{0x20, 0x00, 0}, {0x20, 0x11, 12}, {0x20, 0xff, 5}, {0x21, 0x00, 0},
		{0x21, 0x00, 9}, {0x21, 0x31, 216}};
	struct stream_proxy p;
	uint8_t bytes[600];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = binary(bytes, kinds[i].command, kinds[i].family, body, kinds[i].length);
		assert_int_equal(read_all(bytes, n, &p), STREAM_PROXY_WHOLE);
		assert_int_equal(p.client.ip.family, TP_FAMILY_NONE);
		assert_int_equal(p.bytes, n);
	}
}

static void headers_of_version_2_that_are_none(void **state)
{
	static const char sound[] = "\xcb\0\x71\7\xc6\x12\0\2\xc7\x38\r\x96";
	const struct {
		uint8_t command, family;
		size_t length;
	} kinds[] = {{0x22, 0x11, 12}, {0x11, 0x11, 12}, {0x31, 0x11, 12}, {0x21, 0x12, 12},
		{0x21, 0x41, 12}, {0x21, 0x13, 12}, {0x21, 0x11, 11}, {0x21, 0x21, 12}};
	struct stream_proxy p;
	uint8_t bytes[600];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = binary(bytes, kinds[i].command, kinds[i].family, sound, kinds[i].length);
		assert_int_equal(stream_proxy_read(bytes, n, &p), STREAM_PROXY_WRONG);
	}
	binary(bytes, 0x21, 0x11, sound, 12);
	memset(bytes + 16, 0, 4); // 0.0.0.0
	assert_int_equal(stream_proxy_read(bytes, 28, &p), STREAM_PROXY_WRONG);
}

// Refused by its length alone, before any of it came.
static void version_2_has_a_longest(void **state)
{
	struct stream_proxy p;
	uint8_t bytes[600];

	binary(bytes, 0x20, 0, "", 0);
	tp_wr16(bytes + 14, STREAM_PROXY_MOST - 16);
	assert_int_equal(stream_proxy_read(bytes, 16, &p), STREAM_PROXY_MORE);
	tp_wr16(bytes + 14, STREAM_PROXY_MOST - 15);
	assert_int_equal(stream_proxy_read(bytes, 16, &p), STREAM_PROXY_WRONG);
	tp_wr16(bytes + 14, 0xffff);
	assert_int_equal(stream_proxy_read(bytes, 16, &p), STREAM_PROXY_WRONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_names_its_client),
		cmocka_unit_test(a_line_may_name_nobody),
		cmocka_unit_test(lines_that_are_none),
		cmocka_unit_test(a_line_has_an_end),
		cmocka_unit_test(version_2_names_its_client),
		cmocka_unit_test(version_2_may_name_nobody),
		cmocka_unit_test(headers_of_version_2_that_are_none),
		cmocka_unit_test(version_2_has_a_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
