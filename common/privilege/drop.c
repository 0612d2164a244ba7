// SPDX-License-Identifier: BSD-3-Clause
#include "common/privilege/drop.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/privilege/caps.h"
#include "common/privilege/run_directory.h"
#include "common/privilege/sanitized.h"

static int failed(const char *what, int rc)
{
	tp_error("privileges cannot be given up: %s: %s", what, strerror(-rc));
	return rc;
}

// Capabilities survive a change of user only when asked for.
static int become(const struct tp_account *to)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return failed("PR_SET_KEEPCAPS", -errno);
	if (initgroups(to->user, to->gid) < 0)
		return failed("supplementary groups", -errno);
	if (setresgid(to->gid, to->gid, to->gid) < 0)
		return failed("group", -errno);
	if (setresuid(to->uid, to->uid, to->uid) < 0)
		return failed("user", -errno);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return failed("PR_SET_KEEPCAPS", -errno);
	return 0;
}

// What was asked for is not believed: a half-done drop that relays calls would never be noticed.
static int check(const struct tp_account *account, const struct tp_drop *drop)
{
	struct tp_caps have;
	uid_t r, e, s;
	gid_t rg, eg, sg;
	int rc = tp_caps_read(&have);

	if (rc < 0)
		return failed("capabilities", rc);
	if ((have.permitted | have.effective) & ~drop->keep || (have.inheritable & ~drop->pass_on))
		return failed("capabilities are left", -EPERM);
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0 || r != account->uid ||
		e != r || s != r || rg != account->gid || eg != rg || sg != rg)
		return failed("user and group are not those wanted", -EPERM);
	if (account->uid != 0 && setuid(0) == 0)
		return failed("root can be had again", -EPERM);
	return 0;
}

int tp_privilege_drop(const struct tp_account *account, const struct tp_drop *drop)
{
	char caps[TP_CAPS_TEXT], self[TP_ACCOUNT_TEXT];
	struct tp_caps have;
	int rc = tp_caps_clear_bounding(drop->pass_on);

	// Who started us without CAP_SETPCAP chose this set; NO_NEW_PRIVS keeps execve() from using
	// it.
	if (rc < 0 && rc != -EPERM)
		return failed("bounding set", rc);
	if (account->change && (rc = become(account)) < 0)
		return rc;
	if (!account->change && geteuid() == 0 && setgroups(0, NULL) < 0 && errno != EPERM)
		return failed("supplementary groups", -errno);
	if ((rc = tp_caps_limit(drop->keep, drop->pass_on)) < 0)
		return failed("capabilities", rc);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return failed("PR_SET_NO_NEW_PRIVS", -errno);
	// A change of user takes this away; the sanitizers look at their own process with ptrace().
	if (prctl(PR_SET_DUMPABLE, drop->never_readable && !TP_SANITIZED ? 0 : 1, 0, 0, 0) < 0)
		return failed("PR_SET_DUMPABLE", -errno);
	umask(0007);
	if ((rc = check(account, drop)) < 0 || (rc = tp_caps_read(&have)) < 0)
		return rc;
	tp_info("runs as %s, capabilities: %s", tp_account_self(self),
		tp_caps_format(have.permitted, caps));
	return 0;
}

int tp_privilege_prepare(
	const char *user, const char *group, const char *run_directory, struct tp_account *out)
{
	const struct tp_account_wish wish = {.user = user,
		.group = group,
		.usual = TP_ACCOUNT_USUAL,
		.started_as = geteuid(),
		.started_in = getegid()};
	char why[TP_ACCOUNT_TEXT];
	int rc = tp_account_choose(&wish, out, why);

	if (why[0])
		tp_log(rc < 0 ? TP_LOG_ERROR : TP_LOG_NOTICE, "%s", why);
	return rc == 0 ? tp_run_directory_prepare(run_directory, out) : rc;
}
