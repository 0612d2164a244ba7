// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_malloc.h>

#include "bench/core/world.h"
#include "common/base/clock.h"

#define LISTENER_IP    0xc6120002 // 198.18.0.2
#define LISTENER_PORT  3478
#define RELAY_IP       0xc6120700 // 198.18.7.0/24
#define RELAY_PORT_MIN 49152
#define RELAY_PORTS    16384
#define CLIENT_IP      0xc6130000 // 198.19.0.0
#define CLIENTS_AN_IP  16
#define PEER_IP        0xcb007100 // 203.0.113.0/24
#define EXPIRED_IP     0xc6336400 // 198.51.100.0/24: peers whose permission has run out
#define HOUR_NS        (3600 * TP_NS_PER_S)
#define RATE_BYTES     UINT64_C(1000000000) // policed, and never exceeded
#define NEXT_HOP       1

const struct rte_ether_addr world_port_mac = {{0x02, 0, 0, 0, 0, 1}};
const struct rte_ether_addr world_gateway_mac = {{0x02, 0, 0, 0, 0, 2}};

static uint32_t alloc_of(uint32_t flow)
{
	return flow / 2 / WORLD_CHANNELS_PER_ALLOC;
}

bool world_expired(uint32_t flow)
{
	return flow / 2 % WORLD_EXPIRED_EVERY == WORLD_EXPIRED_EVERY / 2;
}

uint16_t world_channel(uint32_t flow)
{
	return (uint16_t)(0x4000 + flow / 2 % WORLD_CHANNELS_PER_ALLOC);
}

// IPv6 addresses have the IPv4 one at their end.
static struct tp_addr address(const struct world *w, uint32_t ip, uint32_t port)
{
	struct tp_addr addr = {.ip = tp_ip4(ip), .port = (uint16_t)port};

	if (w->kind == WORLD_CHANNEL_IPV6) {
		memcpy(addr.ip.bytes + 12, addr.ip.bytes, 4);
		memcpy(addr.ip.bytes, "\xfd\x00\x01\x98\x00\x18\x00\x00\x00\x00\x00", 12);
		addr.ip.family = TP_FAMILY_IPV6;
	}
	return addr;
}

static struct tp_addr listener(const struct world *w)
{
	return address(w, LISTENER_IP, LISTENER_PORT);
}

static struct tp_addr client_of(const struct world *w, uint32_t alloc)
{
	return address(w, CLIENT_IP + alloc / CLIENTS_AN_IP, 20000 + alloc % CLIENTS_AN_IP * 7);
}

static struct tp_addr relay_of(const struct world *w, uint32_t alloc)
{
	return address(w, RELAY_IP + alloc / RELAY_PORTS, RELAY_PORT_MIN + alloc % RELAY_PORTS);
}

// A permission is for an address: every peer of an allocation has its own then.
struct tp_addr world_peer(const struct world *w, uint32_t flow)
{
	uint32_t base = world_expired(flow) ? EXPIRED_IP : PEER_IP;
	uint32_t place = flow / 2 % WORLD_CHANNELS_PER_ALLOC;

	if (w->kind == WORLD_INDICATION)
		return address(w, base + place, 10000 + place);
	return address(w, base + alloc_of(flow) % 256, 10000 + place);
}

struct world_ends world_arriving(const struct world *w, uint32_t flow)
{
	uint32_t alloc = alloc_of(flow);

	if (world_is_up(flow))
		return (struct world_ends){client_of(w, alloc), listener(w)};
	return (struct world_ends){world_peer(w, flow), relay_of(w, alloc)};
}

struct world_ends world_leaving(const struct world *w, uint32_t flow)
{
	uint32_t alloc = alloc_of(flow);

	if (world_is_up(flow))
		return (struct world_ends){relay_of(w, alloc), world_peer(w, flow)};
	return (struct world_ends){listener(w), client_of(w, alloc)};
}

static int command(struct world *w, struct tp_cmd *cmd)
{
	struct tp_ack ack;

	cmd->layout = 1;
	dp_apply_command(w->dp.apply, cmd, &ack);
	return ack.result;
}

static int add_alloc(struct world *w, uint32_t alloc, uint64_t deadline_ns)
{
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_SET,
		.alloc = {alloc, 1},
		.deadline_ns = deadline_ns,
		.allocation = {.client = client_of(w, alloc),
			.listener = listener(w),
			.rate_bytes_per_s = RATE_BYTES}};

	cmd.allocation.relay[0] = relay_of(w, alloc);
	return command(w, &cmd);
}

