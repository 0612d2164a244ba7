// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "common/abi/memory.h"
#include "common/abi/shm_map.h"
#include "common/privilege/sanitized.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t sum_of(const struct tp_memory *m)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < TP_MEMORY_PARTS; i++)
		sum += m->part_bytes[i];
	return sum;
}

static void test_parts_have_names(void **state)
{
	for (unsigned int i = 0; i < TP_MEMORY_PARTS; i++) {
		assert_true(strlen(tp_memory_part_name(i)) > 0);
		assert_true(strlen(tp_memory_part_help(i)) > 0);
	}
	assert_null(tp_memory_part_name(TP_MEMORY_PARTS));
	assert_null(tp_memory_part_help(TP_MEMORY_PARTS));
}

static void test_parts_add_up_to_what_is_resident(void **state)
{
	struct tp_memory m;
	uint64_t total;

	assert_int_equal(tp_memory_measure(&m, NULL), 0);
	total = m.resident_bytes + m.hugetlb_bytes;
	assert_true(total > 0);
	assert_in_range(sum_of(&m), total - total / 20, total + total / 20);
	assert_true(m.part_bytes[TP_MEMORY_code] > 0);
	assert_true(m.part_bytes[TP_MEMORY_stacks] > 0);
	assert_int_equal(m.part_bytes[TP_MEMORY_dpdk], 0);
}

// What is touched shows in its part, and in no other.
static void test_shared_memory_is_told_by_its_name(void **state)
{
	struct tp_memory before, after;
	struct tp_shm sessions, rings;

	assert_int_equal(tp_shm_create("turnpike-sessions", 64 * MIB, &sessions), 0);
	assert_int_equal(tp_shm_create("turnpike-rings", 64 * MIB, &rings), 0);
	assert_int_equal(tp_memory_measure(&before, NULL), 0);
	memset(sessions.base, 1, 8 * MIB);
	memset(rings.base, 1, 4 * MIB);
	assert_int_equal(tp_memory_measure(&after, NULL), 0);
	assert_int_equal(before.part_bytes[TP_MEMORY_region], 0);
	assert_int_equal(after.part_bytes[TP_MEMORY_region], 8 * MIB);
	assert_int_equal(after.part_bytes[TP_MEMORY_rings], 4 * MIB);
	tp_shm_close(&sessions);
	tp_shm_close(&rings);
}

static void test_blocks_are_taken_from_the_whole(void **state)
{
	struct tp_memory m;
	uint64_t heap, sum;
	char *block = malloc(16 * MIB); // a mapping of its own

	memset(block, 1, 16 * MIB);
	assert_int_equal(tp_memory_measure(&m, NULL), 0);
	heap = m.part_bytes[TP_MEMORY_heap];
	sum = sum_of(&m);
	assert_true(heap >= 16 * MIB);
	tp_memory_block(&m, TP_MEMORY_store, TP_MEMORY_heap, block, 16 * MIB);
	tp_memory_block(&m, TP_MEMORY_store, TP_MEMORY_heap, NULL, 16 * MIB);
	assert_int_equal(m.part_bytes[TP_MEMORY_store], 16 * MIB);
	assert_int_equal(m.part_bytes[TP_MEMORY_heap], heap - 16 * MIB);
	// More than there is of the whole is not made up.
	tp_memory_block(&m, TP_MEMORY_packets, TP_MEMORY_dpdk, block, 16 * MIB);
	assert_int_equal(m.part_bytes[TP_MEMORY_packets], 0);
	assert_int_equal(sum_of(&m), sum);
	free(block);
}

static void *theirs;

static bool is_theirs(const void *address)
{
	return address == theirs;
}

static void test_what_dpdk_owns_is_dpdks(void **state)
{
	struct tp_memory m;

	theirs = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(theirs != MAP_FAILED);
	memset(theirs, 1, 8 * MIB);
	assert_int_equal(tp_memory_measure(&m, is_theirs), 0);
	assert_int_equal(m.part_bytes[TP_MEMORY_dpdk], 8 * MIB);
	munmap(theirs, 8 * MIB);
}

static void test_freed_heap_is_not_called_used(void **state)
{
	static char *block[1000];
	struct tp_memory before, after;

	if (TP_SANITIZED) // whose malloc says nothing of itself
		skip();
	for (int i = 0; i < 1000; i++)
		memset(block[i] = malloc(64 << 10), 1, 64 << 10);
	assert_int_equal(tp_memory_measure(&before, NULL), 0);
	tp_memory_split_heap(&before);
	for (int i = 0; i < 999; i++) // the last one keeps the heap from being given back
		free(block[i]);
	assert_int_equal(tp_memory_measure(&after, NULL), 0);
	tp_memory_split_heap(&after);
	assert_true(after.part_bytes[TP_MEMORY_heap_free] > 50 * MIB);
	assert_true(
		after.part_bytes[TP_MEMORY_heap] + 50 * MIB < before.part_bytes[TP_MEMORY_heap]);
	free(block[999]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_have_names),
		cmocka_unit_test(test_parts_add_up_to_what_is_resident),
		cmocka_unit_test(test_shared_memory_is_told_by_its_name),
		cmocka_unit_test(test_blocks_are_taken_from_the_whole),
		cmocka_unit_test(test_what_dpdk_owns_is_dpdks),
		cmocka_unit_test(test_freed_heap_is_not_called_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
