// SPDX-License-Identifier: BSD-3-Clause
#include "common/privilege/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void name_user(uid_t uid, char out[TP_ACCOUNT_NAME])
{
	const struct passwd *p = getpwuid(uid);

	if (p)
		snprintf(out, TP_ACCOUNT_NAME, "%s", p->pw_name);
	else
		snprintf(out, TP_ACCOUNT_NAME, "%u", uid);
}

static void name_group(gid_t gid, char out[TP_ACCOUNT_NAME])
{
	const struct group *g = getgrgid(gid);

	if (g)
		snprintf(out, TP_ACCOUNT_NAME, "%s", g->gr_name);
	else
		snprintf(out, TP_ACCOUNT_NAME, "%u", gid);
}

// 0, -ENOENT, or -errno. The database says "not there" by no error at all, and by some errors too.
static int find_failed(void)
{
	return errno == EIO || errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno
										     : -ENOENT;
}

static int find_user(const char *name, struct tp_account *out)
{
	errno = 0;
	const struct passwd *p = getpwnam(name);

	if (!p)
		return find_failed();
	out->uid = p->pw_uid;
	out->gid = p->pw_gid;
	return 0;
}

static int find_group(const char *name, struct tp_account *out)
{
	errno = 0;
	const struct group *g = getgrnam(name);

	if (!g)
		return find_failed();
	out->gid = g->gr_gid;
	return 0;
}

static void finish(const struct tp_account_wish *wish, struct tp_account *out)
{
	out->change = out->uid != wish->started_as || out->gid != wish->started_in;
	name_user(out->uid, out->user);
	name_group(out->gid, out->group);
}

// Not started as root: what else the configuration names cannot be had.
static int stay(const struct tp_account_wish *wish, struct tp_account *out, char *why)
{
	struct tp_account other = *out;

	finish(wish, out);
	if (wish->user && (find_user(wish->user, &other) < 0 || other.uid != out->uid))
		snprintf(why, TP_ACCOUNT_TEXT,
			"privileges.user is %s, but %s started this process, who cannot become "
			"anybody else: it stays %s",
			wish->user, out->user, out->user);
	return 0;
}

int tp_account_choose(
	const struct tp_account_wish *wish, struct tp_account *out, char why[TP_ACCOUNT_TEXT])
{
	int rc;

	*out = (struct tp_account){.uid = wish->started_as, .gid = wish->started_in};
	why[0] = '\0';
	if (wish->started_as != 0)
		return stay(wish, out, why);
	rc = find_user(wish->user ? wish->user : wish->usual, out);
	if (rc == -ENOENT && !wish->user) {
		snprintf(why, TP_ACCOUNT_TEXT,
			"there is no user %s: running as root, with the capabilities that are "
			"needed (make the user, or name one in privileges.user)",
			wish->usual);
		rc = 0;
	}
	if (rc < 0) {
		snprintf(why, TP_ACCOUNT_TEXT, "privileges.user: user %s: %s",
			wish->user ? wish->user : wish->usual,
			rc == -ENOENT ? "this machine has no such user" : strerror(-rc));
		return rc;
	}
	if (wish->group && (rc = find_group(wish->group, out)) < 0) {
		snprintf(why, TP_ACCOUNT_TEXT, "privileges.group: group %s: %s", wish->group,
			rc == -ENOENT ? "this machine has no such group" : strerror(-rc));
		return rc;
	}
	finish(wish, out);
	return 0;
}

char *tp_account_self(char out[TP_ACCOUNT_TEXT])
{
	char user[TP_ACCOUNT_NAME], group[TP_ACCOUNT_NAME];

	name_user(geteuid(), user);
	name_group(getegid(), group);
	snprintf(out, TP_ACCOUNT_TEXT, "user %s (%u), group %s (%u)", user, geteuid(), group,
		getegid());
	return out;
}
