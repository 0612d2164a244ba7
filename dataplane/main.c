// SPDX-License-Identifier: BSD-3-Clause
// turnpike-dataplane: brings everything up in order, runs the management loop, takes everything
// down in the reverse order. Whatever fails, what was done is undone and the exit code is 1.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "common/abi/record.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/listen_fds.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "config/conf_host.h"
#include "config/conf_main.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage.h"
#include "dataplane/net/net.h"
#include "dataplane/path/probe.h"
#include "dataplane/path/worker.h"
#include "dataplane/setup/setup.h"

// Before any thread: the management loop alone receives them.
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static bool has_kernel_side(const struct dp *dp)
{
	for (uint16_t i = 0; i < dp->n_ports; i++)
		if (dp->ports[i].routes_ifindex)
			return true;
	return false;
}

static int tables_failed(const char *what)
{
	int rc = rte_errno ? -rte_errno : -ENOMEM;

	tp_error("no memory for %s: %s (limits in the configuration, hugepages)", what,
		rte_strerror(-rc));
	return rc;
}

// What workers read without a lock.
static int tables_open(struct dp *dp)
{
	int socket = (int)rte_socket_id();

	dp->qsbr = rte_zmalloc_socket(
		"qsbr", rte_rcu_qsbr_get_memsize(TP_MAX_WORKERS), RTE_CACHE_LINE_SIZE, socket);
	if (!dp->qsbr || rte_rcu_qsbr_init(dp->qsbr, TP_MAX_WORKERS) != 0)
		return tables_failed("the grace periods of the workers");
	dp->next_hops = rte_zmalloc_socket(
		"next_hops", DP_NEXT_HOP_MAX * sizeof(*dp->next_hops), RTE_CACHE_LINE_SIZE, socket);
	if (!dp->next_hops)
		return tables_failed("next hops");
	dp->locals = dp_locals_create(dp->conf, socket);
	if (!dp->locals)
		return tables_failed("local addresses");
	dp->flows = dp_flow_table_create(dp->conf->limits.flows, dp->qsbr, socket);
	if (!dp->flows)
		return tables_failed("the flow table");
	return 0;
}

static void tables_close(struct dp *dp)
{
	if (dp->flows)
		dp_flow_table_destroy(dp->flows);
	if (dp->locals)
		dp_locals_destroy(dp->locals);
	rte_free(dp->next_hops);
	rte_free(dp->qsbr);
}

static int workers_open(struct dp *dp)
{
	for (size_t i = 0; i < dp->conf->workers.n_cores; i++) {
		// dp_eal_open gave lcore i + 1 to the worker i.
		int rc = dp_worker_create(dp, (uint16_t)i, (unsigned int)i + 1, &dp->workers[i]);
		if (rc < 0) {
			tp_error("no memory for worker %zu: %s", i, strerror(-rc));
			return rc;
		}
		dp->n_workers++;
	}
	return 0;
}

static void workers_close(struct dp *dp)
{
	for (uint16_t i = 0; i < dp->n_workers; i++)
		dp_worker_destroy(dp->workers[i]);
	dp->n_workers = 0;
}

static int workers_start(struct dp *dp)
{
	for (uint16_t i = 0; i < dp->n_workers; i++) {
		// The filter that follows takes the system call for it away: no worker may be late with it.
		int rc = rte_eal_remote_launch(dp_worker_name, dp->workers[i], i + 1u);
		if (rc == 0)
			rc = rte_eal_wait_lcore(i + 1u);
		if (rc == 0)
			rc = rte_eal_remote_launch(dp_worker_main, dp->workers[i], i + 1u);
		if (rc < 0) {
			tp_error("worker %u does not start: %s", i, strerror(-rc));
			return rc;
		}
	}
	return 0;
}

static void workers_stop(struct dp *dp)
{
	atomic_store_explicit(&dp->stop, true, memory_order_release);
	for (uint16_t i = 0; i < dp->n_workers; i++)
		dp_worker_kick(dp->workers[i]);
	rte_eal_mp_wait_lcore();
}

