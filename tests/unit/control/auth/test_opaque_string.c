// SPDX-License-Identifier: BSD-3-Clause
// OpaqueString, RFC 8265 section 4.2. The wanted forms are written out from the Unicode tables, not
// computed by the library under test.
#include "control/auth/opaque_string.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

// From a copy of exactly its size to a buffer of exactly the given one.
static int prepare(const char *text, size_t length, uint8_t *out, size_t capacity)
{
	char *exact = malloc(length + 1);
	uint8_t *room = malloc(capacity + 1);
	memcpy(exact, text, length);
	int n = ctl_opaque_prepare(exact, length, room, capacity);
	if (n > 0)
		memcpy(out, room, (size_t)n);
	free(exact);
	free(room);
	return n;
}

static void accepted(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{"user", "user"},
		{" two  spaces ", " two  spaces "},
		{"Case Stays %n \"'\\<>", "Case Stays %n \"'\\<>"},
		{"caf\xc3\xa9", "caf\xc3\xa9"},  // composed
		{"cafe\xcc\x81", "caf\xc3\xa9"}, // decomposed
		{"a\xe3\x80\x80"
		 "b",
			"a b"}, // ideographic space
		{"a\xc2\xa0"
		 "b\xe2\x80\x83"
		 "c",
			"a b c"},                      // no-break, em space
		{"\xcc\x81", "\xcc\x81"},              // a bare combining mark
		{"a\xcc\xa3\xcc\x82", "\xe1\xba\xad"}, // two marks, one letter
		{"a\xcc\x82\xcc\xa3", "\xe1\xba\xad"}, // in the other order
		{"\xe2\x84\xab", "\xc3\x85"},          // Angstrom sign
		{"\xef\xbc\xa1", "\xef\xbc\xa1"},      // full width stays
		{"\xef\xac\x81", "\xef\xac\x81"},      // so does a ligature
		{"\xcf\x80\xc3\x9f\xe5\xa5\xbd", "\xcf\x80\xc3\x9f\xe5\xa5\xbd"}, // letters
		{"\xe2\x99\x9a\xe2\x82\xac\xf0\x9f\x98\x80",
			"\xe2\x99\x9a\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xe1\x84\x80\xe1\x85\xa1", "\xea\xb0\x80"}, // jamo: one syllable
		{"\xef\xac\xac", "\xd7\xa9\xd6\xbc\xd7\x81"}, // three code points of one
		// Contextual rules, RFC 5892 appendix A, fulfilled.
		{"l\xc2\xb7l", "l\xc2\xb7l"},
		{"\xcd\xb5\xce\xb1", "\xcd\xb5\xce\xb1"},
		{"\xd7\x90\xd7\xb3", "\xd7\x90\xd7\xb3"},
		{"\xe3\x83\xbb\xe3\x82\xa2", "\xe3\x83\xbb\xe3\x82\xa2"},
		{"\xd9\xa1\xd9\xa2", "\xd9\xa1\xd9\xa2"},
		{"\xdb\xb1\xdb\xb2", "\xdb\xb1\xdb\xb2"},
		{"\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d", "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d"},
		{"\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c", "\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8c"},
		{"\xd8\xa8\xd9\x8e\xe2\x80\x8c\xd9\x8e\xd8\xa7",
			"\xd8\xa8\xd9\x8e\xe2\x80\x8c\xd9\x8e\xd8\xa7"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[64], again[64];
		int n = prepare(cases[i].from, strlen(cases[i].from), out, sizeof(out));
		if (n != (int)strlen(cases[i].to) || memcmp(out, cases[i].to, (size_t)n) != 0)
			fail_msg("case %zu: %d", i, n);
		// What is prepared stays as it is.
		assert_int_equal(prepare((char *)out, (size_t)n, again, sizeof(again)), n);
		assert_memory_equal(out, again, (size_t)n);
	}
}

