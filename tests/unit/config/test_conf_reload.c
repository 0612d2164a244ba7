// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/config/conf_try.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_document.h"
#include "config/conf_reload.h"

struct file {
	char path[64];
};

static struct file file_make(void)
{
	struct file f = {.path = "/tmp/turnpike-reload-XXXXXX"};
	int fd = mkstemp(f.path);

	assert_true(fd >= 0);
	close(fd);
	return f;
}

static void file_write(const struct file *f, const char *more)
{
	FILE *out = fopen(f->path, "w");

	assert_non_null(out);
	fprintf(out,
		"{\"realm\": \"r\", \"ports\": [{\"name\": \"p\", \"interface\": \"eth0\"}],"
		"\"listeners\": [{\"address\": \"198.18.0.2\"}],"
		"\"relay\": {\"addresses\": [{\"address\": \"198.18.0.2\"}]}%s%s}",
		more[0] ? "," : "", more);
	fclose(out);
}

static struct conf *file_load(const struct file *f)
{
	struct conf *conf;

	assert_int_equal(conf_load(f->path, &conf, stderr), 0);
	assert_int_equal(conf_veil_secrets(conf, NULL), 0);
	return conf;
}

// Loads `before`, reloads with `after`; *running is what runs then.
static int reload(const char *before, const char *after, struct conf_reload *out, char **problems)
{
	struct file f = file_make();
	FILE *errors = try_stream(problems);

	file_write(&f, before);
	struct conf *conf = file_load(&f);
	file_write(&f, after);
	int rc = conf_reload(conf, NULL, out, errors);
	fclose(errors);
	conf_free(conf);
	unlink(f.path);
	return rc;
}

static const struct conf_option *changed(const struct conf_reload *r, const char *path)
{
	for (size_t i = 0; i < r->n_changed; i++)
		if (strcmp(r->changed[i]->path, path) == 0)
			return r->changed[i];
	return NULL;
}

static void the_same_file_changes_nothing(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(reload("", "", &r, &problems), 0);
	assert_int_equal(r.n_changed, 0);
	assert_string_equal(r.conf->realm, "r");
	conf_free(r.conf);
	free(problems);
}

// Written out or left to the default, an option is the same, in lists too.
static void defaults_are_no_difference(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(
		reload("\"metrics\": {}",
			"\"metrics\": {\"port\": 9641}, \"quotas\": {}, \"log_level\": \"info\","
			"\"auth\": {\"users\": []}, \"$schema\": \"elsewhere\"",
			&r, &problems),
		0);
	assert_int_equal(r.n_changed, 0);
	conf_free(r.conf);
	free(problems);
}

static void what_changes_live_is_taken(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(
		reload("\"auth\": {\"rest_secrets\": [\"a\"]}, \"software\": \"x\"",
			"\"auth\": {\"rest_secrets\": [\"b\", \"a\"], \"nonce_lifetime_s\": 7},"
			"\"quotas\": {\"allocations_total\": 5}",
			&r, &problems),
		0);
	assert_int_equal(r.n_changed, 4);
	assert_int_equal(changed(&r, "auth.rest_secrets")->change, CONF_CHANGE_LIVE);
	assert_non_null(changed(&r, "auth.nonce_lifetime_s"));
	assert_non_null(changed(&r, "quotas.allocations_total"));
	assert_non_null(changed(&r, "software"));
	assert_int_equal(r.conf->auth.n_rest_secrets, 2);
	assert_string_equal(r.conf->auth.rest_secrets[0], "b");
	assert_int_equal(r.conf->auth.nonce_lifetime_s, 7);
	assert_int_equal(r.conf->quotas.allocations_total, 5);
	assert_string_equal(r.conf->software, "Turnpike");
	conf_free(r.conf);
	free(problems);
}

#define OAUTH(key)                                                                                 \
	"\"auth\": {\"oauth\": {\"server_name\": \"s\", \"keys\": [{\"kid\": \"k\","               \
	"\"algorithm\": \"A128GCM\", \"key\": \"" key "\"}]}}"
#define KEY_A "AAAAAAAAAAAAAAAAAAAAAA=="
#define KEY_B "AQEBAQEBAQEBAQEBAQEBAQ=="

