// SPDX-License-Identifier: BSD-3-Clause
#include "keeper/told.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

static void write_service(FILE *f, const struct keeper_service *s)
{
	fprintf(f,
		"\"%s\":{\"state\":\"%s\",\"pid\":%d,\"restarts\":%u,\"hung\":%u,"
		"\"last_death\":%llu,\"last_end\":\"%s\"}",
		s->name + strlen("turnpike-"), keeper_service_state(s), s->pid, s->deaths, s->hung,
		(unsigned long long)s->died_wall_s, s->end_text);
}

static int write_all(const struct keeper *k, const char *path)
{
	// The directory is the daemons' user's, who may have put anything there.
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644), rc;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

	if (!f) {
		rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	fprintf(f, "{\"pid\":%d,", getpid());
	write_service(f, &k->service[KEEPER_DATAPLANE]);
	fputc(',', f);
	write_service(f, &k->service[KEEPER_CONTROL]);
	fputs("}\n", f);
	rc = ferror(f) ? -EIO : 0;
	return fclose(f) != 0 && rc == 0 ? -errno : rc;
}

void keeper_told_write(struct keeper *k)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/keeper.json", k->conf->run_directory);
	snprintf(fresh, sizeof(fresh), "%s/keeper.json.new", k->conf->run_directory);
	rc = write_all(k, fresh);
	if (rc == 0 && rename(fresh, path) < 0)
		rc = -errno;
	if (rc < 0 && !k->told_failed)
		tp_warning("%s cannot be written, turnpikectl will not tell of restarts: %s", path,
			strerror(-rc));
	k->told_failed = rc < 0;
}

void keeper_told_remove(const struct keeper *k)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/keeper.json", k->conf->run_directory);
	unlink(path);
}