static void say_ready(const struct dp *dp)
{
	char ports[256] = "";
	size_t n = 0;

	for (uint16_t i = 0; i < dp->n_ports && n < sizeof(ports); i++) {
		const struct dp_port *port = &dp->ports[i];
		n += (size_t)snprintf(ports + n, sizeof(ports) - n, "%s%s (%s, %u queue%s)",
			i ? ", " : "", port->conf->name,
			port->ifindex ? port->conf->interface : "bench", port->queues,
			port->queues == 1 ? "" : "s");
	}
	tp_notice("ready: port%s %s; %u worker%s; %u listener%s; relay addresses %u, ports %u-%u",
		dp->n_ports == 1 ? "" : "s", ports, dp->n_workers, dp->n_workers == 1 ? "" : "s",
		dp_listener_count(dp->locals), dp_listener_count(dp->locals) == 1 ? "" : "s",
		(unsigned int)dp->conf->relay.n_addresses, dp->conf->relay.port_min,
		dp->conf->relay.port_max);
	tp_notify_service_manager("READY=1");
}

// Steering comes last: nothing is taken from the kernel before somebody handles it.
static int relay(struct dp *dp)
{
	int rc = dp_manage_create(dp, &dp->manage);

	if (rc < 0)
		return rc;
	rc = workers_start(dp);
	if (rc == 0)
		rc = dp_steer_open(dp);
	if (rc == 0)
		rc = dp_privileges_filter(dp);
	if (rc == 0) {
		say_ready(dp);
		rc = dp_manage_run(dp->manage);
		tp_notify_service_manager("STOPPING=1");
	}
	dp_steer_close(dp);
	workers_stop(dp);
	dp_manage_destroy(dp->manage);
	return rc;
}

// From a running EAL on.
static int run_in_eal(struct dp *dp)
{
	int rc = tables_open(dp);

	if (rc == 0)
		rc = dp_pool_open(dp);
	if (rc == 0)
		rc = dp_ports_open(dp);
	if (rc == 0 && has_kernel_side(dp))
		rc = dp_net_create(dp, &dp->net);
	if (rc == 0)
		rc = dp_apply_create(dp, &dp->apply);
	if (rc == 0)
		rc = dp_probe_open(dp) < 0 ? tables_failed("the flow of probes") : 0;
	if (rc == 0)
		rc = workers_open(dp);
	if (rc == 0)
		rc = relay(dp);
	workers_close(dp);
	dp_apply_destroy(dp->apply);
	dp_net_destroy(dp->net);
	dp_ports_close(dp);
	dp_pool_close(dp);
	tables_close(dp);
	return rc;
}

static int run(const struct conf *conf)
{
	struct dp *dp = calloc(1, sizeof(*dp));
	int rc;

	if (!dp)
		return -ENOMEM;
	dp->conf = conf;
	dp->lock_fd = -1;
	dp->started_wall_ns = tp_wall_ns();
	dp->kept_region_fd = tp_listen_fds_take(TP_REGION_NAME);
	rc = tp_random_bytes(&dp->instance, sizeof(dp->instance));
	if (rc == 0)
		rc = dp_privileges_drop(dp);
	if (rc == 0)
		rc = dp_lock_open(dp);
	if (rc == 0)
		rc = dp_eal_open(dp);
	if (rc == 0)
		rc = run_in_eal(dp);
	dp_eal_close(dp);
	dp_lock_close(dp);
	free(dp);
	return rc;
}

int main(int argc, char **argv)
{
	const struct conf_main self = {.program = "turnpike-dataplane",
		.summary = "relays media between TURN clients and peers as control orders",
		.out = stdout,
		.errors = stderr};
	struct conf *conf;
	int rc = conf_main(&self, argc, argv, &conf);

	if (rc != CONF_MAIN_RUN)
		return rc;
	tp_log_init("turnpike-dataplane", (enum tp_log_level)conf->log_level);
	conf_forget_credentials(conf); // control's
	block_signals();
	rc = conf_check_host(conf, stderr);
	if (rc == 0)
		rc = run(conf);
	conf_free(conf);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