static void a_section_that_takes_a_restart_comes_whole(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(reload("\"log_level\": \"debug\"", OAUTH(KEY_A), &r, &problems), 0);
	assert_non_null(changed(&r, "auth.oauth.server_name"));
	assert_null(changed(&r, "auth.oauth.keys"));
	assert_null(r.conf->auth.oauth.server_name);
	conf_free(r.conf);
	free(problems);

	assert_int_equal(reload(OAUTH(KEY_A), OAUTH(KEY_B), &r, &problems), 0);
	assert_non_null(changed(&r, "auth.oauth.keys"));
	assert_string_equal(r.conf->auth.oauth.keys[0].key, KEY_B);
	conf_free(r.conf);
	free(problems);

	assert_int_equal(reload("\"tls\": {\"certificate\": \"/dev/null\", \"key\": \"x\"}",
				 "\"log_level\": \"debug\"", &r, &problems),
		0);
	assert_non_null(changed(&r, "tls.key"));
	assert_string_equal(r.conf->tls.key, "/tmp/x");
	conf_free(r.conf);
	free(problems);
}

// What is said to keep its old value does, secrets included, reload after reload.
static void a_section_with_secrets_stays_until_the_restart(void **state)
{
	struct conf_reload r;
	struct file f = file_make();

	file_write(&f, OAUTH(KEY_A));
	struct conf *conf = file_load(&f);
	file_write(&f, "\"log_level\": \"debug\"");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(conf_reload(conf, NULL, &r, stderr), 0);
		conf_free(conf);
		conf = r.conf;
		assert_int_equal(r.n_changed, again ? 1 : 2);
		assert_int_equal(
			changed(&r, "auth.oauth.server_name")->change, CONF_CHANGE_RESTART_BOTH);
		assert_string_equal(conf->auth.oauth.server_name, "s");
		assert_int_equal(conf->auth.oauth.n_keys, 1);
		assert_string_equal(conf->auth.oauth.keys[0].key, KEY_A);
		char *text = json_dumps(conf->document, 0);
		assert_null(strstr(text, KEY_A));
		free(text);
	}
	file_write(&f, OAUTH(KEY_A) ", \"log_level\": \"debug\"");
	assert_int_equal(conf_reload(conf, NULL, &r, stderr), 0);
	assert_int_equal(r.n_changed, 0);
	assert_string_equal(r.conf->auth.oauth.keys[0].key, KEY_A);
	conf_free(r.conf);
	conf_free(conf);
	unlink(f.path);
}

static void what_needs_a_restart_stays(void **state)
{
	struct conf_reload r;
	struct file f = file_make();

	file_write(&f, "\"limits\": {\"allocations\": 10}");
	struct conf *conf = file_load(&f);
	file_write(&f, "\"limits\": {\"allocations\": 20}, \"metrics\": {\"port\": 1},"
		       "\"workers\": {\"cores\": [0]}, \"log_level\": \"debug\"");
	for (int again = 0; again < 2; again++) {
		assert_int_equal(conf_reload(conf, NULL, &r, stderr), 0);
		conf_free(conf);
		conf = r.conf;
		assert_int_equal(
			changed(&r, "limits.allocations")->change, CONF_CHANGE_RESTART_DATAPLANE);
		assert_int_equal(changed(&r, "metrics.port")->change, CONF_CHANGE_RESTART_CONTROL);
		assert_non_null(changed(&r, "workers.cores"));
		// Applied the first time, so no difference any more.
		assert_int_equal(changed(&r, "log_level") != NULL, !again);
		assert_int_equal(conf->limits.allocations, 10);
		assert_int_equal(conf->limits.flows, 40); // derived from it
		assert_int_equal(conf->metrics.address.family, TP_FAMILY_NONE);
		assert_int_equal(conf->log_level, CONF_LOG_DEBUG);
	}
	// Back to the first document: nothing is left to say.
	file_write(&f, "\"limits\": {\"allocations\": 10}, \"log_level\": \"debug\"");
	assert_int_equal(conf_reload(conf, NULL, &r, stderr), 0);
	assert_int_equal(r.n_changed, 0);
	conf_free(r.conf);
	conf_free(conf);
	unlink(f.path);
}

// The document that is kept tells that a secret changed, and not what it is.
static void secrets_are_veiled(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(
		reload("\"auth\": {\"users\": [{\"name\": \"u\", \"password\": \"sesame\"}],"
		       "\"rest_secrets\": [\"hush\"]}",
			"\"auth\": {\"users\": [{\"name\": \"u\", \"password\": \"mustard\"}],"
			"\"rest_secrets\": [\"hush\"]}",
			&r, &problems),
		0);
	assert_int_equal(r.n_changed, 1);
	assert_non_null(changed(&r, "auth.users"));
	assert_string_equal(r.conf->auth.users[0].password, "mustard");
	char *text = json_dumps(r.conf->document, 0);
	assert_null(strstr(text, "mustard"));
	assert_null(strstr(text, "hush"));
	assert_non_null(strstr(text, "\"password\""));
	free(text);
	conf_free(r.conf);
	free(problems);
}

