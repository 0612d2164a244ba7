// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "dataplane/net/socket.h"
#include "dataplane/net/tables.h"

// Datagrams of events that one call reads, so that the management thread's other work goes on.
#define EVENTS_PER_CALL 64
// Tries for a dump that changes under our hands before the next second continues.
#define DUMP_TRIES 5
// Dumps between two ticks: an interface that flaps must not keep the thread busy.
#define REREADS_PER_TICK 4

struct dp_net {
	struct net_tables tables;
	struct net_socket events, dump, ask;
	uint64_t rounds;
	uint32_t rereads_left;
	bool refused; // the kernel refused a request; said once until one succeeds
};

static void apply(void *context, const struct nlmsghdr *message)
{
	dp_net_tables_apply(&((struct dp_net *)context)->tables, message);
}

static void ask(void *context, enum net_wish wish, uint32_t ifindex, const struct tp_ip *ip)
{
	struct dp_net *net = context;
	char text[TP_ADDR_STRLEN];
	int rc;

	if (wish == NET_WISH_DROP) {
		dp_net_ask_drop(&net->ask, ifindex, ip);
		return;
	}
	rc = dp_net_ask_keep(&net->ask, ifindex, ip);
	// An interface that is down refuses too; that is its link state's message, not ours.
	if (rc < 0 && rc != -ENETDOWN && rc != -ENODEV && !net->refused)
		tp_warning("the kernel does not resolve neighbour %s: %s", tp_ip_format(ip, text),
			strerror(-rc));
	net->refused = rc < 0;
	dp_net_ask_state(&net->ask, ifindex, ip, apply, net);
}

static int dump_once(struct dp_net *net)
{
	static const struct {
		uint16_t type;
		uint8_t family;
	} dumps[] = {{RTM_GETLINK, AF_UNSPEC}, {RTM_GETNEIGH, AF_INET}, {RTM_GETNEIGH, AF_INET6},
		{RTM_GETROUTE, AF_INET}, {RTM_GETROUTE, AF_INET6}};
	int rc = 0;

	dp_net_tables_dump_begin(&net->tables);
	for (size_t i = 0; rc == 0 && i < RTE_DIM(dumps); i++) {
		rc = dp_net_socket_dump(&net->dump, dumps[i].type, dumps[i].family, apply, net);
		if (rc == -EAFNOSUPPORT || rc == -EOPNOTSUPP)
			rc = 0; // a kernel without IPv6
	}
	dp_net_tables_dump_end(&net->tables, rc == 0);
	return rc;
}

static int dump_all(struct dp_net *net)
{
	int rc = -EINTR;

	for (int i = 0; rc == -EINTR && i < DUMP_TRIES; i++)
		rc = dump_once(net);
	return rc;
}

int dp_net_create(struct dp *dp, struct dp_net **out)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_ROUTE,
		RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_NEXTHOP, 0};
	static const int no_groups[] = {0};
	struct dp_net *net = calloc(1, sizeof(*net));
	int rc;

	*out = NULL;
	if (!net)
		return -ENOMEM;
	net->events.fd = net->dump.fd = net->ask.fd = -1;
	net->rereads_left = REREADS_PER_TICK;
	rc = dp_net_tables_init(&net->tables, dp, (struct net_asker){.ask = ask, .context = net});
	if (rc == 0)
		rc = dp_net_socket_open(&net->events, groups, false);
	if (rc == 0)
		rc = dp_net_socket_open(&net->dump, no_groups, true);
	if (rc == 0)
		rc = dp_net_socket_open(&net->ask, no_groups, true);
	if (rc == 0)
		rc = dump_all(net);
	if (rc == -EINTR) // what was read counts; the rest follows with the next second
		rc = 0;
	if (rc < 0) {
		tp_error("cannot read routes and neighbours from the kernel: %s", strerror(-rc));
		dp_net_destroy(net);
		return rc;
	}
	*out = net;
	return 0;
}

void dp_net_destroy(struct dp_net *net)
{
	if (!net)
		return;
	dp_net_tables_fini(&net->tables); // may still ask
	dp_net_socket_close(&net->events);
	dp_net_socket_close(&net->dump);
	dp_net_socket_close(&net->ask);
	free(net);
}

