// SPDX-License-Identifier: BSD-3-Clause
// Our configuration beside what the dataplane says and what this machine has.
#pragma once

#include "common/abi/abi.h"
#include "config/conf.h"
#include "control/alloc/acl.h"
#include "control/alloc/store.h"

// Logs each listener, relay address and range that only one side has. Returns how many.
unsigned int ctl_match_warn(const struct conf *conf, const struct tp_attached *said);

// The peer ACL of the configuration, of the relay addresses that a store (NULL: none yet) has
// removed, and of this machine's interface addresses. 0 or -errno.
int ctl_match_acl(const struct conf *conf, const struct ctl_store *store, struct ctl_acl **out);
