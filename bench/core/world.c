// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "bench/core/world.h"
#include "bench/micro/hash_variant.h"
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

static struct tp_addr address(uint32_t ip, uint32_t port)
{
	return (struct tp_addr){.ip = tp_ip4(ip), .port = (uint16_t)port};
}

static struct tp_addr client_of(uint32_t alloc)
{
	return address(CLIENT_IP + alloc / CLIENTS_AN_IP, 20000 + alloc % CLIENTS_AN_IP * 7);
}

static struct tp_addr relay_of(uint32_t alloc)
{
	return address(RELAY_IP + alloc / RELAY_PORTS, RELAY_PORT_MIN + alloc % RELAY_PORTS);
}

static struct tp_addr peer_of(uint32_t flow)
{
	uint32_t base = world_expired(flow) ? EXPIRED_IP : PEER_IP;
	return address(base + alloc_of(flow) % 256, 10000 + flow / 2 % WORLD_CHANNELS_PER_ALLOC);
}

static struct world_ends ends(struct tp_addr from, struct tp_addr to)
{
	struct world_ends e = {.source_port = rte_cpu_to_be_16(from.port),
		.destination_port = rte_cpu_to_be_16(to.port)};

	memcpy(&e.source, from.ip.bytes, sizeof(e.source));
	memcpy(&e.destination, to.ip.bytes, sizeof(e.destination));
	return e;
}

struct world_ends world_arriving(uint32_t flow)
{
	if (world_is_up(flow))
		return ends(client_of(alloc_of(flow)), address(LISTENER_IP, LISTENER_PORT));
	return ends(peer_of(flow), relay_of(alloc_of(flow)));
}

struct world_ends world_leaving(uint32_t flow)
{
	if (world_is_up(flow))
		return ends(relay_of(alloc_of(flow)), peer_of(flow));
	return ends(address(LISTENER_IP, LISTENER_PORT), client_of(alloc_of(flow)));
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
		.allocation = {.client = client_of(alloc),
			.listener = address(LISTENER_IP, LISTENER_PORT),
			.relay = {relay_of(alloc)},
			.rate_bytes_per_s = RATE_BYTES}};
	return command(w, &cmd);
}

static int add_channel(struct world *w, uint32_t flow, uint64_t deadline_ns)
{
	struct tp_addr peer = peer_of(flow);
	struct tp_cmd permission = {.type = TP_CMD_PERMISSION_SET,
		.alloc = {alloc_of(flow), 1},
		.deadline_ns = world_expired(flow) ? 1 : deadline_ns,
		.permission = peer.ip};
	struct tp_cmd channel = {.type = TP_CMD_CHANNEL_SET,
		.alloc = {alloc_of(flow), 1},
		.deadline_ns = deadline_ns,
		.channel = {.peer = peer, .channel = world_channel(flow)}};
	int error = command(w, &permission);

	return error < 0 ? error : command(w, &channel);
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
	for (uint32_t i = 1; i <= dp_flow_count(w->dp.flows) && error == 0; i++) {
		struct dp_flow *flow = dp_flow_at(w->dp.flows, i);
		atomic_store_explicit(&flow->next_hop, NEXT_HOP, memory_order_relaxed);
		error = bench_hash_add(w->hash, flow);
	}
	return error;
}

static void configure(struct world *w)
{
	struct conf *c = &w->conf;

	c->n_listeners = 1;
	c->listeners[0] = (struct conf_listener){.address = tp_ip4(LISTENER_IP),
		.port = LISTENER_PORT,
		.transports = CONF_TRANSPORT_UDP};
	c->relay.n_addresses = 1;
	c->relay.addresses[0] = (struct conf_relay){
		.address = tp_ip4(RELAY_IP), .public_address = tp_ip4(RELAY_IP), .prefix_bits = 24};
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

int world_open(struct world *w, uint32_t flows)
{
	uint32_t expired = flows / 2 / WORLD_EXPIRED_EVERY + 1;
	int socket = (int)rte_socket_id();

	*w = (struct world){.flows = flows};
	w->allocs = (flows / 2 + WORLD_CHANNELS_PER_ALLOC - 1) / WORLD_CHANNELS_PER_ALLOC;
	configure(w);
	uint32_t capacity = 2 * w->allocs + expired + flows;
	w->dp.pool = rte_pktmbuf_pool_create(
		"frames", WORLD_MBUFS, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, socket);
	w->dp.locals = dp_locals_create(&w->conf, socket);
	w->dp.flows = dp_flow_table_create(capacity, NULL, socket);
	w->dp.next_hops = rte_zmalloc(
		"next_hops", DP_NEXT_HOP_MAX * sizeof(struct dp_next_hop), RTE_CACHE_LINE_SIZE);
	w->hash = bench_hash_create(capacity + capacity / 4);
	int error = -ENOMEM;
	if (w->dp.pool != NULL && w->dp.locals != NULL && w->dp.flows != NULL &&
		w->dp.next_hops != NULL && w->hash != NULL)
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
	bench_hash_destroy(w->hash);
	rte_free(w->dp.next_hops);
	dp_flow_table_destroy(w->dp.flows);
	dp_locals_destroy(w->dp.locals);
	rte_mempool_free(w->dp.pool);
}
