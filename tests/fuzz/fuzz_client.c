// SPDX-License-Identifier: BSD-3-Clause
// Control's side of dataplane.sock: whatever answers its greeting and its questions, control ends
// up attached or tries again, every question is answered exactly once, no descriptor is left.
#include "tests/unit/control/dpcmd/attach_fixture.h"
// After cmocka's headers.
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/abi/sizes.h"
#include "control/dpcmd/client.h"
#include "tests/fuzz/script.h"

int __real_event_add(struct event *event, const struct timeval *after);
int __wrap_event_add(struct event *event, const struct timeval *after);

static struct {
	struct attach_fixture good;
	char directory[64];
	struct sockaddr_un path;
	int listener, connection;
	struct event_base *base;
	struct ctl_attachment attachment;
	bool attached, refuse, hasty;
	uint32_t asked, answered;
} t;

// Time passes when the script says so: then whoever waits has waited long enough.
int __wrap_event_add(struct event *event, const struct timeval *after)
{
	static const struct timeval now = {0, 0};

	return __real_event_add(event, after && t.hasty ? &now : after);
}

static int on_attached(void *context, struct ctl_attachment *attachment)
{
	if (t.refuse)
		return -1;
	FUZZ_CHECK(!t.attached);
	t.attachment = *attachment;
	t.attached = true;
	return 0;
}

static void on_detached(void *context)
{
	FUZZ_CHECK(t.attached);
	ctl_attachment_close(&t.attachment);
	t.attached = false;
}

static void on_status(void *context, const struct tp_status_reply *reply)
{
	t.answered++;
	if (reply)
		FUZZ_CHECK(reply->header.type == TP_MSG_STATUS_REPLY);
}

static void remove_directory(void)
{
	unlink(t.path.sun_path);
	rmdir(t.directory);
}

static void init(void)
{
	strcpy(t.directory, "/tmp/tp-fuzz-XXXXXX");
	FUZZ_CHECK(mkdtemp(t.directory));
	atexit(remove_directory);
	fixture_init(&t.good, 1);
	t.path.sun_family = AF_UNIX;
	snprintf(t.path.sun_path, sizeof(t.path.sun_path), "%s/socket", t.directory);
	t.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	FUZZ_CHECK(bind(t.listener, (struct sockaddr *)&t.path, sizeof(t.path)) == 0);
	FUZZ_CHECK(listen(t.listener, 8) == 0);
	t.base = event_base_new();
}

static void say_attached(struct fuzz_script *s)
{
	struct tp_attached message = t.good.message;
	uint8_t how = fuzz_u8(s);

	if (how & 1)
		message.workers = fuzz_u8(s);
	if (how & 2)
		message.header.type = fuzz_u8(s);
	tp_message_send(t.connection, &message, sizeof(message), t.good.fds,
		how & 4 ? how >> 4 : t.good.n_fds);
}

static void say_refused(struct fuzz_script *s)
{
	struct tp_refused message = {.header = {.magic = TP_ABI_MAGIC,
					     .type = TP_MSG_REFUSED,
					     .length_bytes = sizeof(message)},
		.reason = fuzz_u8(s)};
	uint8_t length = fuzz_u8(s);

	tp_message_send(t.connection, &message,
		length & 1 ? length % sizeof(message) : sizeof(message), NULL, 0);
}

static void say_status(struct fuzz_script *s)
{
	static struct tp_status_reply message;
	uint8_t how = fuzz_u8(s);

	message = (struct tp_status_reply){.header = {.magic = TP_ABI_MAGIC,
						   .major = TP_ABI_MAJOR,
						   .type = TP_MSG_STATUS_REPLY,
						   .length_bytes = sizeof(message)}};
	if (how & 1) {
		uint16_t at = fuzz_u16(s) % (sizeof(message) - 8);
		fuzz_take(s, (uint8_t *)&message + at, 8);
	}
	tp_message_send(t.connection, &message,
		how & 2 ? fuzz_u16(s) % sizeof(message) : sizeof(message), t.good.fds,
		how & 4 ? 1 : 0);
}

static void say_bytes(struct fuzz_script *s)
{
	static uint8_t bytes[40000];
	uint8_t length = fuzz_u8(s);

	fuzz_take(s, bytes, length);
	tp_message_send(t.connection, bytes, length == 255 ? sizeof(bytes) : length, t.good.fds,
		length & 1);
}

static void step(struct ctl_dataplane *client, struct fuzz_script *s)
{
	uint8_t op = fuzz_u8(s);

	if (t.connection < 0)
		t.connection = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	t.refuse = (op & 8) != 0;
	t.hasty = (op & 16) != 0;
	switch (op % 8) {
	case 0:
		say_attached(s);
		break;
	case 1:
		say_refused(s);
		break;
	case 2:
		say_status(s);
		break;
	case 3:
		say_bytes(s);
		break;
	case 4:
	case 5:
		for (int i = 0; i < 1 + (op >> 5) * 10; i++, t.asked++)
			ctl_dataplane_status(client, on_status, NULL);
		break;
	case 6:
		close(t.connection);
		t.connection = -1;
		break;
	default:
		ctl_dataplane_drop(client, op & 32 ? "out of order" : "other reason");
	}
	// Once: with a time that has always passed there would be no end.
	for (int i = 0; i < 4; i++)
		event_base_loop(t.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	FUZZ_CHECK(t.attached == (ctl_dataplane_state(client) == CTL_DATAPLANE_ATTACHED));
	FUZZ_CHECK(ctl_dataplane_state_text(client)[0] != '\0');
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	struct ctl_dataplane_options options = {.attached = on_attached, .detached = on_detached};
	struct ctl_dataplane *client;

	if (!t.base)
		init();
	t.connection = -1;
	t.hasty = false;
	t.asked = t.answered = 0;
	if (size > 0 && data[0] == 0xfe) {
		static char long_path[200];
		memset(long_path, 'x', sizeof(long_path) - 1);
		options.path = long_path;
		FUZZ_CHECK(ctl_dataplane_create(&options, &client) == -ENAMETOOLONG);
	}
	options.base = t.base;
	options.path = size > 0 && data[0] == 0xff ? "/nowhere" : t.path.sun_path;
	FUZZ_CHECK(ctl_dataplane_create(&options, &client) == 0);
	for (int i = 0; i < 64 && fuzz_left(&s) > 0; i++)
		step(client, &s);
	if (t.attached && t.answered > 0)
		fuzz_canary(data + size);
	ctl_dataplane_destroy(client);
	FUZZ_CHECK(t.asked == t.answered);
	if (t.attached)
		on_detached(NULL);
	if (t.connection >= 0)
		close(t.connection);
	while ((t.connection = accept4(t.listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		close(t.connection);
	int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
	FUZZ_CHECK(next >= 0 && next < 64); // none leaked
	close(next);
}
