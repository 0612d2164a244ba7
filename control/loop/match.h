// SPDX-License-Identifier: BSD-3-Clause
// Our configuration beside what the dataplane says and what this machine has.
#pragma once

#include "common/abi/abi.h"
#include "config/conf.h"
#include "control/alloc/acl.h"
#include "control/alloc/store.h"

// Logs each listener, relay address and range that only one side has. Returns how many.
unsigned int ctl_match_warn(const struct conf *conf, const struct tp_attached *said);

// Logs one warning for each listener with transports that this version does not serve.
void ctl_match_warn_transports(const struct conf *conf);

// "dtls"; "" when all transports of the listener are served. Returns out.
#define CTL_MATCH_TRANSPORTS_BYTES 32
char *ctl_match_unserved(
	const struct conf_listener *listener, char out[CTL_MATCH_TRANSPORTS_BYTES]);

// The peer ACL of the configuration, of the relay addresses that a store (NULL: none yet) has
// removed, and of this machine's interface addresses. 0 or -errno.
int ctl_match_acl(const struct conf *conf, const struct ctl_store *store, struct ctl_acl **out);
