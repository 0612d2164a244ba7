// SPDX-License-Identifier: BSD-3-Clause
// Turns the relay's traffic to us and nothing else, and puts everything back on an orderly stop.
#include "dataplane/setup/steer.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "common/base/log.h"
#include "dataplane/setup/guard.h"
#include "dataplane/setup/reserved_ports.h"
#include "dataplane/setup/setup.h"
#include "dataplane/setup/xdp.h"
#include "dataplane/setup/xsk.h"

static bool steer_has_kernel_side(const struct dp *dp)
{
	for (uint16_t i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].ifindex)
			return true;
	return false;
}

// The record holds both the old and the new ports while the kernel's list changes, so a crash in
// between loses neither. Failing is no reason not to relay: local programs may meet our ports then.
static int steer_reserve_ports(struct dp *dp)
{
	struct dp_traces *traces = &dp->steer->traces;
	struct dp_port_set current, added, left = traces->reserved;
	int rc = dp_reserved_ports_read(DP_RESERVED_PORTS_PATH, &current);

	if (rc == 0) {
		dp_reserved_ports_plan(&current, &left, dp->conf->relay.port_min,
			dp->conf->relay.port_max, &added);
		dp_port_set_join(&traces->reserved, &added);
		if ((rc = dp_traces_save(dp->conf->run_directory, traces)) < 0)
			return rc;
		rc = dp_reserved_ports_change(DP_RESERVED_PORTS_PATH, &left, &added);
	}
	if (rc < 0) {
		tp_warning(
			"%s cannot be changed: %s; local programs may be given ports of the relay "
			"range and receive nothing on them",
			DP_RESERVED_PORTS_PATH, strerror(-rc));
		return 0;
	}
	traces->reserved = added;
	return 0;
}

static int steer_port_open(struct dp *dp, const struct dp_port *port)
{
	struct dp_steer_port *steer = &dp->steer->port[port->index];
	struct dp_trace *trace =
		dp_traces_find(&dp->steer->traces, port->conf->interface, port->ifindex, true);
	int rc;

	if (!trace) {
		tp_error("ports.%s: too many interfaces of earlier runs in the record; delete "
			 "steer.state from the run directory",
			port->conf->name);
		return -E2BIG;
	}
	trace->xdp_id = steer->xdp_id;
	if ((rc = dp_bpf_maps_fill(&steer->maps, dp->conf)) < 0) {
		tp_error("ports.%s: steering maps cannot be filled: %s%s", port->conf->name,
			strerror(-rc),
			rc == -E2BIG ? " (relay prefixes expand to more than 4096 addresses)" : "");
		return rc;
	}
	if ((rc = dp_guard_attach(
		     port->conf->interface, port->ifindex, &steer->maps, &trace->qdisc_own)) < 0)
		return rc;
	return dp_traces_save(dp->conf->run_directory, &dp->steer->traces);
}

static void steer_clear(const struct dp_trace *trace)
{
	char name[IF_NAMESIZE];
	int rc;

	if (!if_indextoname(trace->ifindex, name)) // the interface has gone, and all of it with it
		return;
	if (trace->xdp_id && (rc = dp_xdp_detach(trace->ifindex, trace->xdp_id)) < 0)
		tp_warning("%s: the XDP program stays: %s", name, strerror(-rc));
	if ((rc = dp_guard_detach(trace->ifindex, trace->qdisc_own)) < 0)
		tp_warning("%s: the tc guard stays: %s", name, strerror(-rc));
}

static bool steer_is_port(const struct dp *dp, uint32_t ifindex)
{
	for (uint16_t i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].ifindex == ifindex)
			return true;
	return false;
}

// Interfaces that an earlier run used and this config does not.
static void steer_forget_others(struct dp *dp)
{
	struct dp_traces *traces = &dp->steer->traces;

	for (uint32_t i = 0; i < traces->n_interfaces;) {
		struct dp_trace *trace = &traces->interface[i];
		if (steer_is_port(dp, trace->ifindex)) {
			i++;
			continue;
		}
		steer_clear(trace);
		*trace = traces->interface[--traces->n_interfaces];
	}
}

int dp_steer_open(struct dp *dp)
{
	int rc;

	if (!steer_has_kernel_side(dp))
		return 0;
	steer_forget_others(dp);
	if ((rc = steer_reserve_ports(dp)) < 0)
		return rc;
	for (uint16_t i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].ifindex && (rc = steer_port_open(dp, &dp->ports[i])) < 0)
			return rc;
	dp->steer->open = true;
	return 0;
}

static void steer_release_ports(struct dp *dp)
{
	static const struct dp_port_set none;
	struct dp_port_set *reserved = &dp->steer->traces.reserved;

	if (dp_port_set_empty(reserved))
		return;
	int rc = dp_reserved_ports_change(DP_RESERVED_PORTS_PATH, reserved, &none);
	if (rc < 0)
		tp_warning("%s cannot be put back: %s", DP_RESERVED_PORTS_PATH, strerror(-rc));
}

// A start that failed after a crash leaves the guard where it is: clients of the crashed run still
// hope for the next try.
void dp_steer_close(struct dp *dp)
{
	struct dp_steer *steer = dp->steer;

	if (!steer || !steer_has_kernel_side(dp) || (!steer->open && steer->inherited))
		return;
	for (uint32_t i = 0; i < steer->traces.n_interfaces; i++)
		steer_clear(&steer->traces.interface[i]);
	steer_release_ports(dp);
	dp_traces_remove(dp->conf->run_directory);
	memset(&steer->traces, 0, sizeof(steer->traces));
	steer->open = false;
}

static void steer_port_sockets(const struct dp_port *port, struct tp_port_status *out)
{
	struct xdp_statistics s;

	for (uint16_t q = 0; q < port->queues; q++) {
		if (port->queue_fd[q] < 0 || dp_xsk_statistics(port->queue_fd[q], &s) < 0)
			continue;
		out->xdp_rx_dropped += s.rx_dropped;
		out->xdp_rx_ring_full += s.rx_ring_full;
		out->xdp_rx_fill_empty += s.rx_fill_ring_empty_descs;
		out->xdp_tx_invalid += s.tx_invalid_descs;
		out->xdp_tx_empty += s.tx_ring_empty_descs;
	}
}

void dp_steer_status(const struct dp *dp, struct tp_status_reply *out)
{
	for (uint16_t i = 0; i < dp->n_ports; i++) {
		const struct dp_port *port = &dp->ports[i];
		struct tp_port_status *to = &out->port[i];
		uint64_t n[TP_STEER_COUNTS] = {0};

		to->xdp_rx_dropped = to->xdp_rx_ring_full = to->xdp_rx_fill_empty = 0;
		to->xdp_tx_invalid = to->xdp_tx_empty = 0;
		if (port->ifindex) {
			dp_bpf_maps_read(&dp->steer->port[i].maps, n);
			steer_port_sockets(port, to);
		}
		to->steer_udp_listener = n[TP_STEER_UDP_LISTENER];
		to->steer_udp_relay = n[TP_STEER_UDP_RELAY];
		to->steer_fragment = n[TP_STEER_FRAGMENT];
		to->steer_icmp = n[TP_STEER_ICMP];
		to->steer_passed = n[TP_STEER_PASSED];
		to->steer_dropped = n[TP_STEER_DROPPED];
		to->guard_dropped = n[TP_STEER_GUARD_DROPPED];
	}
}
