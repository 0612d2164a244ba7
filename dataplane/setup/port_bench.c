// SPDX-License-Identifier: BSD-3-Clause
// Port mode bench: a DPDK virtual device without a kernel side (pcap, ring, null, memif).
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "common/base/log.h"
#include "dataplane/setup/interface.h"
#include "dataplane/setup/port.h"

// Linux is the routing control plane here too, where the document names an interface for it (a dummy one).
static int find_interface(struct dp_port *port)
{
	const char *name = port->conf->interface;
	struct dp_interface interface;
	int rc = name[0] ? dp_interface_read(name, &interface) : 0;

	if (rc < 0)
		tp_error("ports.%s: interface %s cannot be examined: %s", port->conf->name, name,
			strerror(-rc));
	else if (name[0])
		port->routes_ifindex = interface.index;
	return rc;
}

int dp_port_bench_create(struct dp_port *port, char vdev[32])
{
	const struct conf_port *conf = port->conf;
	size_t name_bytes = strcspn(conf->vdev, ",");
	const char *arguments = conf->vdev + name_bytes;
	int rc;

	if (name_bytes == 0 || name_bytes >= 32) {
		tp_error(
			"ports.%s: \"vdev\" must start with a device name of at most 31 characters",
			conf->name);
		return -EINVAL;
	}
	memcpy(vdev, conf->vdev, name_bytes);
	vdev[name_bytes] = '\0';
	if (*arguments)
		arguments++;
	if ((rc = find_interface(port)) < 0)
		return rc;
	if ((rc = rte_eal_hotplug_add("vdev", vdev, arguments)) < 0)
		tp_error("ports.%s: DPDK does not make the device %s: %s", conf->name, conf->vdev,
			rte_strerror(-rc));
	return rc;
}
