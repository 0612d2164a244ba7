// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/privilege/caps.h"

static void test_only_what_is_there_is_kept(void **state)
{
	const struct tp_caps have = {.effective = 0,
		.permitted = TP_CAP(CAP_NET_RAW) | TP_CAP(CAP_SYS_ADMIN),
		.inheritable = TP_CAP(CAP_SYS_ADMIN)};
	struct tp_caps left = tp_caps_limited(&have, TP_CAP(CAP_NET_RAW) | TP_CAP(CAP_BPF), 0);

	assert_int_equal(left.permitted, TP_CAP(CAP_NET_RAW));
	assert_int_equal(left.effective, TP_CAP(CAP_NET_RAW));
	assert_int_equal(left.inheritable, 0);
	left = tp_caps_limited(&have, TP_CAP(CAP_NET_RAW), TP_CAP(CAP_NET_RAW) | TP_CAP(CAP_BPF));
	assert_int_equal(left.inheritable, TP_CAP(CAP_NET_RAW));
	left = tp_caps_limited(&have, 0, 0);
	assert_int_equal(left.permitted | left.effective | left.inheritable, 0);
}

static void test_names(void **state)
{
	char text[TP_CAPS_TEXT];

	assert_string_equal(tp_caps_format(0, text), "none");
	assert_string_equal(
		tp_caps_format(TP_CAP(CAP_BPF) | TP_CAP(CAP_NET_ADMIN), text), "NET_ADMIN BPF");
	assert_string_equal(tp_caps_format(TP_CAP(CAP_NET_RAW) | TP_CAP(63), text), "NET_RAW 63");
	assert_true(strlen(tp_caps_format(UINT64_MAX, text)) < TP_CAPS_TEXT - 1);
}

// In a child, which has nothing to lose.
static void test_the_kernel_takes_it(void **state)
{
	pid_t child = fork();

	if (child == 0) {
		struct tp_caps before, after;
		int bad = tp_caps_read(&before) < 0;

		bad |= tp_caps_limit(TP_CAP(CAP_NET_RAW), 0) < 0 || tp_caps_read(&after) < 0;
		bad |= after.permitted != (before.permitted & TP_CAP(CAP_NET_RAW));
		bad |= after.effective != after.permitted || after.inheritable != 0;
		// What programs executed later have, too.
		bad |= tp_caps_limit(TP_CAP(CAP_NET_RAW), TP_CAP(CAP_NET_RAW)) < 0;
		bad |= tp_caps_read(&after) < 0 || after.inheritable != after.permitted;
		bad |= prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, CAP_NET_RAW, 0, 0) !=
		       (after.permitted != 0);
		_exit(bad);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_there_is_kept),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_the_kernel_takes_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
