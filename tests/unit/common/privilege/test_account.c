// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <pwd.h>

#include <cmocka.h>

#include "common/privilege/account.h"

#define NONE "no-such-user"

static int choose(const char *user, const char *group, const char *usual, uid_t started_as,
	struct tp_account *out, char why[TP_ACCOUNT_TEXT])
{
	const struct tp_account_wish wish = {.user = user,
		.group = group,
		.usual = usual,
		.started_as = started_as,
		.started_in = started_as};

	return tp_account_choose(&wish, out, why);
}

static void test_root_becomes_the_user_named(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct tp_account a;
	char why[TP_ACCOUNT_TEXT];

	assert_int_equal(choose("nobody", NULL, "root", 0, &a, why), 0);
	assert_string_equal(why, "");
	assert_true(a.change);
	assert_int_equal(a.uid, nobody->pw_uid);
	assert_int_equal(a.gid, nobody->pw_gid);
	assert_string_equal(a.user, "nobody");
	assert_int_equal(choose("nobody", "daemon", "root", 0, &a, why), 0);
	assert_string_equal(a.group, "daemon");
	assert_int_not_equal(a.gid, nobody->pw_gid);
}

static void test_root_becomes_the_usual_user_where_it_exists(void **state)
{
	struct tp_account a;
	char why[TP_ACCOUNT_TEXT];

	assert_int_equal(choose(NULL, NULL, "nobody", 0, &a, why), 0);
	assert_string_equal(why, "");
	assert_true(a.change);
	assert_string_equal(a.user, "nobody");
	assert_int_equal(choose(NULL, NULL, NONE, 0, &a, why), 0);
	assert_false(a.change);
	assert_int_equal(a.uid, 0);
	assert_non_null(strstr(why, "there is no user " NONE));
	assert_int_equal(choose("root", NULL, "nobody", 0, &a, why), 0);
	assert_false(a.change);
	assert_string_equal(why, "");
}

static void test_names_that_are_not_there_are_errors(void **state)
{
	struct tp_account a;
	char why[TP_ACCOUNT_TEXT];

	assert_int_equal(choose(NONE, NULL, "nobody", 0, &a, why), -ENOENT);
	assert_string_equal(why, "privileges.user: user " NONE ": this machine has no such user");
	assert_int_equal(choose("nobody", "no-such-group", "nobody", 0, &a, why), -ENOENT);
	assert_string_equal(
		why, "privileges.group: group no-such-group: this machine has no such group");
}

static void test_others_than_root_stay(void **state)
{
	const struct passwd *nobody = getpwnam("nobody");
	struct tp_account a;
	char why[TP_ACCOUNT_TEXT];

	assert_int_equal(choose(NULL, NULL, "root", nobody->pw_uid, &a, why), 0);
	assert_false(a.change);
	assert_int_equal(a.uid, nobody->pw_uid);
	assert_string_equal(why, "");
	assert_int_equal(choose("nobody", NULL, "root", nobody->pw_uid, &a, why), 0);
	assert_string_equal(why, "");
	assert_int_equal(choose("daemon", NULL, "root", nobody->pw_uid, &a, why), 0);
	assert_false(a.change);
	assert_string_equal(a.user, "nobody");
	assert_non_null(strstr(why, "it stays nobody"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_becomes_the_user_named),
		cmocka_unit_test(test_root_becomes_the_usual_user_where_it_exists),
		cmocka_unit_test(test_names_that_are_not_there_are_errors),
		cmocka_unit_test(test_others_than_root_stay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
