// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/privileges.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/privilege/caps.h"
#include "common/privilege/drop.h"
#include "common/privilege/filter.h"
#include "control/loop/streams.h"

#define PRIVILEGED_PORTS 1024

static_assert((int)CONF_SECCOMP_KILL == TP_FILTER_KILL);
static_assert((int)CONF_SECCOMP_LOG == TP_FILTER_LOG);
static_assert((int)CONF_SECCOMP_OFF == TP_FILTER_OFF);

static uint64_t needed(const struct conf *conf)
{
	return conf->metrics.address.family != TP_FAMILY_NONE &&
			       conf->metrics.port < PRIVILEGED_PORTS
		       ? TP_CAP(CAP_NET_BIND_SERVICE)
		       : 0;
}

// By the stream processes that we start.
static uint64_t needed_by_streams(const struct conf *conf)
{
	for (size_t i = 0; ctl_streams_wanted(conf) > 0 && i < conf->n_listeners; i++)
		if ((conf->listeners[i].transports & (CONF_TRANSPORT_TCP | CONF_TRANSPORT_TLS)) &&
			conf->listeners[i].port < PRIVILEGED_PORTS)
			return TP_CAP(CAP_NET_BIND_SERVICE);
	return 0;
}

// Better said now than by the reload that an incident asks for.
static void warn_of_unreadable(const struct conf *conf, const struct tp_account *account)
{
	const char *const files[] = {conf->path, conf->tls.certificate, conf->tls.key};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (files[i] && access(files[i], R_OK) < 0)
			tp_warning("%s: user %s, group %s cannot read it, a reload will be "
				   "refused: %s (`chown root:%s`, `chmod 0640`)",
				files[i], account->user, account->group, strerror(errno),
				account->group);
}

int ctl_privileges_drop(const struct conf *conf)
{
	const struct tp_drop drop = {.keep = needed(conf) | needed_by_streams(conf),
		.pass_on = needed_by_streams(conf),
		.never_readable = !conf->privileges.core_dumps};
	struct tp_account account;
	int rc = tp_privilege_prepare(
		conf->privileges.user, conf->privileges.group, conf->run_directory, &account);

	if (rc == 0)
		rc = tp_privilege_drop(&account, &drop);
	if (rc == 0)
		warn_of_unreadable(conf, &account);
	return rc;
}

int ctl_privileges_filter(const struct conf *conf)
{
	const struct tp_filter filter = tp_filter_control();

	return tp_filter_load(&filter, (enum tp_filter_mode)conf->privileges.seccomp);
}
