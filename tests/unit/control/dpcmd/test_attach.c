// SPDX-License-Identifier: BSD-3-Clause
#include "attach_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "control/dpcmd/attach.h"

static int open_it(struct attach_fixture *f, struct ctl_attachment *a, char *why)
{
	why[0] = '\0';
	return ctl_attachment_open(&f->message, sizeof(f->message), f->fds, f->n_fds, a, why);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

// Refused with a reason that holds `word`, and every descriptor closed.
static void assert_refused(struct attach_fixture *f, const char *word)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct ctl_attachment a;

	assert_int_not_equal(open_it(f, &a, why), 0);
	if (!strstr(why, word))
		fail_msg("\"%s\" does not say \"%s\"", why, word);
	for (size_t i = 0; i < f->n_fds; i++)
		assert_false(is_open(f->fds[i]));
	fixture_fini(f);
}

static void opens_a_good_message(void **state)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct attach_fixture f;
	struct ctl_attachment a;
	struct tp_ring consumer;

	fixture_init(&f, 2);
	assert_int_equal(open_it(&f, &a, why), 0);
	assert_int_equal(a.said.workers, 2);
	assert_int_equal(a.region.bytes, f.region.bytes);

	// What we produce arrives on the dataplane's side of the same memory.
	struct tp_cmd *slot = tp_ring_reserve(&a.command);
	assert_non_null(slot);
	slot->sequence = 7;
	tp_ring_commit(&a.command);
	tp_ring_flush(&a.command);
	assert_int_equal(
		tp_ring_consumer_init(&consumer, (uint8_t *)f.rings.base + f.message.ring[0].offset,
			f.rings.bytes, FIXTURE_SLOTS, sizeof(struct tp_cmd), -1),
		0);
	const struct tp_cmd *got = tp_ring_front(&consumer);
	assert_non_null(got);
	assert_int_equal(got->sequence, 7);
	ctl_attachment_close(&a);
	for (size_t i = 0; i < f.n_fds; i++)
		assert_false(is_open(f.fds[i]));
	fixture_fini(&f);
}

static void makes_event_fds_nonblocking(void **state)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct attach_fixture f;
	struct ctl_attachment a;

	fixture_init(&f, 1);
	assert_int_equal(fcntl(f.fds[3], F_SETFL, 0), 0);
	assert_int_equal(open_it(&f, &a, why), 0);
	assert_true(fcntl(f.fds[3], F_GETFL) & O_NONBLOCK);
	ctl_attachment_close(&a);
	fixture_fini(&f);
}

static int unsealed(size_t bytes)
{
	int fd = memfd_create("test-unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	return fd;
}

static void refuses_unsealed_memory(void **state)
{
	for (int which = 0; which < 2; which++) {
		struct attach_fixture f;
		fixture_init(&f, 1);
		close(f.fds[which]);
		f.fds[which] = unsealed(which ? f.rings.bytes : f.region.bytes);
		assert_refused(&f, which ? "ring memory is not sealed" : "region is not sealed");
	}
}

static void refuses_memory_smaller_than_announced(void **state)
{
	struct attach_fixture f;

	fixture_init(&f, 1);
	f.message.region_bytes = f.region.bytes + 1;
	assert_refused(&f, "smaller than announced");
	fixture_init(&f, 1);
	f.message.rings_bytes = UINT64_MAX;
	assert_refused(&f, "ring memory");
}

static void refuses_missing_descriptors(void **state)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct ctl_attachment a;
	struct attach_fixture f;

	fixture_init(&f, 1);
	close(f.fds[--f.n_fds]);
	assert_refused(&f, "names descriptor");
	fixture_init(&f, 1);
	for (size_t i = 0; i < f.n_fds; i++)
		close(f.fds[i]);
	assert_int_equal(
		ctl_attachment_open(&f.message, sizeof(f.message), NULL, 0, &a, why), -EPROTO);
	fixture_fini(&f);
}

static void refuses_a_cut_message(void **state)
{
	static const size_t lengths[] = {0, 1, 16,
		offsetof(struct tp_attached, relay) + 64 * sizeof(struct tp_relay_place) - 1,
		sizeof(struct tp_attached) + 1};

	for (size_t i = 0; i < 5; i++) {
		char why[CTL_ATTACH_WHY_BYTES];
		struct attach_fixture f;
		struct ctl_attachment a;
		// Exact size, so that a sanitizer sees an over-read.
		fixture_init(&f, 1);
		void *exact = test_malloc(lengths[i] + 1);
		memcpy(exact, &f.message,
			lengths[i] < sizeof(f.message) ? lengths[i] : sizeof(f.message));
		assert_int_equal(
			ctl_attachment_open(exact, lengths[i], f.fds, f.n_fds, &a, why), -EPROTO);
		test_free(exact);
		fixture_fini(&f);
	}
}

