// SPDX-License-Identifier: BSD-3-Clause
// Adoption of a session region that holds anything, or a good one with damage. Whatever is taken
// over must be consistent, and all of it must end. The same of a region of the layout before, which
// becomes one of ours first.
#include <sys/mman.h>
#include <unistd.h>

#include "common/abi/region.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/adopt.h"
#include "control/alloc/allocation.h"
#include "control/alloc/expiry.h"
#include "control/alloc/mobility.h"
#include "control/alloc/permission.h"
#include "tests/fuzz/script.h"

#define ALLOCS 8
#define PEERS  16
#define NAMES  2

#define RECORD_BYTES (ALLOCS * sizeof(struct tp_alloc_record) + PEERS * 64 + NAMES * 512)
#define RELAY6       ((struct tp_ip){.bytes = {0xfd, [15] = 2}, .family = TP_FAMILY_IPV6})

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
		struct tp_addr key = ctl_client_key(r->transport, &r->client, r->stream);
		FUZZ_CHECK(
			ctl_allocation_find(store, r->transport, &key, &r->listener, early) == r);
		FUZZ_CHECK((r->transport == 0) == (r->stream.stream == 0));
		struct tp_addr to, by;
		if (ctl_allocation_moving(store, r, &to, &by)) {
			to = ctl_client_key(r->move_transport, &to, r->move_stream);
			FUZZ_CHECK(ctl_allocation_mobile(r) &&
				   ctl_allocation_find(store, r->move_transport, &to, &by, early) ==
					   r);
		}
		if (n > 0 && r->self.index == 2)
			fuzz_canary(end);
	}
}

static const struct ctl_time start = {.now_ns = TP_NS_PER_S, .wall_ns = 1700000000 * TP_NS_PER_S};
static _Alignas(64) uint8_t region[TP_REGION_HEADER_BYTES + RECORD_BYTES];
static uint64_t sequence;
static uint32_t drawn;

static const struct tp_region_shape now_shape = {
	ALLOCS, PEERS, NAMES, sizeof(struct tp_alloc_record)};
static const struct tp_region_shape before_shape = {
	ALLOCS, PEERS, NAMES, TP_ALLOC_RECORD_BYTES_BEFORE};
#define BEFORE_BYTES                                                                               \
	(sizeof(region) - ALLOCS * (sizeof(struct tp_alloc_record) - TP_ALLOC_RECORD_BYTES_BEFORE))

static struct ctl_store *open_store(uint8_t how)
{
	struct ctl_store_policy policy = {
		.relays = {{tp_ip4(0xc6120002), tp_ip4(0xc6120002), 32}, {RELAY6, RELAY6, 128}},
		.n_relays = how & 1 ? 1 : 2,
		.port_min = 50000,
		.port_max = how & 2 ? 50001 : 50015,
		.listeners = {{.ip = tp_ip4(0xc6120002), .port = how & 4 ? 3479 : 3478}},
		.listener_transports = {how & 16 ? 1 : 0xf},
		.n_listeners = 1,
		.realm_tag = {11, 12},
		.n_realms = how & 8 ? 1 : 2,
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
	struct ctl_store *store;

