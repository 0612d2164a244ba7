// SPDX-License-Identifier: BSD-3-Clause
// A dataplane with tables and no ports, whose net/ is a counter of references. Include once a test.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/cmd/apply.h"
#include "dataplane/net/net.h"
#include "tests/unit/dataplane/eal.h"

#define ALLOCATIONS 64
#define FLOWS       512

// Stands for net/: next hop 1 + last byte of the address + what a route change adds.
struct dp_net {
	uint64_t generation;
	uint32_t references[1024];
	uint32_t shift;
};

uint64_t dp_net_generation(const struct dp_net *net)
{
	return net->generation;
}

uint16_t dp_net_hold(struct dp_net *net, const struct tp_ip *dst)
{
	uint16_t hop = (uint16_t)(1 + net->shift + dst->bytes[tp_ip_length(dst) - 1]);
	net->references[hop]++;
	return hop;
}

void dp_net_release(struct dp_net *net, uint16_t next_hop)
{
	assert_int_not_equal(next_hop, DP_NEXT_HOP_NONE);
	assert_true(net->references[next_hop] > 0);
	net->references[next_hop]--;
}

struct fixture {
	struct conf conf;
	struct dp dp;
	struct dp_net net;
	struct dp_apply *apply;
	struct tp_ack ack;
};

static inline struct tp_ip ip(const char *text)
{
	struct tp_ip out;
	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static inline struct tp_addr at(const char *text, uint16_t port)
{
	return (struct tp_addr){.ip = ip(text), .port = port};
}

static inline void fixture_relay(struct conf *c, const char *address, const char *public)
{
	struct conf_relay *relay = &c->relay.addresses[c->relay.n_addresses++];

	relay->address = ip(address);
	relay->public_address = ip(public);
	relay->prefix_bits = (uint8_t)(8 * tp_ip_length(&relay->address));
}

static inline void fixture_listener(struct conf *c, const char *address)
{
	c->listeners[c->n_listeners++] = (struct conf_listener){
		.address = ip(address), .port = 3478, .transports = CONF_TRANSPORT_UDP};
}

// `qsbr` NULL: no reader, what is freed is free at once.
static inline struct fixture *fixture_new_read(struct rte_rcu_qsbr *qsbr)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->conf.relay.port_min = 49152;
	f->conf.relay.port_max = 65535;
	f->conf.limits.allocations = ALLOCATIONS;
	fixture_relay(&f->conf, "198.18.0.2", "198.18.0.2"); // also a listener
	fixture_relay(&f->conf, "10.0.0.5", "203.0.113.5");
	fixture_relay(&f->conf, "fd00:198:18::5", "fd00:198:18::5");
	fixture_listener(&f->conf, "198.18.0.2");
	fixture_listener(&f->conf, "198.18.0.3"); // a listener only
	fixture_listener(&f->conf, "fd00:198:18::2");
	f->dp.conf = &f->conf;
	f->dp.net = &f->net;
	f->dp.locals = dp_locals_create(&f->conf, SOCKET_ID_ANY);
	f->dp.flows = dp_flow_table_create(FLOWS, qsbr, SOCKET_ID_ANY);
	assert_non_null(f->dp.locals);
	assert_non_null(f->dp.flows);
	assert_int_equal(dp_apply_create(&f->dp, &f->apply), 0);
	return f;
}

static inline struct fixture *fixture_new(void)
{
	return fixture_new_read(NULL);
}

static inline uint32_t fixture_references(const struct fixture *f)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < RTE_DIM(f->net.references); i++)
		sum += f->net.references[i];
	return sum;
}

static inline void fixture_free(struct fixture *f)
{
	dp_apply_destroy(f->apply);
	dp_flow_table_destroy(f->dp.flows);
	dp_locals_destroy(f->dp.locals);
	free(f);
}

static inline int run(struct fixture *f, struct tp_cmd cmd)
{
	static uint64_t sequence;

	cmd.sequence = ++sequence;
	cmd.layout = 1;
	dp_apply_command(f->apply, &cmd, &f->ack);
	assert_true(f->ack.sequence == cmd.sequence);
	assert_int_equal(f->ack.type, cmd.type);
	return f->ack.result;
}

static inline struct tp_cmd cmd_of(uint16_t type, uint32_t index, uint32_t generation)
{
	return (struct tp_cmd){.type = type, .alloc = {index, generation}};
}

static inline int permission_set(
	struct fixture *f, uint32_t index, uint32_t generation, const char *peer, uint64_t deadline)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_PERMISSION_SET, index, generation);
	cmd.deadline_ns = deadline;
	cmd.permission = ip(peer);
	return run(f, cmd);
}

static inline int channel_set(struct fixture *f, uint32_t index, uint32_t generation,
	const char *peer, uint16_t port, uint16_t channel, uint64_t deadline)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_CHANNEL_SET, index, generation);
	cmd.deadline_ns = deadline;
	cmd.channel.peer = at(peer, port);
	cmd.channel.channel = channel;
	return run(f, cmd);
}
