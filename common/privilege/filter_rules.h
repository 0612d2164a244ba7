// SPDX-License-Identifier: BSD-3-Clause
// How the lists are written.
#pragma once

#include <seccomp.h>

#include "common/privilege/filter.h"

#define ALLOW(name)                                                                                \
	{                                                                                          \
		.call = SCMP_SYS(name)                                                             \
	}
#define ALLOW_IF(name, at, v)                                                                      \
	{                                                                                          \
		.call = SCMP_SYS(name), .compared = true, .argument = (at), .value = (v)           \
	}
#define PART(rules_)                                                                               \
	{                                                                                          \
		.rules = (rules_), .n = sizeof(rules_) / sizeof(*(rules_))                         \
	}