// A veiled secret cannot be put together with a new document: what holds one changes live.
static void every_secret_changes_live(void **state)
{
	const struct conf_option *schema, *list = NULL;
	size_t count;

	schema = conf_schema(&count);
	for (size_t i = 0; i < count; i++) {
		if (!strchr(schema[i].path, '['))
			list = &schema[i];
		if (schema[i].secret)
			assert_int_equal(list->change, CONF_CHANGE_LIVE);
	}
}

static void a_wrong_file_is_refused_whole(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(reload("", "\"software\": \"y\", \"quotas\": {\"allocations_totl\": 1}",
				 &r, &problems),
		-EINVAL);
	assert_null(r.conf);
	assert_int_equal(r.n_changed, 0);
	assert_non_null(strstr(problems,
		": quotas.allocations_totl: unknown key; did you mean \"allocations_total\"?"));
	free(problems);
	assert_int_equal(
		reload("", "\"lifetimes\": {\"allocation_max_s\": 10}", &r, &problems), -EINVAL);
	assert_non_null(strstr(problems, "lifetimes.allocation_default_s"));
	free(problems);
}

// `--check` finds nothing wrong with such a file, so the refusal says why it is one.
static void a_file_that_needs_a_restart_first_is_told_so(void **state)
{
	struct conf_reload r;
	char *problems;

	assert_int_equal(reload("\"nat_discovery\": {\"alternate_address\": \"198.18.0.3\"}",
				 "\"alternate_servers\": {\"servers\": [{\"address\": "
				 "\"198.18.0.3\", \"port\": 3479}]}",
				 &r, &problems),
		-EINVAL);
	assert_null(r.conf);
	assert_non_null(strstr(problems, "alternate_servers.servers[0]: is listeners["));
	assert_non_null(strstr(problems, ": the file is right by itself, but not together with the "
					 "options that keep their old values until a restart\n"));
	free(problems);
}

// Nobody may ever write to the other end: whoever reloads would stand still.
static void a_pipe_is_refused_at_once(void **state)
{
	struct file f = file_make();
	struct conf_reload r;
	char *problems;
	FILE *errors = try_stream(&problems);

	file_write(&f, "");
	struct conf *conf = file_load(&f);
	unlink(f.path);
	assert_int_equal(mkfifo(f.path, 0600), 0);
	assert_int_equal(conf_reload(conf, NULL, &r, errors), -EINVAL);
	fclose(errors);
	assert_null(r.conf);
	assert_non_null(strstr(problems, "is not a file"));
	free(problems);
	unlink(f.path);
	assert_int_equal(mkdir(f.path, 0700), 0);
	errors = try_stream(&problems);
	assert_int_equal(conf_reload(conf, NULL, &r, errors), -EINVAL);
	fclose(errors);
	assert_non_null(strstr(problems, "is not a file"));
	free(problems);
	rmdir(f.path);
	conf_free(conf);
}

static void a_missing_file_is_refused(void **state)
{
	struct file f = file_make();
	struct conf_reload r;
	char *problems;
	FILE *errors = try_stream(&problems);

	file_write(&f, "");
	struct conf *conf = file_load(&f);
	unlink(f.path);
	assert_int_equal(conf_reload(conf, NULL, &r, errors), -ENOENT);
	fclose(errors);
	assert_non_null(strstr(problems, "cannot be read"));
	free(problems);
	conf_free(conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_file_changes_nothing),
		cmocka_unit_test(defaults_are_no_difference),
		cmocka_unit_test(what_changes_live_is_taken),
		cmocka_unit_test(a_section_that_takes_a_restart_comes_whole),
		cmocka_unit_test(a_section_with_secrets_stays_until_the_restart),
		cmocka_unit_test(what_needs_a_restart_stays),
		cmocka_unit_test(secrets_are_veiled),
		cmocka_unit_test(every_secret_changes_live),
		cmocka_unit_test(a_wrong_file_is_refused_whole),
		cmocka_unit_test(a_file_that_needs_a_restart_first_is_told_so),
		cmocka_unit_test(a_pipe_is_refused_at_once),
		cmocka_unit_test(a_missing_file_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
