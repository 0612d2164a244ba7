// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/config/conf_try.h"

#include <unistd.h>

#include "config/conf_main.h"

struct run {
	int code;
	char *out, *errors;
	struct conf *conf;
};

// What the program adds to the checks.
static int (*prepare)(struct conf *conf, FILE *errors);

// Runs the command line given as words up to NULL.
static struct run run(const char *first, ...)
{
	char program[] = "turnpike-test", *argv[8] = {program};
	struct conf_main m = {.program = "turnpike-test", .summary = "a test", .prepare = prepare};
	struct run r = {0};
	int argc = 1;
	va_list ap;

	va_start(ap, first);
	for (const char *word = first; word && argc < 7; word = va_arg(ap, const char *))
		argv[argc++] = (char *)(uintptr_t)word;
	va_end(ap);
	m.out = try_stream(&r.out);
	m.errors = try_stream(&r.errors);
	r.code = conf_main(&m, argc, argv, &r.conf);
	fclose(m.out);
	fclose(m.errors);
	return r;
}

static void run_free(struct run *r)
{
	free(r->out);
	free(r->errors);
	conf_free(r->conf);
}

static void assert_usage(struct run r, const char *message)
{
	char expected[512];

	snprintf(expected, sizeof(expected),
		"turnpike-test: %s\n"
		"usage: turnpike-test -c FILE [--check]\n"
		"       turnpike-test --options | --json-schema | --version | --help\n",
		message);
	assert_string_equal(r.errors, expected);
	assert_string_equal(r.out, "");
	assert_int_equal(r.code, 2);
	assert_null(r.conf);
	run_free(&r);
}

static void wrong_usage_ends_with_2(void **state)
{
	assert_usage(run(NULL), "-c FILE is missing");
	assert_usage(run("--check", NULL), "-c FILE is missing");
	assert_usage(run("-c", NULL), "-c needs a FILE");
	assert_usage(run("-x", NULL), "unknown option -x");
	assert_usage(run("--bogus", NULL), "unknown option --bogus");
	assert_usage(run("-c", "a", "more", NULL), "unknown argument more");
	assert_usage(run("-c", "a", "-c", "b", NULL), "-c is given twice");
	assert_usage(run("--check=yes", NULL), "unknown option --check=yes");
}

static void assert_prints(struct run r, const char *begin)
{
	assert_int_equal(r.code, 0);
	assert_string_equal(r.errors, "");
	assert_memory_equal(r.out, begin, strlen(begin));
	run_free(&r);
}

static void documentation_needs_no_file(void **state)
{
	assert_prints(run("--help", NULL), "turnpike-test: a test\n\nusage: turnpike-test -c FILE");
	assert_prints(run("--version", NULL), "turnpike-test " TP_VERSION "\n");
	assert_prints(run("--options", NULL), "# turnpike.conf\n");
	assert_prints(run("--json-schema", NULL), "{\n  \"$schema\": ");
}

// A bench port has no kernel side, so --check says the same on every host.
static const char good[] =
	"{\"realm\":\"r\",\"ports\":[{\"name\":\"p\",\"mode\":\"bench\",\"vdev\":\"net_null0\"}],"
	"\"workers\":{\"cores\":[0]},\"listeners\":[{\"address\":\"192.0.2.1\"}],"
	"\"relay\":{\"addresses\":[{\"address\":\"192.0.2.1\"}]}}";

static void write_temporary(char path[64], const char *text)
{
	strcpy(path, "/tmp/turnpike-main-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void good_file_runs_or_is_ok(void **state)
{
	char path[64], expected[96];
	struct run r;

	write_temporary(path, good);
	r = run("-c", path, NULL);
	assert_int_equal(r.code, CONF_MAIN_RUN);
	assert_string_equal(r.conf->realm, "r");
	assert_string_equal(r.errors, "");
	run_free(&r);

	r = run("--check", "-c", path, NULL);
	snprintf(expected, sizeof(expected), "%s: ok\n", path);
	assert_string_equal(r.errors, "");
	assert_string_equal(r.out, expected);
	assert_int_equal(r.code, 0);
	assert_null(r.conf);
	run_free(&r);
	unlink(path);
}

static void bad_file_ends_with_1(void **state)
{
	char path[64], expected[512];

	write_temporary(path, "{\"realm\": 7}");
	snprintf(expected, sizeof(expected),
		"%s: realm: must be a string of 1 to 127 characters, is 7\n"
		"%s: ports: is required\n"
		"%s: listeners: is required\n"
		"%s: relay: is required\n",
		path, path, path, path);
	for (int check = 0; check < 2; check++) {
		struct run r = run("-c", path, check ? "--check" : NULL, NULL);

		assert_int_equal(r.code, 1);
		assert_string_equal(r.errors, expected);
		assert_string_equal(r.out, "");
		assert_null(r.conf);
		run_free(&r);
	}
	unlink(path);
}

static int prepare_well(struct conf *conf, FILE *errors)
{
	conf->metrics.port = 7;
	return 0;
}

static int prepare_badly(struct conf *conf, FILE *errors)
{
	fputs("no\n", errors);
	return -22;
}

static void the_program_prepares_what_was_loaded(void **state)
{
	char path[64];

	write_temporary(path, good);
	prepare = prepare_well;
	struct run r = run("-c", path, NULL);
	assert_int_equal(r.code, CONF_MAIN_RUN);
	assert_int_equal(r.conf->metrics.port, 7);
	run_free(&r);
	r = run("-c", path, "--check", NULL);
	assert_int_equal(r.code, 0);
	run_free(&r);

	prepare = prepare_badly;
	for (int check = 0; check < 2; check++) {
		r = run("-c", path, check ? "--check" : NULL, NULL);
		assert_int_equal(r.code, 1);
		assert_string_equal(r.errors, "no\n");
		assert_string_equal(r.out, "");
		assert_null(r.conf);
		run_free(&r);
	}
	prepare = NULL;
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_usage_ends_with_2),
		cmocka_unit_test(documentation_needs_no_file),
		cmocka_unit_test(good_file_runs_or_is_ok),
		cmocka_unit_test(bad_file_ends_with_1),
		cmocka_unit_test(the_program_prepares_what_was_loaded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