	FUZZ_CHECK(ctl_store_create(&options, &store) == 0);
	FUZZ_CHECK(ctl_store_adopt(store, start, NULL) == 0);
	return store;
}

// Three allocations with all that hangs on them: a reserved port, both families with a deadline
// each, a long name and a session key in another realm, that client on the move. The second client
// came by TLS, the third goes to TCP.
static void fill(struct ctl_store *store)
{
	static const uint8_t long_name[200] = {'u'}, id[12] = {1}, mac_key[20] = {2};
	const struct tp_addr peers[] = {
		{.ip = tp_ip4(0xc6130001), .port = 5000}, {.ip = RELAY6, .port = 5000}};
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
	static struct ctl_change change;

	for (uint16_t i = 0; i < 3; i++) {
		struct ctl_allocation_request q = {
			.client = {.ip = tp_ip4(0xc6120101), .port = 4000 + i},
			.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
			.transport = i == 1 ? CTL_TRANSPORT_TLS : CTL_TRANSPORT_UDP,
			.stream = {i == 1 ? 9 : 0, i == 1 ? 1 : 0},
			.families = i == 1 ? CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6
					   : CTL_FAMILY_BIT_IPV4,
			.user = i == 2 ? long_name : (const uint8_t *)"user",
			.user_length = i == 2 ? sizeof(long_name) : 4,
			.even_port = i == 0 ? CTL_PORT_RESERVE : CTL_PORT_ANY,
			.realm = i == 2,
			.mac_key = mac_key,
			.mac_key_length = i == 2 ? sizeof(mac_key) : 0,
			.transaction_id = id,
			.mobile = i == 2,
			.lifetime_s = 600};
		ctl_change_init(&change);
		FUZZ_CHECK(ctl_allocation_create(store, &q, start, &change, token) == 0);
		struct tp_alloc_ref ref = change.alloc;
		ctl_change_init(&change);
		for (uint16_t p = 0; p < (i == 1 ? 2 : 1); p++)
			FUZZ_CHECK(ctl_channel_bind(
					   store, ref, 0x4000 + p, &peers[p], start, &change) == 0);
		if (i == 1)
			FUZZ_CHECK(ctl_allocation_refresh(
					   store, ref, TP_FAMILY_IPV6, 900, start, &change) == 0);
		if (i == 2) {
			const struct ctl_move_request move = {
				.client = {.ip = tp_ip4(0xc6120102), .port = 4000},
				.listener = q.listener,
				.transport = CTL_TRANSPORT_TCP,
				.stream = {9, 2},
				.transaction_id = id,
				.lifetime_s = 600};
			ctl_change_init(&change);
			FUZZ_CHECK(ctl_allocation_move(store, ref, &move, start, &change) == 0);
		}
	}
}

// The first byte chooses what the configuration is now, the layout, and whether the rest is the
// records, over and over until the region is full, or changes to a good one: where, how many bytes,
// the bytes.
static void damage(struct fuzz_script *s, uint8_t how, uint8_t *records, size_t bytes)
{
	size_t left = fuzz_left(s);

	if (how & 0x80) {
		for (size_t at = 0; left > 0 && at < bytes; at += left)
			memcpy(records + at, s->at, left < bytes - at ? left : bytes - at);
		return;
	}
	while (fuzz_left(s) > 0) {
		size_t at = fuzz_u16(s) % bytes, n = fuzz_u8(s);
		fuzz_take(s, records + at, n < bytes - at ? n : bytes - at);
	}
}

// What is in `from` becomes what is in `to`, by way of a file.
static void copy(const void *from, const struct tp_region_shape *had, void *to, size_t to_bytes,
	const struct tp_region_shape *has)
{
	size_t bytes = tp_region_shape_bytes(had);
	static int fd;

	if (fd == 0)
		fd = memfd_create("region", MFD_CLOEXEC);
	FUZZ_CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, from, bytes, 0) == (ssize_t)bytes);
	memset(to, 0, to_bytes);
	FUZZ_CHECK(tp_region_copy(fd, had, to, has) == 0);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static _Alignas(64) uint8_t good[sizeof(region)], good_before[BEFORE_BYTES];
	static _Alignas(64) uint8_t before[BEFORE_BYTES];
	struct fuzz_script s = fuzz_script(data, size);
	uint8_t how = fuzz_u8(&s);
	struct ctl_time now = start;
	struct ctl_store *store;
	struct ctl_sync sync;
	struct ctl_store_status status;

	if (sequence == 0) {
		FUZZ_CHECK(ctl_region_format(region, sizeof(region), ALLOCS, PEERS, NAMES, 1) == 0);
		store = open_store(0);
		fill(store);
		ctl_store_destroy(store);
		memcpy(good, region, sizeof(region));
		copy(good, &now_shape, good_before, sizeof(good_before), &before_shape);
	}
	if (how & 0x20) {
		memcpy(before, good_before, sizeof(before));
		damage(&s, how, before + TP_REGION_HEADER_BYTES,
			sizeof(before) - TP_REGION_HEADER_BYTES);
		copy(before, &before_shape, region, sizeof(region), &now_shape);
	} else {
		memcpy(region, good, sizeof(region));
		damage(&s, how, region + TP_REGION_HEADER_BYTES, RECORD_BYTES);
	}
	store = open_store(how);
	check_books(store);
	walk(store, data + size);
	for (unsigned int i = 0; i < CTL_ADOPT_REASON_COUNT; i++)
		FUZZ_CHECK(ctl_adopt_reason_text(i));
	ctl_sync_start(&sync);
	FUZZ_CHECK(ctl_sync_step(store, &sync, now, 0));
	for (int i = 0; i < 2; i++) {
		now.now_ns += 100000 * TP_NS_PER_S;
		ctl_store_expire(store, now, UINT32_MAX);
		check_books(store);
	}
	ctl_store_status(store, &status);
	FUZZ_CHECK(status.allocs_free == ALLOCS && status.peers_free == PEERS);
	FUZZ_CHECK(status.names_free == NAMES && status.users == 0);
	FUZZ_CHECK(status.ports_free[0] == (how & 2 ? 2 : 16));
	ctl_store_destroy(store);
}
