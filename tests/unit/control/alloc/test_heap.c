// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/heap.h"

#include "tests/unit/control/world.h"

#define OBJECTS 60

// Against an array that is searched from end to end.
static void first_is_always_the_earliest(void **state)
{
	struct world random = {.random = 5};
	struct ctl_heap h;
	uint64_t deadline[OBJECTS] = {}; // 0: not in it
	assert_int_equal(ctl_heap_init(&h, OBJECTS), 0);
	assert_int_equal(ctl_heap_first(&h), UINT32_MAX);
	for (int i = 0; i < 50000; i++) {
		uint32_t object = (uint32_t)(world_next(&random) % OBJECTS);
		if (world_next(&random) % 3 == 0) {
			ctl_heap_remove(&h, object); // also when it is not there
			deadline[object] = 0;
		} else {
			deadline[object] = 1 + world_next(&random) % 100;
			ctl_heap_set(&h, object, deadline[object]);
		}
		uint64_t earliest = UINT64_MAX;
		uint32_t count = 0;
		for (uint32_t k = 0; k < OBJECTS; k++) {
			count += deadline[k] != 0;
			if (deadline[k] != 0 && deadline[k] < earliest)
				earliest = deadline[k];
		}
		assert_int_equal(h.count, count);
		if (count > 0)
			assert_int_equal(deadline[ctl_heap_first(&h)], earliest);
	}
	ctl_heap_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(first_is_always_the_earliest)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
