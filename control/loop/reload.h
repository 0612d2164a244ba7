// SPDX-License-Identifier: BSD-3-Clause
// The configuration file read again while control runs. Loop thread only.
#pragma once

#include <stdio.h>

#include "config/conf_reload.h"
#include "control/ctl.h"

struct ctl_reload {
	// What differs from what was in force, all pointers into the schema. Options that change
	// live are applied; the others keep their old values.
	const struct conf_option *changed[CONF_RELOAD_OPTIONS];
	size_t n_changed;
};

// Reads ctl->conf->path again. With `check` nothing is applied, but everything that would be is
// reported. 0; or -errno with one line a problem in `errors` (may be NULL), and nothing changed.
// Both are logged.
int ctl_reload(struct ctl *ctl, bool check, struct ctl_reload *out, FILE *errors);

// "turnpike-dataplane", "turnpike-control", "both daemons"; NULL for an option that changes live.
const char *ctl_reload_restart(const struct conf_option *option);