// The message ends after the last relay address, as long as there are 64 or more.
static void takes_a_message_of_every_number_of_relays(void **state)
{
	static const uint16_t relays[] = {1, 63, 64, 65, 255, 256};

	for (size_t i = 0; i < sizeof(relays) / sizeof(relays[0]); i++) {
		size_t length = offsetof(struct tp_attached, relay) +
				(relays[i] > 64 ? relays[i] : 64) * sizeof(struct tp_relay_place);
		char why[CTL_ATTACH_WHY_BYTES];
		struct attach_fixture f;
		struct ctl_attachment a;

		for (int cut = 0; cut < 2; cut++) {
			if (cut && relays[i] <= 64)
				continue;
			fixture_init(&f, 1);
			f.message.relays = relays[i];
			for (uint16_t k = 1; k < relays[i]; k++) {
				f.message.relay[k] = f.message.relay[0];
				f.message.relay[k].address = tp_ip4(0xc6130000u + k);
			}
			size_t have = length - (cut ? sizeof(struct tp_relay_place) : 0);
			f.message.header.length_bytes = (uint32_t)have;
			void *exact = test_malloc(have);
			memcpy(exact, &f.message, have);
			int rc = ctl_attachment_open(exact, have, f.fds, f.n_fds, &a, why);
			assert_int_equal(rc, cut ? -EPROTO : 0);
			if (cut) {
				assert_non_null(strstr(why, "no room for"));
			} else {
				assert_int_equal(a.said.relays, relays[i]);
				assert_memory_equal(a.said.relay, f.message.relay,
					relays[i] * sizeof(struct tp_relay_place));
				ctl_attachment_close(&a);
			}
			test_free(exact);
			fixture_fini(&f);
		}
	}
}

// Each turns one field of a good message into nonsense.
struct mutation {
	const char *word;
	size_t offset, width;
	uint64_t value;
};

#define RING(i, field)                                                                             \
	offsetof(struct tp_attached, ring) + (i) * sizeof(struct tp_ring_place) +                  \
		offsetof(struct tp_ring_place, field),                                             \
		sizeof(((struct tp_ring_place *)0)->field)
#define FIELD(field) offsetof(struct tp_attached, field), sizeof(((struct tp_attached *)0)->field)

static void refuses_every_contradiction(void **state)
{
	static const struct mutation mutations[] = {
		{"not an attach message", FIELD(header.magic), 1},
		{"ABI version", FIELD(header.major), TP_ABI_MAJOR + 1},
		{"not an attach message", FIELD(header.length_bytes), 8},
		{"workers", FIELD(workers), 0},
		{"workers", FIELD(workers), 65535},
		{"rings", FIELD(rings), 65535},
		{"rings", FIELD(rings), 3},
		{"listeners", FIELD(listeners), 65},
		{"listeners", FIELD(listeners), 0},
		{"listener 1", FIELD(listeners), 2}, // an empty place
		{"relay address", FIELD(relays), 257},
		{"relay address 1", FIELD(relays), 2},
		{"port range", FIELD(port_min), 0},
		{"port range", FIELD(port_max), 1},
		{"session region", FIELD(region_bytes), 4095},
		{"session region", FIELD(region_bytes), UINT64_MAX},
		{"unknown kind", RING(0, kind), 9},
		{"unknown kind", RING(1, kind), 0},
		{"of worker", RING(2, worker), 1},
		{"of worker", RING(0, worker), 1},
		{"slots of", RING(0, slot_bytes), 64},
		{"slots of", RING(3, slot_bytes), 0},
		{"slots", RING(0, slots), 0},
		{"slots", RING(0, slots), FIXTURE_SLOTS + 1},
		{"slots", RING(0, slots), UINT32_C(1) << 31},
		{"outside", RING(3, slots), 2 * FIXTURE_SLOTS},
		{"names descriptor", RING(0, event_fd), 0},
		{"names descriptor", RING(0, event_fd), 1},
		{"names descriptor", RING(0, event_fd), 6},
		{"outside", RING(0, offset), 8},
		{"outside", RING(0, offset), UINT64_C(1) << 40},
		{"outside", RING(0, offset), UINT64_MAX - 63},
		{"overlap", RING(1, offset), 0},
		{"overlap", RING(1, offset), 192},
		{"are the same", RING(3, kind), TP_RING_PUNT},
	};

	for (size_t i = 0; i < sizeof(mutations) / sizeof(mutations[0]); i++) {
		const struct mutation *m = &mutations[i];
		struct attach_fixture f;
		fixture_init(&f, 1);
		// Little-endian, as all machines that this runs on.
		memcpy((uint8_t *)&f.message + m->offset, &m->value, m->width);
		assert_refused(&f, m->word);
	}
}

static void refuses_dirty_addresses(void **state)
{
	struct attach_fixture f;

	fixture_init(&f, 1);
	f.message.listener[0].ip.bytes[15] = 1;
	assert_refused(&f, "listener 0");
	fixture_init(&f, 1);
	f.message.relay[0].public_address.family = 5;
	assert_refused(&f, "relay address 0");
	fixture_init(&f, 1);
	f.message.relay[0].prefix_bits = 33;
	assert_refused(&f, "relay address 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_a_good_message),
		cmocka_unit_test(makes_event_fds_nonblocking),
		cmocka_unit_test(refuses_unsealed_memory),
		cmocka_unit_test(refuses_memory_smaller_than_announced),
		cmocka_unit_test(refuses_missing_descriptors),
		cmocka_unit_test(refuses_a_cut_message),
		cmocka_unit_test(takes_a_message_of_every_number_of_relays),
		cmocka_unit_test(refuses_every_contradiction),
		cmocka_unit_test(refuses_dirty_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
