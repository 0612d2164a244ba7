// SPDX-License-Identifier: BSD-3-Clause
// No leak: 20,000 lives of allocations, of every kind and with every kind of end. Afterwards there
// are as many free ports, records, users and deadlines as before, and as much memory in use.
// weeks.c has millions of them.
#include <malloc.h>

#include "tests/unit/control/turn/lives.h"

#define CYCLES 20000

// Of a control that has just started: the TURN layer keeps transactions for their next use. 0 under
// a sanitizer, which looks for leaks itself.
static size_t bytes_in_use(struct leak *l)
{
	kill_control(l);
	return mallinfo2().uordblks;
}

// Each kind by itself, so that a leak is named.
static void no_kind_leaks(void **state)
{
	struct leak *l = *state;
	struct inventory begin = take_inventory(l);
	assert_int_equal(begin.status.ports_free[0], 16);
	assert_int_equal(begin.status.users, 0);
	for (size_t k = 0; k < KINDS; k++)
		for (int i = 0; i < 40; i++) {
			run(l, &cycles[k]);
			settle(l);
			assert_same(l, &begin, cycles[k].name);
		}
}

// All of them among each other: what one left resting or reserved is there when the next comes.
static void twenty_thousand_cycles(void **state)
{
	struct leak *l = *state;
	struct inventory begin = take_inventory(l);
	size_t in_use = 0;
	for (uint32_t n = 0; n < CYCLES;) {
		if (n == CYCLES / 4) { // by now libraries have what they keep
			settle(l);
			assert_same(l, &begin, "a quarter of the cycles");
			in_use = bytes_in_use(l);
		}
		n += live_once(l);
	}
	settle(l);
	assert_same(l, &begin, "all cycles");
	// What the C library keeps for its next use counts as in use, so a few kB come and go. Each
	// kind ran some 500 times since: 32 bytes that one of them forgets would be twice this.
	size_t after = bytes_in_use(l);
	if (after > in_use + 8192)
		fail_msg("%zu bytes in use, %zu before", after, in_use);
	// The cycles did what they are named for.
	static const int seen[] = {0, 400, 401, 403, 420, 437, 440, 441, 442, 443, 486, 508};
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		assert_true(l->codes[seen[i]] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_kind_leaks, setup, teardown),
		cmocka_unit_test_setup_teardown(twenty_thousand_cycles, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
