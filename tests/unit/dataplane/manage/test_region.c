// SPDX-License-Identifier: BSD-3-Clause
// A session region that comes back from its holder: taken, copied, or refused and made anew; and
// given to the holder again when that one is another.
#include "tests/unit/dataplane/manage/fixture.h"

#include <sys/mman.h>

#include "common/abi/record.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/manage/region_check.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

#define RECORD sizeof(struct tp_alloc_record)

static const struct tp_region_shape usual = {1000, 4000, 1000 / 16 + 1024, RECORD};
static const struct tp_region_shape old = {
	1000, 4000, 1000 / 16 + 1024, TP_ALLOC_RECORD_BYTES_BEFORE};

#define STORE   "FDSTORE=1\nFDNAME=turnpike-sessions"
#define REPLACE "FDSTOREREMOVE=1\n" STORE

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

static struct tp_region_header header_of(const struct tp_region_shape *c)
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
	struct tp_region_shape c;

	assert_int_equal(dp_region_check(fd, &c, why), -EINVAL);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	close(fd);
}

static void test_memory_that_others_could_cut_is_refused(void **state)
{
	struct tp_region_header h = header_of(&usual);
	uint64_t bytes = tp_region_shape_bytes(&usual);
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
	uint64_t bytes = tp_region_shape_bytes(&usual);
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
	int fd = region(&h, tp_region_shape_bytes(&usual), SEALS);

	t.dp.kept_region_fd = fd;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	assert_int_equal(t.m->region.fd, fd);
	assert_int_equal(now_used()->instance, 0x1234);
	assert_int_equal(now_used()->next_uid, 99);
}

// Of any minor version, if the size is of a layout that we know.
static void test_a_kept_region_of_another_minor_is_taken(void **state)
{
	struct tp_region_header h = header_of(&old);
	struct tp_region_shape shape;
	char why[REGION_WHY_BYTES];
	int fd;

	h.minor = 1;
	fd = region(&h, tp_region_shape_bytes(&old), SEALS);
	assert_int_equal(dp_region_check(fd, &shape, why), 0);
	assert_memory_equal(&shape, &old, sizeof(shape));
	t.dp.kept_region_fd = fd;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	assert_int_equal(t.m->region.fd, fd); // as it is, until a control says what it wants
	assert_int_equal(now_used()->next_uid, 99);
	h.minor = TP_ABI_MINOR + 1;
	fd = region(&h, tp_region_shape_bytes(&usual), SEALS);
	assert_int_equal(dp_region_check(fd, &shape, why), 0);
	close(fd);
}

