// SPDX-License-Identifier: BSD-3-Clause
// An AF_XDP socket on the interface that has an address: numbered datagrams to that address come
// here, all others go to the kernel as before (bpf/load.bpf.c). It is of queue 0, and gone with the
// process, program included.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "bpf/load.h"
#include "common/base/addr.h"

#define LOAD_XDP_BYTES    2048 // of a frame
#define LOAD_XDP_RX       4096 // frames to receive into
#define LOAD_XDP_TX       4096 // and to send from
#define LOAD_XDP_HEADROOM 64   // Ethernet, IP and UDP fit

struct bpf_object;
struct bpf_link;

// One of the four that are shared with the kernel.
struct load_ring {
	uint32_t *producer, *consumer;
	void *entries; // uint64_t offsets of frames, or struct xdp_desc
	uint32_t mask;
	void *mapping;
	size_t bytes;
};

struct load_xdp {
	int fd;
	struct bpf_object *object;
	struct bpf_link *link;
	uint8_t *frames;
	struct load_ring fill, completion, rx, tx;
	uint32_t free_tx[LOAD_XDP_TX], n_free; // frames that nothing is in
	struct tp_ip here;
	struct load_way way; // to the server and back
};

// Where it is, in that namespace (NULL: here), and what is the load's: `magic` at `offset` of the
// payload, as in the packet. 0, -ENODEV: no interface has the address, or -errno.
int load_xdp_open(struct load_xdp *x, const char *name_space, const struct tp_ip *here,
	const struct tp_ip *server, uint32_t magic, uint16_t offset);
void load_xdp_close(struct load_xdp *x);

// Whether a datagram of the server has shown the way to it.
bool load_xdp_has_way(struct load_xdp *x);

// Room for the payload of a datagram; NULL: there is none now. Give it to load_xdp_send next.
uint8_t *load_xdp_payload(struct load_xdp *x);
// Queues it; it leaves with load_xdp_flush.
void load_xdp_send(struct load_xdp *x, uint8_t *payload, uint32_t bytes, uint16_t from_port,
	const struct tp_addr *to);
void load_xdp_flush(struct load_xdp *x);

// What came, until there is no more: source and payload are good during the call.
void load_xdp_receive(struct load_xdp *x,
	void (*take)(void *context, uint16_t to_port, const uint8_t *payload, uint32_t bytes),
	void *context);
