// SPDX-License-Identifier: BSD-3-Clause
// The records of a store in another region, or in the one of a dataplane that came anew.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/control/alloc/populated.h"

static void move_takes_all_along(void **state)
{
	struct world *w = *state;
	struct ctl_store_status before = world_status(w);
	struct tp_nonce_key key = ctl_store_nonce_keys(w->store)[0];
	size_t bytes = tp_region_bytes(ALLOCS + 9, PEERS + 5, NAMES + 1);
	void *old = w->region, *fresh = aligned_alloc(64, (bytes + 63) / 64 * 64);
	memset(fresh, 0, bytes);
	assert_int_equal(ctl_region_format(fresh, bytes, ALLOCS + 9, PEERS + 5, NAMES + 1, 8), 0);
	struct tp_alloc_record sample = *alloc_of(w, 9);
	struct ctl_adoption report;
	assert_int_equal(ctl_store_move(w->store, fresh, bytes, -1, w->now, &report), 0);
	memset(old, 0xee, w->region_bytes); // nothing refers to it any more
	free(old);
	w->region = fresh;
	w->region_bytes = bytes;
	struct ctl_store_status after = world_status(w);
	assert_int_equal(after.allocations, before.allocations);
	assert_int_equal(after.permissions, before.permissions);
	assert_int_equal(after.channels, before.channels);
	assert_int_equal(after.resting, before.resting);
	assert_int_equal(after.ports_free[0], before.ports_free[0]);
	assert_int_equal(after.alloc_capacity, ALLOCS + 9);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, sample.self);
	assert_non_null(r);
	assert_memory_equal(r->uid, sample.uid, 16);
	assert_true(tp_addr_equal(&r->relay[0], &sample.relay[0]));
	assert_memory_equal(ctl_store_nonce_keys(w->store), &key, sizeof(key));
	uint64_t total[2];
	check_store(w, total);
}

// A new dataplane counts from zero; what was read of the one before stays in the totals.
static void move_carries_counters(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = alloc_of(w, 9)->self;
	struct tp_ack ack = {.type = TP_CMD_COUNTERS, .alloc = ref, .counters = {1, 100, 2, 200}};
	ctl_store_ack(w->store, &ack, false, w->now);
	size_t bytes = w->region_bytes;
	void *fresh = aligned_alloc(64, (bytes + 63) / 64 * 64);
	memset(fresh, 0, bytes);
	assert_int_equal(ctl_region_format(fresh, bytes, ALLOCS, PEERS, NAMES, 8), 0);
	assert_int_equal(ctl_store_move(w->store, fresh, bytes, -1, w->now, NULL), 0);
	free(w->region);
	w->region = fresh;
	ack.counters = (struct tp_alloc_counters){10, 1000, 20, 2000};
	ctl_store_ack(w->store, &ack, false, w->now);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	assert_int_equal(r->snapshot.up_packets, 11);
	assert_int_equal(r->snapshot.up_bytes, 1100);
	assert_int_equal(r->snapshot.down_packets, 22);
	assert_int_equal(r->snapshot.down_bytes, 2200);
}

// The region outlived both processes, or the dataplane alone: nothing is counted twice, nothing
// goes back, also when control dies once more before it asks.
static void a_kept_region_carries_counters(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = alloc_of(w, 9)->self;
	struct tp_ack ack = {.type = TP_CMD_COUNTERS, .alloc = ref, .counters = {1, 100, 2, 200}};
	ctl_store_ack(w->store, &ack, false, w->now);
	for (int run = 1; run <= 3; run++) {
		((struct tp_region_header *)w->region)->instance = 100 + (uint64_t)run;
		if (run == 1) {
			ctl_store_count_anew(w->store);
			ctl_store_count_anew(w->store);
		} else {
			readopt(w);
			readopt(w);
		}
		ack.counters = (struct tp_alloc_counters){10, 1000, 20, 2000};
		ctl_store_ack(w->store, &ack, false, w->now);
		const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
		assert_int_equal(r->snapshot.up_packets, 1 + 10 * run);
		assert_int_equal(r->snapshot.down_bytes, 200 + 2000 * run);
	}
	// The same run: the dataplane goes on counting.
	readopt(w);
	ack.counters.up_packets = 15;
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_int_equal(ctl_allocation_get(w->store, ref)->snapshot.up_packets, 1 + 20 + 15);
}

