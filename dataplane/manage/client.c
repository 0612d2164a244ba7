// SPDX-License-Identifier: BSD-3-Clause
// Clients of dataplane.sock: a greeting, then status queries or an attachment. A client that does
// not greet in time, breaks the protocol or does not read its answers is dropped.
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "common/abi/sizes.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"

void dp_manage_client_close(struct dp_manage *m, struct manage_client *client)
{
	if (client->state == MANAGE_CLIENT_FREE)
		return;
	if (client == m->control)
		dp_manage_detach(m);
	dp_manage_stream_detach(m, client);
	dp_manage_probe_forget(m, client);
	close(client->fd);
	*client = (struct manage_client){.fd = -1};
}

static void refuse(
	struct dp_manage *m, struct manage_client *client, enum tp_refusal reason, uint32_t detail)
{
	const struct tp_refused message = {.header = {.magic = TP_ABI_MAGIC,
						   .major = TP_ABI_MAJOR,
						   .minor = TP_ABI_MINOR,
						   .type = TP_MSG_REFUSED,
						   .length_bytes = sizeof(message)},
		.reason = (uint16_t)reason,
		.detail = detail};

	tp_message_send(client->fd, &message, sizeof(message), NULL, 0);
	dp_manage_client_close(m, client);
}

// A free place, or that of the client which has said nothing for the longest time.
static struct manage_client *client_place(struct dp_manage *m)
{
	struct manage_client *oldest = NULL;

	for (size_t i = 0; i < MANAGE_MAX_CLIENTS; i++) {
		struct manage_client *c = &m->clients[i];
		if (c->state == MANAGE_CLIENT_FREE)
			return c;
		if (c != m->control && !c->stream &&
			(!oldest || c->last_message < oldest->last_message))
			oldest = c;
	}
	dp_manage_client_close(m, oldest);
	return oldest;
}

static uint32_t peer_pid(int fd)
{
	struct ucred cred;
	socklen_t bytes = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) == 0 ? (uint32_t)cred.pid : 0;
}

void dp_manage_accept(struct dp_manage *m)
{
	for (int i = 0; i < MANAGE_MESSAGES_PER_TURN; i++) {
		int fd = accept4(m->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		struct manage_client *client;

		if (fd < 0)
			return; // nothing more, or out of descriptors: the backlog waits
		client = client_place(m);
		*client = (struct manage_client){.state = MANAGE_CLIENT_GREETING,
			.fd = fd,
			.pid = peer_pid(fd),
			.since_tick = m->ticks,
			.last_message = ++m->messages};
		if (dp_manage_watch(m, fd, MANAGE_EVENT_CLIENT, (uint32_t)(client - m->clients)) <
			0)
			dp_manage_client_close(m, client);
	}
}

// Whether this size is of something that the client shares with us, and nobody can convert. Of a
// reply each side reads what it knows; the records of allocations become those of the client.
static bool must_be_equal(const struct tp_hello *hello, int i)
{
	if (hello->role == TP_ROLE_STREAM)
		return i == TP_SIZE_STREAM_SLOT;
	if (hello->role == TP_ROLE_STATUS || i == TP_SIZE_STATUS)
		return false;
	return i != TP_SIZE_ALLOC_RECORD || !tp_alloc_record_known(hello->sizes[i]);
}

// Index of the first size that both sides know and that differs, -1 when none does.
static int sizes_differ(const struct tp_hello *hello)
{
	uint32_t ours[TP_SIZES];

	tp_sizes_fill(ours);
	for (int i = 0; i < TP_SIZES; i++)
		if (ours[i] != hello->sizes[i] && ours[i] && hello->sizes[i] &&
			must_be_equal(hello, i))
			return i;
	// Nothing in common at all is no greeting of any version.
	return hello->sizes[TP_SIZE_STATUS] ? -1 : TP_SIZE_STATUS;
}

// Whether an attached client is one still. The end of a killed process may wait in the event queue
// behind its successor.
static bool alive(struct dp_manage *m, struct manage_client *client)
{
	struct pollfd p = {.fd = client ? client->fd : -1};

	if (client && poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR))) {
		dp_manage_client_close(m, client);
		return false;
	}
	return client != NULL;
}

static void greet_control(
	struct dp_manage *m, struct manage_client *client, const struct tp_hello *hello)
{
	uint32_t record = hello->sizes[TP_SIZE_ALLOC_RECORD];
	int rc;

	if (alive(m, m->control)) {
		refuse(m, client, TP_REFUSED_BUSY, m->control->pid);
		return;
	}
	rc = dp_manage_region_convert(m, record ? record : sizeof(struct tp_alloc_record));
	if (rc == 0)
		rc = dp_manage_attach(m, client);
	if (rc < 0) {
		tp_error("control, pid %u, cannot attach: %s", client->pid, strerror(-rc));
		refuse(m, client, TP_REFUSED_MEMORY, 0);
		return;
	}
	client->state = MANAGE_CLIENT_CONTROL;
}

static void greet_stream(
	struct dp_manage *m, struct manage_client *client, const void *bytes, size_t length)
{
	struct tp_stream_hello hello;

