// SPDX-License-Identifier: BSD-3-Clause
// turnpikectl: its command line (words up to an empty line, one a line), then answers of control or
// of whoever listens there, one a line. Text of a socket reaches the terminal escaped.
#include <errno.h>
#include <time.h>

#include "control/api/memory.h"
#include "control/api/status.h"
#include "control/cli/ask.h"
#include "tests/fuzz/script.h"

#define WORDS 24

int __wrap_cli_ask_control(const char *path, const char *method, json_t *params, json_t **result);
int __wrap_cli_ask_dataplane(const char *path, struct tp_status_reply *out);
int __wrap_cli_ask_memory(const char *path, struct tp_memory_reply *out);
int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *end, struct timespec *left);

static struct fuzz_script script;

// Up to the next newline; the caller frees it.
static char *take_line(void)
{
	const uint8_t *end =
		fuzz_left(&script) > 0 ? memchr(script.at, '\n', fuzz_left(&script)) : NULL;
	size_t length = (size_t)((end ? end : script.end) - script.at);
	char *line = malloc(length + 1);

	fuzz_take(&script, line, length);
	line[length] = '\0';
	if (end)
		script.at++;
	return line;
}

// "!" in front: refused with this object; "?" and a digit: nobody answers; else the result.
int __wrap_cli_ask_control(const char *path, const char *method, json_t *params, json_t **result)
{
	char *line = take_line();
	int rc = line[0] == '!' ? -EREMOTEIO : line[0] == '?' || line[0] == '\0' ? -EPROTO : 0;

	if (line[0] == '?' && line[1] == '1')
		rc = -ETIMEDOUT;
	*result = rc == -EPROTO || rc == -ETIMEDOUT
			  ? NULL
			  : json_loads(line + (line[0] == '!'), JSON_DECODE_ANY, NULL);
	if (rc == 0 && !*result)
		rc = -EPROTO;
	if (rc == -EREMOTEIO && !json_is_object(*result)) {
		json_decref(*result);
		*result = NULL;
		rc = -EPROTO;
	}
	free(line);
	return rc;
}

int __wrap_cli_ask_dataplane(const char *path, struct tp_status_reply *out)
{
	uint8_t message[sizeof(*out)];
	const struct tp_message_header header = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = TP_MSG_STATUS_REPLY,
		.length_bytes = sizeof(message)};

	if (fuzz_left(&script) == 0)
		return -ECONNREFUSED;
	fuzz_take(&script, message, sizeof(message));
	if (message[0] != 'x')
		memcpy(message, &header, sizeof(header));
	message[offsetof(struct tp_status_reply, ports)] %= TP_MAX_PORTS + 2;
	message[offsetof(struct tp_status_reply, ports) + 1] = 0;
	return ctl_status_read(message, sizeof(message), out);
}

int __wrap_cli_ask_memory(const char *path, struct tp_memory_reply *out)
{
	uint8_t message[sizeof(*out)];
	const struct tp_message_header header = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.type = TP_MSG_MEMORY_REPLY,
		.length_bytes = sizeof(message)};
	size_t length = fuzz_left(&script) < sizeof(message) ? fuzz_left(&script) : sizeof(message);

	if (length == 0)
		return -ECONNREFUSED;
	fuzz_take(&script, message, length);
	if (message[0] != 'x' && length >= sizeof(header))
		memcpy(message, &header, sizeof(header));
	return ctl_memory_read(message, length, out);
}

int __wrap_clock_nanosleep(
	clockid_t clock, int flags, const struct timespec *end, struct timespec *left)
{
	return 0; // nobody waits
}

static int take_words(char *argv[WORDS + 1])
{
	int argc = 1;

	argv[0] = strdup("turnpikectl");
	while (argc < WORDS && fuzz_left(&script) > 0) {
		argv[argc] = take_line();
		if (argv[argc][0] == '\0') {
			free(argv[argc]);
			break;
		}
		argc++;
	}
	argv[argc] = NULL;
	return argc;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static FILE *nowhere;
	char *argv[WORDS + 1];
	struct cli_args args;

	if (!nowhere) {
		nowhere = fopen("/dev/null", "we");
		FUZZ_CHECK(nowhere && freopen("/dev/null", "we", stdout));
	}
	script = fuzz_script(data, size);
	int argc = take_words(argv);
	enum cli_exit rc = cli_args_parse(argc, argv, &args, nowhere);
	if (rc == CLI_OK) {
		FUZZ_CHECK(args.command && args.control_socket[0] && args.dataplane_socket[0]);
		rc = args.command->run(&args);
		FUZZ_CHECK(rc <= CLI_DEGRADED);
		if (rc == CLI_OK && args.command->operation != CTL_OP_HELP) // an answer was read
			fuzz_canary(data + size);
		cli_args_fini(&args);
	}
	for (int i = 0; i < argc; i++)
		free(argv[i]);
}
