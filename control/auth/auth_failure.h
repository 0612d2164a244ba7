// SPDX-License-Identifier: BSD-3-Clause
// Reasons for which requests fail authentication, by the table auth_failure.def.
#pragma once

enum ctl_auth_failure {
#define AUTH_FAILURE(name, help) CTL_AUTH_##name,
#include "control/auth/auth_failure.def"
#undef AUTH_FAILURE
	CTL_AUTH_FAILURES,
};

// "wrong_password", and what that means; NULL beyond the last one.
const char *ctl_auth_failure_name(unsigned int failure);
const char *ctl_auth_failure_help(unsigned int failure);
