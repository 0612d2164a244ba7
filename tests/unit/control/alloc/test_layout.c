// SPDX-License-Identifier: BSD-3-Clause
// A session region of the layout before (ABI 1.1), written byte by byte as its control did, becomes
// one of ours: what is sound is taken over, everything else goes by rule, whatever the region
// holds.
#include "tests/unit/control/alloc/check.h"

#include <sys/mman.h>
#include <unistd.h>

#include "common/abi/region.h"
#include "common/base/hash.h"
#include "control/alloc/mobility.h"

#define ALLOCS 12
#define PEERS  24
#define NAMES  4
#define OLD    448 // bytes of a record of layout 1

#define ALLOC(i) (4096 + OLD * (size_t)(i))
#define PEER(i)  (ALLOC(ALLOCS) + 64 * (size_t)(i))
#define NAME(i)  (PEER(PEERS) + 512 * (size_t)(i))
#define BYTES    NAME(NAMES)

static const struct tp_region_shape before = {ALLOCS, PEERS, NAMES, OLD};
static const struct tp_region_shape now = {ALLOCS, PEERS, NAMES, sizeof(struct tp_alloc_record)};
static uint8_t old[BYTES];

static void put(size_t at, uint64_t value, size_t bytes)
{
	memcpy(old + at, &value, bytes); // little endian, as all that this runs on
}

static void put_addr(size_t at, const char *text, uint16_t port)
{
	struct tp_addr a = addr(text, port);

	memcpy(old + at, a.ip.bytes, 16);
	old[at + 16] = a.ip.family;
	put(at + 20, port, 2);
}

static void put_alloc(struct world *w, uint32_t i)
{
	size_t at = ALLOC(i);

	put(at + 0, 2, 4); // sequence
	put(at + 4, 1, 2); // layout
	put(at + 6, 1, 1); // live
	put(at + 8, i, 4);
	put(at + 12, 5 + i, 4); // generation
	memcpy(old + at + 16, "prefix11", 8);
	old[at + 31] = (uint8_t)(i + 1); // of its id, big endian
	put(at + 32, WORLD_WALL_NS - 1, 8);
	put(at + 40, w->now.now_ns + 500 * TP_NS_PER_S, 8);
	put_addr(at + 48, "198.18.1.1", (uint16_t)(2000 + i));
	put_addr(at + 72, "198.18.0.2", 3478);
	put_addr(at + 96, "198.18.0.2", (uint16_t)(50000 + i));
	put(at + 144, UINT32_MAX, 4);
	put(at + 164, 600, 4);
	put(at + 168, 11, 8); // up_packets
	put(at + 200, 22, 8); // and what was carried
	put(at + 242, 1, 2);
	put(at + 244, UINT32_MAX, 4);
	old[at + 248] = 'u';
}

static void put_peer(struct world *w, uint32_t i, uint32_t owner, uint16_t channel, const char *ip,
	uint16_t port)
{
	size_t at = PEER(i);

	put(at + 0, 2, 4);
	put(at + 4, 1, 2);
	put(at + 6, 1, 1);
	put(at + 7, channel ? 2 : 1, 1);
	put(at + 8, owner, 4);
	put(at + 12, 5 + owner, 4);
	put(at + 16, UINT32_MAX, 4);
	put(at + 20, channel, 2);
	put(at + 24, w->now.now_ns + 200 * TP_NS_PER_S, 8);
	put_addr(at + 32, ip, port);
}

// What stands for a listener in a record (control/alloc/mobility.c).
static uint32_t tag_of(const struct tp_addr *listener)
{
	static const struct tp_siphash_key key = {"prefix11prefix11"};

	return (uint32_t)tp_siphash(&key, listener, sizeof(*listener)) | 1;
}

