// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_load.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/privilege/account.h"
#include "config/conf_document.h"

#define LOAD_MAX_BYTES (16U << 20)

static void forget_bytes(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void forget(char **text)
{
	forget_bytes(*text);
	*text = NULL;
}

// What jansson says, without the piece of the document that it quotes: it may be a password.
static void load_syntax_problem(const json_error_t *error, struct conf_report *report)
{
	char text[JSON_ERROR_TEXT_LENGTH];
	char *quote;

	snprintf(text, sizeof(text), "%s", error->text);
	quote = strstr(text, " near '");
	if (quote && json_error_code(error) != json_error_duplicate_key)
		*quote = '\0';
	if (json_error_code(error) == json_error_invalid_utf8)
		snprintf(text, sizeof(text), "not UTF-8");
	conf_problem(report, "", "line %d, column %d: %s", error->line, error->column, text);
}

static char *load_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	char *joined;

	if (path[0] == '/' || !slash)
		return strdup(path);
	if (asprintf(&joined, "%.*s/%s", (int)(slash - file), file, path) < 0)
		return NULL;
	return joined;
}

static int load_resolve_file(const struct conf *conf, char **file)
{
	char *resolved;

	if (!*file)
		return 0;
	resolved = load_beside(conf->path, *file);
	if (!resolved)
		return -ENOMEM;
	free(*file);
	*file = resolved;
	return 0;
}

// Relative names of files are meant beside the configuration file, wherever the daemon was started.
static int load_resolve_files(struct conf *conf)
{
	char **const files[] = {&conf->tls.certificate, &conf->tls.key, &conf->tls.client_ca};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(files) / sizeof(files[0]); i++)
		rc = load_resolve_file(conf, files[i]);
	for (size_t i = 0; rc == 0 && i < conf->tls.n_additional; i++) {
		rc = load_resolve_file(conf, &conf->tls.additional[i].certificate);
		if (rc == 0)
			rc = load_resolve_file(conf, &conf->tls.additional[i].key);
	}
	return rc;
}

static int load_document(const struct conf_source *source, const json_t *document,
	struct conf **out, struct conf_report *report)
{
	struct conf *conf = calloc(1, sizeof(*conf));
	int rc = -ENOMEM;

	if (!conf)
		goto fail;
	conf->path = strdup(source->name);
	if (!conf->path)
		goto fail;
	conf_fill(conf, document, report);
	conf->document = conf_document_complete(document);
	if (!conf->document)
		goto fail;
	rc = load_resolve_files(conf);
	if (rc)
		goto fail;
	conf_check(conf, source->cores, report);
	if (source->files)
		conf_check_files(conf, report);
	if (report->problems > 0) {
		conf_free(conf);
		return -EINVAL;
	}
	*out = conf;
	return 0;
fail:
	conf_problem(report, "", "%s", strerror(-rc));
	conf_free(conf);
	return rc;
}

static bool load_is_blank(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
			return false;
	}
	return true;
}

static int load_text(const struct conf_source *source, struct conf **out, FILE *errors)
{
	struct conf_report report = {.file = source->name, .errors = errors};
	json_error_t error;
	json_t *document;
	int rc;

	*out = NULL;
	if (load_is_blank(source->text, source->length)) {
		conf_problem(&report, "", "is empty");
		return -EINVAL;
	}
	document = json_loadb(source->text, source->length, JSON_REJECT_DUPLICATES, &error);
	if (!document) {
		load_syntax_problem(&error, &report);
		return -EINVAL;
	}
	rc = load_document(source, document, out, &report);
	json_decref(document);
	return rc;
}

static int veil(const struct conf_option *option, json_t *value, const struct tp_siphash_key *key)
{
	const struct conf_option *o = NULL;
	json_t *element;
	char hash[17];
	size_t i;
	int rc = 0;

	if (option->secret && json_is_string(value)) {
		snprintf(hash, sizeof(hash), "%016llx",
			(unsigned long long)tp_siphash(
				key, json_string_value(value), json_string_length(value)));
		return json_string_set(value, hash) == 0 ? 0 : -ENOMEM;
	}
	if (option->type == CONF_LIST)
		json_array_foreach(value, i, element)
			rc = rc ? rc : veil(conf_schema_element(option), element, key);
	while (option->type == CONF_OBJECT && rc == 0 &&
		(o = conf_schema_next(option, o)) != NULL) {
		element = json_object_get(value, conf_schema_name(o));
		rc = element ? veil(o, element, key) : 0;
	}
	return rc;
}

int conf_veil_secrets(struct conf *conf, const uint8_t *key)
{
	struct tp_siphash_key k;
	json_malloc_t allocate;
	json_free_t release;
	size_t count;
	int rc = 0;

	if (key)
		memcpy(conf->veil_key, key, sizeof(conf->veil_key));
	else
		rc = tp_random_bytes(conf->veil_key, sizeof(conf->veil_key));
	if (rc)
		return rc;
	memcpy(k.bytes, conf->veil_key, sizeof(k.bytes));
	json_get_alloc_funcs(&allocate, &release);
	json_set_alloc_funcs(malloc, forget_bytes);
	rc = veil(&conf_schema(&count)[0], conf->document, &k);
	json_set_alloc_funcs(allocate, release);
	return rc;
}

// What jansson frees of a document may be a password: it is cleansed.
void conf_document_forget(json_t *document)
{
	json_malloc_t allocate;
	json_free_t release;

	json_get_alloc_funcs(&allocate, &release);
	json_set_alloc_funcs(malloc, forget_bytes);
	json_decref(document);
	json_set_alloc_funcs(allocate, release);
}

