// SPDX-License-Identifier: BSD-3-Clause
// Deadlines of the families of an allocation. Private to control/alloc.
#pragma once

#include "control/alloc/store_private.h"

// Whether the record has an open relayed address of this family, expired or not.
bool ctl_has_relay(const struct tp_alloc_record *r, uint8_t family);

// When the first of its families ends.
uint64_t ctl_family_first_deadline(const struct tp_alloc_record *r);

// Makes the family deadlines and the record's agree, after a change of either (zeros are filled,
// those of families that are not there cleared). Between ctl_write_begin and _end.
void ctl_family_settle(struct tp_alloc_record *r);

// A new deadline for every family that has not ended. Between ctl_write_begin and _end.
void ctl_family_set_deadlines(struct tp_alloc_record *r, struct ctl_time now, uint32_t lifetime_s);

// Takes a refresh back; what ended meanwhile stays ended.
void ctl_family_undo_refresh(
	struct ctl_store *s, struct tp_alloc_record *r, const uint64_t old_deadline_ns[2]);

// Closes one family of a live record whose time is over while the other's is not. 0; -ENOBUFS;
// -ENOENT when there is none.
int ctl_family_expire(struct ctl_store *s, uint32_t index, struct ctl_time now);