// Six calls: with a channel and a permission, a name of 100 bytes, IPv6, a client on the move, one
// whose ports rest, one that is nothing but an allocation.
static void put_region(struct world *w)
{
	memset(old, 0, sizeof(old));
	put(0, UINT64_C(0x31307365732d7074), 8);
	put(8, 1, 2);  // major
	put(10, 1, 2); // minor
	put(12, ALLOCS, 4);
	put(16, PEERS, 4);
	put(20, NAMES, 4);
	put(24, 7, 8);  // instance
	put(40, 50, 8); // next id
	memcpy(old + 48, "prefix11", 8);
	for (uint32_t i = 0; i < 6; i++)
		put_alloc(w, i);
	put_peer(w, 0, 0, 0, "198.18.9.9", 0);
	put_peer(w, 1, 0, 0x4001, "198.18.9.9", 7000);
	put(ALLOC(1) + 242, 100, 2);
	put(ALLOC(1) + 244, 2, 4);
	memset(old + ALLOC(1) + 248, 'n', 60);
	put(NAME(2), 2, 4);
	put(NAME(2) + 4, 1, 2);
	put(NAME(2) + 6, 1, 1);
	put(NAME(2) + 8, 1, 4);
	put(NAME(2) + 12, 6, 4);
	memset(old + NAME(2) + 16, 'm', 40);
	put_addr(ALLOC(2) + 48, "fd00:198:18::10", 2002);
	put_addr(ALLOC(2) + 72, "fd00:198:18::2", 3478);
	put_addr(ALLOC(2) + 96, "fd00:198:18::2", 50002);
	put(ALLOC(3) + 384, 2, 4); // ticket
	memcpy(old + ALLOC(3) + 392, addr("198.18.1.77", 1).ip.bytes, 16);
	put(ALLOC(3) + 408, 4000, 2);
	put(ALLOC(3) + 410, TP_FAMILY_IPV4, 1);
	put(ALLOC(3) + 412, tag_of(&w->policy.listeners[0]), 4);
	put(ALLOC(4) + 6, 2, 1); // resting
	put(ALLOC(4) + 40, w->now.now_ns + 30 * TP_NS_PER_S, 8);
}

// What the dataplane does when our control comes, then what that one does.
static struct ctl_adoption take_over(struct world *w)
{
	int fd = memfd_create("old", MFD_CLOEXEC);
	struct ctl_store_options options;
	struct ctl_adoption report;

	assert_int_equal(write(fd, old, sizeof(old)), sizeof(old));
	ctl_store_destroy(w->store);
	memset(w->region, 0, w->region_bytes);
	assert_int_equal(tp_region_copy(fd, &before, w->region, &now), 0);
	close(fd);
	((struct tp_region_header *)w->region)->magic = TP_REGION_MAGIC; // as the dataplane says it
	((struct tp_region_header *)w->region)->major = TP_ABI_MAJOR;
	options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	return report;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	world_policy(&w->policy);
	world_open(w, ALLOCS, PEERS, NAMES);
	put_region(w);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

static const struct tp_alloc_record *record(struct world *w, uint32_t i)
{
	return (const struct tp_alloc_record *)((uint8_t *)w->region + 4096) + i;
}

static uint32_t dropped(const struct ctl_adoption *a)
{
	uint32_t n = 0;

	for (int i = 0; i < CTL_ADOPT_REASON_COUNT; i++)
		n += a->dropped_allocations[i] + a->dropped_peers[i];
	return n;
}

static void what_was_there_is_taken_over(void **state)
{
	struct world *w = *state;
	struct ctl_adoption report = take_over(w);
	uint8_t user[CTL_USER_MAX_BYTES];
	struct tp_addr client, listener;
	uint64_t total[2];

	assert_int_equal(dropped(&report), 0);
	assert_int_equal(report.allocations, 5);
	assert_int_equal(report.resting, 1);
	assert_int_equal(report.permissions, 1);
	assert_int_equal(report.channels, 1);
	for (uint32_t i = 0; i < 6; i++) {
		assert_memory_equal(record(w, i)->uid, old + ALLOC(i) + 16, 16);
		assert_int_equal(record(w, i)->self.generation, 5 + i);
		assert_int_equal(record(w, i)->layout, TP_ALLOC_LAYOUT);
		assert_int_equal(record(w, i)->stream.stream, 0);
		assert_int_equal(record(w, i)->move_stream.stream, 0);
		assert_int_equal(record(w, i)->snapshot.up_packets, 11);
		assert_int_equal(record(w, i)->carried.up_packets, 22);
	}
	assert_int_equal(ctl_allocation_user(w->store, record(w, 1), user), 100);
	assert_int_equal(user[99], 'm');
	assert_true(ctl_allocation_moving(w->store, record(w, 3), &client, &listener));
	assert_int_equal(client.port, 4000);
	check_store(w, total);
	assert_int_equal(((struct tp_region_header *)w->region)->next_uid, 50);
	// The next one finds records of its own layout.
	world_allocate(w, 700);
}

static void a_torn_record_goes_and_the_others_stay(void **state)
{
	struct world *w = *state;
	put(ALLOC(5), 3, 4);
	put(PEER(1), 3, 4);
	struct ctl_adoption report = take_over(w);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_TORN], 1);
	assert_int_equal(report.dropped_peers[CTL_ADOPT_TORN], 1);
	assert_int_equal(report.allocations, 4);
	assert_int_equal(report.permissions, 1);
}

