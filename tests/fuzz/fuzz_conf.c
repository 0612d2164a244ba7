// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what is refused is explained, what is accepted keeps the limits that the
// daemons rely on. Behind a byte 0x1e is a second document, which a daemon that runs by the first
// is told to read again.
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/conf_document.h"
#include "config/conf_load.h"
#include "config/conf_reload.h"
#include "tests/fuzz/fuzz.h"

#define SEPARATOR 0x1e
#define REFUSES   0x40 // in the first byte of the second document: the process does

static void check_accepted(const struct conf *c)
{
	FUZZ_CHECK(c->realm && c->software && c->run_directory && c->path);
	FUZZ_CHECK(c->n_ports >= 1 && c->n_ports <= CONF_MAX_PORTS);
	FUZZ_CHECK(c->workers.n_cores >= 1 && c->workers.n_cores <= CONF_MAX_CORES);
	FUZZ_CHECK(c->n_listeners >= 1 && c->n_listeners <= CONF_MAX_LISTENERS);
	FUZZ_CHECK(c->relay.n_addresses >= 1 && c->relay.n_addresses <= CONF_MAX_RELAYS);
	FUZZ_CHECK(c->relay.port_min >= 1024 && c->relay.port_min <= c->relay.port_max);
	FUZZ_CHECK(c->limits.allocations > 0 && c->limits.flows > 0 && c->limits.mbufs > 0);
	for (size_t i = 0; i < c->n_ports; i++) {
		FUZZ_CHECK(strnlen(c->ports[i].name, CONF_NAME_BYTES) < CONF_NAME_BYTES);
		FUZZ_CHECK(c->ports[i].interface[0] || c->ports[i].vdev[0]);
	}
	for (size_t i = 0; i < c->n_listeners; i++) {
		FUZZ_CHECK(c->listeners[i].address.family != TP_FAMILY_NONE);
		FUZZ_CHECK(c->listeners[i].port > 0 && c->listeners[i].transports != 0);
		FUZZ_CHECK(c->listeners[i].realm_index < c->n_realms);
	}
	for (size_t i = 0; i < c->relay.n_addresses; i++) {
		const struct conf_relay *r = &c->relay.addresses[i];

		FUZZ_CHECK(r->address.family == r->public_address.family);
		FUZZ_CHECK(tp_ip_in_prefix(&r->address, &r->address, r->prefix_bits));
	}
	for (size_t i = 0; i < c->auth.n_users; i++) {
		const struct conf_user *u = &c->auth.users[i];

		FUZZ_CHECK(u->name[0] && u->realm_index < c->n_realms);
		FUZZ_CHECK(u->password ? u->password[0] && !u->key : strlen(u->key) == 32);
		FUZZ_CHECK(!u->key_sha256 || (u->key && strlen(u->key_sha256) == 64));
	}
}

static void never(void *context, const struct conf_option *option)
{
	FUZZ_CHECK(!option);
}

// A reload of the same document: no difference, and what is put together is accepted again.
static void check_reloaded(const struct conf *c)
{
	json_t *merged = conf_document_merge(c->document, c->document);
	json_t *again = conf_document_complete(c->document);

	FUZZ_CHECK(merged && again);
	conf_document_compare(c->document, merged, never, NULL);
	FUZZ_CHECK(json_equal(merged, again));
	char *text = json_dumps(merged, JSON_COMPACT);
	FUZZ_CHECK(text);
	const struct conf_source source = {
		.name = "fuzz.json", .text = text, .length = strlen(text), .cores = 16};
	struct conf *conf;
	FUZZ_CHECK(conf_load_text(&source, &conf, stderr) == 0);
	conf_free(conf);
	free(text);
	json_decref(merged);
	json_decref(again);
}

// What names files is only read from memory: these would be opened.
static bool names_files(const char *text, size_t length)
{
	return memmem(text, length, "tls", 3) || memmem(text, length, "\\", 1);
}

