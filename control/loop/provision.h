// SPDX-License-Identifier: BSD-3-Clause
// Synthetic allocations made and removed for the operator, in slices of a round: one job at a time,
// all of it or nothing. What fails half-way takes back what it made. An upgrade of control, or its
// end, leaves a job where it is. Loop thread only.
#pragma once

#include "common/abi/cmd.h"
#include "control/alloc/synthetic.h"

struct ctl_session;

enum ctl_provision_state {
	CTL_PROVISION_IDLE, // nothing was asked for yet, or the last removal is complete
	CTL_PROVISION_MAKING,
	CTL_PROVISION_MADE, // the dataplane has acknowledged all
	CTL_PROVISION_REMOVING,
	CTL_PROVISION_FAILED, // `why`; nothing is left of it
};

// Part of a session.
struct ctl_provision {
	enum ctl_provision_state state;
	bool failing;                   // removes because of `why`
	struct ctl_numbering numbering; // of the last job that made; allocations 0: none
	uint32_t lifetime_s;
	uint32_t made, removed; // of the job, as sent
	uint32_t walk;          // record to look at next when removing
	uint64_t begin_ns, end_ns;
	uint64_t first_sequence, last_sequence; // of its commands
	char why[CTL_SYNTHETIC_WHY_BYTES];
};

// Starts making. 0; with `why` filled: -EPERM the configuration does not allow it, -ENOTCONN the
// dataplane is away, -EBUSY a job is under way, -EEXIST there are synthetic allocations, -EINVAL
// the wish makes no sense, -EACCES clients may not reach its peers.
int ctl_provision_begin(struct ctl_session *s, const struct ctl_synthetic_wish *wish,
	uint32_t lifetime_s, char why[CTL_SYNTHETIC_WHY_BYTES]);
// Starts removing all that there are, whoever made them. 0, -ENOTCONN, -EBUSY.
int ctl_provision_remove(struct ctl_session *s, char why[CTL_SYNTHETIC_WHY_BYTES]);
const struct ctl_provision *ctl_provision_get(const struct ctl_session *s);

// One slice; requests keep their part of the command queue. True when there is more to do at once.
bool ctl_provision_step(struct ctl_session *s);
// An acknowledgement, before the store hears of it.
void ctl_provision_ack(struct ctl_session *s, const struct tp_ack *ack);