// It died while it wrote a record that was in use: offsets 1064 and 1072 of the header's page.
static void a_write_that_was_not_ended_is_undone(void **state)
{
	struct world *w = *state;
	put(1064, 5 + 1, 4);
	put(1068, 2, 4);
	memcpy(old + 1072, old + ALLOC(5) + 4, OLD - 4);
	put(ALLOC(5), 3, 4);
	put(ALLOC(5) + 40, 12345, 8); // half of a refresh
	struct ctl_adoption report = take_over(w);
	assert_int_equal(dropped(&report), 0);
	assert_int_equal(report.allocations, 5);
	assert_int_equal(record(w, 5)->deadline_ns, w->now.now_ns + 500 * TP_NS_PER_S);
	assert_int_equal(record(w, 5)->layout, TP_ALLOC_LAYOUT);
}

static void records_of_no_layout_go(void **state)
{
	struct world *w = *state;
	put(ALLOC(0) + 4, 0, 2);
	put(ALLOC(2) + 4, 2, 2); // ours, in a place of theirs
	put(ALLOC(5) + 4, 77, 2);
	put(NAME(2) + 4, 2, 2);
	struct ctl_adoption report = take_over(w);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_LAYOUT], 3);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_USER], 1);
	assert_int_equal(report.dropped_peers[CTL_ADOPT_ORPHAN], 2);
	assert_int_equal(report.allocations, 1);
}

// ABI 1.1 knew no clients of connections, but wrote where they would be.
static void a_move_onto_a_connection_is_given_up(void **state)
{
	struct world *w = *state;
	struct tp_addr client, listener;
	put(ALLOC(3) + 411, 1, 1);
	struct ctl_adoption report = take_over(w);
	assert_int_equal(dropped(&report), 0);
	assert_false(ctl_allocation_moving(w->store, record(w, 3), &client, &listener));
}

static void records_of_our_size_may_be_called_layout_1(void **state)
{
	struct world *w = *state;
	struct ctl_store_options options;
	struct ctl_adoption report;

	take_over(w);
	ctl_store_destroy(w->store);
	for (uint32_t i = 0; i < 6; i++)
		((struct tp_alloc_record *)(uintptr_t)record(w, i))->layout = 1;
	options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	assert_int_equal(report.allocations, 5);
	assert_int_equal(record(w, 0)->layout, TP_ALLOC_LAYOUT);
}

static void whatever_is_there_adoption_ends(void **state)
{
	struct world *w = *state;
	for (int round = 0; round < 2000; round++) {
		uint64_t total[2];
		put_region(w);
		for (uint32_t n = 1 + (uint32_t)(world_next(w) >> 40) % 60; n > 0; n--)
			old[4096 + (world_next(w) >> 20) % (BYTES - 4096)] =
				(uint8_t)(world_next(w) >> 30);
		if (round % 4 == 0) { // the journal as well
			put(1064, (world_next(w) >> 30) % (ALLOCS + 2), 4);
			put(1068, 2, 4);
			for (size_t i = 1072; i < 1536; i++)
				old[i] = (uint8_t)(world_next(w) >> 30);
			put(ALLOC(3), 3, 4);
		}
		take_over(w);
		check_store(w, total);
		assert_int_equal(total[0], 500);
		assert_int_equal(total[1], 100);
		world_forget(w);
	}
}

