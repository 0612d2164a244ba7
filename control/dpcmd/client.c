// SPDX-License-Identifier: BSD-3-Clause
#include "control/dpcmd/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/abi/sizes.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/dpcmd/questions.h"

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 1000

struct ctl_dataplane {
	struct ctl_dataplane_options options;
	char *path;
	enum ctl_dataplane_state state;
	int fd;
	struct event *readable;
	struct event *retry;
	uint64_t away_since_ns;
	bool away_logged;
	uint16_t refusal;                // the last one logged
	char drop[CTL_ATTACH_WHY_BYTES]; // the last one logged since we were attached
	struct ctl_questions questions;
};

static void dataplane_connect(struct ctl_dataplane *d);

// The pause grows with the time away, so that a quick restart is noticed quickly.
static void retry_later(struct ctl_dataplane *d)
{
	uint64_t away_ms = (tp_now_ns() - d->away_since_ns) / TP_NS_PER_MS / 8;
	unsigned int ms = away_ms < RETRY_MIN_MS   ? RETRY_MIN_MS
			  : away_ms > RETRY_MAX_MS ? RETRY_MAX_MS
						   : (unsigned int)away_ms;
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	evtimer_add(d->retry, &tv);
}

static void disconnect(struct ctl_dataplane *d, enum ctl_dataplane_state next)
{
	bool was_attached = d->state == CTL_DATAPLANE_ATTACHED;

	if (d->readable)
		event_free(d->readable);
	d->readable = NULL;
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
	if (was_attached)
		d->away_since_ns = tp_now_ns();
	d->state = next;
	ctl_questions_end(&d->questions);
	if (was_attached)
		d->options.detached(d->options.context);
	retry_later(d);
}

void ctl_dataplane_drop(struct ctl_dataplane *d, const char *why)
{
	if (strcmp(d->drop, why) != 0)
		tp_error("connection to the dataplane ended: %s", why);
	snprintf(d->drop, sizeof(d->drop), "%s", why);
	disconnect(d, CTL_DATAPLANE_AWAY);
}

static void receive_refused(struct ctl_dataplane *d, const void *message, size_t length)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct tp_refused refused;

	if (length < sizeof(refused)) {
		ctl_dataplane_drop(d, "refusal cut short");
		return;
	}
	memcpy(&refused, message, sizeof(refused));
	if (d->refusal != refused.reason) {
		ctl_dataplane_explain_refusal(refused.reason, refused.detail, why);
		tp_error("the dataplane refuses us: %s; trying again", why);
	}
	d->refusal = refused.reason;
	disconnect(d, CTL_DATAPLANE_REFUSED);
}

static void receive_attached(
	struct ctl_dataplane *d, const void *message, size_t length, const int *fds, size_t n_fds)
{
	char why[CTL_ATTACH_WHY_BYTES] = "";
	struct ctl_attachment attachment;
	int rc;

	rc = ctl_attachment_open(message, length, fds, n_fds, &attachment, why);
	if (rc) {
		ctl_dataplane_drop(d, why);
		return;
	}
	rc = d->options.attached(d->options.context, &attachment);
	if (rc) {
		ctl_attachment_close(&attachment);
		ctl_dataplane_drop(d, "cannot work with this attachment");
		return;
	}
	d->state = CTL_DATAPLANE_ATTACHED;
	d->questions.fd = d->fd;
	d->away_logged = false;
	d->refusal = 0;
	d->drop[0] = '\0';
}

static void receive_message(
	struct ctl_dataplane *d, const void *message, size_t length, const int *fds, size_t n_fds)
{
	struct tp_message_header header = {0};

	if (length >= sizeof(header))
		memcpy(&header, message, sizeof(header));
	if (header.type == TP_MSG_ATTACHED && d->state == CTL_DATAPLANE_GREETING) {
		receive_attached(d, message, length, fds, n_fds);
		return;
	}
	for (size_t i = 0; i < n_fds; i++)
		close(fds[i]);
	if (header.magic != TP_ABI_MAGIC)
		ctl_dataplane_drop(d, "what answers is no dataplane");
	else if (header.type == TP_MSG_REFUSED && d->state == CTL_DATAPLANE_GREETING)
		receive_refused(d, message, length);
	else if (header.type == TP_MSG_STATUS_REPLY) {
		if (ctl_questions_reply(&d->questions, message, length))
			ctl_dataplane_drop(d, "unexpected or malformed status reply");
	} else
		ctl_dataplane_drop(d, "unexpected message");
}

