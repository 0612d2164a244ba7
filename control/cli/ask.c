// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/ask.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/abi/shm_map.h"
#include "common/abi/sizes.h"
#include "common/base/clock.h"
#include "control/api/jsonrpc.h"
#include "control/api/memory.h"
#include "control/api/status.h"
#include "control/api/text.h"

#define ANSWER_MAX_BYTES (16 * 1024 * 1024)

static int wait_for(int fd, short events, uint64_t give_up_ns)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		uint64_t now_ns = tp_now_ns();
		int left_ms =
			now_ns < give_up_ns
				? (int)((give_up_ns - now_ns + TP_NS_PER_MS - 1) / TP_NS_PER_MS)
				: 0;
		int n = poll(&p, 1, left_ms);
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int dial(const char *path, int type)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno; // -EAGAIN: its backlog is full, so it does not accept
		close(fd);
		return rc == -EAGAIN ? -ETIMEDOUT : rc;
	}
	return fd;
}

static int write_all(int fd, const char *data, size_t length, uint64_t give_up_ns)
{
	while (length > 0) {
		ssize_t n = send(fd, data, length, MSG_NOSIGNAL);
		if (n >= 0) {
			data += n;
			length -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;
		int rc = wait_for(fd, POLLOUT, give_up_ns);
		if (rc)
			return rc;
	}
	return 0;
}

// Reads up to the newline; *line is the caller's, terminated.
static int read_line(int fd, char **line, size_t *length, uint64_t give_up_ns)
{
	size_t capacity = 0;
	int rc;

	*line = NULL;
	*length = 0;
	for (;;) {
		if (*length + 1 >= capacity) {
			size_t bigger = capacity ? 2 * capacity : 65536;
			char *moved = bigger <= ANSWER_MAX_BYTES ? realloc(*line, bigger) : NULL;
			if (!moved)
				return -EPROTO;
			*line = moved;
			capacity = bigger;
		}
		rc = wait_for(fd, POLLIN, give_up_ns);
		if (rc)
			return rc;
		ssize_t n = read(fd, *line + *length, capacity - *length - 1);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		const char *end = memchr(*line + *length, '\n', (size_t)n);
		*length = end ? (size_t)(end - *line) : *length + (size_t)n;
		if (end)
			return 0;
	}
}

static int read_answer(const char *line, size_t length, json_t **result)
{
	json_t *root = json_loadb(line, length, 0, NULL);
	json_t *value = json_object_get(root, "result");
	json_t *error = json_object_get(root, "error");
	int rc = value ? 0 : json_is_object(error) ? -EREMOTEIO : -EPROTO;

	*result = json_incref(value ? value : json_is_object(error) ? error : NULL);
	json_decref(root);
	return rc;
}

int cli_ask_control(const char *path, const char *method, json_t *params, json_t **result)
{
	return cli_ask_control_until(
		path, method, params, tp_now_ns() + CLI_TIMEOUT_MS * TP_NS_PER_MS, result);
}

int cli_ask_control_until(
	const char *path, const char *method, json_t *params, uint64_t give_up_ns, json_t **result)
{
	char *question, *line = NULL;
	size_t length;
	int fd, rc;

	*result = NULL;
	fd = dial(path, SOCK_STREAM);
	if (fd < 0)
		return fd;
	question = ctl_rpc_line(json_pack("{s:s, s:i, s:s, s:O}", "jsonrpc", "2.0", "id", 1,
		"method", method, "params", params));
	rc = question ? write_all(fd, question, strlen(question), give_up_ns) : -ENOMEM;
	// Who takes no question may have said why before it hung up.
	if (rc == 0 || rc == -EPIPE)
		rc = read_line(fd, &line, &length, give_up_ns);
	if (rc == 0)
		rc = read_answer(line, length, result);
	free(line);
	free(question);
	close(fd);
	return rc;
}

static int send_question(int fd, const void *question, size_t bytes)
{
	struct tp_hello hello = {.header = {.magic = TP_ABI_MAGIC,
					 .major = TP_ABI_MAJOR,
					 .minor = TP_ABI_MINOR,
					 .type = TP_MSG_HELLO,
					 .length_bytes = sizeof(hello)},
		.role = TP_ROLE_STATUS,
		.pid = (uint32_t)getpid()};
	int rc;

	tp_sizes_fill(hello.sizes);
	rc = tp_message_send(fd, &hello, sizeof(hello), NULL, 0);
	return rc ? rc : tp_message_send(fd, question, bytes, NULL, 0);
}

static struct tp_message_header header_of(enum tp_message_type type, size_t bytes)
{
	return (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = (uint16_t)type,
		.length_bytes = (uint32_t)bytes};
}

// The length of the answer or -errno.
static ssize_t receive_answer(int fd, void *out, size_t bytes, uint64_t give_up_ns)
{
	ssize_t n;
	int rc;

	do {
		rc = wait_for(fd, POLLIN, give_up_ns);
		if (rc)
			return rc;
		n = tp_message_receive(fd, out, bytes, NULL, 0, NULL);
	} while (n == -EAGAIN);
	return n == 0 ? -ECONNRESET : n;
}

// Asks by a header alone; the length of the answer or -errno.
static ssize_t ask_by_header(const char *path, enum tp_message_type type, void *out, size_t bytes)
{
	const struct tp_message_header question = header_of(type, sizeof(question));
	uint64_t give_up_ns = tp_now_ns() + CLI_DATAPLANE_TIMEOUT_MS * TP_NS_PER_MS;
	int fd = dial(path, SOCK_SEQPACKET);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = send_question(fd, &question, sizeof(question));
	if (n == 0)
		n = receive_answer(fd, out, bytes, give_up_ns);
	close(fd);
	return n;
}

int cli_ask_dataplane(const char *path, struct tp_status_reply *out)
{
	union {
		struct tp_status_reply reply;
		uint8_t bytes[32768];
	} buffer;
	ssize_t n = ask_by_header(path, TP_MSG_STATUS, &buffer, sizeof(buffer));

	return n < 0 ? (int)n : ctl_status_read(&buffer, (size_t)n, out);
}

int cli_ask_memory(const char *path, struct tp_memory_reply *out)
{
	uint8_t buffer[4096];
	ssize_t n = ask_by_header(path, TP_MSG_MEMORY, buffer, sizeof(buffer));

	return n < 0 ? (int)n : ctl_memory_read(buffer, (size_t)n, out);
}

// Of any minor version: what a shorter one lacks is zero.
static int read_probe(const void *message, size_t bytes, struct tp_probe_reply *out)
{
	struct tp_message_header header;

	if (bytes < sizeof(header))
		return -EPROTO;
	memcpy(&header, message, sizeof(header));
	if (header.magic != TP_ABI_MAGIC || header.major != TP_ABI_MAJOR ||
		header.length_bytes != bytes)
		return -EPROTO;
	if (header.type == TP_MSG_REFUSED)
		return -EOPNOTSUPP; // of an earlier version
	if (header.type != TP_MSG_PROBE_REPLY)
		return -EPROTO;
	memset(out, 0, sizeof(*out));
	memcpy(out, message, bytes < sizeof(*out) ? bytes : sizeof(*out));
	return out->workers <= TP_MAX_WORKERS ? 0 : -EPROTO;
}

int cli_ask_probe(const char *path, uint32_t timeout_ms, uint64_t give_up_ns,
	struct tp_probe_reply *out, uint32_t *pid)
{
	const struct tp_probe question = {
		.header = header_of(TP_MSG_PROBE, sizeof(question)), .timeout_ms = timeout_ms};
	struct ucred cred;
	socklen_t cred_bytes = sizeof(cred);
	uint8_t buffer[4096];
	int fd = dial(path, SOCK_SEQPACKET);
	ssize_t n;

	*pid = 0;
	if (fd < 0)
		return fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_bytes) == 0)
		*pid = (uint32_t)cred.pid;
	n = send_question(fd, &question, sizeof(question));
	if (n == 0)
		n = receive_answer(fd, buffer, sizeof(buffer), give_up_ns);
	close(fd);
	return n < 0 ? (int)n : read_probe(buffer, (size_t)n, out);
}

enum cli_exit cli_explain(int rc, json_t *error, const char *path)
{
	const char *message = json_string_value(json_object_get(error, "message"));
	json_int_t code = json_integer_value(json_object_get(error, "code"));
	char text[1024];

	if (rc != -EREMOTEIO) {
		ctl_text_escape(path, text, sizeof(text));
		if (rc == -EPROTO)
			fprintf(stderr, "turnpikectl: what listens on %s is no turnpike-control\n",
				text);
		else
			fprintf(stderr, "turnpikectl: no answer on %s: %s\n", text, strerror(-rc));
		return CLI_NO_ANSWER;
	}
	fprintf(stderr, "turnpikectl: %s\n",
		ctl_text_escape(message ? message : "refused", text, sizeof(text)));
	json_decref(error);
	return code == CTL_RPC_INVALID_PARAMS || code == CTL_RPC_NO_METHOD ? CLI_USAGE
									   : CLI_REFUSED;
}
