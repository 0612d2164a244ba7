// SPDX-License-Identifier: BSD-3-Clause
// A store over plain memory with a fake clock, a seeded random source and a dataplane that keeps
// the commands it is given and acknowledges them when told to.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/adopt.h"
#include "control/alloc/allocation.h"
#include "control/alloc/expiry.h"
#include "control/alloc/permission.h"

#ifndef WORLD_COMMANDS
#define WORLD_COMMANDS 65536
#endif
#define WORLD_WALL_NS  (UINT64_C(1700000000) * TP_NS_PER_S)

struct world {
	void *region;
	size_t region_bytes;
	struct ctl_store *store;
	struct ctl_store_policy policy;
	struct ctl_time now;
	uint64_t random;

	struct tp_cmd *command; // all since the last world_forget
	uint32_t n_commands, n_acked;
	uint64_t sequence;
	uint32_t room;
};

static inline struct tp_ip ip(const char *text)
{
	struct tp_ip out;
	if (tp_ip_parse(text, &out))
		fail_msg("no address: %s", text);
	return out;
}

static inline struct tp_addr addr(const char *text, uint16_t port)
{
	return (struct tp_addr){.ip = ip(text), .port = port};
}

static inline uint64_t world_next(struct world *w)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return w->random;
}

static inline int world_random(void *context, void *out, size_t len)
{
	struct world *w = context;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)(world_next(w) >> 24);
	return 0;
}

static inline uint64_t world_send(void *context, const struct tp_cmd *cmd)
{
	struct world *w = context;
	assert_true(w->room > 0);
	assert_true(w->n_commands < WORLD_COMMANDS);
	w->room--;
	w->command[w->n_commands] = *cmd;
	w->command[w->n_commands++].sequence = ++w->sequence;
	return w->sequence;
}

static inline uint32_t world_room(void *context)
{
	return ((struct world *)context)->room;
}

static inline void world_forget(struct world *w)
{
	w->n_commands = w->n_acked = 0;
	w->room = WORLD_COMMANDS / 2;
}

static inline struct ctl_store_options world_options(struct world *w)
{
	return (struct ctl_store_options){.region = w->region,
		.region_bytes = w->region_bytes,
		.policy = &w->policy,
		.commands = {.send = world_send, .room = world_room, .context = w},
		.random = {.bytes = world_random, .context = w}};
}

// Relay addresses 198.18.0.2 (public 203.0.113.5), 198.18.7.0/30, fd00:198:18::2; listeners
// 198.18.0.2:3478 (in no relay range), fd00:198:18::2:3478.
static inline void world_policy(struct ctl_store_policy *p)
{
	*p = (struct ctl_store_policy){.n_relays = 3,
		.port_min = 50000,
		.port_max = 50099,
		.n_listeners = 2,
		.allocation_max_s = 3600,
		.permission_s = 300,
		.channel_s = 600,
		.port_rest_s = 60,
		.channel_max = CHANDATA_CHANNEL_MAX};
	p->relays[0] = (struct ctl_relay_prefix){ip("198.18.0.2"), ip("203.0.113.5"), 32};
	p->relays[1] = (struct ctl_relay_prefix){ip("198.18.7.0"), ip("198.18.7.0"), 30};
	p->relays[2] = (struct ctl_relay_prefix){ip("fd00:198:18::2"), ip("fd00:198:18::2"), 128};
	p->listeners[0] = addr("198.18.0.2", 3478);
	p->listeners[1] = addr("fd00:198:18::2", 3478);
	p->listener_transports[0] = p->listener_transports[1] = 0xf; // all of them
}

// An empty region of this many records and an adopted store over it. The policy is the caller's
// to change before: call world_policy first.
static inline void world_open(struct world *w, uint32_t allocs, uint32_t peers, uint32_t names)
{
	w->now = (struct ctl_time){.now_ns = 1000 * TP_NS_PER_S, .wall_ns = WORLD_WALL_NS};
	w->random = UINT64_C(0x9e3779b97f4a7c15);
	w->command = calloc(WORLD_COMMANDS, sizeof(*w->command));
	w->region_bytes = tp_region_bytes(allocs, peers, names);
	w->region = aligned_alloc(64, (w->region_bytes + 63) / 64 * 64);
	memset(w->region, 0, w->region_bytes);
	assert_int_equal(ctl_region_format(w->region, w->region_bytes, allocs, peers, names, 7), 0);
	world_forget(w);
	struct ctl_store_options options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, NULL), 0);
}

static inline void world_close(struct world *w)
{
	ctl_store_destroy(w->store);
	free(w->region);
	free(w->command);
}

static inline void world_pass(struct world *w, uint64_t ns)
{
	w->now.now_ns += ns;
	w->now.wall_ns += ns;
}

static inline struct ctl_store_status world_status(const struct world *w)
{
	struct ctl_store_status s;
	ctl_store_status(w->store, &s);
	return s;
}

// The request of client number n, user "u<n % 5>".
static inline struct ctl_allocation_request world_request(uint32_t n)
{
	static const uint8_t transaction_id[12] = "transaction";
	static const char *const users[] = {"u0", "u1", "u2", "u3", "u4"};
	return (struct ctl_allocation_request){.client = {.ip = tp_ip4(0xc6120100 + n / 60000),
						       .port = (uint16_t)(1024 + n % 60000)},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.families = CTL_FAMILY_BIT_IPV4,
		.user = (const uint8_t *)users[n % 5],
		.user_length = 2,
		.transaction_id = transaction_id,
		.lifetime_s = 600};
}

static inline struct tp_alloc_ref world_allocate(struct world *w, uint32_t n)
{
	struct ctl_allocation_request q = world_request(n);
	struct ctl_change change;
	ctl_change_init(&change);
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
	return change.alloc;
}

static inline int world_permit(struct world *w, struct tp_alloc_ref ref, const char *peer)
{
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_ip peer_ip = ip(peer);
	return ctl_permission_set(w->store, ref, &peer_ip, w->now, &change);
}

static inline int world_bind(
	struct world *w, struct tp_alloc_ref ref, uint16_t channel, const char *peer, uint16_t port)
{
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_addr peer_addr = addr(peer, port);
	return ctl_channel_bind(w->store, ref, channel, &peer_addr, w->now, &change);
}
