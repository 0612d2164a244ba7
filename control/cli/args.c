// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/text.h"
#include "control/cli/cli.h"

#define DEFAULT_RUN_DIRECTORY "/run/turnpike"

#define OWN_INTERVAL "interval", "seconds between two samples, 1; 0: totals only"
#define OWN_TIMEOUT  "timeout", "seconds within which all have to answer, 1 (0.1 to 10)"
#define OWN_NONE     NULL, NULL

static const struct cli_command commands[] = {
	{"status", NULL, CTL_OP_STATUS, OWN_NONE, cli_status},
	{"stats", NULL, CTL_OP_STATS, OWN_INTERVAL, cli_stats},
	{"allocation", "list", CTL_OP_ALLOCATION_LIST, OWN_NONE, cli_allocation_list},
	{"allocation", "show", CTL_OP_ALLOCATION_SHOW, OWN_NONE, cli_allocation_show},
	{"allocation", "close", CTL_OP_ALLOCATION_CLOSE, OWN_NONE, cli_allocation_close},
	{"relay", "list", CTL_OP_RELAY_LIST, OWN_NONE, cli_relay_list},
	{"relay", "ports", CTL_OP_RELAY_PORTS, OWN_NONE, cli_relay_ports},
	{"relay", "drain", CTL_OP_RELAY_DRAIN, OWN_NONE, cli_relay_change},
	{"relay", "undrain", CTL_OP_RELAY_UNDRAIN, OWN_NONE, cli_relay_change},
	{"relay", "remove", CTL_OP_RELAY_REMOVE, OWN_NONE, cli_relay_change},
	{"reload", NULL, CTL_OP_RELOAD, OWN_NONE, cli_reload},
	{"upgrade", "control", CTL_OP_UPGRADE_CONTROL, OWN_NONE, cli_upgrade_control},
	{"upgrade", "streams", CTL_OP_UPGRADE_STREAMS, OWN_NONE, cli_upgrade_streams},
	{"health", NULL, CTL_OP_HEALTH, OWN_TIMEOUT, cli_health},
	{"memory", NULL, CTL_OP_MEMORY, OWN_NONE, cli_memory},
	{"provision", "status", CTL_OP_PROVISION_STATUS, OWN_NONE, cli_provision_status},
	{"provision", NULL, CTL_OP_PROVISION, OWN_NONE, cli_provision},
	{"unprovision", NULL, CTL_OP_UNPROVISION, OWN_NONE, cli_unprovision},
	{"help", NULL, CTL_OP_HELP, OWN_NONE, cli_help},
};

const struct cli_command *cli_command_at(unsigned int i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? &commands[i] : NULL;
}

void cli_usage(FILE *out)
{
	const struct cli_command *c;

	fprintf(out, "usage: turnpikectl [-s SOCKET] [-r RUN_DIRECTORY] [--json] "
		     "NOUN [VERB] [key=value ...]\n\n");
	for (unsigned int i = 0; (c = cli_command_at(i)); i++) {
		const struct ctl_operation *op = ctl_operation_at((unsigned int)c->operation);
		fprintf(out, "  %s%s%s\n      %s\n", c->noun, c->verb ? " " : "",
			c->verb ? c->verb : "", op->help);
		for (const struct ctl_param *p = op->param; p->type != CTL_PARAM_NONE; p++)
			fprintf(out, "      %-9s %s\n", p->name, p->help);
		if (c->own_help)
			fprintf(out, "      %-9s %s\n", c->own, c->own_help);
	}
	fprintf(out, "\n-s SOCKET         control socket, " DEFAULT_RUN_DIRECTORY "/control.sock\n"
		     "-r RUN_DIRECTORY  where control.sock and dataplane.sock are\n"
		     "--json            one JSON document instead of text\n\n"
		     "exit: 0 ok, 1 refused or not found, 2 usage, 3 no answer, 4 live figures "
		     "missing\n"
		     "      status: 0 healthy, 1 degraded, 2 down\n"
		     "      health: 0 all relay and answer, 2 something hangs or is dead\n");
}

__attribute__((format(printf, 2, 3))) static enum cli_exit usage_error(
	FILE *errors, const char *format, ...)
{
	char text[512], escaped[2048];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(errors, "turnpikectl: %s; see turnpikectl help\n",
		ctl_text_escape(text, escaped, sizeof(escaped)));
	return CLI_USAGE;
}

static int set_path(
	char out[CLI_PATH_BYTES], const char *directory, size_t length, const char *name)
{
	int n = snprintf(
		out, CLI_PATH_BYTES, "%.*s%s%s", (int)length, directory, name[0] ? "/" : "", name);

	return n < CLI_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

// The dataplane's socket lies beside control's unless a run directory is given.
static int set_paths(struct cli_args *args, const char *socket, const char *directory)
{
	const char *slash;
	int rc;

	if (!directory && !socket)
		directory = DEFAULT_RUN_DIRECTORY;
	if (socket)
		rc = set_path(args->control_socket, socket, strlen(socket), "");
	else
		rc = set_path(args->control_socket, directory, strlen(directory), "control.sock");
	if (rc)
		return rc;
	if (directory)
		return set_path(
			args->dataplane_socket, directory, strlen(directory), "dataplane.sock");
	slash = strrchr(socket, '/');
	return set_path(args->dataplane_socket, slash ? socket : ".",
		slash ? (size_t)(slash - socket) : 1, "dataplane.sock");
}

static enum cli_exit read_seconds(
	double *out, const char *key, const char *text, double min, double max, FILE *errors)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out >= min) || *out > max)
		return usage_error(errors, "%s: expected seconds from %g to %g", key, min, max);
	return CLI_OK;
}

