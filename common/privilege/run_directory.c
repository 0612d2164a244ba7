// SPDX-License-Identifier: BSD-3-Clause
#include "common/privilege/run_directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

#define DIRECTORY_MODE 0750

// Files that daemons leave behind, which the next ones open again. Sockets are made anew.
static const char *const kept[] = {
	"dataplane.lock", "control.lock", "steer.state", "steer.state.new"};
static const char *const others[] = {
	"dataplane.sock", "control.sock", "streams.sock", "keeper.sock", "keeper.lock"};

static bool is_one_of(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

#define IS_ONE_OF(names, name) is_one_of(names, sizeof(names) / sizeof(*(names)), name)

// *foreign: the name of something that is not ours, or empty. 0 or -errno.
static int find_foreign(int directory, char foreign[NAME_MAX + 1])
{
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	foreign[0] = '\0';
	if (!d) {
		int rc = -errno;
		if (fd >= 0)
			close(fd);
		return rc;
	}
	for (struct dirent *e; !foreign[0] && (e = readdir(d));)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
			!IS_ONE_OF(kept, e->d_name) && !IS_ONE_OF(others, e->d_name))
			strcpy(foreign, e->d_name);
	closedir(d);
	return 0;
}

// The account may write here, so a name may be a link that it laid: to a file that only root may
// change. One link, a plain file, and of root, or nothing is done.
static void give_file(int directory, const char *name, const struct tp_account *to)
{
	struct stat st;
	int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == 0 &&
		fchownat(fd, "", to->uid, to->gid, AT_EMPTY_PATH) < 0)
		tp_warning("%s in the run directory cannot be given to %s: %s", name, to->user,
			strerror(errno));
	close(fd);
}

static bool may_write(const struct stat *st, const struct tp_account *who)
{
	const mode_t wx = S_IWOTH | S_IXOTH;

	if (st->st_uid == who->uid)
		return (st->st_mode & (wx << 6)) == wx << 6;
	if (st->st_gid == who->gid)
		return (st->st_mode & (wx << 3)) == wx << 3;
	return (st->st_mode & wx) == wx;
}

static int give(const char *path, int fd, const struct tp_account *to)
{
	char foreign[NAME_MAX + 1];
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!may_write(&st, to)) {
		if ((rc = find_foreign(fd, foreign)) < 0)
			return rc;
		if (foreign[0] || st.st_uid != 0) {
			tp_error("run_directory %s: user %s (%u) cannot write to it, and it is not "
				 "ours to hand over (owner %u%s%s): `chown %s:%s %s`, or name an "
				 "empty one",
				path, to->user, to->uid, st.st_uid, foreign[0] ? ", holds " : "",
				foreign, to->user, to->group, path);
			return -EACCES;
		}
		if (fchown(fd, to->uid, to->gid) < 0 || fchmod(fd, DIRECTORY_MODE) < 0)
			return -errno;
	}
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		give_file(fd, kept[i], to);
	return 0;
}

int tp_run_directory_prepare(const char *path, const struct tp_account *account)
{
	bool made = mkdir(path, DIRECTORY_MODE) == 0;
	int rc = made || errno == EEXIST ? 0 : -errno;

	if (rc == 0 && account->change) {
		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (made ? O_NOFOLLOW : 0));
		rc = fd < 0 ? -errno : give(path, fd, account);
		if (fd >= 0)
			close(fd);
		if (rc == -EACCES) // said above
			return rc;
	}
	if (rc < 0)
		tp_error("run_directory %s cannot be made: %s", path, strerror(-rc));
	return rc;
}
