// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"

#define SOCKET_NAME "dataplane.sock"

// Binds with mode 0660 from the first moment on.
static int bind_socket(int fd, const struct sockaddr_un *address)
{
	mode_t before = umask(0117);
	int rc = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(before);
	return rc;
}

int dp_manage_listen(struct dp_manage *m)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int n = snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s",
		m->dp->conf->run_directory, SOCKET_NAME);
	int rc;

	if (n < 0 || (size_t)n >= sizeof(address.sun_path)) {
		tp_error("run_directory %s is too long for a socket's path",
			m->dp->conf->run_directory);
		return -ENAMETOOLONG;
	}
	m->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (m->listen_fd < 0)
		return -errno;
	// We hold the lock of this run directory, so whoever made an old one is gone.
	unlink(address.sun_path);
	rc = bind_socket(m->listen_fd, &address);
	if (rc == 0) {
		m->socket_path = strdup(address.sun_path);
		rc = !m->socket_path                                ? -ENOMEM
		     : listen(m->listen_fd, MANAGE_MAX_CLIENTS) < 0 ? -errno
								    : 0;
	}
	if (rc == 0)
		rc = dp_manage_watch(m, m->listen_fd, MANAGE_EVENT_LISTEN, 0);
	if (rc < 0)
		tp_error("cannot listen on %s: %s", address.sun_path, strerror(-rc));
	return rc;
}

void dp_manage_unlisten(struct dp_manage *m)
{
	if (m->listen_fd >= 0)
		close(m->listen_fd);
	m->listen_fd = -1;
	if (m->socket_path)
		unlink(m->socket_path);
	free(m->socket_path);
	m->socket_path = NULL;
}
