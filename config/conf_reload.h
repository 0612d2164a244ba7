// SPDX-License-Identifier: BSD-3-Clause
// Reading the configuration again while a daemon runs by it: what can change live is taken from the
// file, everything else stays, and the whole is checked as one document.
#pragma once

#include <stdio.h>

#include "config/conf_schema.h"

#define CONF_RELOAD_OPTIONS 256

struct conf_reload {
	struct conf *conf; // to run by from now on; the caller ends it with conf_free
	// Options whose values in the file differ from those in force before; `change` of each says
	// what it takes. Those that need a restart differ again at the next reload.
	const struct conf_option *changed[CONF_RELOAD_OPTIONS];
	size_t n_changed;
};

// Loads running->path with all checks of conf_load, if it is a file: it never waits for a pipe. 0,
// or -errno after at least one problem was printed to `errors`: *out is then empty. `running` must
// come from conf_main or from here (its secrets veiled), and stays as it is. `prepare` is that of
// struct conf_main, or NULL.
int conf_reload(const struct conf *running, int (*prepare)(struct conf *conf, FILE *errors),
	struct conf_reload *out, FILE *errors);
