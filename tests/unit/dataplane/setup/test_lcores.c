// SPDX-License-Identifier: BSD-3-Clause
// Management runs beside the workers, never before one of them, unless there is no other core.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/setup/lcores.h"

static const char *lcores(const char *allowed, const char *workers)
{
	static char out[256];
	struct conf conf = {0};
	cpu_set_t set;

	CPU_ZERO(&set);
	for (; *allowed; allowed++)
		CPU_SET(*allowed - '0', &set);
	for (; *workers; workers++)
		conf.workers.cores[conf.workers.n_cores++] = (uint32_t)(*workers - '0');
	int rc = dp_lcores(&conf, &set, out, sizeof(out));
	return rc == 0 ? out : rc == -EINVAL ? "not allowed" : "too long";
}

static void management_keeps_off_the_workers(void **state)
{
	assert_string_equal(lcores("01", "1"), "0@(0),1@1");
	assert_string_equal(lcores("0123", "13"), "0@(0,2),1@1,2@3");
	assert_string_equal(lcores("0123", "0"), "0@(1,2,3),1@0");
	assert_string_equal(lcores("0123", "22"), "0@(0,1,3),1@2,2@2");
}

static void it_floats_where_every_core_has_a_worker(void **state)
{
	assert_string_equal(lcores("0", "0"), "0@(0),1@0");
	assert_string_equal(lcores("01", "01"), "0@(0,1),1@0,2@1");
}

static void cores_that_are_not_allowed_are_refused(void **state)
{
	assert_string_equal(lcores("0", "1"), "not allowed");
	assert_string_equal(lcores("01", "12"), "not allowed");
}

static void what_does_not_fit_is_refused(void **state)
{
	struct conf conf = {.workers = {.cores = {1}, .n_cores = 1}};
	cpu_set_t set;
	char out[9];

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(1, &set);
	assert_int_equal(dp_lcores(&conf, &set, out, sizeof(out)), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(management_keeps_off_the_workers),
		cmocka_unit_test(it_floats_where_every_core_has_a_worker),
		cmocka_unit_test(cores_that_are_not_allowed_are_refused),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
