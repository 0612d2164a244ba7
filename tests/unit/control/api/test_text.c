// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "control/api/text.h"

static void assert_escaped(const char *text, const char *expected)
{
	char out[128];

	assert_string_equal(ctl_text_escape(text, out, sizeof(out)), expected);
}

static void plain_text_stays(void **state)
{
	assert_escaped("", "");
	assert_escaped("user@example.org \\ \"x\"", "user@example.org \\ \"x\"");
	assert_escaped("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
		"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void what_a_terminal_obeys_is_escaped(void **state)
{
	assert_escaped("a\x1b[31mb", "a\\x1b[31mb");
	assert_escaped("\r\n\t\x07\x7f", "\\x0d\\x0a\\x09\\x07\\x7f");
	assert_escaped("\xc2\x9b"
		       "2J",
		"\\xc2\\x9b2J");                           // U+009B, the one-character CSI
	assert_escaped("\xe2\x80\xae", "\\xe2\\x80\\xae"); // right-to-left override
}

static void invalid_utf8_is_escaped(void **state)
{
	assert_escaped("\x80", "\\x80");
	assert_escaped("\xc3", "\\xc3");
	assert_escaped("\xc0\xaf", "\\xc0\\xaf");                   // overlong
	assert_escaped("\xed\xa0\x80", "\\xed\\xa0\\x80");          // surrogate
	assert_escaped("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); // beyond U+10FFFF
	assert_escaped("\xe2\x82", "\\xe2\\x82");
}

static void escaping_cuts_at_the_capacity(void **state)
{
	char out[6];

	ctl_text_escape("ab\x1b\x1b", out, sizeof(out));
	assert_string_equal(out, "ab");
	ctl_text_escape("abcdefgh", out, sizeof(out));
	assert_string_equal(out, "abcde");
}

static void any_bytes_become_a_json_string(void **state)
{
	uint8_t bytes[256];
	json_t *value;

	for (int i = 0; i < 256; i++)
		bytes[i] = (uint8_t)i;
	value = ctl_json_text(bytes, sizeof(bytes));
	assert_true(json_is_string(value));
	json_decref(value);
	value = ctl_json_text("a\0b", 3);
	assert_string_equal(json_string_value(value), "a\\x00b");
	json_decref(value);
	value = ctl_json_field("abcd", 2); // not terminated
	assert_string_equal(json_string_value(value), "ab");
	json_decref(value);
}

static void assert_addr(const char *text)
{
	char out[TP_ADDR_STRLEN];
	struct tp_addr addr;

	assert_int_equal(ctl_addr_parse(text, &addr), 0);
	assert_string_equal(tp_addr_format(&addr, out), text);
}

static void addresses_are_parsed(void **state)
{
	static const char *const wrong[] = {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0",
		"1.2.3.4:65536", "1.2.3.4:+1", "1.2.3.4:1x", "fd00::1:3478", "[1.2.3.4]:1",
		"[fd00::1]", "[fd00::1:1", "fd00::1]:1", "]:1", "[]:1",
		"[00000000000000000000000000000000000000000000000000000000000000000000]:1"};
	struct tp_addr addr;

	assert_addr("198.18.0.2:3478");
	assert_addr("[fd00:198:18::2]:65535");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (ctl_addr_parse(wrong[i], &addr) != -EINVAL)
			fail_msg("accepted: %s", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(what_a_terminal_obeys_is_escaped),
		cmocka_unit_test(invalid_utf8_is_escaped),
		cmocka_unit_test(escaping_cuts_at_the_capacity),
		cmocka_unit_test(any_bytes_become_a_json_string),
		cmocka_unit_test(addresses_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
