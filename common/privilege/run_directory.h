// SPDX-License-Identifier: BSD-3-Clause
// The run directory while the daemon is still root: made, and handed to the user it will be.
#pragma once

#include "common/privilege/account.h"

// Makes `path` (0750) when it is missing. Where the account cannot write to a directory that root
// left, that directory and our files in it are given to the account, but only when nothing of
// anybody else is in it: a directory that an operator named by mistake stays as it is. Links are
// never followed. Started by somebody else than root: only makes it. 0 or -errno, logged.
int tp_run_directory_prepare(const char *path, const struct tp_account *account);
