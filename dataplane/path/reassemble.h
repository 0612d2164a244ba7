// SPDX-License-Identifier: BSD-3-Clause
// Reassembly of IP fragments (RFC 791, RFC 8200 section 4.5), bounded in datagrams, fragments and
// time; an overlap refuses the whole datagram (RFC 5722).
#pragma once

#include "dataplane/path/state.h"

// w->reassembly, on the worker's socket. 0 or -ENOMEM.
int dp_reassembly_create(struct dp_worker *w);
void dp_reassembly_destroy(struct dp_worker *w);

// Drops (fragment_refused) what has waited too long. Called ten times a second by the worker.
void dp_reassembly_expire(struct dp_worker *w, uint64_t now_ns);
