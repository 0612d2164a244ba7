// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/mappings.h"

#define MAX_MAPPINGS 8

struct seen {
	struct tp_mapping mapping[MAX_MAPPINGS];
	size_t n;
};

static void see(void *context, const struct tp_mapping *mapping)
{
	struct seen *seen = context;

	assert_true(seen->n < MAX_MAPPINGS);
	seen->mapping[seen->n++] = *mapping;
}

static int read_text(const char *text, struct seen *seen)
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int rc;

	assert_non_null(f);
	*seen = (struct seen){0};
	rc = tp_mappings_read(f, see, seen);
	fclose(f);
	return rc;
}

static void test_what_the_kernel_writes(void **state)
{
	static const char text[] =
		"55d0c0a00000-55d0c0a21000 r-xp 00001000 08:01 1234567    /usr/sbin/turnpike "
		"control\n"
		"Size:                132 kB\n"
		"KernelPageSize:        4 kB\n"
		"Rss:                 100 kB\n"
		"Pss:                  50 kB\n"
		"Shared_Hugetlb:        0 kB\n"
		"Private_Hugetlb:       0 kB\n"
		"VmFlags: rd ex mr mw me dw sd\n"
		"100000000-100400000 rw-p 00000000 00:0f 77               /anon_hugepage "
		"(deleted)\n"
		"Rss:                   0 kB\n"
		"Shared_Hugetlb:     2048 kB\n"
		"Private_Hugetlb:    2048 kB\n"
		"7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n"
		"Rss:                   0 kB\n"
		"7f0000001000-7f0000801000 rw-p 00000000 00:00 0 \n"
		"Rss:                  16 kB\n"
		"7f0000801000-7f0000901000 rw-s 00000000 00:01 1029       "
		"/memfd:turnpike-rings (deleted)\n"
		"Rss:                   8 kB\n";
	struct seen s;

	assert_int_equal(read_text(text, &s), 0);
	assert_int_equal(s.n, 5);
	assert_int_equal(s.mapping[0].start, 0x55d0c0a00000);
	assert_int_equal(s.mapping[0].end, 0x55d0c0a21000);
	assert_int_equal(s.mapping[0].resident_bytes, 100 << 10);
	assert_int_equal(s.mapping[0].hugetlb_bytes, 0);
	assert_true(s.mapping[0].executable && s.mapping[0].readable && s.mapping[0].file);
	assert_false(s.mapping[0].writable || s.mapping[0].shared || s.mapping[0].above_guard);
	assert_string_equal(s.mapping[0].name, "/usr/sbin/turnpike control");
	assert_int_equal(s.mapping[1].resident_bytes, 4 << 20);
	assert_int_equal(s.mapping[1].hugetlb_bytes, 4 << 20);
	assert_false(s.mapping[2].above_guard);
	assert_true(s.mapping[3].above_guard);
	assert_string_equal(s.mapping[3].name, "");
	assert_false(s.mapping[3].file);
	assert_false(s.mapping[4].above_guard);
	assert_true(s.mapping[4].shared && s.mapping[4].file);
	assert_string_equal(s.mapping[4].name, "/memfd:turnpike-rings (deleted)");
}

static void test_what_is_no_such_file(void **state)
{
	struct seen s;

	assert_int_equal(read_text("\n", &s), -EPROTO);
	assert_int_equal(read_text("Rss:   12 kB\n", &s), -EPROTO);
	assert_int_equal(s.n, 0);
}

static void test_a_long_name_is_cut(void **state)
{
	char text[400] = "1000-2000 rw-p 00000000 00:01 5 /";
	struct seen s;

	memset(text + strlen(text), 'n', 300);
	assert_int_equal(read_text(text, &s), 0);
	assert_int_equal(strlen(s.mapping[0].name), TP_MAPPING_NAME_BYTES - 1);
}

static void test_resident_of_a_status_file(void **state)
{
	static char text[] = "Name:\tx\nVmRSS:\t   10240 kB\nHugetlbPages:\t  4096 kB\n";
	static char old[] = "VmRSS:\t   10240 kB\n", none[] = "Name:\tx\n";
	uint64_t resident, hugetlb = 1;
	FILE *f = fmemopen(text, sizeof(text) - 1, "r");

	assert_int_equal(tp_resident_read(f, &resident, &hugetlb), 0);
	assert_int_equal(resident, 10 << 20);
	assert_int_equal(hugetlb, 4 << 20);
	fclose(f);
	f = fmemopen(old, sizeof(old) - 1, "r");
	assert_int_equal(tp_resident_read(f, &resident, &hugetlb), 0);
	assert_int_equal(hugetlb, 0);
	fclose(f);
	f = fmemopen(none, sizeof(none) - 1, "r");
	assert_int_equal(tp_resident_read(f, &resident, &hugetlb), -EPROTO);
	fclose(f);
}

static void test_only_pages_that_were_touched_count(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 10000;
	char *at = mmap(NULL, pages * page, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(at != MAP_FAILED);
	madvise(at, pages * page, MADV_NOHUGEPAGE);
	assert_int_equal(tp_resident_bytes(at, pages * page), 0);
	at[0] = at[7 * page] = at[9999 * page] = 1;
	assert_int_equal(tp_resident_bytes(at, pages * page), 3 * page);
	assert_int_equal(tp_resident_bytes(at, 8 * page), 2 * page);
	// A part of a page counts for as many bytes.
	assert_int_equal(tp_resident_bytes(at + 10, 20), 20);
	assert_int_equal(tp_resident_bytes(at + 7 * page - 5, 100), 95);
	munmap(at, pages * page);
	assert_int_equal(tp_resident_bytes(at, page), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_kernel_writes),
		cmocka_unit_test(test_what_is_no_such_file),
		cmocka_unit_test(test_a_long_name_is_cut),
		cmocka_unit_test(test_resident_of_a_status_file),
		cmocka_unit_test(test_only_pages_that_were_touched_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
