// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/api/metrics_text.h"
#include "control/dpcmd/client.h"
#include "control/loop/session.h"

#define MAX_UNDER_WAY    16
#define MAX_HEADER_BYTES 8192
#define CLIENT_TIMEOUT_S 5

struct ctl_metrics {
	struct ctl *ctl;
	struct evhttp *http;
	struct evhttp_bound_socket *socket;
	bool paused;
	unsigned int under_way;
};

struct scrape {
	struct ctl_metrics *metrics;
	struct evhttp_request *request;
};

static int print_all(
	struct ctl *ctl, const struct tp_status_reply *reply, char **text, size_t *bytes)
{
	struct ctl_store *store = ctl_session_store(ctl->session);
	const struct ctl_turn *turn = ctl_session_turn(ctl->session);
	struct ctl_store_status status;
	struct ctl_relay_totals relays[2];
	struct ctl_metrics_input input = {.dataplane = reply,
		.store = store ? &status : NULL,
		.relays = store ? relays : NULL,
		.turn = turn ? ctl_turn_counters(turn) : NULL,
		.io = ctl_session_io(ctl->session),
		.stream_notes = ctl_streams_counters(ctl->streams)};
	struct ctl_streams_view streams;
	struct ctl_watch_view watch;
	FILE *out = open_memstream(text, bytes);

	if (!out)
		return -ENOMEM;
	ctl_watch_look(ctl->watch, tp_now_ns(), &watch);
	input.watch = &watch;
	ctl_streams_look(ctl->streams, &streams);
	input.streams = &streams;
	if (store) {
		ctl_store_status(store, &status);
		ctl_relay_total(store, relays);
	}
	ctl_metrics_print(out, &input);
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static void scrape_answer(void *context, const struct tp_status_reply *reply)
{
	struct scrape *s = context;
	struct evbuffer *body = evbuffer_new();
	char *text = NULL;
	size_t bytes = 0;

	s->metrics->under_way--;
	if (body && print_all(s->metrics->ctl, reply, &text, &bytes) == 0 &&
		evbuffer_add(body, text, bytes) == 0) {
		evhttp_add_header(evhttp_request_get_output_headers(s->request), "Content-Type",
			"text/plain; version=0.0.4; charset=utf-8");
		evhttp_send_reply(s->request, HTTP_OK, "OK", body);
	} else {
		evhttp_send_error(s->request, HTTP_INTERNAL, NULL);
	}
	free(text);
	if (body)
		evbuffer_free(body);
	free(s);
}

static void on_scrape(struct evhttp_request *request, void *arg)
{
	struct ctl_metrics *m = arg;
	struct scrape *s = !m->paused && m->under_way < MAX_UNDER_WAY ? malloc(sizeof(*s)) : NULL;

	if (!s) {
		evhttp_send_error(request, HTTP_SERVUNAVAIL, NULL);
		return;
	}
	*s = (struct scrape){.metrics = m, .request = request};
	m->under_way++;
	ctl_dataplane_status(m->ctl->dataplane, scrape_answer, s);
}

// Whether the socket of the control before stands where the configuration wants one.
static bool stands_at(int listener, const struct conf *conf)
{
	struct sockaddr_storage sa = {0};
	socklen_t length = sizeof(sa);
	struct tp_addr addr;

	return getsockname(listener, (struct sockaddr *)&sa, &length) == 0 &&
	       tp_addr_from_sockaddr(&sa, &addr) == 0 && addr.port == conf->metrics.port &&
	       tp_ip_equal(&addr.ip, &conf->metrics.address);
}

static int listen_at(struct ctl_metrics *m, int listener)
{
	const struct conf *conf = m->ctl->conf;
	char address[TP_ADDR_STRLEN];

	if (listener > 0 && stands_at(listener, conf)) {
		m->socket = evhttp_accept_socket_with_handle(m->http, listener);
		if (!m->socket)
			close(listener);
		return m->socket ? 0 : -ENOMEM;
	}
	if (listener > 0)
		close(listener);
	tp_ip_format(&conf->metrics.address, address);
	errno = 0;
	m->socket = evhttp_bind_socket_with_handle(m->http, address, conf->metrics.port);
	return m->socket ? 0 : errno ? -errno : -EADDRNOTAVAIL;
}

int ctl_metrics_create(struct ctl *ctl, int listener, struct ctl_metrics **out)
{
	struct ctl_metrics *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return -ENOMEM;
	m->ctl = ctl;
	m->http = evhttp_new(ctl->base);
	if (!m->http) {
		ctl_metrics_destroy(m);
		return -ENOMEM;
	}
	evhttp_set_allowed_methods(m->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(m->http, MAX_HEADER_BYTES);
	evhttp_set_max_body_size(m->http, 0);
	evhttp_set_timeout(m->http, CLIENT_TIMEOUT_S);
	evhttp_set_cb(m->http, "/metrics", on_scrape, m);
	rc = listen_at(m, listener);
	if (rc) {
		ctl_metrics_destroy(m);
		return rc;
	}
	*out = m;
	return 0;
}

void ctl_metrics_destroy(struct ctl_metrics *m)
{
	if (!m)
		return;
	if (m->http)
		evhttp_free(m->http);
	free(m);
}

int ctl_metrics_listener(const struct ctl_metrics *m)
{
	return evhttp_bound_socket_get_fd(m->socket);
}

void ctl_metrics_pause(struct ctl_metrics *m)
{
	if (!m)
		return;
	m->paused = true;
	evconnlistener_disable(evhttp_bound_socket_get_listener(m->socket));
}

void ctl_metrics_resume(struct ctl_metrics *m)
{
	if (!m)
		return;
	m->paused = false;
	evconnlistener_enable(evhttp_bound_socket_get_listener(m->socket));
}
