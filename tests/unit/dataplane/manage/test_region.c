// SPDX-License-Identifier: BSD-3-Clause
// A session region that comes back from its holder: taken, copied, or refused and made anew; and
// given to the holder again when that one is another.
#include "tests/unit/dataplane/manage/fixture.h"

#include <sys/mman.h>

#include "common/abi/record.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/manage/region_check.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static const struct region_capacities usual = {1000, 4000, 1000 / 16 + 1024};

static int holder = -1; // the test's own service manager

static int prepare(void **state)
{
	if (setup_world() < 0)
		return -1;
	t.conf.limits.allocations = usual.allocations;
	return 0;
}

static int finish(void **state)
{
	char path[100];

	if (holder >= 0)
		close(holder);
	holder = -1;
	snprintf(path, sizeof(path), "%s/holder", t.directory);
	unlink(path);
	unsetenv("NOTIFY_SOCKET");
	return teardown(state);
}

static struct tp_region_header header_of(const struct region_capacities *c)
{
	return (struct tp_region_header){.magic = TP_REGION_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.alloc_capacity = c->allocations,
		.peer_capacity = c->peers,
		.name_capacity = c->names,
		.instance = 7,
		.next_uid = 99};
}

// A memfd with this header, of that size and with these seals.
static int region(const struct tp_region_header *header, uint64_t bytes, int seals)
{
	int fd = memfd_create("test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	if (bytes >= sizeof(*header))
		assert_int_equal(pwrite(fd, header, sizeof(*header), 0), sizeof(*header));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void refused(int fd, const char *word)
{
	char why[REGION_WHY_BYTES] = "";
	struct region_capacities c;

	assert_int_equal(dp_region_check(fd, &c, why), -EINVAL);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	close(fd);
}

static void test_memory_that_others_could_cut_is_refused(void **state)
{
	struct tp_region_header h = header_of(&usual);
	uint64_t bytes = region_capacities_bytes(&usual);
	int fds[2], fd;
	char path[64];

	refused(region(&h, bytes, 0), "seals");
	refused(region(&h, bytes, SEALS & ~F_SEAL_SHRINK), "seals");
	refused(region(&h, bytes, SEALS & ~F_SEAL_GROW), "seals");
	refused(region(&h, bytes, SEALS & ~F_SEAL_SEAL), "seals");
	refused(region(&h, bytes, SEALS | F_SEAL_WRITE), "seals");
	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	refused(fds[0], "no memory");
	fd = region(&h, bytes, SEALS);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	refused(open(path, O_RDONLY | O_CLOEXEC), "writing");
	close(fd);
}

static void test_headers_that_make_no_sense_are_refused(void **state)
{
	uint64_t bytes = region_capacities_bytes(&usual);
	struct tp_region_header h = header_of(&usual);

	refused(region(&h, 0, SEALS), "no room");
	refused(region(&h, TP_REGION_HEADER_BYTES - 1, SEALS), "no room");
	refused(region(&h, bytes - 1, SEALS), "size");
	refused(region(&h, bytes + 4096, SEALS), "size");
	h.magic++;
	refused(region(&h, bytes, SEALS), "begin");
	h = header_of(&usual);
	h.major++;
	refused(region(&h, bytes, SEALS), "version");
	h = header_of(&usual);
	h.minor++;
	refused(region(&h, bytes, SEALS), "version");
	h = header_of(&usual);
	h.alloc_capacity = 0;
	refused(region(&h, bytes, SEALS), "no allocation");
	h = header_of(&usual);
	h.alloc_capacity = h.peer_capacity = h.name_capacity = UINT32_MAX;
	refused(region(&h, bytes, SEALS), "size");
	memset(&h, 0xff, sizeof(h));
	refused(region(&h, bytes, SEALS), "begin");
}

static struct tp_region_header *now_used(void)
{
	return t.m->region.base;
}

static void test_a_kept_region_is_taken(void **state)
{
	struct tp_region_header h = header_of(&usual);
	int fd = region(&h, region_capacities_bytes(&usual), SEALS);

	t.dp.kept_region_fd = fd;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	assert_int_equal(t.m->region.fd, fd);
	assert_int_equal(now_used()->instance, 0x1234);
	assert_int_equal(now_used()->next_uid, 99);
}

static void test_a_region_of_nonsense_gives_way_to_a_new_one(void **state)
{
	struct tp_region_header h = header_of(&usual);
	int fd = region(&h, 4096, SEALS);

	t.dp.kept_region_fd = fd;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	assert_int_equal(now_used()->next_uid, 0);
	assert_int_equal(now_used()->alloc_capacity, usual.allocations);
	assert_int_equal(t.m->region.bytes, region_capacities_bytes(&usual));
}

static void put(int fd, uint64_t at, uint8_t byte)
{
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
}

// Where record `i` of its kind lies.
static uint64_t alloc_at(uint32_t i)
{
	return TP_REGION_HEADER_BYTES + (uint64_t)i * sizeof(struct tp_alloc_record);
}

static uint64_t peer_at(const struct region_capacities *c, uint32_t i)
{
	return alloc_at(c->allocations) + (uint64_t)i * sizeof(struct tp_peer_record);
}

static uint64_t name_at(const struct region_capacities *c, uint32_t i)
{
	return peer_at(c, c->peers) + (uint64_t)i * sizeof(struct tp_name_record);
}

static void test_another_capacity_keeps_what_has_a_place(void **state)
{
	static const struct region_capacities other[] = {
		{100, 400, 100 / 16 + 1024}, {1000000, 4000000, 1000000 / 16 + 1024}};

	for (size_t i = 0; i < 2; i++) {
		const struct region_capacities *had = &other[i];
		struct tp_region_header h = header_of(had);
		int fd = region(&h, region_capacities_bytes(had), SEALS);
		struct stat st;

		put(fd, 3000, 21); // of the header's page
		put(fd, alloc_at(99) + 5, 22);
		put(fd, alloc_at(had->allocations) - 1, 23);
		put(fd, peer_at(had, 399) + 63, 24);
		put(fd, name_at(had, 1024) + 1, 25);
		t.dp.kept_region_fd = fd;
		assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
		const uint8_t *base = t.m->region.base;
		assert_int_equal(now_used()->next_uid, 99);
		assert_int_equal(now_used()->alloc_capacity, usual.allocations);
		assert_int_equal(base[3000], 21);
		assert_int_equal(base[alloc_at(99) + 5], 22);
		assert_int_equal(base[alloc_at(100) - 1], i == 0 ? 23 : 0);
		assert_int_equal(base[peer_at(&usual, 399) + 63], 24);
		assert_int_equal(base[name_at(&usual, 1024) + 1], 25);
		assert_int_equal(base[peer_at(&usual, 0)], 0);
		assert_int_equal(fstat(t.m->region.fd, &st), 0);
		assert_true(st.st_blocks * 512 < 65536);
		assert_int_equal(t.dp.kept_region_fd, 0);
		dp_manage_destroy(t.m);
		t.m = NULL;
	}
}

// ---- the holder

static void open_holder(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (holder >= 0)
		close(holder);
	holder = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/holder", t.directory);
	unlink(address.sun_path);
	assert_int_equal(bind(holder, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

// The next message is `text`, with the region's descriptor or none.
static void told(const char *text, bool with_region)
{
	char got[128] = "";
	struct stat ours, theirs;
	size_t n = 0;
	int fd;

	assert_true(tp_message_receive(holder, got, sizeof(got) - 1, &fd, 1, &n) > 0);
	assert_string_equal(got, text);
	assert_int_equal(n, with_region);
	if (!with_region)
		return;
	assert_int_equal(fstat(fd, &theirs), 0);
	assert_int_equal(fstat(t.m->region.fd, &ours), 0);
	assert_int_equal(theirs.st_ino, ours.st_ino);
	close(fd);
}

static bool told_nothing(void)
{
	char byte;

	return recv(holder, &byte, 1, MSG_DONTWAIT) < 0;
}

static void test_a_new_region_goes_to_the_holder(void **state)
{
	open_holder();
	t.conf.region.holder = CONF_HOLDER_KEEPER;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	told("FDSTOREREMOVE=1\nFDNAME=turnpike-sessions", false);
	told("FDSTORE=1\nFDNAME=turnpike-sessions", true);
	dp_manage_tick(t.m, 0);
	assert_true(told_nothing());
	open_holder();
	dp_manage_tick(t.m, 0);
	told("FDSTOREREMOVE=1\nFDNAME=turnpike-sessions", false);
	told("FDSTORE=1\nFDNAME=turnpike-sessions", true);
	dp_manage_tick(t.m, 0);
	assert_true(told_nothing());
}

// It must not be away for a moment.
static void test_a_kept_region_is_not_removed_first(void **state)
{
	struct tp_region_header h = header_of(&usual);

	open_holder();
	t.conf.region.holder = CONF_HOLDER_SYSTEMD;
	t.dp.kept_region_fd = region(&h, region_capacities_bytes(&usual), SEALS);
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	told("FDSTORE=1\nFDNAME=turnpike-sessions", true);
	assert_true(told_nothing());
}

static void test_without_a_holder_there_is_no_start(void **state)
{
	t.conf.region.holder = CONF_HOLDER_KEEPER;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), -ENOTCONN);
	setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
	assert_int_equal(dp_manage_create(&t.dp, &t.m), -ENOENT);
}

static void test_nobody_is_asked_to_hold_nothing(void **state)
{
	open_holder();
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	dp_manage_tick(t.m, 0);
	assert_true(told_nothing());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_memory_that_others_could_cut_is_refused),
		TEST(test_headers_that_make_no_sense_are_refused),
		TEST(test_a_kept_region_is_taken),
		TEST(test_a_region_of_nonsense_gives_way_to_a_new_one),
		TEST(test_another_capacity_keeps_what_has_a_place),
		TEST(test_a_new_region_goes_to_the_holder),
		TEST(test_a_kept_region_is_not_removed_first),
		TEST(test_without_a_holder_there_is_no_start),
		TEST(test_nobody_is_asked_to_hold_nothing),
	};
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
