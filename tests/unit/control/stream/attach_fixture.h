// SPDX-License-Identifier: BSD-3-Clause
// Attachments as a dataplane and a control make them for a stream.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/abi/ring.h"
#include "common/abi/shm_map.h"
#include "common/abi/stream.h"

#define FIXTURE_SLOTS 64

struct stream_fixture {
	struct tp_stream_attached media;
	struct tp_stream_control control;
	struct tp_shm memory;
	int fds[TP_STREAM_ATTACHED_MAX_FDS];
	size_t n_fds;
};

static inline void stream_fixture_ring(struct stream_fixture *f, struct tp_ring_place *place,
	uint16_t kind, uint16_t worker, uint64_t *offset)
{
	*place = (struct tp_ring_place){.kind = kind,
		.worker = worker,
		.slots = FIXTURE_SLOTS,
		.slot_bytes = TP_PACKET_SLOT_BYTES,
		.event_fd = (uint16_t)f->n_fds,
		.offset = *offset};
	f->fds[f->n_fds] = eventfd(0, EFD_CLOEXEC);
	assert_true(f->fds[f->n_fds] >= 0);
	f->n_fds++;
	*offset += tp_ring_bytes(FIXTURE_SLOTS, TP_PACKET_SLOT_BYTES);
}

static inline void stream_fixture_memory(struct stream_fixture *f, uint64_t bytes)
{
	assert_int_equal(tp_shm_create("test-rings", bytes, &f->memory), 0);
	f->fds[0] = fcntl(f->memory.fd, F_DUPFD_CLOEXEC, 3);
}

static inline void stream_fixture_media(struct stream_fixture *f, uint16_t workers)
{
	uint64_t offset = 0;

	memset(f, 0, sizeof(*f));
	f->n_fds = 1;
	f->media.header = (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = TP_MSG_STREAM_ATTACHED,
		.length_bytes = sizeof(f->media)};
	f->media.pid = 4711;
	f->media.workers = workers;
	for (uint16_t w = 0; w < workers; w++) {
		stream_fixture_ring(
			f, &f->media.ring[f->media.rings++], TP_RING_STREAM_UP, w, &offset);
		stream_fixture_ring(
			f, &f->media.ring[f->media.rings++], TP_RING_STREAM_DOWN, w, &offset);
	}
	f->media.rings_bytes = offset;
	stream_fixture_memory(f, offset);
}

static inline void stream_fixture_control(struct stream_fixture *f)
{
	uint64_t offset = 0;

	memset(f, 0, sizeof(*f));
	f->n_fds = 1;
	f->control.header = (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = TP_MSG_STREAM_CONTROL,
		.length_bytes = sizeof(f->control)};
	f->control.pid = 4712;
	f->control.rings = 2;
	stream_fixture_ring(f, &f->control.ring[0], TP_RING_STREAM_REQUEST, 0, &offset);
	stream_fixture_ring(f, &f->control.ring[1], TP_RING_STREAM_RESPONSE, 0, &offset);
	f->control.rings_bytes = offset;
	stream_fixture_memory(f, offset);
}

// The descriptors of the message belong to whoever opened it.
static inline void stream_fixture_fini(struct stream_fixture *f)
{
	tp_shm_close(&f->memory);
}
