// SPDX-License-Identifier: BSD-3-Clause
// Gives up what a daemon does not need: its user, its capabilities, the way back. Called once by
// each daemon before it makes its first thread: all of it belongs to a thread and is inherited.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/privilege/account.h"

struct tp_drop {
	uint64_t keep;       // capabilities, TP_CAP(...)
	uint64_t pass_on;    // those of them that programs executed later have, too
	bool never_readable; // no core file, no debugger of the same user: memory holds secrets
};

// Who the daemon will be (account.h), said in the log where it may surprise, and the run directory
// handed to that account. 0 or -errno, logged.
int tp_privilege_prepare(
	const char *user, const char *group, const char *run_directory, struct tp_account *out);

// Supplementary groups of the account, its group and user; effective and permitted capabilities
// `keep`, those of them that are there; inheritable, ambient and bounding sets `pass_on`; no new
// privileges by execve(); umask 0007. Asks the kernel afterwards whether all of it is so. 0 or
// -errno, logged; on an error the process must end.
int tp_privilege_drop(const struct tp_account *account, const struct tp_drop *drop);