// ---- the copy itself

static void a_region_that_was_cut_is_no_region(void **state)
{
	struct world *w = *state;
	struct tp_region_header header;
	struct tp_region_shape shape;
	int fd = memfd_create("old", MFD_CLOEXEC);

	memcpy(&header, old, sizeof(header));
	assert_int_equal(tp_region_shape_of(&header, BYTES, &shape), 0);
	assert_memory_equal(&shape, &before, sizeof(shape));
	assert_int_equal(tp_region_shape_of(&header, BYTES - 1, &shape), -EINVAL);
	assert_int_equal(tp_region_shape_of(&header, BYTES + ALLOCS, &shape), -EINVAL);
	assert_int_equal(tp_region_shape_of(&header, BYTES + 16 * ALLOCS, &shape), 0);
	assert_memory_equal(&shape, &now, sizeof(shape));
	// One that was cut nevertheless ends the copy.
	assert_int_equal(write(fd, old, 100), 100);
	assert_int_equal(tp_region_copy(fd, &before, w->region, &now), -EIO);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, old, ALLOC(2) + 7, 0), ALLOC(2) + 7);
	assert_int_equal(tp_region_copy(fd, &before, w->region, &now), -EIO);
	close(fd);
}

// To the layout before and back: nothing is lost but a move onto a connection.
static void there_and_back_is_the_same(void **state)
{
	struct world *w = *state;
	struct tp_alloc_record was[ALLOCS];
	int fd = memfd_create("new", MFD_CLOEXEC), narrow = memfd_create("old", MFD_CLOEXEC);
	uint8_t *back;

	take_over(w);
	((struct tp_alloc_record *)(uintptr_t)record(w, 3))->move_transport = 1;
	((struct tp_alloc_record *)(uintptr_t)record(w, 3))->move_stream.stream = 9;
	memcpy(was, record(w, 0), sizeof(was));
	assert_int_equal(write(fd, w->region, w->region_bytes), w->region_bytes);
	memset(old, 0, sizeof(old));
	assert_int_equal(tp_region_copy(fd, &now, old, &before), 0);
	assert_int_equal(old[ALLOC(0) + 4], 1);
	assert_memory_equal(old + ALLOC(1) + 6, (const uint8_t *)&was[1] + 6, OLD - 6);
	assert_int_equal(write(narrow, old, sizeof(old)), sizeof(old));
	back = calloc(1, w->region_bytes);
	assert_int_equal(tp_region_copy(narrow, &before, back, &now), 0);
	memset(was[3].move_ip, 0, 16);
	was[3].move_port = was[3].move_family = was[3].move_transport = 0;
	was[3].move_listener = was[3].move_stream.stream = 0;
	for (uint32_t i = 6; i < ALLOCS; i++) // of free records nothing is said
		was[i].layout = ((struct tp_alloc_record *)(back + 4096))[i].layout;
	assert_memory_equal(back + 4096, was, sizeof(was));
	assert_memory_equal(back + 4096 + sizeof(was), (uint8_t *)w->region + 4096 + sizeof(was),
		w->region_bytes - 4096 - sizeof(was));
	free(back);
	close(fd);
	close(narrow);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_there_is_taken_over),
		TEST(a_torn_record_goes_and_the_others_stay),
		TEST(a_write_that_was_not_ended_is_undone),
		TEST(records_of_no_layout_go),
		TEST(a_move_onto_a_connection_is_given_up),
		TEST(records_of_our_size_may_be_called_layout_1),
		TEST(whatever_is_there_adoption_ends),
		TEST(a_region_that_was_cut_is_no_region),
		TEST(there_and_back_is_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
