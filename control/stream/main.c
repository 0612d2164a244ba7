// SPDX-License-Identifier: BSD-3-Clause
// turnpike-stream: terminates TCP, TLS and DTLS of clients; their media goes straight to and from
// the dataplane, their requests to control. It holds no TURN secret.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/base/log.h"
#include "config/conf_main.h"
#include "control/stream/privileges.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

static bool speaks(const struct conf *conf, uint32_t transport)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].transports & transport)
			return true;
	return false;
}

static int create_tls(
	const struct conf *conf, FILE *errors, struct stream_tls **tls, struct stream_tls **dtls)
{
	uint64_t now_s = tp_wall_ns() / TP_NS_PER_S;
	int rc = 0;

	if (speaks(conf, CONF_TRANSPORT_TLS))
		rc = stream_tls_create(conf, now_s, false, errors, tls);
	if (rc == 0 && speaks(conf, CONF_TRANSPORT_DTLS))
		rc = stream_tls_create(conf, now_s, true, errors, dtls);
	return rc;
}

// A certificate that is of no use is a problem of the document.
static int check_tls(struct conf *conf, FILE *errors)
{
	struct stream_tls *tls = NULL, *dtls = NULL;
	int rc = create_tls(conf, errors, &tls, &dtls);

	stream_tls_destroy(tls);
	stream_tls_destroy(dtls);
	return rc;
}

static int explain(const char *what, int rc)
{
	if (rc)
		tp_error("%s: %s", what, strerror(-rc));
	return rc;
}

static int watch_signals(struct stream *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return s->signal_fd < 0 ? -errno
				: stream_watch(s, s->signal_fd, EPOLLIN, STREAM_EVENT_SIGNAL, 0);
}

static int prepare(struct stream *s)
{
	int rc;

	stream_list_init(&s->dirty);
	stream_list_init(&s->again);
	stream_list_init(&s->waiting);
	stream_list_init(&s->talk);
	stream_list_init(&s->gone);
	stream_relays_init(s);
	stream_list_init(&s->shaking);
	for (int i = 0; i < STREAM_TIMERS; i++)
		stream_list_init(&s->timers[i]);
	s->now_ns = tp_now_ns();
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	rc = s->epoll_fd < 0 ? -errno : stream_table_init(&s->table, s->conf->streams.connections);
	if (rc == 0)
		rc = stream_limit_init(&s->limit, s->conf->streams.connections);
	if (rc == 0)
		rc = stream_dtls_init(&s->dtls_table, s->conf->streams.connections);
	if (rc == 0)
		rc = watch_signals(s);
	return explain("event loop", rc);
}

static int start(struct stream *s)
{
	struct stream_tls *tls = NULL, *dtls = NULL;
	int rc = stream_privileges_drop(s->conf);

	if (rc == 0)
		rc = prepare(s);
	// Keys are read as the user that has to read them again.
	if (rc == 0 && speaks(s->conf, CONF_TRANSPORT_TLS | CONF_TRANSPORT_DTLS)) {
		stream_certificates_watch(s, s->conf);
		rc = explain("certificates", create_tls(s->conf, stderr, &tls, &dtls));
		stream_tls_replace(&s->tls, tls);
		stream_tls_replace(&s->dtls, dtls);
	}
	if (rc == 0)
		rc = stream_listen(s);
	if (rc == 0)
		rc = stream_privileges_filter(s->conf);
	return rc == 0 ? stream_peers_open(s) : rc;
}

static void end(struct stream *s)
{
	stream_peers_close(s);
	stream_certificates_close(s);
	stream_relays_close(s);
	// They are in a list together: the last one is ended before the first one goes.
	for (uint32_t i = 0; i < s->table.capacity; i++)
		if (s->table.at[i])
			stream_connection_end(s, s->table.at[i]);
	for (uint32_t i = 0; i < s->table.capacity; i++)
		free(s->table.at[i]);
	for (size_t i = 0; i < s->n_listeners; i++)
		if (s->listeners[i].fd >= 0)
			close(s->listeners[i].fd);
	stream_table_fini(&s->table);
	stream_limit_fini(&s->limit);
	stream_dtls_fini(&s->dtls_table);
	stream_tls_destroy(s->tls);
	stream_tls_destroy(s->dtls);
}

int main(int argc, char *argv[])
{
	const struct conf_main program = {.program = "turnpike-stream",
		.summary = "TCP, TLS and DTLS clients of the relay",
		.out = stdout,
		.errors = stderr,
		.prepare = check_tls};
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return EXIT_FAILURE;
	rc = conf_main(&program, argc, argv, &s->conf);
	if (rc != CONF_MAIN_RUN) {
		free(s);
		return rc;
	}
	tp_log_init("turnpike-stream", (enum tp_log_level)s->conf->log_level);
	signal(SIGPIPE, SIG_IGN);
	conf_forget_credentials(s->conf);
	s->signal_fd = s->inotify_fd = s->certificates.fd = -1;
	for (int i = 0; i < STREAM_PEERS; i++)
		s->peers[i].fd = -1;
	rc = start(s);
	if (rc == 0)
		rc = stream_loop_run(s);
	end(s);
	conf_free(s->conf);
	free(s);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
