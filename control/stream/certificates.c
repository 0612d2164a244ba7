// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/certificates.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "control/stream/stream.h"
#include "control/stream/tls.h"

#define QUIET_NS (500 * TP_NS_PER_MS) // a certificate and its key are two files
#define MOST_NS  (5 * TP_NS_PER_S) // of waiting, where others write to the directory all the time

static const uint32_t changes = IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_DELETE;

// The file number i that the configuration names; NULL beyond the last. Not all of them need be
// there.
static const char *file(const struct conf *conf, size_t i, bool *last)
{
	const struct conf_certificate *c;

	*last = false;
	if (i == 0)
		return conf->tls.client_ca;
	if (i < 3)
		return i == 1 ? conf->tls.certificate : conf->tls.key;
	i -= 3;
	*last = i / 2 >= conf->tls.n_additional;
	if (*last)
		return NULL;
	c = &conf->tls.additional[i / 2];
	return i % 2 ? c->key : c->certificate;
}

// ---- what the files are

static uint64_t look(const struct conf *conf)
{
	static const struct tp_siphash_key key;
	uint64_t all = 0;
	bool last;

	for (size_t i = 0;; i++) {
		const char *path = file(conf, i, &last);
		struct stat st = {0};
		struct {
			uint64_t before, device, inode, size;
			int64_t modified_s, modified_ns;
		} is;

		if (last)
			return all;
		if (path && stat(path, &st) < 0)
			st = (struct stat){0};
		is.before = all;
		is.device = st.st_dev;
		is.inode = st.st_ino;
		is.size = (uint64_t)st.st_size;
		is.modified_s = st.st_mtim.tv_sec;
		is.modified_ns = st.st_mtim.tv_nsec;
		all = tp_siphash(&key, &is, sizeof(is));
	}
}

// ---- watching

static void watch_directory(struct stream *s, const char *path)
{
	const char *slash = strrchr(path, '/');
	char directory[PATH_MAX] = ".";

	if (slash)
		snprintf(directory, sizeof(directory), "%.*s",
			slash == path ? 1 : (int)(slash - path), path);
	if (inotify_add_watch(s->certificates.fd, directory, changes | IN_ONLYDIR) < 0)
		tp_warning("changes of files in %s are not noticed without a reload: %s", directory,
			strerror(errno));
}

// Where the file is, and where a link to it is.
static void watch_file(struct stream *s, const char *path)
{
	char target[PATH_MAX];

	watch_directory(s, path);
	if (realpath(path, target) && strcmp(path, target) != 0)
		watch_directory(s, target);
}

void stream_certificates_watch(struct stream *s, const struct conf *conf)
{
	const char *path;
	bool last;

	stream_certificates_close(s);
	s->certificates.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->certificates.fd < 0 ||
		stream_watch(s, s->certificates.fd, EPOLLIN, STREAM_EVENT_CERTIFICATES, 0) < 0) {
		tp_warning("certificates are not watched: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; (path = file(conf, i, &last)) || !last; i++)
		if (path)
			watch_file(s, path);
	s->certificates.seen = look(conf);
}

void stream_certificates_close(struct stream *s)
{
	if (s->certificates.fd >= 0)
		close(s->certificates.fd);
	s->certificates = (struct stream_certificates){.fd = -1};
}

// Which file it is about does not matter: a link to a directory may have been moved.
void stream_certificates_event(struct stream *s)
{
	char buffer[4096];

	while (read(s->certificates.fd, buffer, sizeof(buffer)) > 0)
		;
	s->certificates.last_ns = s->now_ns;
	if (s->certificates.first_ns == 0)
		s->certificates.first_ns = s->now_ns;
}

// ---- reading them again

// Listeners are those of the start, and so are their transports.
int stream_certificates_read(struct stream *s, const struct conf *conf, struct stream_tls **tls,
	struct stream_tls **dtls)
{
	uint64_t now_s = tp_wall_ns() / TP_NS_PER_S;
	int rc = conf->tls.certificate ? 0 : -EINVAL;

	if (rc == 0 && s->tls)
		rc = stream_tls_create(conf, now_s, false, stderr, tls);
	if (rc == 0 && s->dtls)
		rc = stream_tls_create(conf, now_s, true, stderr, dtls);
	return rc;
}

static void read_again(struct stream *s)
{
	struct stream_tls *tls = NULL, *dtls = NULL;

	if (look(s->conf) == s->certificates.seen)
		return;
	stream_certificates_watch(s, s->conf);
	if (stream_certificates_read(s, s->conf, &tls, &dtls) < 0) {
		stream_tls_destroy(tls);
		tp_error("files of certificates changed, but are of no use: the old ones stay");
		stream_count(s, STREAM_COUNT_certificates_refused, 1);
		return;
	}
	stream_tls_replace(&s->tls, tls);
	stream_tls_replace(&s->dtls, dtls);
	stream_count(s, STREAM_COUNT_certificates_read, 1);
	tp_notice("files of certificates changed, and were read again");
}

uint64_t stream_certificates_expire(struct stream *s)
{
	struct stream_certificates *c = &s->certificates;
	uint64_t due = c->last_ns + QUIET_NS;

	if (c->first_ns == 0)
		return UINT64_MAX;
	if (due > c->first_ns + MOST_NS)
		due = c->first_ns + MOST_NS;
	if (s->now_ns < due)
		return due;
	c->first_ns = c->last_ns = 0;
	read_again(s);
	return UINT64_MAX;
}