int dp_net_fd(const struct dp_net *net)
{
	return net->events.fd;
}

static int reread(struct dp_net *net)
{
	int rc;

	if (!net->tables.reread || net->rereads_left == 0)
		return 0;
	net->rereads_left--;
	rc = dump_all(net);
	return rc == -EINTR || rc == -EAGAIN ? 0 : rc;
}

int dp_net_process(struct dp_net *net)
{
	int rc = dp_net_socket_events(&net->events, EVENTS_PER_CALL, apply, net);

	// The loss is reported before the older events that are still queued: a dump counts only
	// after those.
	if (rc == -ENOBUFS) {
		tp_info("netlink events were lost, reading everything again");
		net->tables.reread = true;
		rc = dp_net_socket_events(&net->events, EVENTS_PER_CALL, apply, net);
		if (rc == -ENOBUFS)
			rc = 1;
	}
	return rc < 0 ? rc : rc > 0 ? 0 : reread(net);
}

void dp_net_tick(struct dp_net *net, uint64_t now_ns)
{
	net->rereads_left = REREADS_PER_TICK;
	dp_net_hops_tick(&net->tables, net->rounds++);
	if (net->tables.reread && dp_net_process(net) < 0)
		net->tables.reread = true;
}

uint64_t dp_net_generation(const struct dp_net *net)
{
	return atomic_load_explicit(&net->tables.generation, memory_order_acquire);
}

// Interface of an on-link value, 0 when the value is a next hop's index.
static uint32_t on_link_interface(const struct net_tables *t, uint16_t value)
{
	if (value < NET_ON_LINK || value >= NET_ON_LINK + NET_LINKS_MAX)
		return 0;
	return atomic_load_explicit(&t->links[value - NET_ON_LINK].ifindex, memory_order_relaxed);
}

uint16_t dp_net_lookup(const struct dp_net *net, const struct tp_ip *dst)
{
	uint16_t value = dp_net_route_lookup(&net->tables, dst);
	uint32_t ifindex = on_link_interface(&net->tables, value);

	if (value < NET_ON_LINK)
		return value;
	return ifindex ? dp_net_hop_find(&net->tables, ifindex, dst) : DP_NEXT_HOP_NONE;
}

bool dp_net_source_possible(const struct dp_net *net, const struct tp_ip *source)
{
	return !dp_net_route_no_sender(&net->tables, source);
}

uint16_t dp_net_hold(struct dp_net *net, const struct tp_ip *dst)
{
	struct net_tables *t = &net->tables;
	uint16_t value = dp_net_route_lookup(t, dst);
	uint32_t ifindex = on_link_interface(t, value);

	if (value == DP_NEXT_HOP_NONE || (value >= NET_ON_LINK && ifindex == 0))
		return DP_NEXT_HOP_NONE;
	if (value >= NET_ON_LINK)
		return dp_net_hop_hold(t, ifindex, dst);
	return dp_net_hop_hold(t, t->hops.hop[value].ifindex, &t->hops.hop[value].address);
}

void dp_net_release(struct dp_net *net, uint16_t next_hop)
{
	dp_net_hop_release(&net->tables, next_hop);
}

void dp_net_status(const struct dp_net *net, struct tp_status_reply *out)
{
	const struct net_tables *t = &net->tables;

	out->routes = t->routes.count;
	out->neighbours = t->hops.held + t->hops.idle - dp_net_hops_unresolved(t);
	out->next_hops = t->hops.held;
	out->next_hops_unresolved = dp_net_hops_unresolved(t);
	for (uint16_t i = 0; i < t->dp->n_ports && i < TP_MAX_PORTS; i++) {
		out->port[i].link_up =
			atomic_load_explicit(&t->dp->ports[i].up, memory_order_relaxed);
		out->port[i].mtu = atomic_load_explicit(&t->dp->ports[i].mtu, memory_order_relaxed);
	}
}

void dp_net_memory(const struct dp_net *net, struct tp_memory *out)
{
	tp_memory_block(out, TP_MEMORY_routes, TP_MEMORY_heap, net, sizeof(*net));
	dp_net_hops_memory(&net->tables, out);
	dp_net_routes_memory(&net->tables, out);
}
