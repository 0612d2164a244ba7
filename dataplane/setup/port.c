// SPDX-License-Identifier: BSD-3-Clause
// Opens the ports of the config: the part that is the same for every DPDK device.
#include "dataplane/setup/port.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "common/base/log.h"
#include "dataplane/setup/rss.h"
#include "dataplane/setup/setup.h"
#include "dataplane/setup/steer.h"
#include "dataplane/setup/xdp.h"
#include "dataplane/setup/xsk.h"

#define PORT_NONE RTE_MAX_ETHPORTS

static int port_failed(const struct dp_port *port, const char *step, int rc)
{
	tp_error("ports.%s: %s: %s", port->conf->name, step, rte_strerror(-rc));
	return rc;
}

static int port_configure(struct dp_port *port, uint16_t *mtu)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = {0};
	int rc = rte_eth_dev_info_get(port->port_id, &info);

	if (rc < 0)
		return port_failed(port, "device unknown", rc);
	port->queues = (uint16_t)port->conf->queues;
	if (port->queues > info.max_rx_queues || port->queues > info.max_tx_queues) {
		tp_error("ports.%s: \"queues\" is %u, the device has %u to receive and %u to send",
			port->conf->name, port->queues, info.max_rx_queues, info.max_tx_queues);
		return -EINVAL;
	}
	port->multi_segs = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	if (port->multi_segs)
		conf.txmode.offloads = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	conf.rxmode.mtu = *mtu;
	dp_rss_configure(&info, port->queues, &conf);
	rc = rte_eth_dev_configure(port->port_id, port->queues, port->queues, &conf);
	return rc < 0 ? port_failed(port, "device cannot be configured", rc) : 0;
}

// net_af_xdp frees part of a queue that failed and would free it again when the device is closed.
// So the device is left to the end of the process, and the program on the interface taken off here.
static void port_abandon(struct dp_port *port, const struct dp_interface *interface)
{
	uint32_t id;

	port->port_id = PORT_NONE;
	if (dp_xdp_attached(port->ifindex, &id) == 0 && id)
		dp_xdp_detach(port->ifindex, id);
	dp_xdp_explain(port->conf->interface, port->ifindex, interface->mtu);
}

static int port_receive_queue(struct dp *dp, struct dp_port *port, uint16_t queue)
{
	struct dp_xsk_list before, after;
	int rc = dp_xsk_list(&before);

	if (rc < 0)
		return rc;
	// net_af_xdp loads the program here; what it fails for is told by dp_xdp_explain.
	libbpf_print_fn_t print = libbpf_set_print(NULL);
	rc = rte_eth_rx_queue_setup(port->port_id, queue, 0, rte_socket_id(), NULL, dp->pool);
	libbpf_set_print(print);
	if (rc < 0)
		return rc;
	port->queue_fd[queue] = -1;
	if (!port->ifindex)
		return 0;
	if ((rc = dp_xsk_list(&after)) < 0)
		return rc;
	port->queue_fd[queue] = dp_xsk_new(&before, &after);
	return port->queue_fd[queue] < 0 ? -ENOENT : 0;
}

static int port_queues(struct dp *dp, struct dp_port *port, const struct dp_interface *interface)
{
	int rc;

	for (uint16_t q = 0; q < port->queues; q++)
		if ((rc = rte_eth_tx_queue_setup(port->port_id, q, 0, rte_socket_id(), NULL)) < 0)
			return port_failed(port, "send queue", rc);
	for (uint16_t q = 0; q < port->queues; q++) {
		if ((rc = port_receive_queue(dp, port, q)) < 0) {
			if (port->ifindex)
				port_abandon(port, interface);
			return port_failed(port, "receive queue", rc);
		}
		if (port->ifindex && q == 0 && (rc = dp_port_af_xdp_find(dp, port)) < 0)
			return rc;
	}
	return 0;
}

// Starting a device sets IFF_PROMISC as ethdev thinks it is; the interface is to keep its own.
static int port_start(struct dp_port *port, const struct dp_interface *interface)
{
	int rc;

	if (port->ifindex && interface->promiscuous)
		rte_eth_promiscuous_enable(port->port_id);
	if ((rc = rte_eth_dev_start(port->port_id)) < 0)
		return port_failed(port, "device does not start", rc);
	if ((rc = rte_eth_macaddr_get(port->port_id, &port->mac)) < 0)
		return port_failed(port, "device has no MAC address", rc);
	return 0;
}

