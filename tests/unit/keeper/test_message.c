// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keeper/message.h"

static struct keeper_message of(const char *text)
{
	struct keeper_message m;

	assert_true(keeper_message_read(text, strlen(text), &m));
	return m;
}

static void test_what_the_daemons_say(void **state)
{
	struct keeper_message m = of("READY=1\nSTATUS=attached");

	assert_true(m.ready && !m.stopping && !m.store && !m.remove && !m.main_pid);
	assert_string_equal(m.status, "attached");
	assert_true(of("STOPPING=1").stopping);
	assert_true(of("WATCHDOG=1").watchdog && !m.watchdog);
	assert_int_equal(of("MAINPID=1234").main_pid, 1234);
	m = of("FDSTORE=1\nFDNAME=turnpike-sessions");
	assert_true(m.store && !m.remove && !m.name_wrong);
	assert_string_equal(m.name, "turnpike-sessions");
	m = of("FDSTOREREMOVE=1\nFDSTORE=1\nFDNAME=x"); // one for the other
	assert_true(m.store && m.remove);
	m = of("FDSTOREREMOVE=1\nFDNAME=a.b_c-d\n");
	assert_true(m.remove && !m.store);
	assert_string_equal(m.name, "a.b_c-d");
}

static void test_what_it_does_not_know_is_left_out(void **state)
{
	static const char *const unknown[] = {"READY", "READY=", "READY=0", "READY=11", "ready=1",
		" READY=1", "READY =1", "\n\n=\n==1", "EXTEND_TIMEOUT_USEC=10000000",
		"MAINPID=", "MAINPID=-1", "MAINPID=+1", "MAINPID=0x10", "MAINPID= 1",
		"MAINPID=2147483648", "MAINPID=99999999999999999999999999", "XREADY=1"};
	const struct keeper_message none = {0};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct keeper_message m = of(unknown[i]);
		assert_memory_equal(&m, &none, sizeof(m));
	}
}

static void test_names_are_plain(void **state)
{
	char text[128];

	assert_true(of("FDNAME=").name_wrong);
	assert_true(of("FDNAME=a:b").name_wrong);
	assert_true(of("FDNAME=a b").name_wrong);
	assert_true(of("FDNAME=\xc3\xa9").name_wrong);
	snprintf(text, sizeof(text), "FDNAME=%0*d", KEEPER_NAME_BYTES - 1, 0);
	assert_int_equal(strlen(of(text).name), KEEPER_NAME_BYTES - 1);
	snprintf(text, sizeof(text), "FDNAME=%0*d", KEEPER_NAME_BYTES, 0);
	assert_true(of(text).name_wrong);
	assert_string_equal(of(text).name, "");
	assert_string_equal(of("FDNAME=a:\nFDNAME=b").name, "b"); // the last one counts
	assert_false(of("FDNAME=a:\nFDNAME=b").name_wrong);
}

static void test_a_status_is_one_line_of_the_log(void **state)
{
	char text[300];

	assert_string_equal(of("STATUS=a\x1b[31m\tb").status, "a?[31m?b");
	snprintf(text, sizeof(text), "STATUS=%0*d", 200, 0);
	assert_int_equal(strlen(of(text).status), KEEPER_STATUS_BYTES - 1);
	assert_string_equal(of("STATUS=longer\nSTATUS=b").status, "b");
}

static void test_no_text_is_no_message(void **state)
{
	static const char longer[KEEPER_MESSAGE_BYTES + 1] = "READY=1";
	struct keeper_message m;

	assert_false(keeper_message_read("", 0, &m));
	assert_false(keeper_message_read("READY=1\0", 8, &m));
	assert_false(keeper_message_read(longer, sizeof(longer), &m));
	assert_false(m.ready);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_daemons_say),
		cmocka_unit_test(test_what_it_does_not_know_is_left_out),
		cmocka_unit_test(test_names_are_plain),
		cmocka_unit_test(test_a_status_is_one_line_of_the_log),
		cmocka_unit_test(test_no_text_is_no_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
