// SPDX-License-Identifier: BSD-3-Clause
// Weeks in minutes: lives of allocations of every kind through the real TURN layer and store on a
// fake clock, as many as it is told. After every part everything that ends has ended, and a line
// says what is in use; what is after the last part must be what was after the first, within 1 %.
// Unlike in test_leak.c, a control lives long: what it would forget is not forgotten by its death.
//
//     weeks [CYCLES [CYCLES A PART [SEED]]]       20,000,000 and 1,000,000
#include <dirent.h>
#include <malloc.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/mappings.h"
#include "tests/unit/control/turn/lives.h"

#define KILL_ONE_IN 5000 // some ten lives in a hundred want it

static uint64_t n_cycles = 20000000, part_cycles = 1000000, seed = RANDOM;

static const char *const names[] = {"resident", "hugepages", "heap", "ports4", "ports6", "records",
	"peers", "names", "users", "fds"};
#define FIGURES (sizeof(names) / sizeof(names[0]))

struct figures {
	uint64_t value[FIGURES];
};

static uint64_t open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint64_t n = 0;
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct figures take_figures(const struct leak *l)
{
	struct ctl_store_status s = world_status(&l->r.w);
	uint64_t resident, hugetlb;
	malloc_trim(0);
	struct mallinfo2 heap = mallinfo2(); // a block may move between both when it is made anew
	FILE *f = fopen("/proc/self/status", "re");
	assert_non_null(f);
	assert_int_equal(tp_resident_read(f, &resident, &hugetlb), 0);
	fclose(f);
	return (struct figures){
		{resident, hugetlb, heap.uordblks + heap.hblkhd, s.ports_free[0], s.ports_free[1],
			s.allocs_free, s.peers_free, s.names_free, s.users, open_descriptors()}};
}

static void print_names(void)
{
	printf("%12s", "cycles");
	for (size_t i = 0; i < FIGURES; i++)
		printf(" %10s", names[i]);
	printf(" %10s %8s\n", "days", "seconds");
}

static void print_figures(
	const struct leak *l, uint64_t done, const struct figures *f, uint64_t began_ns)
{
	printf("%12llu", (unsigned long long)done);
	for (size_t i = 0; i < FIGURES; i++)
		printf(" %10llu", (unsigned long long)f->value[i]);
	printf(" %10llu %8llu\n", (unsigned long long)(l->r.w.now.now_ns / TP_NS_PER_S / 86400),
		(unsigned long long)((tp_now_ns() - began_ns) / TP_NS_PER_S));
	fflush(stdout);
}

static void assert_within_a_percent(const struct figures *first, const struct figures *last)
{
	for (size_t i = 0; i < FIGURES; i++) {
		uint64_t a = first->value[i], b = last->value[i];
		if ((a > b ? a - b : b - a) > a / 100)
			fail_msg("%s: %llu after the first part, %llu after the last", names[i],
				(unsigned long long)a, (unsigned long long)b);
	}
}

static void nothing_grows(void **state)
{
	struct leak *l = *state;
	uint64_t began_ns = tp_now_ns();
	struct inventory begin = take_inventory(l);
	struct figures first = {0}, last = {0};
	l->random = seed;
	print_names();
	for (uint64_t done = 0; done < n_cycles;) {
		// Looked at is a control that has been there for a while: its caches are full.
		for (uint64_t until = done + part_cycles; done < until; done += live_once(l))
			l->kill_one_in = until - done > part_cycles / 2 ? KILL_ONE_IN : UINT32_MAX;
		settle(l);
		assert_same(l, &begin, "this part");
		last = take_figures(l);
		if (done == part_cycles)
			first = last;
		print_figures(l, done, &last, began_ns);
	}
	assert_within_a_percent(&first, &last);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_grows, setup, teardown),
	};
	uint64_t *const numbers[] = {&n_cycles, &part_cycles, &seed};
	for (int i = 1; i < argc && i <= 3; i++)
		*numbers[i - 1] = strtoull(argv[i], NULL, 0);
	if (argc > 4 || part_cycles == 0 || n_cycles < 2 * part_cycles || seed == 0) {
		fprintf(stderr, "usage: %s [CYCLES [CYCLES A PART [SEED]]]\n", argv[0]);
		return 2;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
