// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/privileges.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/log.h"
#include "common/privilege/caps.h"
#include "common/privilege/drop.h"
#include "common/privilege/filter.h"

#define PRIVILEGED_PORTS 1024
#define OTHER_FDS        256 // listeners, rings, sockets of attachments, files of a reload

static_assert((int)CONF_SECCOMP_KILL == TP_FILTER_KILL);
static_assert((int)CONF_SECCOMP_LOG == TP_FILTER_LOG);
static_assert((int)CONF_SECCOMP_OFF == TP_FILTER_OFF);

static uint64_t needed(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if ((conf->listeners[i].transports & (CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS)) &&
			conf->listeners[i].port < PRIVILEGED_PORTS)
			return TP_CAP(CAP_NET_BIND_SERVICE);
	return 0;
}

// Root may raise the hard limit too, so this comes before it is nobody any more.
static void raise_descriptors(struct conf *conf)
{
	// Each client may be bound to a peer, or have an allocation that listens.
	rlim_t wanted = 2 * (rlim_t)conf->streams.connections + OTHER_FDS;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
		return;
	struct rlimit more = {
		.rlim_cur = wanted, .rlim_max = limit.rlim_max > wanted ? limit.rlim_max : wanted};
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	more = (struct rlimit){.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		limit = more;
	if (limit.rlim_cur >= conf->streams.connections + OTHER_FDS)
		return; // enough but for TCP allocations, which are refused then
	tp_warning("the limit of open files (%llu) holds no %u clients: fewer will be taken",
		(unsigned long long)limit.rlim_cur, conf->streams.connections);
	if (limit.rlim_cur > 2 * OTHER_FDS)
		conf->streams.connections = (uint32_t)limit.rlim_cur - OTHER_FDS;
}

int stream_privileges_drop(struct conf *conf)
{
	// A private key is in memory.
	const struct tp_drop drop = {.keep = needed(conf), .never_readable = true};
	struct tp_account account;
	int rc;

	raise_descriptors(conf);
	rc = tp_privilege_prepare(
		conf->privileges.user, conf->privileges.group, conf->run_directory, &account);
	return rc == 0 ? tp_privilege_drop(&account, &drop) : rc;
}

int stream_privileges_filter(const struct conf *conf)
{
	const struct tp_filter filter = tp_filter_stream();
	int rc = tp_caps_limit(0, 0);

	if (rc < 0) {
		tp_error("capabilities cannot be given up: %s", strerror(-rc));
		return rc;
	}
	return tp_filter_load(&filter, (enum tp_filter_mode)conf->privileges.seccomp);
}
