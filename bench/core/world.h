// SPDX-License-Identifier: BSD-3-Clause
// The appliance that the core benchmark drives: one worker, one port without queues, and as many
// channel flows as asked for, made by the same commands that control sends.
#pragma once

#include "dataplane/cmd/apply.h"
#include "dataplane/path/pipeline.h"

#define WORLD_CHANNELS_PER_ALLOC 8
#define WORLD_EXPIRED_EVERY      100 // one channel of so many has run out
#define WORLD_MBUFS              (112 * 1024)

// What its clients do.
enum world_kind {
	WORLD_CHANNEL_IPV4, // ChannelData, client and peer IPv4
	WORLD_CHANNEL_IPV6, // the same, both IPv6
	WORLD_INDICATION,   // Send and Data indications, both IPv4: no channels
	WORLD_KINDS,
};

struct world {
	enum world_kind kind;
	struct conf conf;
	struct dp dp;
	struct dp_worker *worker;
	uint32_t flows; // two a channel, or a permission
	uint32_t allocs;
};

// What the two ends of a flow look like on the wire.
struct world_ends {
	struct tp_addr source, destination;
};

// 0 or -errno after a message.
int world_open(struct world *w, enum world_kind kind, uint32_t flows);
void world_close(struct world *w);

// Channel number of a flow; whether its channel or permission has expired; its peer.
uint16_t world_channel(uint32_t flow);
bool world_expired(uint32_t flow);
struct tp_addr world_peer(const struct world *w, uint32_t flow);
// Even flows lead up, odd ones down.
static inline bool world_is_up(uint32_t flow)
{
	return flow % 2 == 0;
}
// As the frame arrives, and as it has to leave.
struct world_ends world_arriving(const struct world *w, uint32_t flow);
struct world_ends world_leaving(const struct world *w, uint32_t flow);

extern const struct rte_ether_addr world_port_mac, world_gateway_mac;
