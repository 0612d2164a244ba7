// SPDX-License-Identifier: BSD-3-Clause
// Allocations of clients by TCP and TLS live as long as their connections: such an allocation ends
// when its connection is closed, or when the process that had it is gone. One whose client is
// moving (RFC 8016) away from that connection has arrived by then, if the place it moves to is
// there.
#pragma once

#include "control/alloc/store.h"

// Who knows the connections (control/io/stream_in.h; anything in tests).
struct ctl_connections {
	bool (*is_open)(void *context, struct tp_stream_client client);
	void *context;
};

// This connection is not open any more. 0, also when no allocation had to do with it; -ENOBUFS: no
// room for the command, a sweep has to follow.
int ctl_connection_closed(struct ctl_store *store, struct tp_stream_client client,
	const struct ctl_connections *connections, struct ctl_time now);

// Ends all allocations of connections that are not open, of at most `max` records a call from
// *index on (start with 0) and while `reserve` places stay free in the command queue. True when
// more are left.
bool ctl_connections_sweep(struct ctl_store *store, uint32_t *index, uint32_t max, uint32_t reserve,
	const struct ctl_connections *connections, struct ctl_time now);
