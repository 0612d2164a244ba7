// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "common/base/clock.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/net/net.h"
#include "dataplane/path/worker.h"
#include "dataplane/setup/setup.h"

#define LATE_NS TP_NS_PER_S

uint16_t dp_manage_workers_late(const struct dp_manage *m, uint64_t now_ns)
{
	uint16_t late = 0;

	for (uint16_t w = 0; w < m->dp->n_workers; w++) {
		uint64_t seen_ns = dp_worker_last_seen_ns(m->dp->workers[w]);
		late += now_ns > seen_ns && now_ns - seen_ns > LATE_NS;
	}
	return late;
}

static void fill_port(const struct dp_port *port, struct tp_port_status *out)
{
	bool bench = port->conf->mode == CONF_PORT_BENCH;
	struct rte_eth_stats stats;

	snprintf(out->name, sizeof(out->name), "%s", port->conf->name);
	snprintf(out->interface, sizeof(out->interface), "%s", port->conf->interface);
	snprintf(out->mode, sizeof(out->mode), "%s", bench ? "bench" : "af_xdp");
	out->link_up = atomic_load_explicit(&port->up, memory_order_relaxed);
	out->mtu = atomic_load_explicit(&port->mtu, memory_order_relaxed);
	if (rte_eth_stats_get(port->port_id, &stats) == 0) {
		out->rx = stats.ipackets;
		out->tx = stats.opackets;
	}
}

static void fill_process(const struct dp_manage *m, struct tp_status_reply *out, uint64_t now_ns)
{
	const struct dp *dp = m->dp;

	out->header = (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_STATUS_REPLY,
		.length_bytes = sizeof(*out)};
	snprintf(out->version, sizeof(out->version), "%s", TP_VERSION);
	out->pid = (uint32_t)getpid();
	out->control_pid = m->control ? m->control->pid : 0;
	out->instance = dp->instance;
	out->started_wall_ns = dp->started_wall_ns;
	out->now_ns = now_ns;
	out->control_since_ns = m->control_since_ns;
	out->workers = dp->n_workers;
	out->ports = dp->n_ports;
	out->hugepages = dp->hugepages;
	out->workers_late = dp_manage_workers_late(m, now_ns);
	out->tsc_hz = dp->tsc_hz;
	out->commands = m->commands;
	out->commands_refused = m->commands_refused;
}

void dp_manage_status(struct dp_manage *m, struct tp_status_reply *out, uint64_t now_ns)
{
	const struct dp *dp = m->dp;

	memset(out, 0, sizeof(*out));
	fill_process(m, out, now_ns);
	for (uint16_t w = 0; w < dp->n_workers; w++)
		dp_worker_add_stats(dp->workers[w], out->counter, out->drop, &out->held);
	if (dp->pool) {
		out->mbufs_free = rte_mempool_avail_count(dp->pool);
		out->mbufs_total = dp->pool->size;
	}
	dp_apply_status(dp->apply, out);
	for (uint16_t p = 0; p < dp->n_ports; p++)
		fill_port(&dp->ports[p], &out->port[p]);
	if (dp->net)
		dp_net_status(dp->net, out);
	if (dp->steer)
		dp_steer_status(dp, out);
}
