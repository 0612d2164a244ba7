// SPDX-License-Identifier: BSD-3-Clause
// An attachment as a dataplane makes it: sealed memory, rings, eventfds and the message about them.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/abi/cmd.h"
#include "common/abi/punt.h"
#include "common/abi/record.h"
#include "common/abi/ring.h"
#include "common/abi/shm_map.h"

#define FIXTURE_SLOTS 128

struct attach_fixture {
	struct tp_attached message;
	struct tp_shm region, rings;
	int fds[TP_ATTACHED_MAX_FDS];
	size_t n_fds;
};

static inline void fixture_add_ring(struct attach_fixture *f, uint16_t kind, uint16_t worker,
	uint32_t slot_bytes, uint64_t *offset)
{
	struct tp_ring_place *p = &f->message.ring[f->message.rings++];

	*p = (struct tp_ring_place){.kind = kind,
		.worker = worker,
		.slots = FIXTURE_SLOTS,
		.slot_bytes = slot_bytes,
		.event_fd = (uint16_t)f->n_fds,
		.offset = *offset};
	f->fds[f->n_fds] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(f->fds[f->n_fds] >= 0);
	f->n_fds++;
	*offset += tp_ring_bytes(FIXTURE_SLOTS, slot_bytes);
}

static inline void fixture_init(struct attach_fixture *f, uint16_t workers)
{
	uint64_t region_bytes = tp_region_bytes(8, 8, 8), offset = 0;

	memset(f, 0, sizeof(*f));
	f->n_fds = 2;
	f->message.header = (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = TP_MSG_ATTACHED,
		.length_bytes = sizeof(f->message)};
	f->message.pid = 4711;
	f->message.instance = 42;
	f->message.workers = workers;
	f->message.port_min = 49152;
	f->message.port_max = 65535;
	f->message.listeners = 1;
	f->message.listener[0] = (struct tp_addr){.ip = tp_ip4(0xc6120002), .port = 3478};
	f->message.relays = 1;
	f->message.relay[0] = (struct tp_relay_place){.address = tp_ip4(0xc6120002),
		.public_address = tp_ip4(0xc6120002),
		.prefix_bits = 32};
	fixture_add_ring(f, TP_RING_COMMAND, 0, sizeof(struct tp_cmd), &offset);
	fixture_add_ring(f, TP_RING_ACK, 0, sizeof(struct tp_ack), &offset);
	for (uint16_t w = 0; w < workers; w++) {
		fixture_add_ring(f, TP_RING_PUNT, w, TP_PACKET_SLOT_BYTES, &offset);
		fixture_add_ring(f, TP_RING_INJECT, w, TP_PACKET_SLOT_BYTES, &offset);
	}
	f->message.region_bytes = region_bytes;
	f->message.rings_bytes = offset;
	assert_int_equal(tp_shm_create("test-region", region_bytes, &f->region), 0);
	assert_int_equal(tp_shm_create("test-rings", offset, &f->rings), 0);
	f->fds[0] = fcntl(f->region.fd, F_DUPFD_CLOEXEC, 3);
	f->fds[1] = fcntl(f->rings.fd, F_DUPFD_CLOEXEC, 3);
}

// The descriptors of the message belong to whoever opened it.
static inline void fixture_fini(struct attach_fixture *f)
{
	tp_shm_close(&f->region);
	tp_shm_close(&f->rings);
}