static void refused(void **state)
{
	static const char *const cases[] = {
		"a\nb",
		"a\x7f",
		"\x01",
		"a\tb",
		"\xc2\x85", // controls
		"\xcd\xb8", // unassigned U+0378
		"\xef\xbf\xbf",
		"\xf4\x8f\xbf\xbf", // no characters
		"\xee\x80\x80",     // private use
		"\xc2\xad",
		"\xe2\x80\x8b",
		"\xe2\x80\xae", // ignorable: soft hyphen, RLO
		"\xe2\x80\xa8", // line separator
		"\xe1\x84\x80", // a lone jamo
		"\xd9\x80",
		"\xe3\x80\xb1", // exceptions of RFC 5892
		"\xc3",
		"\xc3(",
		"\x80",
		"\xff",
		"a\xe3\x80", // no UTF-8
		"\xc0\xaf",
		"\xc1\xa1",
		"\xe0\x80\xaf",
		"\xf0\x80\x80\xaf", // overlong
		"\xed\xa0\x80",
		"\xf4\x90\x80\x80",
		"\xf8\x88\x80\x80\x80", // not of RFC 3629
		// Contextual rules, not fulfilled.
		"\xc2\xb7",
		"l\xc2\xb7",
		"x\xc2\xb7l",
		"\xcd\xb5x",
		"\xd7\xb3",
		"\xe3\x83\xbbx",
		"\xd9\xa1\xdb\xb1",
		"\xdb\xb1\xd9\xa1",
		"a\xe2\x80\x8d",
		("\xe2\x80\x8c"
		 "a"),
		"\xd8\xa8\xe2\x80\x8c",
		"\xd8\xa7\xe2\x80\x8c\xd8\xa7",
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[64];
		int n = prepare(cases[i], strlen(cases[i]), out, sizeof(out));
		if (n != -EINVAL)
			fail_msg("case %zu: %d", i, n);
	}
	uint8_t out[64];
	assert_int_equal(prepare("", 0, out, sizeof(out)), -EINVAL);
	assert_int_equal(prepare("a\0b", 3, out, sizeof(out)), -EINVAL);
}

static void lengths(void **state)
{
	static char text[CTL_OPAQUE_MAX_BYTES + 1];
	static uint8_t out[4 * CTL_OPAQUE_MAX_BYTES];
	memset(text, 'a', sizeof(text));
	assert_int_equal(prepare(text, 508, out, 508), 508);
	assert_int_equal(prepare(text, 508, out, 507), -E2BIG);
	assert_int_equal(prepare(text, sizeof(text) - 1, out, sizeof(out)), sizeof(text) - 1);
	assert_int_equal(prepare(text, sizeof(text), out, sizeof(out)), -E2BIG);
	// 508 bytes that shrink: e and an acute accent, 169 times, and a letter.
	for (int i = 0; i < 169; i++)
		memcpy(text + 3 * i, "e\xcc\x81", 3);
	text[507] = 'x';
	assert_int_equal(prepare(text, 508, out, 508), 339);
	assert_int_equal(prepare(text, 508, out, 338), -E2BIG);
	// And what grows most: U+FB2C, three bytes to six.
	for (int i = 0; i < CTL_OPAQUE_MAX_BYTES / 3; i++)
		memcpy(text + 3 * i, "\xef\xac\xac", 3);
	assert_int_equal(prepare(text, 3 * 341, out, sizeof(out)), 6 * 341);
	assert_int_equal(prepare(text, 3 * 341, out, CTL_OPAQUE_MAX_BYTES), -E2BIG);
	// As many marks as fit behind one letter, to be sorted.
	for (int i = 0; i < 511; i++)
		memcpy(text + 1 + 2 * i, i % 2 ? "\xcc\x81" : "\xcc\xa3", 2);
	text[0] = 'b';
	assert_true(prepare(text, 1 + 2 * 511, out, sizeof(out)) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(refused),
		cmocka_unit_test(lengths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
