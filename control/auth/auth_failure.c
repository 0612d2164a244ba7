// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/auth_failure.h"

#include <stddef.h>

const char *ctl_auth_failure_name(unsigned int failure)
{
	static const char *const names[] = {
#define AUTH_FAILURE(name, help) [CTL_AUTH_##name] = #name,
#include "control/auth/auth_failure.def"
#undef AUTH_FAILURE
	};
	return failure < CTL_AUTH_FAILURES ? names[failure] : NULL;
}

const char *ctl_auth_failure_help(unsigned int failure)
{
	static const char *const help_of[] = {
#define AUTH_FAILURE(name, help) [CTL_AUTH_##name] = help,
#include "control/auth/auth_failure.def"
#undef AUTH_FAILURE
	};
	return failure < CTL_AUTH_FAILURES ? help_of[failure] : NULL;
}
