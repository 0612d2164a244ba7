// SPDX-License-Identifier: BSD-3-Clause
// The command line that all daemons share: -c FILE, --check, --options, --json-schema, --version,
// --help.
#pragma once

#include <stdio.h>

#include "config/conf.h"

// An option --NAME PATH that only one program has.
struct conf_main_path {
	const char *name; // NULL: the end of the list
	const char *help;
	const char **value; // set when it is given
};
#define CONF_MAIN_PATHS 4

struct conf_main {
	const char *program; // "turnpike-control"
	const char *summary; // one line of help on what it is
	FILE *out;           // help, documentation, "FILE: ok"
	FILE *errors;        // problems, wrong usage
	// More checks of a document that was loaded, for --check and a start alike; may change it.
	// Prints its problems as conf_load does. 0 or -errno. NULL: none.
	int (*prepare)(struct conf *conf, FILE *errors);
	const struct conf_main_path *paths; // at most CONF_MAIN_PATHS; NULL: none
};

#define CONF_MAIN_RUN (-1)

// Reads the command line. CONF_MAIN_RUN: run with *out, which the caller ends with conf_free();
// anything else is the exit code to end with at once: 0 asked for something that is now printed,
// 1 the configuration has problems, 2 wrong usage. --check goes on to conf_check_host(); a plain
// start does not. Call once, before any thread.
int conf_main(const struct conf_main *main, int argc, char **argv, struct conf **out);