static int port_open(struct dp *dp, struct dp_port *port)
{
	struct dp_interface interface = {0};
	char vdev[32];
	uint16_t mtu;
	int rc;

	if (port->conf->mode == CONF_PORT_AF_XDP)
		rc = dp_port_af_xdp_create(dp, port, &interface, vdev);
	else
		rc = dp_port_bench_create(port, vdev);
	if (rc < 0)
		return rc;
	if ((rc = rte_eth_dev_get_port_by_name(vdev, &port->port_id)) < 0)
		return port_failed(port, "device is not there", rc);
	mtu = port->ifindex ? atomic_load(&port->mtu) : RTE_ETHER_MTU;
	if ((rc = port_configure(port, &mtu)) < 0 || (rc = port_queues(dp, port, &interface)) < 0 ||
		(rc = port_start(port, &interface)) < 0)
		return rc;
	if (!port->ifindex) {
		atomic_store(&port->mtu, mtu);
		atomic_store(&port->up, 1);
	}
	tp_info("port %s: %s, %u queue%s, MTU %u", port->conf->name,
		port->ifindex ? port->conf->interface : vdev, port->queues,
		port->queues > 1 ? "s" : "", atomic_load(&port->mtu));
	return 0;
}

// The file of the XDP program and the record of an earlier run: what ports need of steering.
static int ports_prepare(struct dp *dp)
{
	struct dp_steer *steer = calloc(1, sizeof(*steer));
	bool af_xdp = false;
	int rc;

	if (!steer)
		return -ENOMEM;
	dp->steer = steer;
	steer->object_fd = -1;
	for (uint16_t i = 0; i < TP_MAX_PORTS; i++)
		steer->port[i] = (struct dp_steer_port){.claim_fd = -1, .maps = DP_BPF_MAPS_NONE};
	for (size_t i = 0; i < dp->conf->n_ports; i++)
		af_xdp |= dp->conf->ports[i].mode == CONF_PORT_AF_XDP;
	if (!af_xdp)
		return 0;
	if ((rc = dp_port_check_capabilities()) < 0)
		return rc;
	dp_traces_load(dp->conf->run_directory, &steer->traces);
	steer->inherited = steer->traces.n_interfaces > 0;
	if ((steer->object_fd = dp_xdp_object_fd()) < 0) {
		tp_error("the XDP program cannot be laid out in memory: %s",
			strerror(-steer->object_fd));
		return steer->object_fd;
	}
	return 0;
}

int dp_ports_open(struct dp *dp)
{
	size_t workers = dp->conf->workers.n_cores, next_worker = 0;
	int rc = ports_prepare(dp);

	for (uint16_t i = 0; i < dp->conf->n_ports && rc == 0; i++) {
		struct dp_port *port = &dp->ports[i];
		*port = (struct dp_port){
			.conf = &dp->conf->ports[i], .index = i, .port_id = PORT_NONE};
		dp->n_ports++;
		rc = port_open(dp, port);
		// Queues go round the workers, over all ports.
		for (uint16_t q = 0; q < port->queues; q++)
			port->queue_owner[q] = (uint8_t)(next_worker++ % workers);
	}
	return rc;
}

void dp_ports_close(struct dp *dp)
{
	for (uint16_t i = 0; i < dp->n_ports; i++) {
		if (dp->ports[i].port_id == PORT_NONE)
			continue;
		rte_eth_dev_stop(dp->ports[i].port_id);
		rte_eth_dev_close(dp->ports[i].port_id); // net_af_xdp: takes its XDP program along
		dp->ports[i].port_id = PORT_NONE;
	}
	dp->n_ports = 0;
	if (!dp->steer)
		return;
	for (uint16_t i = 0; i < TP_MAX_PORTS; i++) {
		dp_bpf_maps_close(&dp->steer->port[i].maps);
		if (dp->steer->port[i].claim_fd >= 0)
			close(dp->steer->port[i].claim_fd);
	}
	if (dp->steer->object_fd >= 0)
		close(dp->steer->object_fd);
	free(dp->steer);
	dp->steer = NULL;
}
