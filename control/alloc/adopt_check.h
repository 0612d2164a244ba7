// SPDX-License-Identifier: BSD-3-Clause
// The checks of adoption on one record. Private to control/alloc.
#pragma once

#include "control/alloc/adopt.h"

#define CTL_ADOPT_ACCEPTED CTL_ADOPT_REASON_COUNT

// Family known, unused bytes zero, so that comparing by memcmp is right.
bool ctl_adopt_addr_sane(const struct tp_addr *a);

// Everything but what needs the other allocations; a resting record passes with less.
enum ctl_adopt_reason ctl_adopt_check_alloc(
	const struct ctl_store *s, uint32_t index, struct ctl_time now);

// Against its allocation, which has been taken over, and the peers linked to it so far.
enum ctl_adopt_reason ctl_adopt_check_peer(
	const struct ctl_store *s, const struct tp_peer_record *p, struct ctl_time now);