	if (length < sizeof(hello)) {
		refuse(m, client, TP_REFUSED_SIZES, 0);
		return;
	}
	memcpy(&hello, bytes, sizeof(hello));
	if (hello.stream == 0) { // nobody's number
		refuse(m, client, TP_REFUSED_ROLE, TP_ROLE_STREAM);
		return;
	}
	struct manage_client *other = dp_manage_stream_at(m, hello.stream);
	if (alive(m, other)) {
		refuse(m, client, TP_REFUSED_BUSY, other->pid);
		return;
	}
	int rc = dp_manage_stream_attach(m, client, &hello);
	if (rc < 0) {
		tp_error("stream %08x, pid %u, cannot attach: %s", hello.stream, client->pid,
			strerror(-rc));
		refuse(m, client, TP_REFUSED_MEMORY, 0);
		return;
	}
	client->state = MANAGE_CLIENT_STREAM;
}

static void greet(
	struct dp_manage *m, struct manage_client *client, const void *bytes, size_t length)
{
	struct tp_hello hello;

	memcpy(&hello, bytes, sizeof(hello));
	int differs = sizes_differ(&hello);

	if (hello.role < TP_ROLE_CONTROL || hello.role > TP_ROLE_STATUS)
		refuse(m, client, TP_REFUSED_ROLE, hello.role);
	else if (differs >= 0)
		refuse(m, client, TP_REFUSED_SIZES, (uint32_t)differs);
	else if (hello.role == TP_ROLE_STATUS)
		client->state = MANAGE_CLIENT_STATUS;
	else if (hello.role == TP_ROLE_STREAM)
		greet_stream(m, client, bytes, length);
	else
		greet_control(m, client, &hello);
}

static void answer(
	struct dp_manage *m, struct manage_client *client, const void *reply, size_t bytes)
{
	if (tp_message_send(client->fd, reply, bytes, NULL, 0) == 0)
		return;
	tp_info("pid %u does not read what it asked for: dropped", client->pid);
	dp_manage_client_close(m, client);
}

static void answer_status(struct dp_manage *m, struct manage_client *client)
{
	struct tp_status_reply reply;

	dp_manage_status(m, &reply, tp_now_ns());
	answer(m, client, &reply, sizeof(reply));
}

static void answer_memory(struct dp_manage *m, struct manage_client *client)
{
	struct tp_memory_reply reply;

	if (dp_manage_memory(m, &reply) < 0)
		refuse(m, client, TP_REFUSED_MEMORY, 0);
	else
		answer(m, client, &reply, sizeof(reply));
}

// One message of known length. Sizes and version are not trusted before they are looked at.
static void handle_message(
	struct dp_manage *m, struct manage_client *client, const void *bytes, size_t length)
{
	struct tp_message_header header;

	if (length < sizeof(header)) {
		refuse(m, client, TP_REFUSED_MAGIC, 0);
		return;
	}
	memcpy(&header, bytes, sizeof(header));
	if (header.magic != TP_ABI_MAGIC || header.length_bytes != length)
		refuse(m, client, TP_REFUSED_MAGIC, 0);
	else if (header.major != TP_ABI_MAJOR)
		refuse(m, client, TP_REFUSED_MAJOR, TP_ABI_MAJOR);
	else if (client->state != MANAGE_CLIENT_GREETING && header.type == TP_MSG_STATUS)
		answer_status(m, client);
	else if (client->state != MANAGE_CLIENT_GREETING && header.type == TP_MSG_MEMORY)
		answer_memory(m, client);
	else if (client->state != MANAGE_CLIENT_GREETING && header.type == TP_MSG_PROBE &&
		 dp_manage_probe(m, client, bytes, length, tp_now_ns()))
		return;
	else if (header.type == TP_MSG_STREAM_STATE &&
		 dp_manage_stream_state(m, client, bytes, length))
		return;
	else if (client->state != MANAGE_CLIENT_GREETING || header.type != TP_MSG_HELLO)
		refuse(m, client, TP_REFUSED_ROLE, 0);
	else if (length < sizeof(struct tp_hello))
		refuse(m, client, TP_REFUSED_SIZES, 0);
	else
		greet(m, client, bytes, length);
}

void dp_manage_client_readable(struct dp_manage *m, uint32_t index, uint32_t events)
{
	struct manage_client *client = &m->clients[index];
	int fd = client->fd;

	for (int i = 0; i < MANAGE_MESSAGES_PER_TURN && client->fd == fd && fd >= 0; i++) {
		char bytes[1024];
		// No message towards us carries descriptors: any that come are closed.
		ssize_t n = tp_message_receive(fd, bytes, sizeof(bytes), NULL, 0, NULL);

		if (n == -EAGAIN)
			return;
		if (n == -EMSGSIZE) {
			refuse(m, client, TP_REFUSED_MAGIC, 0);
			return;
		}
		if (n <= 0) {
			dp_manage_client_close(m, client);
			return;
		}
		client->last_message = ++m->messages;
		handle_message(m, client, bytes, (size_t)n);
	}
}

void dp_manage_clients_tick(struct dp_manage *m)
{
	for (size_t i = 0; i < MANAGE_MAX_CLIENTS; i++)
		if (m->clients[i].state == MANAGE_CLIENT_GREETING &&
			m->ticks - m->clients[i].since_tick > MANAGE_GREETING_S)
			dp_manage_client_close(m, &m->clients[i]);
}
