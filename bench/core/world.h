// SPDX-License-Identifier: BSD-3-Clause
// The appliance that the core benchmark drives: one worker, one port without queues, and as many
// channel flows as asked for, made by the same commands that control sends.
#pragma once

#include "dataplane/cmd/apply.h"
#include "dataplane/path/pipeline.h"

#define WORLD_CHANNELS_PER_ALLOC 8
#define WORLD_EXPIRED_EVERY      100 // one channel of so many has run out
#define WORLD_MBUFS              (112 * 1024)

struct rte_hash;

struct world {
	struct conf conf;
	struct dp dp;
	struct dp_worker *worker;
	struct rte_hash *hash; // the same flows, for the other variant
	uint32_t flows;        // channel flows: two a channel
	uint32_t allocs;
};

// What the two ends of a channel flow look like on the wire, network order.
struct world_ends {
	rte_be32_t source, destination;
	rte_be16_t source_port, destination_port;
};

// 0 or -errno after a message.
int world_open(struct world *w, uint32_t flows);
void world_close(struct world *w);

// Channel number of a flow; whether its channel has expired.
uint16_t world_channel(uint32_t flow);
bool world_expired(uint32_t flow);
// Even flows lead up, odd ones down.
static inline bool world_is_up(uint32_t flow)
{
	return flow % 2 == 0;
}
// As the frame arrives, and as it has to leave.
struct world_ends world_arriving(uint32_t flow);
struct world_ends world_leaving(uint32_t flow);

extern const struct rte_ether_addr world_port_mac, world_gateway_mac;
