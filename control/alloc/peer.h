// SPDX-License-Identifier: BSD-3-Clause
// Peer records, as permissions and channel bindings use them. Private to control/alloc.
#pragma once

#include "control/alloc/family.h"

// Creates or refreshes (found != TP_INDEX_NONE) one, notes the step and sends its SET.
// 0, -ENOSPC, -ENOBUFS with nothing done.
int ctl_peer_apply(struct ctl_store *s, struct tp_alloc_record *r, uint32_t found,
	enum tp_peer_kind kind, const struct tp_addr *address, uint16_t channel,
	uint64_t deadline_ns, struct ctl_change *change);

// A record at the head of its allocation's list; TP_INDEX_NONE when there is no place.
uint32_t ctl_peer_create(struct ctl_store *s, struct tp_alloc_record *r, enum tp_peer_kind kind,
	const struct tp_addr *address, uint16_t channel, uint64_t deadline_ns);

// Puts a filled record into its owner's list, the expiry and the counts.
void ctl_peer_link(struct ctl_store *s, uint32_t peer);