int conf_load_text(const struct conf_source *source, struct conf **out, FILE *errors)
{
	json_malloc_t allocate;
	json_free_t release;

	json_get_alloc_funcs(&allocate, &release);
	json_set_alloc_funcs(malloc, forget_bytes);
	int rc = load_text(source, out, errors);
	json_set_alloc_funcs(allocate, release);
	return rc;
}

static unsigned int load_cores(void)
{
	long cores = sysconf(_SC_NPROCESSORS_CONF);

	return cores > 0 ? (unsigned int)cores : 1;
}

int conf_load_json(const char *name, const json_t *document, struct conf **out, FILE *errors)
{
	const struct conf_source source = {.name = name, .cores = load_cores(), .files = true};
	struct conf_report report = {.file = name, .errors = errors};

	*out = NULL;
	return load_document(&source, document, out, &report);
}

// Reads a whole file into *text, with a NUL behind. 0 or -errno.
static int load_read(int fd, char **text, size_t *length)
{
	size_t used = 0, capacity = 16384;
	char *buffer = NULL, *grown;
	int rc = -ENOMEM;
	ssize_t n;

	for (;;) {
		if (!buffer || used + 1 >= capacity) {
			capacity *= 2;
			grown = malloc(capacity);
			if (!grown)
				goto fail;
			if (used > 0)
				memcpy(grown, buffer, used);
			forget_bytes(buffer);
			buffer = grown;
		}
		n = read(fd, buffer + used, capacity - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		rc = -errno;
		if (n < 0)
			goto fail;
		if (n == 0)
			break;
		used += (size_t)n;
		rc = -EFBIG;
		if (used > LOAD_MAX_BYTES)
			goto fail;
	}
	buffer[used] = '\0';
	*text = buffer;
	*length = used;
	return 0;
fail:
	forget_bytes(buffer);
	return rc;
}

static int load_file(int fd, char **text, size_t *length)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? load_read(fd, text, length) : -EINVAL;
}

static int load(const char *path, bool waits, struct conf **out, FILE *errors)
{
	struct conf_report report = {.file = path, .errors = errors};
	struct conf_source source = {.name = path, .cores = load_cores(), .files = true};
	char *text = NULL, self[TP_ACCOUNT_TEXT];
	int fd, rc;

	*out = NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC | (waits ? 0 : O_NONBLOCK));
	rc = fd < 0 ? -errno : (waits ? load_read : load_file)(fd, &text, &source.length);
	if (fd >= 0)
		close(fd);
	if (rc == -EFBIG)
		conf_problem(&report, "", "is larger than %u MiB", LOAD_MAX_BYTES >> 20);
	else if (rc == -EINVAL)
		conf_problem(&report, "", "is not a file");
	else if (rc == -EACCES)
		conf_problem(&report, "", "cannot be read: %s (by %s)", strerror(-rc),
			tp_account_self(self));
	else if (rc)
		conf_problem(&report, "", "cannot be read: %s", strerror(-rc));
	if (rc)
		return rc;
	source.text = text;
	rc = conf_load_text(&source, out, errors);
	forget_bytes(text);
	return rc;
}

int conf_load(const char *path, struct conf **out, FILE *errors)
{
	return load(path, true, out, errors);
}

int conf_load_again(const char *path, struct conf **out, FILE *errors)
{
	return load(path, false, out, errors);
}

void conf_forget_credentials(struct conf *conf)
{
	for (size_t i = 0; i < conf->auth.n_users; i++) {
		struct conf_user *u = &conf->auth.users[i];

		forget(&u->password);
		forget(&u->key);
		forget(&u->key_sha256);
		free(u->name);
		free(u->realm);
	}
	for (size_t i = 0; i < conf->auth.n_rest_secrets; i++)
		forget(&conf->auth.rest_secrets[i]);
	for (size_t i = 0; i < conf->auth.oauth.n_keys; i++) {
		forget(&conf->auth.oauth.keys[i].key);
		free(conf->auth.oauth.keys[i].kid);
	}
	free(conf->auth.oauth.keys);
	conf->auth.oauth.keys = NULL;
	conf->auth.oauth.n_keys = 0;
	free(conf->auth.users);
	free(conf->auth.rest_secrets);
	conf->auth.users = NULL;
	conf->auth.rest_secrets = NULL;
	conf->auth.n_users = conf->auth.n_rest_secrets = 0;
	conf_document_forget(conf->document);
	conf->document = NULL;
}

void conf_free(struct conf *conf)
{
	if (!conf)
		return;
	conf_forget_credentials(conf);
	for (size_t i = 0; i < conf->n_listeners; i++)
		free(conf->listeners[i].realm);
	free(conf->auth.oauth.server_name);
	free(conf->peers.allow);
	free(conf->peers.deny);
	free(conf->streams.proxy_sources);
	free(conf->tls.certificate);
	free(conf->tls.key);
	for (size_t i = 0; i < conf->tls.n_additional; i++) {
		free(conf->tls.additional[i].certificate);
		free(conf->tls.additional[i].key);
	}
	free(conf->tls.additional);
	free(conf->tls.ciphers);
	free(conf->tls.cipher_suites);
	free(conf->tls.client_ca);
	free(conf->realm);
	free(conf->software);
	free(conf->run_directory);
	free(conf->privileges.user);
	free(conf->privileges.group);
	free(conf->path);
	free(conf);
}