// One byte more than any message, so that a longer one is seen as such.
union message_buffer {
	struct tp_attached attached;
	struct tp_status_reply status;
	uint8_t bytes[32768];
};

static void on_readable(evutil_socket_t fd, short events, void *arg)
{
	struct ctl_dataplane *d = arg;
	union message_buffer buffer;
	int fds[TP_ATTACHED_MAX_FDS];
	size_t n_fds = 0;
	ssize_t n;

	n = tp_message_receive(fd, &buffer, sizeof(buffer), fds, TP_ATTACHED_MAX_FDS, &n_fds);
	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		if (d->state == CTL_DATAPLANE_ATTACHED)
			tp_warning("the dataplane is gone; calls are kept for its return");
		d->away_logged = d->away_logged || d->state == CTL_DATAPLANE_ATTACHED;
		disconnect(d, CTL_DATAPLANE_AWAY);
		return;
	}
	receive_message(d, &buffer, (size_t)n, fds, n_fds);
}

static int send_hello(struct ctl_dataplane *d)
{
	struct tp_hello hello = {
		.header = {.magic = TP_ABI_MAGIC,
			.major = TP_ABI_MAJOR,
			.minor = TP_ABI_MINOR,
			.type = TP_MSG_HELLO,
			.length_bytes = sizeof(hello)},
		.role = TP_ROLE_CONTROL,
		.pid = (uint32_t)getpid(),
	};

	tp_sizes_fill(hello.sizes);
	return tp_message_send(d->fd, &hello, sizeof(hello), NULL, 0);
}

static int open_socket(struct ctl_dataplane *d)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int rc;

	d->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd < 0)
		return -errno;
	memcpy(sa.sun_path, d->path, strlen(d->path) + 1);
	if (connect(d->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	rc = send_hello(d);
	if (rc)
		return rc;
	d->readable = event_new(d->options.base, d->fd, EV_READ | EV_PERSIST, on_readable, d);
	if (!d->readable || event_add(d->readable, NULL) < 0)
		return -ENOMEM;
	return 0;
}

static void dataplane_connect(struct ctl_dataplane *d)
{
	int rc = open_socket(d);

	if (rc == 0) {
		d->state = CTL_DATAPLANE_GREETING;
		return;
	}
	if (!d->away_logged)
		tp_notice("waiting for the dataplane at %s (%s)", d->path, strerror(-rc));
	d->away_logged = true;
	// A service manager must not take waiting for a hanging start.
	tp_notify_service_manager("EXTEND_TIMEOUT_USEC=10000000\nSTATUS=waiting for the dataplane");
	disconnect(d, d->state == CTL_DATAPLANE_REFUSED ? d->state : CTL_DATAPLANE_AWAY);
}

static void on_retry(evutil_socket_t fd, short events, void *arg)
{
	dataplane_connect(arg);
}

int ctl_dataplane_create(const struct ctl_dataplane_options *options, struct ctl_dataplane **out)
{
	struct ctl_dataplane *d;
	struct sockaddr_un sa;

	if (strlen(options->path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->options = *options;
	d->fd = -1;
	d->away_since_ns = tp_now_ns();
	ctl_questions_init(&d->questions, options->base);
	d->path = strdup(options->path);
	d->retry = evtimer_new(options->base, on_retry, d);
	if (!d->path || !d->retry) {
		ctl_dataplane_destroy(d);
		return -ENOMEM;
	}
	dataplane_connect(d);
	*out = d;
	return 0;
}

void ctl_dataplane_destroy(struct ctl_dataplane *d)
{
	if (!d)
		return;
	ctl_questions_end(&d->questions);
	if (d->readable)
		event_free(d->readable);
	if (d->retry)
		event_free(d->retry);
	if (d->fd >= 0)
		close(d->fd);
	free(d->path);
	free(d);
}

enum ctl_dataplane_state ctl_dataplane_state(const struct ctl_dataplane *d)
{
	return d->state;
}

const char *ctl_dataplane_state_text(const struct ctl_dataplane *d)
{
	static const char *const texts[] = {
		[CTL_DATAPLANE_AWAY] = "away",
		[CTL_DATAPLANE_GREETING] = "greeting",
		[CTL_DATAPLANE_REFUSED] = "refused",
		[CTL_DATAPLANE_ATTACHED] = "attached",
	};

	return texts[d->state];
}

void ctl_dataplane_status(struct ctl_dataplane *d, ctl_question_fn done, void *context)
{
	ctl_questions_ask(&d->questions, done, context);
}
