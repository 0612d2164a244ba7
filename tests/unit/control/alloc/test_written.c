// SPDX-License-Identifier: BSD-3-Clause
// Which records of a file were written, against a plain note of its pages.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/alloc/written.h"

#define PAGE   4096
#define PAGES  64
#define RECORD 464 // lies across the ends of pages
#define COUNT  (PAGES * PAGE / RECORD)
#define ROUNDS 500

struct file {
	int fd;
	bool page[PAGES];
};

static void open_file(struct file *f)
{
	*f = (struct file){.fd = memfd_create("written", MFD_CLOEXEC)};
	assert_true(f->fd >= 0);
	assert_int_equal(ftruncate(f->fd, PAGES * PAGE), 0);
}

static void write_page(struct file *f, unsigned int page)
{
	f->page[page] = true;
	assert_int_equal(pwrite(f->fd, "x", 1, (off_t)page * PAGE + 1000), 1);
}

static bool touched(const struct file *f, uint32_t record)
{
	uint64_t from = (uint64_t)record * RECORD;

	return f->page[from / PAGE] || f->page[(from + RECORD - 1) / PAGE];
}

static void it_says_what_is_there(void **state)
{
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct ctl_written w;
		struct file f;

		open_file(&f);
		w = (struct ctl_written){.fd = f.fd};
		for (long n = random() % 12; n > 0; n--)
			write_page(&f, (unsigned int)(random() % PAGES));
		for (uint32_t i = 0; i < COUNT; i++)
			assert_int_equal(
				ctl_written(&w, (uint64_t)i * RECORD, RECORD), touched(&f, i));
		for (int i = 0; i < 100; i++) { // in any order
			uint32_t at = (uint32_t)(random() % COUNT);
			assert_int_equal(
				ctl_written(&w, (uint64_t)at * RECORD, RECORD), touched(&f, at));
		}
		// Written since then: the next walk sees it.
		for (int n = 0; n < 3; n++)
			write_page(&f, (unsigned int)(random() % PAGES));
		ctl_written_anew(&w);
		for (uint32_t i = 0; i < COUNT; i++)
			assert_int_equal(
				ctl_written(&w, (uint64_t)i * RECORD, RECORD), touched(&f, i));
		close(f.fd);
	}
}

static void in_doubt_all_was_written(void **state)
{
	struct ctl_written none = {.fd = -1}, zero = {.fd = 0}, pipe_end = {0};
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	pipe_end.fd = fds[0]; // cannot seek
	for (uint64_t at = 0; at < 10 * PAGE; at += RECORD) {
		assert_true(ctl_written(&none, at, RECORD));
		assert_true(ctl_written(&zero, at, RECORD));
		assert_true(ctl_written(&pipe_end, at, RECORD));
	}
	close(fds[0]);
	close(fds[1]);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(it_says_what_is_there),
	cmocka_unit_test(in_doubt_all_was_written),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
