// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/config/conf_try.h"

static void problems_are_counted_and_control_characters_shown(void **state)
{
	char *text;
	struct conf_report report = {.file = "dir/\x1b[31m.json", .errors = try_stream(&text)};

	conf_problem(&report, "a.b", "is %d\n", 7);
	conf_problem(&report, "", "no \x7fplace in \xc3\xa4");
	fclose(report.errors);
	assert_int_equal(report.problems, 2);
	assert_string_equal(text, "dir/\\x1b[31m.json: a.b: is 7\\x0a\n"
				  "dir/\\x1b[31m.json: no \\x7fplace in \xc3\xa4\n");
	free(text);
}

static void misspellings_are_near(void **state)
{
	assert_int_equal(conf_misspelt("realm", "realm"), 0);
	assert_int_equal(conf_misspelt("REALM", "realm"), 0);
	assert_int_equal(conf_misspelt("relam", "realm"), 1); // two neighbours swapped
	assert_int_equal(conf_misspelt("realmm", "realm"), 1);
	assert_int_equal(conf_misspelt("ealm", "realm"), 1);
	assert_int_equal(conf_misspelt("reilm", "realm"), 1);
	assert_int_equal(conf_misspelt("adresses", "addresses"), 1);
	assert_int_equal(conf_misspelt("listner_s", "listeners"), 2);
}

static void other_words_are_not(void **state)
{
	assert_true(conf_misspelt("relay", "realm") == SIZE_MAX);
	assert_true(conf_misspelt("", "tls") == SIZE_MAX);
	assert_true(conf_misspelt("ports", "peers") == SIZE_MAX);
	char longer[1000];
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_true(conf_misspelt(longer, "auth") == SIZE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(problems_are_counted_and_control_characters_shown),
		cmocka_unit_test(misspellings_are_near),
		cmocka_unit_test(other_words_are_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
