// SPDX-License-Identifier: BSD-3-Clause
// What the dataplane keeps of what it was started with. It goes before DPDK starts, while there is
// one thread; the capabilities that are left are enough for ports, BPF programs, the list of
// reserved ports (which the kernel opens to CAP_NET_ADMIN) and for taking all of it down again.
#include "dataplane/setup/setup.h"

#include <net/if.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/privilege/caps.h"
#include "common/privilege/drop.h"
#include "common/privilege/filter.h"
#include "dataplane/setup/port_holders.h"

static_assert((int)CONF_SECCOMP_KILL == TP_FILTER_KILL);
static_assert((int)CONF_SECCOMP_LOG == TP_FILTER_LOG);
static_assert((int)CONF_SECCOMP_OFF == TP_FILTER_OFF);

// Names of BPF programs take CAP_SYS_ADMIN, owners of sockets CAP_SYS_PTRACE.
static int privileges_look(struct dp *dp)
{
	bool kernel_side = false;

	for (size_t i = 0; i < dp->conf->n_ports; i++) {
		const struct conf_port *port = &dp->conf->ports[i];
		uint32_t ifindex =
			port->mode == CONF_PORT_AF_XDP ? if_nametoindex(port->interface) : 0;
		kernel_side |= port->mode == CONF_PORT_AF_XDP;
		if (ifindex)
			dp->xdp_seen[i] = dp_xdp_look(ifindex);
	}
	return kernel_side ? dp_port_holders_check(dp->conf) : 0;
}

int dp_privileges_drop(struct dp *dp)
{
	static const struct tp_drop drop = {.keep = TP_CAP(CAP_NET_ADMIN) | TP_CAP(CAP_NET_RAW) |
						    TP_CAP(CAP_BPF) | TP_CAP(CAP_PERFMON) |
						    TP_CAP(CAP_IPC_LOCK)};
	struct tp_account account;
	int rc = tp_privilege_prepare(dp->conf->privileges.user, dp->conf->privileges.group,
		dp->conf->run_directory, &account);

	if (rc == 0)
		rc = privileges_look(dp);
	return rc == 0 ? tp_privilege_drop(&account, &drop) : rc;
}

int dp_privileges_filter(const struct dp *dp)
{
	const struct tp_filter filter = tp_filter_dataplane();

	return tp_filter_load(&filter, (enum tp_filter_mode)dp->conf->privileges.seccomp);
}
