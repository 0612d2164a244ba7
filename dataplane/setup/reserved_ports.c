// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/reserved_ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void dp_reserved_ports_plan(const struct dp_port_set *current, const struct dp_port_set *left,
	uint16_t first, uint16_t last, struct dp_port_set *added)
{
	struct dp_port_set foreign = *current;

	dp_port_set_remove(&foreign, left);
	*added = (struct dp_port_set){0};
	dp_port_set_add(added, first, last);
	dp_port_set_remove(added, &foreign);
}

int dp_reserved_ports_read(const char *path, struct dp_port_set *out)
{
	char *text = malloc(DP_PORT_SET_TEXT);
	int rc = 0;

	if (!text)
		return -ENOMEM;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, DP_PORT_SET_TEXT - 1);
	if (n < 0)
		rc = -errno;
	if (fd >= 0)
		close(fd);
	if (rc == 0) {
		text[n] = '\0';
		rc = dp_port_set_parse(text, out);
	}
	free(text);
	return rc;
}

// The kernel takes the whole list in one write; an empty list is an empty line.
static int reserved_ports_write(const char *path, const struct dp_port_set *s)
{
	char *text = malloc(DP_PORT_SET_TEXT);
	int rc = -ENOMEM, n;

	if (!text)
		return rc;
	n = rc = dp_port_set_format(s, text, DP_PORT_SET_TEXT - 1);
	if (rc < 0)
		goto out;
	text[n++] = '\n';
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t written = fd < 0 ? -1 : write(fd, text, (size_t)n);
	rc = written == n ? 0 : written < 0 ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
out:
	free(text);
	return rc;
}

int dp_reserved_ports_change(
	const char *path, const struct dp_port_set *remove, const struct dp_port_set *add)
{
	struct dp_port_set list;
	int rc = dp_reserved_ports_read(path, &list);

	if (rc < 0)
		return rc;
	dp_port_set_remove(&list, remove);
	dp_port_set_join(&list, add);
	return reserved_ports_write(path, &list);
}
