// SPDX-License-Identifier: BSD-3-Clause
// Adoption of a session region that holds anything: the input is its records, over and over until
// the region is full. Whatever is taken over must be consistent, and all of it must end.
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/adopt.h"
#include "control/alloc/allocation.h"
#include "control/alloc/expiry.h"
#include "control/alloc/mobility.h"
#include "tests/fuzz/fuzz.h"

#define ALLOCS 8
#define PEERS  16
#define NAMES  2

static int draw(void *context, void *out, size_t len)
{
	memset(out, 0x5a, len);
	((uint8_t *)out)[0] = (uint8_t)++ * (uint32_t *)context;
	return 0;
}

static uint64_t take_command(void *context, const struct tp_cmd *cmd)
{
	return ++*(uint64_t *)context;
}

static uint32_t room(void *context)
{
	return UINT32_MAX;
}

static void check_books(const struct ctl_store *store)
{
	struct ctl_store_status s;
	ctl_store_status(store, &s);
	FUZZ_CHECK(s.allocs_free + s.allocations + s.resting == ALLOCS);
	FUZZ_CHECK(s.peers_free + s.permissions + s.channels == PEERS);
}

static void walk(const struct ctl_store *store, const uint8_t *end)
{
	uint8_t user[CTL_USER_MAX_BYTES];
	const struct tp_alloc_record *r;
	for (uint32_t i = 0; (r = ctl_allocation_next(store, &i));) {
		FUZZ_CHECK(ctl_allocation_user(store, r, user) <= sizeof(user));
		uint32_t at = r->first_peer, n = 0;
		while (ctl_peer_next(store, &at))
			FUZZ_CHECK(++n <= PEERS);
		FUZZ_CHECK(n == r->peers);
		// On the move: found by either five-tuple, or by the one there is.
		struct ctl_time early = {};
		FUZZ_CHECK(ctl_allocation_find(
				   store, r->transport, &r->client, &r->listener, early) == r);
		struct tp_addr to, by;
		if (ctl_allocation_moving(store, r, &to, &by))
			FUZZ_CHECK(ctl_allocation_mobile(r) &&
				   ctl_allocation_find(store, r->move_transport, &to, &by, early) ==
					   r);
		if (n > 0)
			fuzz_canary(end);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static _Alignas(64)
		uint8_t region[TP_REGION_HEADER_BYTES + ALLOCS * 384 + PEERS * 64 + NAMES * 512];
	struct ctl_time now = {.now_ns = TP_NS_PER_S, .wall_ns = 1700000000 * TP_NS_PER_S};
	uint64_t sequence = 0;
	uint32_t drawn = 0;
	struct ctl_store_policy policy = {.relays = {{tp_ip4(0xc6120002), tp_ip4(0xc6120002), 32}},
		.n_relays = 1,
		.port_min = 50000,
		.port_max = 50015,
		.listeners = {{.ip = tp_ip4(0xc6120002), .port = 3478}},
		.n_listeners = 1,
		.channel_max = CHANDATA_CHANNEL_MAX,
		.allocation_max_s = 3600,
		.permission_s = 300,
		.channel_s = 600,
		.port_rest_s = 60};
	struct ctl_store_options options = {.region = region,
		.region_bytes = sizeof(region),
		.policy = &policy,
		.commands = {.send = take_command, .room = room, .context = &sequence},
		.random = {.bytes = draw, .context = &drawn}};
	memset(region, 0, sizeof(region));
	for (size_t at = TP_REGION_HEADER_BYTES; size > 0 && at < sizeof(region); at += size)
		memcpy(region + at, data, size < sizeof(region) - at ? size : sizeof(region) - at);
	FUZZ_CHECK(ctl_region_format(region, sizeof(region), ALLOCS, PEERS, NAMES, 1) == 0);

	struct ctl_store *store;
	struct ctl_sync sync;
	FUZZ_CHECK(ctl_store_create(&options, &store) == 0);
	FUZZ_CHECK(ctl_store_adopt(store, now, NULL) == 0);
	check_books(store);
	walk(store, data + size);
	ctl_sync_start(&sync);
	FUZZ_CHECK(ctl_sync_step(store, &sync, now, 0));
	for (int i = 0; i < 2; i++) {
		now.now_ns += 100000 * TP_NS_PER_S;
		ctl_store_expire(store, now, UINT32_MAX);
		check_books(store);
	}
	struct ctl_store_status s;
	ctl_store_status(store, &s);
	FUZZ_CHECK(s.allocs_free == ALLOCS && s.peers_free == PEERS && s.names_free == NAMES);
	FUZZ_CHECK(s.ports_free[0] == 16 && s.users == 0);
	ctl_store_destroy(store);
}
