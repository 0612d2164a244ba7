// SPDX-License-Identifier: BSD-3-Clause
// Port mode af_xdp: a kernel interface whose relay traffic our XDP program takes out.
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "common/base/log.h"
#include "dataplane/setup/port.h"
#include "dataplane/setup/steer.h"
#include "dataplane/setup/xdp.h"

static bool port_capable(const struct __user_cap_data_struct *have, unsigned int capability)
{
	return have[capability / 32].effective >> (capability % 32) & 1;
}

int dp_port_check_capabilities(void)
{
	static const struct {
		unsigned int capability, instead;
		const char *name;
	} needed[] = {
		{CAP_NET_ADMIN, CAP_NET_ADMIN, "CAP_NET_ADMIN"},
		{CAP_NET_RAW, CAP_NET_RAW, "CAP_NET_RAW"},
		{CAP_BPF, CAP_SYS_ADMIN, "CAP_BPF"},
		{CAP_PERFMON, CAP_SYS_ADMIN, "CAP_PERFMON"}, // headers of variable length in BPF
		{CAP_IPC_LOCK, CAP_IPC_LOCK, "CAP_IPC_LOCK"},
	};
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct have[2] = {0};
	char missing[96] = "";

	if (syscall(SYS_capget, &header, have) < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++) {
		if (port_capable(have, needed[i].capability) ||
			port_capable(have, needed[i].instead))
			continue;
		strcat(missing, " ");
		strcat(missing, needed[i].name);
	}
	if (!missing[0])
		return 0;
	tp_error("not permitted to open AF_XDP ports: run as root or with the missing "
		 "capabilities:%s",
		missing);
	return -EPERM;
}

static int port_check_queues(const struct conf_port *conf, const struct dp_interface *interface)
{
	if (interface->queues == conf->queues)
		return 0;
	if (!interface->combined && conf->queues == 1) {
		tp_error("ports.%s: %s receives on %u queues, but AF_XDP on this device serves "
			 "one: run "
			 "`ethtool -L %s rx 1 tx 1`",
			conf->name, conf->interface, interface->queues, conf->interface);
		return -EINVAL;
	}
	// A queue that nobody serves would be a queue whose relay traffic is dropped.
	tp_error("ports.%s: \"queues\" is %u, but %s has %u: set it to %u%s%s", conf->name,
		conf->queues, conf->interface, interface->queues, interface->queues,
		interface->combined ? " or run `ethtool -L IFACE combined N`" : "",
		interface->combined && interface->queues < conf->queues ? " with more" : "");
	return -EINVAL;
}

static int port_check_interface(const struct conf_port *conf, struct dp_interface *interface)
{
	int rc = dp_interface_read(conf->interface, interface);

	if (rc == -ENODEV) {
		tp_error("ports.%s: there is no interface %s in this network namespace (ip link "
			 "show)",
			conf->name, conf->interface);
		return rc;
	}
	if (rc < 0) {
		tp_error("ports.%s: %s cannot be examined: %s", conf->name, conf->interface,
			strerror(-rc));
		return rc;
	}
	if (!interface->up) {
		tp_error("ports.%s: interface %s is down: `ip link set dev %s up`", conf->name,
			conf->interface, conf->interface);
		return -ENETDOWN;
	}
	if (interface->mtu > DP_INTERFACE_MAX_MTU) {
		tp_error("ports.%s: %s has MTU %u, XDP takes at most %u: `ip link set dev %s mtu "
			 "%u`, with "
			 "veth on both ends",
			conf->name, conf->interface, interface->mtu, DP_INTERFACE_MAX_MTU,
			conf->interface, 1500);
		return -ERANGE;
	}
	return port_check_queues(conf, interface);
}

// An abstract socket is seen in this network namespace only and goes with the process, so it tells
// a program left by a crash from one that a living dataplane of another run directory uses.
static int port_claim(const struct conf_port *conf, uint32_t ifindex)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int n = snprintf(
		at.sun_path + 1, sizeof(at.sun_path) - 1, "turnpike-interface-%u", ifindex);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	if (bind(fd, (struct sockaddr *)&at, len) == 0)
		return fd;
	int rc = -errno;
	close(fd);
	if (rc == -EADDRINUSE)
		tp_error("ports.%s: another dataplane already uses %s (`ss -xlp | grep turnpike`)",
			conf->name, conf->interface);
	return rc;
}

int dp_port_af_xdp_create(
	struct dp *dp, struct dp_port *port, struct dp_interface *interface, char vdev[32])
{
	const struct conf_port *conf = port->conf;
	struct dp_steer_port *steer = &dp->steer->port[port->index];
	char arguments[128];
	int rc;

	if ((rc = port_check_interface(conf, interface)) < 0)
		return rc;
	if ((rc = port_claim(conf, interface->index)) < 0)
		return rc;
	steer->claim_fd = rc;
	const struct dp_trace *trace =
		dp_traces_find(&dp->steer->traces, conf->interface, interface->index, false);
	if ((rc = dp_xdp_remove_stale(conf->interface, interface->index, trace ? trace->xdp_id : 0,
		     &dp->xdp_seen[port->index])) < 0)
		return rc;
	snprintf(vdev, 32, "net_af_xdp%u", port->index);
	snprintf(arguments, sizeof(arguments),
		"iface=%s,start_queue=0,queue_count=%u,xdp_prog=/proc/self/fd/%d", conf->interface,
		conf->queues, dp->steer->object_fd);
	if ((rc = rte_eal_hotplug_add("vdev", vdev, arguments)) < 0) {
		tp_error("ports.%s: DPDK's net_af_xdp does not take %s: %s", conf->name,
			conf->interface, rte_strerror(-rc));
		return rc;
	}
	port->ifindex = port->routes_ifindex = interface->index;
	atomic_store(&port->mtu, (uint16_t)interface->mtu);
	atomic_store(&port->up, interface->running);
	return 0;
}

int dp_port_af_xdp_find(struct dp *dp, const struct dp_port *port)
{
	struct dp_steer_port *steer = &dp->steer->port[port->index];
	int rc = dp_xdp_attached(port->ifindex, &steer->xdp_id);

	if (rc == 0)
		rc = dp_bpf_maps_find(steer->xdp_id, &steer->maps);
	if (rc < 0)
		tp_error("ports.%s: the maps of the XDP program on %s are not found: %s",
			port->conf->name, port->conf->interface, strerror(-rc));
	return rc;
}