// A parameter that control never sees.
static enum cli_exit read_own(struct cli_args *args, const char *text, FILE *errors)
{
	if (strcmp(args->command->own, "timeout") == 0)
		return read_seconds(&args->timeout_s, "timeout", text, CLI_MIN_TIMEOUT_S,
			CLI_MAX_TIMEOUT_S, errors);
	return read_seconds(&args->interval_s, "interval", text, 0, CLI_MAX_INTERVAL_S, errors);
}

// Then its name may be left out.
static bool has_one_param(const struct ctl_operation *op)
{
	return op->exactly_one && op->param[1].type == CTL_PARAM_NONE;
}

static enum cli_exit read_param(struct cli_args *args, const char *word, FILE *errors)
{
	const struct ctl_operation *op = ctl_operation_at((unsigned int)args->command->operation);
	const char *equals = strchr(word, '=');
	const char *text = equals ? equals + 1 : word;
	char why[CTL_OPERATION_WHY_BYTES], key[32];
	const struct ctl_param *param;
	json_t *value;

	if (!equals && has_one_param(op))
		snprintf(key, sizeof(key), "%s", op->param[0].name);
	else if (!equals || equals == word || (size_t)(equals - word) >= sizeof(key))
		return usage_error(errors, "\"%.100s\" is no key=value", word);
	else
		snprintf(key, sizeof(key), "%.*s", (int)(equals - word), word);
	if (args->command->own && strcmp(key, args->command->own) == 0)
		return read_own(args, text, errors);
	param = ctl_operation_param(op, key);
	if (!param)
		return usage_error(errors, "%s has no parameter \"%s\"", op->name, key);
	if (json_object_get(args->params, key))
		return usage_error(errors, "%s is given twice", key);
	value = ctl_param_parse(param, text, why);
	if (!value)
		return usage_error(errors, "%s", why);
	json_object_set_new(args->params, key, value);
	return CLI_OK;
}

static enum cli_exit find_command(
	struct cli_args *args, int argc, char *const argv[], int *at, FILE *errors)
{
	const struct cli_command *c;
	const char *verb;
	bool noun_found = false;

	if (*at >= argc)
		return usage_error(errors, "what is wanted?");
	verb = *at + 1 < argc && !strchr(argv[*at + 1], '=') ? argv[*at + 1] : NULL;
	for (unsigned int i = 0; (c = cli_command_at(i)); i++) {
		if (strcmp(c->noun, argv[*at]) != 0)
			continue;
		noun_found = true;
		if (c->verb && (!verb || strcmp(c->verb, verb) != 0))
			continue;
		args->command = c;
		*at += c->verb ? 2 : 1;
		return CLI_OK;
	}
	if (!noun_found)
		return usage_error(errors, "unknown noun \"%.100s\"", argv[*at]);
	if (!verb)
		return usage_error(errors, "%s needs a verb", argv[*at]);
	return usage_error(errors, "%s has no verb \"%.100s\"", argv[*at], verb);
}

struct options {
	const char *socket, *directory;
	bool json, help;
};

// Options may stand anywhere: what is none is moved to words[].
static enum cli_exit read_options(int argc, char *const argv[], struct options *options,
	char **words, int *n_words, FILE *errors)
{
	for (int i = 1; i < argc; i++) {
		const char **target = strcmp(argv[i], "-s") == 0   ? &options->socket
				      : strcmp(argv[i], "-r") == 0 ? &options->directory
								   : NULL;
		if (target) {
			if (++i >= argc || argv[i][0] == '\0')
				return usage_error(errors, "%s needs a value", argv[i - 1]);
			*target = argv[i];
		} else if (strcmp(argv[i], "--json") == 0) {
			options->json = true;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			options->help = true;
		} else if (argv[i][0] == '-') {
			return usage_error(errors, "unknown option \"%.100s\"", argv[i]);
		} else {
			words[(*n_words)++] = argv[i];
		}
	}
	return CLI_OK;
}

static enum cli_exit read_words(
	struct cli_args *out, int n_words, char *const words[], FILE *errors)
{
	char why[CTL_OPERATION_WHY_BYTES];
	int at = 0;
	enum cli_exit rc = find_command(out, n_words, words, &at, errors);

	for (; rc == CLI_OK && at < n_words; at++)
		rc = read_param(out, words[at], errors);
	if (rc == CLI_OK &&
		ctl_operation_check(
			ctl_operation_at((unsigned int)out->command->operation), out->params, why))
		rc = usage_error(errors, "%s", why);
	return rc;
}

enum cli_exit cli_args_parse(int argc, char *const argv[], struct cli_args *out, FILE *errors)
{
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	char *const help[] = {(char *)(uintptr_t) "help", NULL};
	struct options options = {0};
	enum cli_exit rc;
	int n_words = 0;

	*out = (struct cli_args){.interval_s = 1, .timeout_s = 1, .params = json_object()};
	rc = words ? read_options(argc, argv, &options, words, &n_words, errors) : CLI_USAGE;
	if (rc == CLI_OK)
		rc = read_words(
			out, options.help ? 1 : n_words, options.help ? help : words, errors);
	out->json = options.json;
	if (rc == CLI_OK && set_paths(out, options.socket, options.directory))
		rc = usage_error(errors, "path of the socket is too long");
	free(words);
	if (rc != CLI_OK)
		cli_args_fini(out);
	return rc;
}

void cli_args_fini(struct cli_args *args)
{
	json_decref(args->params);
	args->params = NULL;
}
