// SPDX-License-Identifier: BSD-3-Clause
// Permissions (RFC 8656 sections 9 and 10) and channel bindings (section 12) of an allocation.
#pragma once

#include "control/alloc/change.h"

// Installs or refreshes the permission for a peer address; PERMISSION_SET. 0; -ENOENT allocation
// gone; -EAFNOSUPPORT no relayed address of that family; -ENOSPC no place, too many permissions or
// too many new ones lately; -ENOBUFS.
int ctl_permission_set(struct ctl_store *store, struct tp_alloc_ref ref, const struct tp_ip *peer,
	struct ctl_time now, struct ctl_change *change);

// Whether a peer with this address may reach the client now.
bool ctl_permission_allows(const struct ctl_store *store, struct tp_alloc_ref ref,
	const struct tp_ip *peer, struct ctl_time now);

// Whether the binding would do, RFC 8656 section 12.2: 0; -ENOENT; -EINVAL number out of
// 0x4000-0x4FFF or port 0; -EEXIST the number is bound to another peer, or the peer to another
// number.
int ctl_channel_check(const struct ctl_store *store, struct tp_alloc_ref ref, uint16_t channel,
	const struct tp_addr *peer);

// Binds or refreshes a channel, and the permission for its peer address; PERMISSION_SET, then
// CHANNEL_SET. Errors of both functions above.
int ctl_channel_bind(struct ctl_store *store, struct tp_alloc_ref ref, uint16_t channel,
	const struct tp_addr *peer, struct ctl_time now, struct ctl_change *change);
