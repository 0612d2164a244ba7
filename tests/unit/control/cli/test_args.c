// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/cli/cli.h"

static enum cli_exit parse(struct cli_args *args, char *const words[], char **errors)
{
	size_t length;
	int argc = 0;
	FILE *out = open_memstream(errors, &length);
	enum cli_exit rc;

	while (words[argc])
		argc++;
	rc = cli_args_parse(argc, words, args, out);
	fclose(out);
	return rc;
}

#define WORDS(...) ((char *const[]){(char *)(uintptr_t) "turnpikectl", __VA_ARGS__, NULL})
#define W(text)    ((char *)(uintptr_t)(text))

static void assert_usage(char *const words[], const char *say)
{
	struct cli_args args;
	char *errors;

	if (parse(&args, words, &errors) != CLI_USAGE)
		fail_msg("accepted, expected \"%s\"", say);
	if (!strstr(errors, say))
		fail_msg("\"%s\" does not say \"%s\"", errors, say);
	free(errors);
}

static void default_paths(void **state)
{
	struct cli_args args;
	char *errors;

	assert_int_equal(parse(&args, WORDS(W("status")), &errors), CLI_OK);
	assert_string_equal(args.control_socket, "/run/turnpike/control.sock");
	assert_string_equal(args.dataplane_socket, "/run/turnpike/dataplane.sock");
	assert_false(args.json);
	assert_string_equal(args.command->noun, "status");
	cli_args_fini(&args);
	free(errors);
}

static void the_dataplane_lies_beside_the_socket(void **state)
{
	struct cli_args args;
	char *errors;

	assert_int_equal(parse(&args, WORDS(W("-s"), W("/a/b/ctl"), W("status")), &errors), CLI_OK);
	assert_string_equal(args.control_socket, "/a/b/ctl");
	assert_string_equal(args.dataplane_socket, "/a/b/dataplane.sock");
	cli_args_fini(&args);
	free(errors);
	assert_int_equal(parse(&args, WORDS(W("-s"), W("ctl"), W("status")), &errors), CLI_OK);
	assert_string_equal(args.dataplane_socket, "./dataplane.sock");
	cli_args_fini(&args);
	free(errors);
	assert_int_equal(
		parse(&args, WORDS(W("status"), W("-r"), W("/x"), W("-s"), W("/a/ctl")), &errors),
		CLI_OK);
	assert_string_equal(args.control_socket, "/a/ctl");
	assert_string_equal(args.dataplane_socket, "/x/dataplane.sock");
	cli_args_fini(&args);
	free(errors);
}

static void parameters_get_their_types(void **state)
{
	struct cli_args args;
	char *errors;

	assert_int_equal(
		parse(&args, WORDS(W("allocation"), W("list"), W("limit=7"), W("--json")), &errors),
		CLI_OK);
	assert_true(args.json);
	assert_int_equal(json_integer_value(json_object_get(args.params, "limit")), 7);
	cli_args_fini(&args);
	free(errors);
	assert_int_equal(parse(&args, WORDS(W("stats"), W("interval=0.5")), &errors), CLI_OK);
	assert_true(args.interval_s == 0.5);
	cli_args_fini(&args);
	free(errors);
}

// `relay drain ADDRESS`: the only parameter needs no name.
static void the_only_parameter_needs_no_name(void **state)
{
	static const char *const forms[][2] = {{"198.18.0.2", "198.18.0.2"},
		{"198.18.7.0/26", "198.18.7.0/26"}, {"fd00:198:18::2", "fd00:198:18::2"},
		{"address=fd00::/120", "fd00::/120"}};
	static const char *const verbs[] = {"drain", "undrain", "remove"};
	struct cli_args args;
	char *errors;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(
			parse(&args, WORDS(W("relay"), W(verbs[i % 3]), W(forms[i][0])), &errors),
			CLI_OK);
		assert_string_equal(
			json_string_value(json_object_get(args.params, "address")), forms[i][1]);
		cli_args_fini(&args);
		free(errors);
	}
	assert_usage(WORDS(W("relay"), W("drain")), "relay.drain needs address");
	assert_usage(WORDS(W("relay"), W("drain"), W("198.18.0.2"), W("198.18.0.3")), "twice");
	assert_usage(WORDS(W("relay"), W("drain"), W("prefix=198.18.0.2")), "no parameter");
	assert_usage(WORDS(W("relay"), W("ports"), W("198.18.0.2")), "no key=value");
	assert_usage(WORDS(W("allocation"), W("show"), W("198.18.0.2:5")), "no key=value");
}

static void mistakes_are_named(void **state)
{
	char path[400];

	assert_usage((char *const[]){W("turnpikectl"), NULL}, "what is wanted");
	assert_usage(WORDS(W("statsu")), "unknown noun \"statsu\"");
	assert_usage(WORDS(W("allocation")), "needs a verb");
	assert_usage(WORDS(W("allocation"), W("limit=1")), "needs a verb");
	assert_usage(WORDS(W("allocation"), W("frob")), "no verb \"frob\"");
	assert_usage(WORDS(W("status"), W("now")), "no key=value");
	assert_usage(WORDS(W("status"), W("=1")), "no key=value");
	assert_usage(WORDS(W("status"), W("a=1")), "no parameter \"a\"");
	assert_usage(WORDS(W("status"), W("interval=1")), "no parameter");
	assert_usage(WORDS(W("allocation"), W("list"), W("limit=x")), "integer from 1 to 500");
	assert_usage(WORDS(W("allocation"), W("list"), W("limit=1"), W("limit=2")), "twice");
	assert_usage(WORDS(W("allocation"), W("show")), "exactly one");
	assert_usage(WORDS(W("allocation"), W("show"), W("id=12")), "32 characters");
	assert_usage(WORDS(W("stats"), W("interval=-1")), "seconds from 0");
	assert_usage(WORDS(W("stats"), W("interval=nan")), "seconds from 0");
	assert_usage(WORDS(W("stats"), W("interval=1s")), "seconds from 0");
	assert_usage(WORDS(W("-s")), "needs a value");
	assert_usage(WORDS(W("-s"), W(""), W("status")), "needs a value");
	assert_usage(WORDS(W("--jsn"), W("status")), "unknown option \"--jsn\"");
	memset(path, 'a', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	assert_usage(WORDS(W("-s"), path, W("status")), "too long");
	assert_usage(WORDS(path), "unknown noun");
}

static void what_was_typed_is_escaped(void **state)
{
	struct cli_args args;
	char *errors;

	assert_int_equal(parse(&args, WORDS(W("\x1b[31m")), &errors), CLI_USAGE);
	assert_null(strchr(errors, '\x1b'));
	assert_non_null(strstr(errors, "\\x1b[31m"));
	free(errors);
}

static void every_operation_has_a_command(void **state)
{
	bool seen[CTL_OPERATIONS] = {false};
	const struct cli_command *c;

	for (unsigned int i = 0; (c = cli_command_at(i)); i++)
		seen[c->operation] = true;
	for (unsigned int i = 0; i < CTL_OPERATIONS; i++)
		assert_true(seen[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(default_paths),
		cmocka_unit_test(the_dataplane_lies_beside_the_socket),
		cmocka_unit_test(parameters_get_their_types),
		cmocka_unit_test(the_only_parameter_needs_no_name),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(what_was_typed_is_escaped),
		cmocka_unit_test(every_operation_has_a_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