static int add_channel(struct world *w, uint32_t flow, uint64_t deadline_ns)
{
	struct tp_addr peer = world_peer(w, flow);
	struct tp_cmd permission = {.type = TP_CMD_PERMISSION_SET,
		.alloc = {alloc_of(flow), 1},
		.deadline_ns = world_expired(flow) ? 1 : deadline_ns,
		.permission = peer.ip};
	struct tp_cmd channel = {.type = TP_CMD_CHANNEL_SET,
		.alloc = {alloc_of(flow), 1},
		.deadline_ns = deadline_ns,
		.channel = {.peer = peer, .channel = world_channel(flow)}};
	int error = command(w, &permission);

	return error < 0 || w->kind == WORLD_INDICATION ? error : command(w, &channel);
}

static int add_flows(struct world *w)
{
	uint64_t deadline_ns = tp_now_ns() + HOUR_NS;
	int error = 0;

	for (uint32_t i = 0; i < w->allocs && error == 0; i++)
		error = add_alloc(w, i, deadline_ns);
	for (uint32_t flow = 0; flow < w->flows && error == 0; flow += 2)
		error = add_channel(w, flow, deadline_ns);
	// Nothing was removed yet, so indices run from 1 without a gap.
	for (uint32_t i = 1; i <= dp_flow_count(w->dp.flows); i++) {
		struct dp_flow *flow = dp_flow_at(w->dp.flows, i);
		atomic_store_explicit(&flow->next_hop, NEXT_HOP, memory_order_relaxed);
		if (flow->kind == DP_FLOW_PERMISSION)
			atomic_store_explicit(
				&flow->peer_next_hop, NEXT_HOP, memory_order_relaxed);
	}
	return error;
}

static void configure(struct world *w)
{
	struct conf *c = &w->conf;

	c->n_listeners = 1;
	c->listeners[0] = (struct conf_listener){.address = listener(w).ip,
		.port = LISTENER_PORT,
		.transports = CONF_TRANSPORT_UDP};
	c->relay.n_addresses = 1;
	c->relay.addresses[0] = (struct conf_relay){.address = address(w, RELAY_IP, 0).ip,
		.public_address = address(w, RELAY_IP, 0).ip,
		.prefix_bits = w->kind == WORLD_CHANNEL_IPV6 ? 120 : 24};
	c->relay.port_min = RELAY_PORT_MIN;
	c->relay.port_max = RELAY_PORT_MIN + RELAY_PORTS - 1;
	c->limits.allocations = w->allocs;
	c->workers.n_cores = 1;
	c->forwarding.dscp = CONF_DSCP_COPY;
	w->dp.conf = c;
	w->dp.n_ports = 1;
	w->dp.n_workers = 1;
	w->dp.ports[0] = (struct dp_port){.mac = world_port_mac, .mtu = 1500, .up = 1};
}

static void resolve(struct world *w)
{
	uint64_t mac = DP_MAC_RESOLVED;

	memcpy(&mac, &world_gateway_mac, sizeof(world_gateway_mac));
	w->dp.next_hops[NEXT_HOP] = (struct dp_next_hop){
		.mac_state = mac, .port = 0, .vlan = 0xffff, .mtu = 1500, .references = 1};
}

int world_open(struct world *w, enum world_kind kind, uint32_t flows)
{
	uint32_t expired = flows / 2 / WORLD_EXPIRED_EVERY + 1;
	int socket = (int)rte_socket_id();

	*w = (struct world){.kind = kind, .flows = flows};
	w->allocs = (flows / 2 + WORLD_CHANNELS_PER_ALLOC - 1) / WORLD_CHANNELS_PER_ALLOC;
	configure(w);
	uint32_t capacity = 2 * w->allocs + expired + flows;
	w->dp.pool = rte_pktmbuf_pool_create(
		"frames", WORLD_MBUFS, 256, DP_MBUF_PRIVATE, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	w->dp.locals = dp_locals_create(&w->conf, socket);
	w->dp.flows = dp_flow_table_create(capacity, NULL, socket);
	w->dp.next_hops = rte_zmalloc(
		"next_hops", DP_NEXT_HOP_MAX * sizeof(struct dp_next_hop), RTE_CACHE_LINE_SIZE);
	int error = -ENOMEM;
	if (w->dp.pool != NULL && w->dp.locals != NULL && w->dp.flows != NULL &&
		w->dp.next_hops != NULL)
		error = dp_apply_create(&w->dp, &w->dp.apply);
	if (error == 0) {
		resolve(w);
		error = add_flows(w);
	}
	if (error == 0)
		error = dp_worker_create(&w->dp, 0, rte_lcore_id(), &w->worker);
	if (error < 0)
		fprintf(stderr, "bench-core: %u flows: %s\n", flows, strerror(-error));
	return error;
}

void world_close(struct world *w)
{
	if (w->worker != NULL)
		dp_worker_destroy(w->worker);
	dp_apply_destroy(w->dp.apply);
	rte_free(w->dp.next_hops);
	dp_flow_table_destroy(w->dp.flows);
	dp_locals_destroy(w->dp.locals);
	rte_mempool_free(w->dp.pool);
}
