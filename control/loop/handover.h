// SPDX-License-Identifier: BSD-3-Clause
// What two generations of control say to each other while one hands over to the other: records on a
// SOCK_SEQPACKET socketpair that the old one makes and the new one inherits. The two may be of
// different versions, so the record is fixed: it grows by kinds, never by fields.
#pragma once

#include <assert.h>
#include <stdint.h>

// Names the descriptor in the environment of the new process.
#define CTL_HANDOVER_VARIABLE "TURNPIKE_UPGRADE_FD"
#define CTL_HANDOVER_MAGIC    0x54504855 // "TPHU"

enum ctl_handover_kind {
	// New to old: configuration read, users prepared; text: its version.
	CTL_HANDOVER_HELLO = 1,
	// Old to new: yours. With descriptors: the lock, the control socket's listener, the
	// metrics' listener if there is one. `attached`: the dataplane was there.
	CTL_HANDOVER_TAKE = 2,
	// New to old: the dataplane is in step with me (or was away before), go.
	CTL_HANDOVER_READY = 3,
	// Old to new, after TAKE: one more listener, that of the stream processes.
	CTL_HANDOVER_STREAMS = 4,
};

#define CTL_HANDOVER_FDS        3
#define CTL_HANDOVER_TEXT_BYTES 116

struct ctl_handover {
	uint32_t magic;
	uint16_t kind;                      // enum ctl_handover_kind
	uint8_t attached;                   // TAKE: 1, 0
	uint8_t n_fds;                      // descriptors that come with it
	uint32_t more;                      // TAKE: records that follow it; earlier versions: 0
	char text[CTL_HANDOVER_TEXT_BYTES]; // terminated
};
static_assert(sizeof(struct ctl_handover) == 128);

// Sends one record with m->n_fds of `fds`. 0 or -errno.
int ctl_handover_send(int link, const struct ctl_handover *m, const int *fds);

// Receives one record. 0; -EAGAIN; -ECONNRESET: the other side is gone; -EPROTO: not one of ours,
// nothing is kept open. The descriptors, m->n_fds of them, are the caller's, close-on-exec and
// above 2.
int ctl_handover_receive(int link, struct ctl_handover *m, int fds[CTL_HANDOVER_FDS]);