// A region of another layout from the dataplane that there was: it counts on, so nothing is
// carried.
static void a_move_in_the_same_run_carries_nothing(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = alloc_of(w, 9)->self;
	struct tp_ack ack = {.type = TP_CMD_COUNTERS, .alloc = ref, .counters = {10, 100, 20, 200}};
	void *fresh = aligned_alloc(64, (w->region_bytes + 63) / 64 * 64);

	ctl_store_ack(w->store, &ack, false, w->now);
	memset(fresh, 0, w->region_bytes);
	assert_int_equal(ctl_region_format(fresh, w->region_bytes, ALLOCS, PEERS, NAMES,
				 header_of(w)->instance),
		0);
	assert_int_equal(ctl_store_move(w->store, fresh, w->region_bytes, -1, w->now, NULL), 0);
	free(w->region);
	w->region = fresh;
	ack.counters.up_packets = 11;
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_int_equal(ctl_allocation_get(w->store, ref)->snapshot.up_packets, 11);
}

static void move_into_less_loses_what_does_not_fit(void **state)
{
	struct world *w = *state;
	size_t bytes = tp_region_bytes(10, PEERS, NAMES);
	void *fresh = aligned_alloc(64, (bytes + 63) / 64 * 64);
	memset(fresh, 0, bytes);
	assert_int_equal(ctl_region_format(fresh, bytes, 10, PEERS, NAMES, 8), 0);
	struct ctl_adoption report;
	assert_int_equal(ctl_store_move(w->store, fresh, bytes, -1, w->now, &report), 0);
	assert_int_equal(report.allocations, 10);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_NO_PLACE], 8);
	free(w->region);
	w->region = fresh;
	w->region_bytes = bytes;
	uint64_t total[2];
	check_store(w, total);
}

#define MANY 100000

// A region in a file of its own, as the dataplane makes it; its records lie across the ends of
// pages.
static int file_region(struct world *w)
{
	int fd = memfd_create("region", MFD_CLOEXEC);

	w->region_bytes = (tp_region_bytes(ALLOCS + 1, MANY, MANY) + 4095) / 4096 * 4096;
	assert_int_equal(ftruncate(fd, (off_t)w->region_bytes), 0);
	w->region = mmap(NULL, w->region_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(w->region, MAP_FAILED);
	assert_int_equal(
		ctl_region_format(w->region, w->region_bytes, ALLOCS + 1, MANY, MANY, 7), 0);
	return fd;
}

static uint64_t pages_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512 / 4096;
}

// What nobody wrote costs no page, however often it is adopted and moved; what somebody did is
// there.
static void what_was_never_written_costs_nothing(void **state)
{
	struct world *w = *state, from = *w;
	struct ctl_store_options options;
	struct ctl_adoption report;
	int fd = file_region(w), next;

	ctl_store_destroy(w->store);
	options = world_options(w);
	options.region_fd = fd;
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, NULL), 0);
	populate(w);
	ctl_store_destroy(w->store);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	assert_int_equal(report.allocations, 18);
	assert_true(report.channels > 20);
	assert_true(pages_of(fd) < 30);
	// Written since it was looked at.
	struct tp_alloc_ref ref = alloc_of(w, 0)->self;
	for (uint32_t k = 0; k < 60; k++) {
		struct tp_addr peer = {.ip = tp_ip4(0xc6140000 + k), .port = 9};
		struct ctl_change change;
		ctl_change_init(&change);
		assert_int_equal(ctl_channel_bind(w->store, ref, (uint16_t)(0x4200 + k), &peer,
					 w->now, &change),
			0);
	}
	world_forget(w);
	uint32_t channels = (uint32_t)world_status(w).channels;
	void *old = w->region;
	next = file_region(w);
	assert_int_equal(
		ctl_store_move(w->store, w->region, w->region_bytes, next, w->now, &report), 0);
	assert_int_equal(report.channels, channels);
	assert_int_equal(report.allocations, 18);
	assert_true(pages_of(next) < 40);
	ctl_store_destroy(w->store);
	munmap(old, w->region_bytes);
	munmap(w->region, w->region_bytes);
	close(fd);
	close(next);
	// What teardown expects.
	w->region = from.region;
	w->region_bytes = from.region_bytes;
	options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(move_takes_all_along),
		TEST(move_carries_counters),
		TEST(a_kept_region_carries_counters),
		TEST(a_move_in_the_same_run_carries_nothing),
		TEST(move_into_less_loses_what_does_not_fit),
		TEST(what_was_never_written_costs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
