// SPDX-License-Identifier: BSD-3-Clause
// turnpikectl's own types: its arguments, its exit codes. Text that comes from a socket is escaped
// before it reaches the terminal (control/api/text.h).
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/abi/stats.h"
#include "control/api/operation.h"

enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,   // refused or not found; `status`: degraded
	CLI_USAGE = 2,     // `status`: down; `health`: something hangs or is dead
	CLI_NO_ANSWER = 3, // nobody answered
	CLI_DEGRADED = 4,  // answered, but live figures are missing
};

#define CLI_PATH_BYTES     256
#define CLI_MAX_INTERVAL_S 3600
#define CLI_MIN_TIMEOUT_S  0.1
#define CLI_MAX_TIMEOUT_S  10

struct cli_args;

struct cli_command {
	const char *noun;
	const char *verb; // NULL: none
	int operation;    // enum ctl_operation_id; its parameters are ours
	const char *own;  // a parameter that control never sees, or NULL: there is none
	const char *own_help;
	enum cli_exit (*run)(const struct cli_args *args);
};

struct cli_args {
	const struct cli_command *command;
	bool json;
	char control_socket[CLI_PATH_BYTES];
	char dataplane_socket[CLI_PATH_BYTES];
	double interval_s; // of `stats`
	double timeout_s;  // of `health`
	json_t *params;    // an object
};

// NULL beyond the last one.
const struct cli_command *cli_command_at(unsigned int i);

// Reads the command line; problems go to `errors`. CLI_OK with *out filled (end it with
// cli_args_fini), or CLI_USAGE.
enum cli_exit cli_args_parse(int argc, char *const argv[], struct cli_args *out, FILE *errors);
void cli_args_fini(struct cli_args *args);
void cli_usage(FILE *out);

enum cli_exit cli_status(const struct cli_args *args);
enum cli_exit cli_stats(const struct cli_args *args);
enum cli_exit cli_allocation_list(const struct cli_args *args);
enum cli_exit cli_allocation_show(const struct cli_args *args);
enum cli_exit cli_allocation_close(const struct cli_args *args);
enum cli_exit cli_relay_list(const struct cli_args *args);
enum cli_exit cli_relay_ports(const struct cli_args *args);
enum cli_exit cli_relay_change(const struct cli_args *args); // drain, undrain, remove
enum cli_exit cli_reload(const struct cli_args *args);
enum cli_exit cli_upgrade_control(const struct cli_args *args);
enum cli_exit cli_upgrade_streams(const struct cli_args *args);
enum cli_exit cli_health(const struct cli_args *args);
enum cli_exit cli_memory(const struct cli_args *args);
enum cli_exit cli_provision(const struct cli_args *args);
enum cli_exit cli_provision_status(const struct cli_args *args);
enum cli_exit cli_unprovision(const struct cli_args *args);
enum cli_exit cli_help(const struct cli_args *args);