static void test_a_region_of_nonsense_gives_way_to_a_new_one(void **state)
{
	struct tp_region_header h = header_of(&usual);
	int fd = region(&h, 4096, SEALS);

	t.dp.kept_region_fd = fd;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	assert_int_equal(now_used()->next_uid, 0);
	assert_int_equal(now_used()->alloc_capacity, usual.allocations);
	assert_int_equal(t.m->region.bytes, tp_region_shape_bytes(&usual));
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

static uint64_t peer_at(const struct tp_region_shape *c, uint32_t i)
{
	return alloc_at(c->allocations) + (uint64_t)i * sizeof(struct tp_peer_record);
}

static uint64_t name_at(const struct tp_region_shape *c, uint32_t i)
{
	return peer_at(c, c->peers) + (uint64_t)i * sizeof(struct tp_name_record);
}

static void test_another_capacity_keeps_what_has_a_place(void **state)
{
	static const struct tp_region_shape other[] = {{100, 400, 100 / 16 + 1024, RECORD},
		{1000000, 4000000, 1000000 / 16 + 1024, RECORD}};

	for (size_t i = 0; i < 2; i++) {
		const struct tp_region_shape *had = &other[i];
		struct tp_region_header h = header_of(had);
		int fd = region(&h, tp_region_shape_bytes(had), SEALS);
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

// The next message is `text`, with the region's descriptor.
static void told(const char *text)
{
	char got[128] = "";
	struct stat ours, theirs;
	size_t n = 0;
	int fd;

	assert_true(tp_message_receive(holder, got, sizeof(got) - 1, &fd, 1, &n) > 0);
	assert_string_equal(got, text);
	assert_int_equal(n, 1);
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
	told(REPLACE);
	told(STORE);
	dp_manage_tick(t.m, 0);
	assert_true(told_nothing());
	open_holder();
	dp_manage_tick(t.m, 0);
	told(REPLACE);
	told(STORE);
	dp_manage_tick(t.m, 0);
	assert_true(told_nothing());
}

// It must not be away for a moment.
static void test_a_kept_region_is_not_removed_first(void **state)
{
	struct tp_region_header h = header_of(&usual);

	open_holder();
	t.conf.region.holder = CONF_HOLDER_SYSTEMD;
	t.dp.kept_region_fd = region(&h, tp_region_shape_bytes(&usual), SEALS);
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	told(STORE);
	assert_true(told_nothing());
}

// ---- controls with other records

static int greet(uint32_t record_bytes)
{
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
	int fd = dial();

	hello.sizes[TP_SIZE_ALLOC_RECORD] = record_bytes;
	say(fd, &hello, sizeof(hello));
	return fd;
}

static void test_records_become_those_of_the_control_that_comes(void **state)
{
	static const uint32_t comes[] = {RECORD, 448, 448, RECORD, 448};
	static const uint8_t bytes[] = {1, 0, 1, 0}; // layout 1, live
	struct tp_region_header h = header_of(&old);
	struct stat was, is;
	ino_t before = 0;

	t.dp.kept_region_fd = region(&h, tp_region_shape_bytes(&old), SEALS);
	for (size_t i = 0; i < sizeof(bytes); i++)
		put(t.dp.kept_region_fd, TP_REGION_HEADER_BYTES + 999 * 448 + 4 + i, bytes[i]);
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	fstat(t.m->region.fd, &was);
	before = was.st_ino;
	for (size_t i = 0; i < sizeof(comes) / sizeof(comes[0]); i++) {
		const struct tp_region_shape *shape = comes[i] == 448 ? &old : &usual;
		struct attached a;
		int fd = greet(comes[i]);

		attach(fd, &a);
		assert_int_equal(a.message.region_bytes, tp_region_shape_bytes(shape));
		assert_int_equal(fstat(a.fds[0], &is), 0);
		assert_int_equal(is.st_size, a.message.region_bytes);
		assert_true(is.st_blocks * 512 < 65536);
		assert_int_equal(fcntl(a.fds[0], F_GET_SEALS), SEALS);
		assert_int_equal(is.st_ino == before, i == 2);
		before = is.st_ino;
		const struct tp_alloc_record *last =
			(void *)((uint8_t *)t.m->region.base + TP_REGION_HEADER_BYTES +
				 999 * (size_t)comes[i]);
		assert_int_equal(last->layout, comes[i] == 448 ? 1 : TP_ALLOC_LAYOUT);
		assert_int_equal(last->state, TP_RECORD_LIVE);
		assert_int_equal(now_used()->next_uid, 99);
		assert_int_equal(now_used()->instance, 0x1234);
		detach(fd, &a);
	}
}

static void test_records_that_nobody_can_convert_are_refused(void **state)
{
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	expect_refusal(greet(RECORD + 16), TP_REFUSED_SIZES, TP_SIZE_ALLOC_RECORD);
	expect_refusal(greet(447), TP_REFUSED_SIZES, TP_SIZE_ALLOC_RECORD);
}

// Who reads a reply takes what it knows of it.
static void test_another_size_of_a_reply_is_no_reason(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_STATUS);
	struct tp_message_header ask = hello.header;
	struct tp_status_reply reply;
	int fd;

	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	fd = dial();
	hello.sizes[TP_SIZE_STATUS] += 8;
	say(fd, &hello, sizeof(hello));
	ask.type = TP_MSG_STATUS;
	ask.length_bytes = sizeof(ask);
	say(fd, &ask, sizeof(ask));
	assert_int_equal(recv(fd, &reply, sizeof(reply), MSG_DONTWAIT), sizeof(reply));
	close(fd);
}

// The holder lets the old region go when it has the new one, and not before.
static void test_the_holder_gets_what_was_converted(void **state)
{
	struct attached a;
	struct stat was, is;
	int fd;

	open_holder();
	t.conf.region.holder = CONF_HOLDER_KEEPER;
	assert_int_equal(dp_manage_create(&t.dp, &t.m), 0);
	told(REPLACE);
	told(STORE);
	fd = greet(448);
	attach(fd, &a);
	told(REPLACE);
	told(STORE);
	detach(fd, &a);

	// It is gone: the region stays what it was, and is offered again.
	fstat(t.m->region.fd, &was);
	close(holder);
	expect_refusal(greet(RECORD), TP_REFUSED_MEMORY, 0);
	fstat(t.m->region.fd, &is);
	assert_int_equal(is.st_ino, was.st_ino);
	assert_int_equal(t.m->region.bytes, tp_region_shape_bytes(&old));
	open_holder();
	dp_manage_tick(t.m, 0);
	told(REPLACE);
	told(STORE);
	assert_true(told_nothing());
	fd = greet(RECORD);
	attach(fd, &a);
	told(REPLACE);
	told(STORE);
	detach(fd, &a);
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
		TEST(test_a_kept_region_of_another_minor_is_taken),
		TEST(test_a_region_of_nonsense_gives_way_to_a_new_one),
		TEST(test_another_capacity_keeps_what_has_a_place),
		TEST(test_a_new_region_goes_to_the_holder),
		TEST(test_a_kept_region_is_not_removed_first),
		TEST(test_records_become_those_of_the_control_that_comes),
		TEST(test_records_that_nobody_can_convert_are_refused),
		TEST(test_another_size_of_a_reply_is_no_reason),
		TEST(test_the_holder_gets_what_was_converted),
		TEST(test_without_a_holder_there_is_no_start),
		TEST(test_nobody_is_asked_to_hold_nothing),
	};
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
