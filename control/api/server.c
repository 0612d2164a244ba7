// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/log.h"

#define BACKLOG 16

struct client {
	TAILQ_ENTRY(client) entry;
	struct ctl_api *api;
	struct bufferevent *stream; // NULL: gone, kept for its calls
	unsigned int under_way;
	bool reading_lines; // guards against answers that come within read_lines
	bool eof;           // sends nothing more, but may wait for answers
	bool last_words;    // no line of it is run any more
	struct event *idle; // since its last request
};

struct ctl_call {
	struct client *client;
	json_t *id; // NULL: a notification
};

struct ctl_api {
	struct ctl_api_options options;
	char *path;
	int fd;
	struct event *acceptable;
	const char *paused;                      // why; NULL: it is not
	bool disowned;                           // the socket is another process's
	TAILQ_HEAD(client_list, client) clients; // by their last request, longest ago first
	unsigned int n_clients;
};

static void client_free(struct client *c)
{
	TAILQ_REMOVE(&c->api->clients, c, entry);
	c->api->n_clients--;
	free(c);
}

static void client_close(struct client *c)
{
	if (c->stream)
		bufferevent_free(c->stream);
	c->stream = NULL;
	if (c->idle)
		event_free(c->idle);
	c->idle = NULL;
	if (c->under_way == 0 && !c->reading_lines)
		client_free(c);
}

static void client_send(struct client *c, json_t *response)
{
	char *line = ctl_rpc_line(response);

	if (line && c->stream)
		bufferevent_write(c->stream, line, strlen(line));
	free(line);
}

static bool paused(const struct client *c)
{
	return c->under_way >= CTL_API_MAX_UNDER_WAY ||
	       evbuffer_get_length(bufferevent_get_output(c->stream)) >= CTL_API_PAUSE_BYTES;
}

// It asked something: its time runs anew.
static void touch(struct client *c)
{
	TAILQ_REMOVE(&c->api->clients, c, entry);
	TAILQ_INSERT_TAIL(&c->api->clients, c, entry);
	event_add(c->idle, &c->api->options.idle_timeout);
}

// Waits for no answer of ours, written or to come.
static bool silent(const struct client *c)
{
	return c->stream && c->under_way == 0 &&
	       evbuffer_get_length(bufferevent_get_output(c->stream)) == 0;
}

static void on_idle(evutil_socket_t fd, short events, void *arg)
{
	struct client *c = arg;

	if (silent(c))
		client_close(c);
	else
		event_add(c->idle, &c->api->options.idle_timeout);
}

static void run_line(struct client *c, const char *line, size_t length)
{
	struct ctl_rpc_request request;
	struct ctl_call *call;
	json_t *error;

	if (ctl_rpc_parse(line, length, &request, &error)) {
		if (error)
			client_send(c, error);
		return;
	}
	call = calloc(1, sizeof(*call));
	if (!call) {
		client_send(c, ctl_rpc_error(request.id, CTL_RPC_INTERNAL, "out of memory"));
		ctl_rpc_request_fini(&request);
		return;
	}
	touch(c);
	if (c->api->paused) {
		client_send(c, ctl_rpc_error(request.id, CTL_RPC_UNAVAILABLE, c->api->paused));
		ctl_rpc_request_fini(&request);
		free(call);
		return;
	}
	call->client = c;
	call->id = json_incref(request.id);
	c->under_way++;
	c->api->options.run[request.operation](c->api->options.context, call, request.params);
	ctl_rpc_request_fini(&request);
}

static bool blank(const char *line, size_t length)
{
	return strspn(line, " \t\r") >= length;
}

// Closes a client that is gone, or that neither sends nor waits for anything any more.
static void settle(struct client *c)
{
	if (!c->stream || ((c->eof || c->last_words) && c->under_way == 0 &&
				  evbuffer_get_length(bufferevent_get_output(c->stream)) == 0))
		client_close(c);
}

static void run_lines(struct client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->stream);
	size_t length;
	char *line;

	while (c->stream && !c->last_words && !paused(c) &&
		(line = evbuffer_readln(in, &length, EVBUFFER_EOL_LF))) {
		if (!blank(line, length))
			run_line(c, line, length);
		free(line);
	}
	if (!c->stream || c->last_words || paused(c))
		return;
	if (evbuffer_get_length(in) < CTL_RPC_LINE_BYTES)
		return;
	client_send(
		c, ctl_rpc_error(NULL, CTL_RPC_INVALID_REQUEST, "line longer than 65536 bytes"));
	c->last_words = true;
}

// Runs the lines that are complete, as long as the client may have more requests under way.
static void read_lines(struct client *c)
{
	c->reading_lines = true;
	if (c->stream)
		run_lines(c);
	c->reading_lines = false;
	if (c->stream && (paused(c) || c->last_words))
		bufferevent_disable(c->stream, EV_READ);
	else if (c->stream && !c->eof)
		bufferevent_enable(c->stream, EV_READ);
	settle(c);
}

static void on_read(struct bufferevent *stream, void *arg)
{
	read_lines(arg);
}

// All that was to be written is written.
static void on_written(struct bufferevent *stream, void *arg)
{
	read_lines(arg);
}

