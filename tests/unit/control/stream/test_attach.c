// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/control/stream/attach_fixture.h"
// After cmocka's headers.
#include <dirent.h>
#include <errno.h>

#include "control/stream/attach.h"

static unsigned int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void media_is_opened(void **state)
{
	char why[TP_WHY_BYTES] = "";
	struct stream_fixture f;
	struct stream_media m;
	unsigned int before = open_descriptors();

	stream_fixture_media(&f, 3);
	assert_int_equal(stream_media_open(&f.media, sizeof(f.media), f.fds, f.n_fds, &m, why), 0);
	assert_int_equal(m.workers, 3);
	assert_int_equal(m.pid, 4711);
	for (uint16_t w = 0; w < 3; w++) {
		assert_int_equal(m.up[w].size, FIXTURE_SLOTS);
		assert_int_equal(m.down[w].size, FIXTURE_SLOTS);
		assert_true(fcntl(m.down[w].event_fd, F_GETFL) & O_NONBLOCK);
		assert_ptr_not_equal(m.up[w].shared, m.down[w].shared);
	}
	stream_media_close(&m);
	stream_fixture_fini(&f);
	assert_int_equal(open_descriptors(), before);
}

static void control_is_opened(void **state)
{
	struct stream_requests_rings r;
	char why[TP_WHY_BYTES] = "";
	struct stream_fixture f;
	unsigned int before = open_descriptors();

	stream_fixture_control(&f);
	assert_int_equal(
		stream_requests_rings_open(&f.control, sizeof(f.control), f.fds, f.n_fds, &r, why),
		0);
	assert_int_equal(r.pid, 4712);
	assert_int_equal(r.request.size, FIXTURE_SLOTS);
	assert_ptr_not_equal(r.request.shared, r.response.shared);
	stream_requests_rings_close(&r);
	stream_fixture_fini(&f);
	assert_int_equal(open_descriptors(), before);
}

static void refuse_media(struct stream_fixture *f, size_t length, int rc, const char *expected)
{
	char why[TP_WHY_BYTES] = "";
	struct stream_media m;

	assert_int_equal(stream_media_open(&f->media, length, f->fds, f->n_fds, &m, why), rc);
	if (!strstr(why, expected))
		fail_msg("\"%s\" does not say \"%s\"", why, expected);
	stream_fixture_fini(f);
}

static void what_contradicts_itself_is_refused(void **state)
{
	unsigned int before = open_descriptors();
	struct stream_fixture f;

#define REFUSED(change, expected)                                                                  \
	do {                                                                                       \
		stream_fixture_media(&f, 2);                                                       \
		change;                                                                            \
		refuse_media(&f, sizeof(f.media), -EPROTO, expected);                              \
	} while (0)
	REFUSED(f.media.header.magic++, "not an attach message");
	REFUSED(f.media.header.major++, "ABI version");
	REFUSED(f.media.header.type++, "not an attach message");
	REFUSED(f.media.workers = 0, "0 workers");
	REFUSED(f.media.workers = TP_MAX_WORKERS + 1, "17 workers");
	REFUSED(f.media.rings = 3, "3 rings for 2 workers");
	REFUSED(f.media.rings_bytes = 0, "ring memory of 0 bytes");
	REFUSED(f.media.rings_bytes -= 64, "outside of the shared memory");
	REFUSED(f.media.ring[3].kind = TP_RING_PUNT, "unknown kind");
	REFUSED(f.media.ring[3].worker = 2, "of worker 2");
	REFUSED(f.media.ring[3].worker = 0, "are the same");
	REFUSED(f.media.ring[3].slot_bytes = 64, "slots of 64 bytes");
	REFUSED(f.media.ring[3].slots = 3, "3 slots");
	REFUSED(f.media.ring[3].offset = 0, "overlap");
	REFUSED(f.media.ring[3].event_fd = 0, "names descriptor 0");
	REFUSED(f.media.ring[3].event_fd = 5, "names descriptor 5");
#undef REFUSED
	stream_fixture_media(&f, 2);
	refuse_media(&f, sizeof(f.media) - 1, -EPROTO, "message of");
	assert_int_equal(open_descriptors(), before);
}

static void memory_that_can_shrink_is_refused(void **state)
{
	unsigned int before = open_descriptors();
	struct stream_fixture f;

	stream_fixture_media(&f, 1);
	close(f.fds[0]);
	f.fds[0] = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(f.fds[0], (off_t)f.media.rings_bytes), 0);
	refuse_media(&f, sizeof(f.media), -EPERM, "not sealed");
	stream_fixture_media(&f, 1);
	f.media.rings_bytes += 4096;
	refuse_media(&f, sizeof(f.media), -EINVAL, "smaller than announced");
	assert_int_equal(open_descriptors(), before);
}

static void control_that_contradicts_itself_is_refused(void **state)
{
	unsigned int before = open_descriptors();
	struct stream_requests_rings r;
	char why[TP_WHY_BYTES];

	for (int i = 0; i < 5; i++) {
		struct stream_fixture f;

		stream_fixture_control(&f);
		if (i == 0)
			f.control.rings = 1;
		else if (i == 1)
			close(f.fds[--f.n_fds]);
		else if (i == 2)
			f.control.ring[1].kind = TP_RING_STREAM_REQUEST;
		else if (i == 3)
			f.control.ring[1].worker = 1;
		else
			f.control.header.type = TP_MSG_STREAM_ATTACHED;
		assert_int_equal(stream_requests_rings_open(
					 &f.control, sizeof(f.control), f.fds, f.n_fds, &r, why),
			-EPROTO);
		stream_fixture_fini(&f);
	}
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(media_is_opened),
		cmocka_unit_test(control_is_opened),
		cmocka_unit_test(what_contradicts_itself_is_refused),
		cmocka_unit_test(memory_that_can_shrink_is_refused),
		cmocka_unit_test(control_that_contradicts_itself_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
