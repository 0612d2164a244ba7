// SPDX-License-Identifier: BSD-3-Clause
// From the configuration to what store, ACL and users take.
#pragma once

#include "config/conf.h"
#include "control/alloc/acl.h"
#include "control/alloc/store.h"
#include "control/auth/users.h"

void ctl_policy_store(const struct conf *conf, struct ctl_store_policy *out);

// `own` are further addresses of this machine, may be NULL. 0, -EINVAL, -ENOMEM.
int ctl_policy_acl(
	const struct conf *conf, const struct tp_ip *own, size_t n_own, struct ctl_acl **out);
// The same for a running store (NULL: none yet): relay addresses that it has removed count as
// addresses of this machine.
int ctl_policy_acl_now(const struct conf *conf, const struct ctl_store *store,
	const struct tp_ip *own, size_t n_own, struct ctl_acl **out);

int ctl_policy_users(const struct conf *conf, struct ctl_user_store **out);