// A file with this text; its path stays the same.
static const char *put_file(const char *text, size_t length)
{
	static int fd = -1;
	static char path[32];

	if (fd < 0) {
		fd = memfd_create("conf", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	FUZZ_CHECK(ftruncate(fd, 0) == 0);
	FUZZ_CHECK(pwrite(fd, text, length, 0) == (ssize_t)length);
	return path;
}

// From a file, as the daemons do it.
static void check_file(const char *text, size_t length, FILE *errors)
{
	struct conf *conf;

	if (length % 4 != 0 || names_files(text, length))
		return;
	int rc = conf_load(put_file(text, length), &conf, errors);
	FUZZ_CHECK((rc == 0) == (conf != NULL));
	conf_free(conf);
	FUZZ_CHECK(conf_load("/nowhere", &conf, errors) < 0 && !conf);
	FUZZ_CHECK(conf_load_again("/", &conf, errors) == -EINVAL && !conf);
}

static int accept(struct conf *conf, FILE *errors)
{
	check_accepted(conf);
	return 0;
}

static int refuse(struct conf *conf, FILE *errors)
{
	fputs("refused\n", errors);
	return -EINVAL;
}

static void takes_no_restart(void *context, const struct conf_option *option)
{
	FUZZ_CHECK(option->change == CONF_CHANGE_LIVE || option->change == CONF_CHANGE_NOTHING);
}

// The running configuration by the file as it is now: of it there is either all that can change
// live and nothing else, or a problem and nothing at all.
static struct conf *check_reload(
	const struct conf *running, int (*prepare)(struct conf *, FILE *), FILE *errors)
{
	json_t *before = json_deep_copy(running->document);
	struct conf_reload reload;
	long said = ftell(errors);

	FUZZ_CHECK(before);
	int rc = conf_reload(running, prepare, &reload, errors);
	FUZZ_CHECK(json_equal(before, running->document));
	json_decref(before);
	if (rc) {
		FUZZ_CHECK(!reload.conf && reload.n_changed == 0 && ftell(errors) > said);
		return NULL;
	}
	FUZZ_CHECK(prepare == accept);
	check_accepted(reload.conf);
	conf_document_compare(running->document, reload.conf->document, takes_no_restart, NULL);
	for (size_t i = 0; i < reload.n_changed; i++)
		FUZZ_CHECK(reload.changed[i]->change != CONF_CHANGE_NOTHING);
	return reload.conf;
}

// Nothing that could change live is left for a second reload of the same file.
static void check_settled(const struct conf *running, FILE *errors)
{
	struct conf_reload reload;

	if (conf_reload(running, NULL, &reload, errors))
		return;
	conf_document_compare(running->document, reload.conf->document, never, NULL);
	for (size_t i = 0; i < reload.n_changed; i++)
		FUZZ_CHECK(reload.changed[i]->change != CONF_CHANGE_LIVE);
	conf_free(reload.conf);
}

static void check_two(const char *first, size_t first_length, const char *second,
	size_t second_length, bool refuses, FILE *errors)
{
	struct conf *running, *after;

	if (names_files(first, first_length) || names_files(second, second_length) ||
		conf_load(put_file(first, first_length), &running, errors))
		return;
	FUZZ_CHECK(conf_veil_secrets(running, NULL) == 0);
	put_file(second, second_length);
	after = check_reload(running, refuses ? refuse : accept, errors);
	if (after)
		check_settled(after, errors);
	conf_free(after);
	conf_free(running);
}

// A document, or, behind a byte that is neither brace nor newline, members to put beside the
// required ones; the bits of that byte leave some of these out.
static char *make_text(const uint8_t *data, size_t size, size_t *length)
{
	static const char *const members[] = {"\"realm\":\"example.org\"",
		"\"ports\":[{\"name\":\"wan\",\"interface\":\"eth0\"}]",
		"\"listeners\":[{\"address\":\"198.18.0.2\"}]",
		"\"relay\":{\"addresses\":[{\"address\":\"198.18.0.2\"}]}"};
	char *text;
	FILE *out = open_memstream(&text, length);
	bool document = size > 0 && (data[0] == '{' || data[0] == '\n'), rest = size > 1;

	FUZZ_CHECK(out);
	if (document) {
		fwrite(data, 1, size, out);
	} else {
		fputc('{', out);
		for (size_t i = 0, n = 0; i < sizeof(members) / sizeof(members[0]); i++)
			if (size == 0 || !(data[0] >> i & 1))
				fprintf(out, "%s%s", n++ ? "," : "", members[i]);
		if (rest && (data[0] & 15) != 15)
			fputc(',', out);
		if (rest)
			fwrite(data + 1, 1, size - 1, out);
		fputc('}', out);
	}
	fclose(out);
	return text;
}

static void one_document(const uint8_t *data, size_t size)
{
	size_t length, problem_length;
	char *text = make_text(data, size, &length), *problems;
	char *exact = malloc(length); // without the NUL
	const struct conf_source source = {
		.name = "etc/fuzz.json", .text = exact, .length = length, .cores = 16};
	FILE *errors = open_memstream(&problems, &problem_length);
	struct conf_discovery_place place;
	struct conf *conf;
	int rc;

	FUZZ_CHECK(errors && exact);
	memcpy(exact, text, length);
	rc = conf_load_text(&source, &conf, errors);
	fflush(errors);
	FUZZ_CHECK((rc == 0) == (conf != NULL) && (rc == 0) == (problem_length == 0));
	if (conf) {
		check_accepted(conf);
		check_reloaded(conf);
		for (size_t i = 0; i < conf->n_listeners; i++) {
			struct tp_addr at = {
				.ip = conf->listeners[i].address, .port = conf->listeners[i].port};
			if (conf_discovery_find(conf->nat_discovery.families, &at, &place))
				FUZZ_CHECK(tp_ip_equal(&place.of->address[place.address], &at.ip));
		}
		if (size > 1) // more than the required members
			fuzz_canary(data + size);
	}
	conf_free(conf);
	check_file(text, length, errors);
	fclose(errors);
	free(problems);
	free(exact);
	free(text);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memchr(data, SEPARATOR, size) : NULL;

	if (!cut) {
		one_document(data, size);
		return;
	}
	size_t rest = (size_t)(data + size - cut) - 1, first_length, second_length, problem_length;
	char *first = make_text(data, (size_t)(cut - data), &first_length), *problems;
	char *second = make_text(cut + 1, rest, &second_length);
	FILE *errors = open_memstream(&problems, &problem_length);
	FUZZ_CHECK(errors);
	check_two(
		first, first_length, second, second_length, rest > 0 && (cut[1] & REFUSES), errors);
	fclose(errors);
	free(problems);
	free(first);
	free(second);
}
