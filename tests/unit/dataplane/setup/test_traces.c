// SPDX-License-Identifier: BSD-3-Clause
// The record of what stands in the kernel, written and read in a directory of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/setup/traces.h"

static int make_directory(void **state)
{
	char *path = strdup("/tmp/tp-traces-XXXXXX");

	*state = mkdtemp(path);
	return *state ? 0 : -1;
}

static int remove_directory(void **state)
{
	dp_traces_remove(*state);
	int rc = rmdir(*state);

	free(*state);
	return rc;
}

static void save_example(const char *directory)
{
	static struct dp_traces t;

	memset(&t, 0, sizeof(t));
	dp_port_set_add(&t.reserved, 50000, 60000);
	struct dp_trace *eth0 = dp_traces_find(&t, "eth0", 5, true);
	assert_non_null(eth0);
	eth0->xdp_id = 123;
	struct dp_trace *eth1 = dp_traces_find(&t, "eth1", 6, true);
	assert_non_null(eth1);
	eth1->qdisc_own = 1;
	assert_int_equal(dp_traces_save(directory, &t), 0);
}

static void comes_back_as_it_was(void **state)
{
	struct dp_traces t;

	save_example(*state);
	dp_traces_load(*state, &t);
	assert_true(dp_port_set_has(&t.reserved, 50000) && dp_port_set_has(&t.reserved, 60000));
	assert_false(dp_port_set_has(&t.reserved, 49999) || dp_port_set_has(&t.reserved, 60001));
	assert_int_equal(t.n_interfaces, 2);
	struct dp_trace *eth0 = dp_traces_find(&t, "eth0", 5, false);
	assert_non_null(eth0);
	assert_int_equal(eth0->xdp_id, 123);
	assert_int_equal(eth0->qdisc_own, 0);
	struct dp_trace *eth1 = dp_traces_find(&t, "eth1", 6, false);
	assert_non_null(eth1);
	assert_int_equal(eth1->xdp_id, 0);
	assert_int_equal(eth1->qdisc_own, 1);
}

static void another_interface_of_that_name_is_not_it(void **state)
{
	struct dp_traces t;

	save_example(*state);
	dp_traces_load(*state, &t);
	assert_null(dp_traces_find(&t, "eth0", 6, false));
}

static void without_a_record_nothing_is_ours(void **state)
{
	struct dp_traces t;

	dp_traces_load(*state, &t);
	assert_int_equal(t.n_interfaces, 0);
	assert_true(dp_port_set_empty(&t.reserved));
}

// Rewrites the record with the first `from` replaced by a character that is in no boot id.
static void damage(const char *directory, const char *from)
{
	char path[PATH_MAX], text[1024] = {0};

	snprintf(path, sizeof(path), "%s/steer.state", directory);
	FILE *f = fopen(path, "r+");
	assert_non_null(f);
	assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
	char *at = strstr(text, from);
	assert_non_null(at);
	at[strlen(from)] = '#';
	rewind(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void a_record_of_another_boot_or_version_is_nothing(void **state)
{
	static const char *const places[] = {"place ", "turnpike-steer "};

	for (size_t i = 0; i < 2; i++) {
		struct dp_traces t;
		save_example(*state);
		damage(*state, places[i]);
		dp_traces_load(*state, &t);
		assert_int_equal(t.n_interfaces, 0);
		assert_true(dp_port_set_empty(&t.reserved));
	}
}

static void the_record_has_room_for_a_bounded_number(void **state)
{
	struct dp_traces t = {0};

	for (uint32_t i = 1; i <= DP_TRACES_MAX; i++)
		assert_non_null(dp_traces_find(&t, "eth0", i, true));
	assert_null(dp_traces_find(&t, "eth0", DP_TRACES_MAX + 1, true));
	assert_non_null(dp_traces_find(&t, "eth0", 1, true));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIRECTORY(comes_back_as_it_was),
		IN_DIRECTORY(another_interface_of_that_name_is_not_it),
		IN_DIRECTORY(without_a_record_nothing_is_ours),
		IN_DIRECTORY(a_record_of_another_boot_or_version_is_nothing),
		cmocka_unit_test(the_record_has_room_for_a_bounded_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