static void on_event(struct bufferevent *stream, short what, void *arg)
{
	struct client *c = arg;

	// A client that shut down its sending side still gets its answers.
	if (what == (BEV_EVENT_READING | BEV_EVENT_EOF)) {
		c->eof = true;
		read_lines(c);
	} else {
		client_close(c);
	}
}

static void call_end(struct ctl_call *call, json_t *response)
{
	struct client *c = call->client;

	if (call->id)
		client_send(c, response);
	else
		json_decref(response);
	json_decref(call->id);
	free(call);
	c->under_way--;
	if (!c->reading_lines)
		read_lines(c);
}

void ctl_call_reply(struct ctl_call *call, json_t *result)
{
	call_end(call, ctl_rpc_result(call->id, result));
}

void ctl_call_fail(struct ctl_call *call, enum ctl_rpc_error code, const char *message)
{
	call_end(call, ctl_rpc_error(call->id, code, message));
}

static void refuse(int fd)
{
	char *line = ctl_rpc_line(ctl_rpc_error(NULL, CTL_RPC_BUSY, "too many clients"));
	ssize_t ignored = line ? send(fd, line, strlen(line), MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	(void)ignored;
	free(line);
	close(fd);
}

static int client_create(struct ctl_api *api, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->api = api;
	c->idle = evtimer_new(api->options.base, on_idle, c);
	if (c->idle && event_add(c->idle, &api->options.idle_timeout) == 0)
		c->stream = bufferevent_socket_new(api->options.base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->stream) {
		if (c->idle)
			event_free(c->idle);
		free(c);
		return -ENOMEM;
	}
	TAILQ_INSERT_TAIL(&api->clients, c, entry);
	api->n_clients++;
	bufferevent_setcb(c->stream, on_read, on_written, on_event, c);
	// A line that does not fit is seen as such by its first byte too many.
	bufferevent_setwatermark(c->stream, EV_READ, 0, CTL_RPC_LINE_BYTES);
	bufferevent_set_timeouts(c->stream, NULL, &api->options.write_timeout);
	bufferevent_enable(c->stream, EV_READ | EV_WRITE);
	return 0;
}

// Closes the client that has been silent longest; false when all wait for answers.
static bool make_room(struct ctl_api *api)
{
	struct client *c;

	TAILQ_FOREACH(c, &api->clients, entry) {
		if (!silent(c))
			continue;
		client_close(c);
		return true;
	}
	return false;
}

static void on_accept(evutil_socket_t listener, short events, void *arg)
{
	struct ctl_api *api = arg;
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (api->n_clients >= CTL_API_MAX_CLIENTS && !make_room(api))
		refuse(fd);
	else if (client_create(api, fd))
		close(fd);
}

static int listen_on(struct ctl_api *api)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t before;
	int rc;

	if (strlen(api->path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, api->path, strlen(api->path) + 1);
	api->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (api->fd < 0)
		return -errno;
	// What an earlier process left; no living one is there, its lock is ours.
	if (unlink(api->path) < 0 && errno != ENOENT)
		return -errno;
	before = umask(0117);
	rc = bind(api->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(before);
	if (rc == 0 && listen(api->fd, BACKLOG) < 0)
		rc = -errno;
	return rc;
}

int ctl_api_create(const struct ctl_api_options *options, struct ctl_api **out)
{
	struct ctl_api *api = calloc(1, sizeof(*api));
	int rc;

	if (!api)
		return -ENOMEM;
	api->options = *options;
	api->fd = options->listener > 0 ? options->listener : -1;
	TAILQ_INIT(&api->clients);
	api->path = strdup(options->path);
	rc = api->path ? 0 : -ENOMEM;
	if (rc == 0 && api->fd < 0)
		rc = listen_on(api);
	if (rc == 0) {
		api->acceptable =
			event_new(options->base, api->fd, EV_READ | EV_PERSIST, on_accept, api);
		if (!api->acceptable || event_add(api->acceptable, NULL) < 0)
			rc = -ENOMEM;
	}
	if (rc) {
		ctl_api_destroy(api);
		return rc;
	}
	*out = api;
	return 0;
}

void ctl_api_destroy(struct ctl_api *api)
{
	struct client *c;

	if (!api)
		return;
	if (api->acceptable)
		event_free(api->acceptable);
	while ((c = TAILQ_FIRST(&api->clients))) {
		c->under_way = 0;
		client_close(c);
	}
	if (api->fd >= 0) {
		close(api->fd);
		if (!api->disowned)
			unlink(api->path);
	}
	free(api->path);
	free(api);
}

int ctl_api_listener(const struct ctl_api *api)
{
	return api->fd;
}

void ctl_api_pause(struct ctl_api *api, const char *why)
{
	api->paused = why;
	event_del(api->acceptable);
}

void ctl_api_resume(struct ctl_api *api)
{
	api->paused = NULL;
	event_add(api->acceptable, NULL);
}

void ctl_api_disown(struct ctl_api *api)
{
	api->disowned = true;
}

bool ctl_api_quiet(const struct ctl_api *api)
{
	const struct client *c;

	TAILQ_FOREACH(c, &api->clients, entry) {
		if (c->under_way > 0 ||
			(c->stream && evbuffer_get_length(bufferevent_get_output(c->stream)) > 0))
			return false;
	}
	return true;
}
