// SPDX-License-Identifier: BSD-3-Clause
// Giving the session region to whoever keeps it while no daemon runs: a descriptor to the service
// manager's socket, whether that is systemd or turnpike-keeper. It comes back at the next start
// (common/base/listen_fds.h).
#include <errno.h>
#include <string.h>

#include "common/abi/record.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "dataplane/manage/manage_impl.h"

#define HOLD_TIMEOUT_MS    5000
#define REPLACE_TIMEOUT_MS 200 // while everybody waits
#define STORE              "FDSTORE=1\nFDNAME=" TP_REGION_NAME
#define REPLACE            "FDSTOREREMOVE=1\n" STORE

// One that is started anew makes a new file, and holds nothing.
static bool same_holder(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

// What was kept and is not this region goes first: two of a name would both come back. The keeper
// exchanges them in one step; systemd only removes then, and takes the next message. A region that
// is kept already is no second one for those who hold it.
static int give(struct dp_manage *m, unsigned int timeout_ms)
{
	int rc = m->region_kept ? 0 : tp_notify_descriptor(REPLACE, m->region.fd, timeout_ms);

	return rc == 0 ? tp_notify_descriptor(STORE, m->region.fd, timeout_ms) : rc;
}

int dp_manage_region_hold(struct dp_manage *m)
{
	int rc;

	if (m->dp->conf->region.holder == CONF_HOLDER_NONE) {
		tp_notice(
			"nobody else holds the session region (region.holder): when dataplane and "
			"control die at once, all allocations are lost");
		return 0;
	}
	m->holder_there = tp_notify_file(&m->holder);
	rc = give(m, HOLD_TIMEOUT_MS);
	if (rc == -ENOTCONN)
		tp_error("region.holder needs a service manager, and NOTIFY_SOCKET names none: "
			 "start "
			 "turnpike-keeper or the unit, or set region.holder to none");
	else if (rc < 0)
		tp_error("the service manager does not take the session region: %s", strerror(-rc));
	return rc;
}

int dp_manage_region_replace(struct dp_manage *m)
{
	int rc;

	m->region_kept = false;
	if (m->dp->conf->region.holder == CONF_HOLDER_NONE)
		return 0;
	rc = give(m, REPLACE_TIMEOUT_MS);
	if (rc == 0)
		return 0;
	tp_error("the service manager does not take a session region of another layout: %s",
		strerror(-rc));
	m->holder = (struct stat){0}; // what it has now is not known: given with the next tick
	return rc;
}

void dp_manage_region_hold_again(struct dp_manage *m)
{
	struct stat now;
	int rc;

	if (!m->holder_there || !tp_notify_file(&now) || same_holder(&m->holder, &now))
		return;
	rc = give(m, 0);
	if (rc < 0)
		return; // with the next tick
	m->holder = now;
	tp_notice("the holder of the session region was started anew: gave it the region again");
}
