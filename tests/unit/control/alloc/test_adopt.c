// SPDX-License-Identifier: BSD-3-Clause
// A new control over the records of an old one: sound ones stay as they are, everything else goes,
// whatever the region holds.
#include "common/base/bytes.h"
#include "tests/unit/control/alloc/populated.h"

// The allocation that fails, from 1; 0: none (meson.build wraps malloc).
static uint64_t fail_at, allocations;
void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
	return fail_at && ++allocations == fail_at ? NULL : __real_malloc(bytes);
}

static uint32_t dropped(const uint32_t count[CTL_ADOPT_REASON_COUNT])
{
	uint32_t n = 0;
	for (int i = 0; i < CTL_ADOPT_REASON_COUNT; i++)
		n += count[i];
	return n;
}

static void a_sound_region_is_taken_over_whole(void **state)
{
	struct world *w = *state;
	struct ctl_store_status before = world_status(w);
	struct tp_alloc_record old[ALLOCS];
	memcpy(old, alloc_of(w, 0), sizeof(old));
	struct ctl_adoption report = readopt(w);
	assert_int_equal(dropped(report.dropped_allocations), 0);
	assert_int_equal(dropped(report.dropped_peers), 0);
	assert_int_equal(report.dropped_names, 0);
	assert_int_equal(report.allocations, 18);
	assert_int_equal(report.resting, 2);
	struct ctl_store_status after = world_status(w);
	before.created = 0;
	memset(before.ended, 0, sizeof(before.ended));
	assert_memory_equal(&before, &after, sizeof(before));
	for (uint32_t i = 0; i < 18; i++) {
		const struct tp_alloc_record *r = alloc_of(w, i);
		assert_memory_equal(r->uid, old[i].uid, 16);
		assert_int_equal(r->self.generation, old[i].self.generation);
		assert_int_equal(r->deadline_ns, old[i].deadline_ns);
		assert_int_equal(r->peers, old[i].peers);
	}
	uint64_t total[2];
	check_store(w, total);
	uint8_t user[CTL_USER_MAX_BYTES];
	assert_int_equal(ctl_allocation_user(w->store, alloc_of(w, 9), user), 400);
	assert_memory_equal(user, "a long name", 12);
	assert_int_equal(header_of(w)->control_generation, 2);
}

static void ids_go_on_where_they_were(void **state)
{
	struct world *w = *state;
	uint64_t last = tp_rd64(alloc_of(w, 19)->uid + 8);
	readopt(w);
	struct tp_alloc_ref ref = world_allocate(w, 100);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	assert_int_equal(tp_rd64(r->uid + 8), last + 1);
	assert_memory_equal(r->uid, alloc_of(w, 0)->uid, 8);
	// A header that lies low does not make an id come twice.
	header_of(w)->next_uid = 3;
	readopt(w);
	ref = world_allocate(w, 101);
	assert_int_equal(tp_rd64(ctl_allocation_get(w->store, ref)->uid + 8), last + 2);
}

static void ended_ports_rest_on(void **state)
{
	struct world *w = *state;
	struct tp_addr relay = alloc_of(w, 19)->relay[0];
	world_pass(w, 30 * TP_NS_PER_S);
	readopt(w);
	assert_int_equal(ctl_store_next_deadline(w->store), w->now.now_ns + 30 * TP_NS_PER_S);
	for (uint32_t n = 30; n < 40; n++)
		assert_false(tp_addr_equal(
			&ctl_allocation_get(w->store, world_allocate(w, n))->relay[0], &relay));
	world_pass(w, 30 * TP_NS_PER_S);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 2);
}

static int reserve(struct world *w, uint32_t n, uint8_t token[8], struct tp_alloc_ref *ref)
{
	struct ctl_allocation_request q = world_request(n);
	struct ctl_change change;
	ctl_change_init(&change);
	q.even_port = CTL_PORT_RESERVE;
	int rc = ctl_allocation_create(w->store, &q, w->now, &change, token);
	*ref = change.alloc;
	return rc;
}

static int use_token(struct world *w, uint32_t n, const uint8_t token[8], struct tp_addr *relay)
{
	struct ctl_allocation_request q = world_request(n);
	struct ctl_change change;
	ctl_change_init(&change);
	q.token = token;
	int rc = ctl_allocation_create(w->store, &q, w->now, &change, NULL);
	if (!rc)
		*relay = ctl_allocation_get(w->store, change.alloc)->relay[0];
	return rc;
}

// RFC 8656 section 7.2: a reservation lasts 30 seconds, restarts of control included.
static void reservations_are_taken_over(void **state)
{
	struct world *w = *state;
	uint8_t used[8], ended[8], live[8];
	struct tp_alloc_ref a, b, c;
	struct tp_addr relay;
	assert_int_equal(reserve(w, 40, used, &a), 0);
	assert_int_equal(reserve(w, 41, ended, &b), 0);
	assert_int_equal(reserve(w, 42, live, &c), 0);
	struct tp_addr even = ctl_allocation_get(w->store, c)->relay[0];
	assert_int_equal(use_token(w, 43, used, &relay), 0);
	// It outlives who made it.
	assert_int_equal(ctl_allocation_delete(w->store, b, TP_END_REFRESH_ZERO, w->now, NULL), 0);
	world_pass(w, 20 * TP_NS_PER_S);
	uint64_t free4 = world_status(w).ports_free[0];
	readopt(w);
	assert_int_equal(world_status(w).ports_free[0], free4);
	assert_memory_equal(ctl_allocation_get(w->store, c)->reservation_token, live, 8);
	assert_int_equal(use_token(w, 44, used, &relay), -ENOSPC); // once is once
	assert_int_equal(use_token(w, 45, ended, &relay), 0);
	assert_int_equal(use_token(w, 46, live, &relay), 0);
	assert_true(tp_ip_equal(&relay.ip, &even.ip));
	assert_int_equal(relay.port, even.port + 1);

	// The rest of its time and no more; what is over is not taken over.
	assert_int_equal(reserve(w, 47, live, &c), 0);
	free4 = world_status(w).ports_free[0];
	world_pass(w, 29 * TP_NS_PER_S);
	readopt(w);
	world_pass(w, 1 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	assert_int_equal(use_token(w, 48, live, &relay), -ENOSPC);
	assert_int_equal(world_status(w).ports_free[0], free4 + 1);
	readopt(w);
	assert_int_equal(use_token(w, 48, live, &relay), -ENOSPC);
	assert_int_equal(world_status(w).ports_free[0], free4 + 1);
}

static void a_damaged_reservation_is_none(void **state)
{
	struct world *w = *state;
	uint8_t token[8], other[8];
	struct tp_alloc_ref ref, second;
	struct tp_addr relay;
	assert_int_equal(reserve(w, 40, token, &ref), 0);
	struct tp_alloc_record *r = alloc_of(w, ref.index);
	uint64_t deadline = r->reservation_deadline_ns;

	r->reservation_deadline_ns = UINT64_MAX; // too far ahead
	readopt(w);
	assert_int_equal(use_token(w, 41, token, &relay), -ENOSPC);
	r->reservation_deadline_ns = deadline;
	r->reservation = 7;
	readopt(w);
	assert_int_equal(use_token(w, 41, token, &relay), -ENOSPC);
	r->reservation = 1;

	// A token that is there twice serves once; a port that is taken is not reserved.
	assert_int_equal(reserve(w, 42, other, &second), 0);
	memcpy(alloc_of(w, second.index)->reservation_token, token, 8);
	readopt(w);
	assert_int_equal(use_token(w, 43, token, &relay), 0);
	assert_int_equal(use_token(w, 44, token, &relay), -ENOSPC);
	uint64_t total[2];
	check_store(w, total);

	// A torn record of its maker: the port rests with it, or is free, but is not reserved.
	assert_int_equal(reserve(w, 45, token, &ref), 0);
	atomic_fetch_add(&alloc_of(w, ref.index)->sequence, 1);
	readopt(w);
	assert_int_equal(use_token(w, 46, token, &relay), -ENOSPC);
}

// One damage a row, to allocation 1 (or peer 0, name 0), and what it is called.
typedef void (*damage_fn)(struct world *w);

#define DAMAGE(name, statement)                                                                    \
	static void damage_##name(struct world *w)                                                 \
	{                                                                                          \
		statement;                                                                         \
	}
DAMAGE(torn, atomic_fetch_add(&alloc_of(w, 1)->sequence, 1))
DAMAGE(layout, alloc_of(w, 1)->layout = 99)
DAMAGE(state, alloc_of(w, 1)->state = 77)
DAMAGE(index, alloc_of(w, 1)->self.index = 2)
DAMAGE(generation, alloc_of(w, 1)->self.generation = 0)
DAMAGE(client_family, alloc_of(w, 1)->client.ip.family = 5)
DAMAGE(client_tail, alloc_of(w, 1)->client.ip.bytes[12] = 1)
DAMAGE(client_port, alloc_of(w, 1)->client.port = 0)
DAMAGE(client_other, alloc_of(w, 1)->client.ip = ip("fd00::1"))
DAMAGE(transport, alloc_of(w, 1)->transport = 9)
DAMAGE(listener, alloc_of(w, 1)->listener.port++)
DAMAGE(relay_none, memset(&alloc_of(w, 1)->relay[0], 0, sizeof(struct tp_addr)))
DAMAGE(relay_foreign, alloc_of(w, 1)->relay[0].ip = ip("9.9.9.9"))
DAMAGE(relay_port, alloc_of(w, 1)->relay[0].port = 40000)
DAMAGE(relay_same, alloc_of(w, 1)->relay[1] = alloc_of(w, 1)->relay[0])
DAMAGE(user_none, alloc_of(w, 1)->user_length = 0)
DAMAGE(user_long, alloc_of(w, 1)->user_length = 61)
DAMAGE(user_huge, alloc_of(w, 1)->user_length = 60000)
DAMAGE(user_more, alloc_of(w, 1)->user_more = 0)
DAMAGE(deadline_far, alloc_of(w, 1)->deadline_ns = UINT64_MAX)
DAMAGE(expired, alloc_of(w, 1)->deadline_ns = w->now.now_ns)
DAMAGE(family_far, alloc_of(w, 1)->family_deadline_ns[0] = UINT64_MAX)
DAMAGE(family_over, alloc_of(w, 1)->family_deadline_ns[0] = 1)
DAMAGE(dup_tuple, alloc_of(w, 1)->client = alloc_of(w, 0)->client)
DAMAGE(dup_relay, alloc_of(w, 1)->relay[0] = alloc_of(w, 0)->relay[0])
DAMAGE(dup_uid, memcpy(alloc_of(w, 1)->uid, alloc_of(w, 0)->uid, 16))
DAMAGE(name_torn, atomic_fetch_add(&name_of(w, 0)->sequence, 1))
DAMAGE(name_owner, name_of(w, 0)->owner.generation++)
DAMAGE(name_free, name_of(w, 0)->state = TP_RECORD_FREE)

static const struct {
	damage_fn damage;
	enum ctl_adopt_reason reason;
} alloc_damages[] = {
	{damage_torn, CTL_ADOPT_TORN},
	{damage_layout, CTL_ADOPT_LAYOUT},
	{damage_state, CTL_ADOPT_STATE},
	{damage_index, CTL_ADOPT_IDENTITY},
	{damage_generation, CTL_ADOPT_IDENTITY},
	{damage_client_family, CTL_ADOPT_CLIENT},
	{damage_client_tail, CTL_ADOPT_CLIENT},
	{damage_client_port, CTL_ADOPT_CLIENT},
	{damage_client_other, CTL_ADOPT_CLIENT},
	{damage_transport, CTL_ADOPT_CLIENT},
	{damage_listener, CTL_ADOPT_LISTENER},
	{damage_relay_none, CTL_ADOPT_RELAY},
	{damage_relay_foreign, CTL_ADOPT_RELAY},
	{damage_relay_port, CTL_ADOPT_RELAY},
	{damage_relay_same, CTL_ADOPT_RELAY},
	{damage_user_none, CTL_ADOPT_USER},
	{damage_user_long, CTL_ADOPT_USER},
	{damage_user_huge, CTL_ADOPT_USER},
	{damage_user_more, CTL_ADOPT_USER},
	{damage_deadline_far, CTL_ADOPT_DEADLINE},
	{damage_expired, CTL_ADOPT_EXPIRED},
	{damage_family_far, CTL_ADOPT_DEADLINE},
	{damage_family_over, CTL_ADOPT_EXPIRED},
	{damage_dup_tuple, CTL_ADOPT_DUPLICATE_FIVE_TUPLE},
	{damage_dup_relay, CTL_ADOPT_DUPLICATE_RELAY},
	{damage_dup_uid, CTL_ADOPT_DUPLICATE_UID},
	{damage_name_torn, CTL_ADOPT_USER},
	{damage_name_owner, CTL_ADOPT_USER},
	{damage_name_free, CTL_ADOPT_USER},
};

static void a_damaged_allocation_goes_alone(void **state)
{
	for (size_t i = 0; i < sizeof(alloc_damages) / sizeof(alloc_damages[0]); i++) {
		struct world *w;
		setup((void **)&w);
		struct ctl_store_status start = world_status(w);
		alloc_damages[i].damage(w);
		struct ctl_adoption report = readopt(w);
		if (report.dropped_allocations[alloc_damages[i].reason] != 1 ||
			dropped(report.dropped_allocations) != 1)
			fail_msg("damage %zu", i);
		assert_int_equal(report.allocations, 17);
		uint64_t total[2];
		check_store(w, total);
		// All ports come back after the rest.
		world_pass(w, 4000 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, UINT32_MAX);
		world_pass(w, 60 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, UINT32_MAX);
		struct ctl_store_status end = world_status(w);
		assert_int_equal(end.ports_free[0], 500);
		assert_int_equal(end.ports_free[1], 100);
		assert_int_equal(end.allocs_free, start.alloc_capacity);
		assert_int_equal(end.peers_free, start.peer_capacity);
		assert_int_equal(end.names_free, start.name_capacity);
		teardown((void **)&w);
	}
}

DAMAGE(peer_torn, atomic_fetch_add(&peer_of(w, 0)->sequence, 1))
DAMAGE(peer_layout, peer_of(w, 0)->layout = 0)
DAMAGE(peer_state, peer_of(w, 0)->state = 9)
DAMAGE(peer_kind, peer_of(w, 0)->kind = 3)
DAMAGE(peer_owner, peer_of(w, 0)->owner.index = 31)
DAMAGE(peer_generation, peer_of(w, 0)->owner.generation = 9)
DAMAGE(peer_owner_far, peer_of(w, 0)->owner.index = UINT32_MAX)
DAMAGE(peer_family, peer_of(w, 0)->peer.ip = ip("fd00::1"))
DAMAGE(peer_port, peer_of(w, 0)->peer.port = 7)       // a permission has none
DAMAGE(peer_channel, peer_of(w, 1)->channel = 0x8000) // a channel
DAMAGE(peer_deadline, peer_of(w, 0)->deadline_ns = UINT64_MAX)
DAMAGE(peer_expired, peer_of(w, 0)->deadline_ns = 1)
DAMAGE(peer_again, peer_of(w, 3)->channel = 0x4000; peer_of(w, 3)->owner = peer_of(w, 1)->owner)

static const struct {
	damage_fn damage;
	enum ctl_adopt_reason reason;
} peer_damages[] = {
	{damage_peer_torn, CTL_ADOPT_TORN},
	{damage_peer_layout, CTL_ADOPT_LAYOUT},
	{damage_peer_state, CTL_ADOPT_STATE},
	{damage_peer_kind, CTL_ADOPT_STATE},
	{damage_peer_owner, CTL_ADOPT_ORPHAN},
	{damage_peer_generation, CTL_ADOPT_ORPHAN},
	{damage_peer_owner_far, CTL_ADOPT_ORPHAN},
	{damage_peer_family, CTL_ADOPT_PEER},
	{damage_peer_port, CTL_ADOPT_PEER},
	{damage_peer_channel, CTL_ADOPT_PEER},
	{damage_peer_deadline, CTL_ADOPT_DEADLINE},
	{damage_peer_expired, CTL_ADOPT_EXPIRED},
	{damage_peer_again, CTL_ADOPT_DUPLICATE_PEER},
};

static void a_damaged_peer_goes_alone(void **state)
{
	for (size_t i = 0; i < sizeof(peer_damages) / sizeof(peer_damages[0]); i++) {
		struct world *w;
		setup((void **)&w);
		peer_damages[i].damage(w);
		struct ctl_adoption report = readopt(w);
		if (report.dropped_peers[peer_damages[i].reason] != 1 ||
			dropped(report.dropped_peers) != 1)
			fail_msg("damage %zu", i);
		assert_int_equal(report.allocations, 18);
		uint64_t total[2];
		check_store(w, total);
		teardown((void **)&w);
	}
}

static void links_and_counts_are_not_believed(void **state)
{
	struct world *w = *state;
	for (uint32_t i = 0; i < 20; i++) {
		alloc_of(w, i)->first_peer = 5;
		alloc_of(w, i)->peers = UINT32_MAX;
	}
	for (uint32_t i = 0; i < PEERS; i++)
		peer_of(w, i)->next = i; // a circle
	struct ctl_adoption report = readopt(w);
	assert_int_equal(dropped(report.dropped_allocations), 0);
	uint64_t total[2];
	check_store(w, total);
}

// A record torn while its index was being reused still shows the relayed address of its former
// life, which a sound record has by now.
static void a_torn_record_takes_no_port_of_a_sound_one(void **state)
{
	struct world *w = *state;
	alloc_of(w, 0)->relay[0] = alloc_of(w, 5)->relay[0];
	atomic_fetch_add(&alloc_of(w, 0)->sequence, 1);
	struct ctl_adoption report = readopt(w);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_TORN], 1);
	assert_int_equal(dropped(report.dropped_allocations), 1);
	assert_non_null(ctl_allocation_get(w->store, alloc_of(w, 5)->self));
}

// The index of a dropped record comes back with another generation.
static void dropped_records_are_not_confused_with_later_ones(void **state)
{
	struct world *w = *state;
	uint32_t old = alloc_of(w, 1)->self.generation;
	damage_torn(w);
	readopt(w);
	world_pass(w, 60 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, 100);
	for (uint32_t n = 200; n < 200 + ALLOCS - 17; n++)
		world_allocate(w, n);
	assert_int_equal(alloc_of(w, 1)->state, TP_RECORD_LIVE);
	assert_true(alloc_of(w, 1)->self.generation > old);
}

static void random_damage_never_breaks_the_store(void **state)
{
	struct world *w = *state;
	uint8_t *sound = malloc(w->region_bytes);
	memcpy(sound, w->region, w->region_bytes);
	struct ctl_time start = w->now;
	for (int round = 0; round < 1500; round++) {
		memcpy(w->region, sound, w->region_bytes);
		w->now = start;
		size_t from = TP_REGION_HEADER_BYTES, span = w->region_bytes - from;
		uint64_t hits = 1 + world_next(w) % (round % 3 == 0 ? 4000 : 40);
		for (uint64_t i = 0; i < hits; i++) {
			uint8_t *at = (uint8_t *)w->region + from + world_next(w) % span;
			*at = world_next(w) % 2 ? (uint8_t)world_next(w) : (uint8_t)(*at + 1);
		}
		if (round % 7 == 0) // whole records copied over others
			for (int i = 0; i < 8; i++)
				*alloc_of(w, (uint32_t)world_next(w) % ALLOCS) =
					*alloc_of(w, (uint32_t)world_next(w) % ALLOCS);
		readopt(w);
		uint64_t total[2];
		check_store(w, total);
		assert_int_equal(total[0], 500);
		assert_int_equal(total[1], 100);
		// And it works on.
		for (uint32_t n = 300; n < 310; n++) {
			struct ctl_allocation_request q = world_request(n);
			struct ctl_change change;
			ctl_change_init(&change);
			if (!ctl_allocation_create(w->store, &q, w->now, &change, NULL))
				world_bind(w, change.alloc, 0x4000, "198.18.9.9", 1);
		}
		world_pass(w, 90000 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, UINT32_MAX);
		world_pass(w, 60 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, UINT32_MAX);
		struct ctl_store_status end = world_status(w);
		assert_int_equal(end.ports_free[0], 500);
		assert_int_equal(end.allocs_free, ALLOCS);
		assert_int_equal(end.peers_free, PEERS);
		assert_int_equal(end.names_free, NAMES);
		assert_int_equal(end.users, 0);
		world_forget(w);
	}
	free(sound);
}

// ---- Synchronisation.

static void sync_tells_everything_once(void **state)
{
	struct world *w = *state;
	struct ctl_sync sync;
	ctl_sync_start(&sync);
	int steps = 0;
	w->room = 0;
	while (!ctl_sync_step(w->store, &sync, w->now, 2)) {
		assert_true(++steps < 1000);
		w->room = 12;
	}
	assert_true(steps > 3);
	struct ctl_store_status s = world_status(w);
	assert_int_equal(w->n_commands, 2 + s.allocations + s.permissions + s.channels);
	assert_int_equal(w->command[0].type, TP_CMD_SYNC_BEGIN);
	assert_int_equal(w->command[w->n_commands - 1].type, TP_CMD_SYNC_END);
	assert_int_equal(sync.end_sequence, w->command[w->n_commands - 1].sequence);
	// An allocation before its permissions before its channels.
	uint16_t last = 0;
	uint32_t owner = UINT32_MAX;
	for (uint32_t i = 1; i + 1 < w->n_commands; i++) {
		const struct tp_cmd *c = &w->command[i];
		if (c->type == TP_CMD_ALLOC_SET)
			owner = c->alloc.index;
		else
			assert_true(c->type >= last);
		assert_int_equal(c->alloc.index, owner);
		last = c->type;
	}
}

// ---- A control that died in the middle of a write. tests/faults finds such places by itself.

static _Atomic uint32_t *journal_of(struct world *w, size_t offset)
{
	return (_Atomic uint32_t *)((uint8_t *)w->region + offset);
}

// The store of a control that died; the one that takes over.
static struct ctl_adoption take_over(struct world *w)
{
	struct ctl_store_options options = world_options(w);
	struct ctl_adoption report;
	ctl_store_destroy(w->store);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	return report;
}

// Back to where the last write of the record was half done.
static void tear(_Atomic uint32_t *sequence, void *field, size_t bytes)
{
	atomic_fetch_sub(sequence, 1);
	memset(field, 0xee, bytes);
}

static void a_write_that_was_not_ended_is_undone(void **state)
{
	struct world *w = *state;
	struct tp_alloc_record *r = alloc_of(w, 3);
	struct ctl_change change;
	uint64_t deadline_ns = r->deadline_ns;
	uint32_t peers = r->peers;
	ctl_change_init(&change);
	world_pass(w, TP_NS_PER_S);
	assert_int_equal(
		ctl_allocation_refresh(w->store, r->self, TP_FAMILY_NONE, 900, w->now, &change), 0);
	assert_true(r->deadline_ns > deadline_ns);
	tear(&r->sequence, &r->client, sizeof(r->client) + sizeof(r->listener));
	struct ctl_adoption report = take_over(w);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_TORN], 0);
	assert_int_equal(report.allocations, 18);
	assert_int_equal(r->state, TP_RECORD_LIVE);
	assert_true(r->deadline_ns == deadline_ns);
	assert_int_equal(r->peers, peers);
	uint64_t total[2];
	check_store(w, total);
}

static void a_permission_outlives_a_refresh_that_was_not_ended(void **state)
{
	struct world *w = *state;
	struct tp_alloc_record *r = alloc_of(w, 1);
	struct tp_peer_record *p = peer_of(w, r->first_peer);
	uint32_t before = r->peers;
	assert_int_equal(p->kind, TP_PEER_CHANNEL);
	assert_int_equal(world_bind(w, r->self, p->channel, "198.19.0.0", 9), 0);
	tear(&p->sequence, &p->deadline_ns, sizeof(p->deadline_ns));
	struct ctl_adoption report = take_over(w);
	assert_int_equal(report.dropped_peers[CTL_ADOPT_TORN], 0);
	assert_int_equal(r->peers, before);
	assert_true(p->deadline_ns > w->now.now_ns && p->state == TP_RECORD_LIVE);
}

// The journal tells of one write, and of no other one of the same record.
static void an_old_journal_undoes_nothing(void **state)
{
	struct world *w = *state;
	struct tp_alloc_record *r = alloc_of(w, 3);
	struct ctl_change change;
	ctl_change_init(&change);
	assert_int_equal(
		ctl_allocation_refresh(w->store, r->self, TP_FAMILY_NONE, 900, w->now, &change), 0);
	atomic_fetch_add(&r->sequence, 1);
	assert_int_equal(take_over(w).dropped_allocations[CTL_ADOPT_TORN], 1);
	// And one that makes no sense is none.
	atomic_store(journal_of(w, TP_REGION_ALLOC_JOURNAL_OFFSET), UINT32_MAX);
	atomic_store(journal_of(w, TP_REGION_PEER_JOURNAL_OFFSET), UINT32_MAX);
	assert_int_equal(take_over(w).allocations, 17);
}

static void no_session_key_stays_behind(void **state)
{
	struct world *w = *state;
	static const uint8_t key[TP_RECORD_MAC_KEY_BYTES] = "a session key of 32 bytes in all";
	struct tp_alloc_ref ref = alloc_of(w, 3)->self;
	ctl_allocation_renew_key(w->store, ref, key, sizeof(key));
	assert_non_null(memmem(w->region, w->region_bytes, key, sizeof(key)));
	world_pass(w, TP_NS_PER_S);
	assert_int_equal(
		ctl_allocation_delete(w->store, ref, TP_END_REFRESH_ZERO, w->now, NULL), 0);
	assert_null(memmem(w->region, w->region_bytes, key, sizeof(key)));
}

// Memory that is short for a moment is no reason to drop a call.
static void want_of_memory_drops_nothing(void **state)
{
	struct world *w = *state;
	struct ctl_store_options options = world_options(w);
	struct ctl_store *store;
	int rc = -ENOMEM;
	ctl_store_destroy(w->store);
	w->store = NULL;
	for (fail_at = 1; rc; fail_at++) {
		allocations = 0;
		rc = ctl_store_create(&options, &store);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			continue;
		}
		rc = ctl_store_adopt(store, w->now, NULL);
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			ctl_store_destroy(store);
		}
	}
	fail_at = 0;
	w->store = store;
	assert_true(world_status(w).created == 0 && world_status(w).allocations == 18);
	uint64_t total[2];
	check_store(w, total);
}

static uint32_t said;

static void say(void)
{
	said++;
}

// Five scans of the allocations and one of the peers: a watchdog hears of each several times, also
// when the records move into another region.
static void a_long_scan_says_that_it_goes_on(void **state)
{
	struct world w = {};
	struct ctl_store_options options;

	world_policy(&w.policy);
	world_open(&w, 100000, 100000, NAMES);
	ctl_store_destroy(w.store);
	options = world_options(&w);
	options.working = say;
	assert_int_equal(ctl_store_create(&options, &w.store), 0);
	said = 0;
	assert_int_equal(ctl_store_adopt(w.store, w.now, NULL), 0);
	assert_true(said >= 5 * 5);
	void *region = aligned_alloc(64, (w.region_bytes + 63) / 64 * 64);
	memset(region, 0, w.region_bytes);
	assert_int_equal(ctl_region_format(region, w.region_bytes, 100000, 100000, NAMES, 8), 0);
	said = 0;
	assert_int_equal(ctl_store_move(w.store, region, w.region_bytes, -1, w.now, NULL), 0);
	assert_true(said >= 5 * 5);
	world_close(&w);
	free(region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_sound_region_is_taken_over_whole),
		TEST(ids_go_on_where_they_were),
		TEST(ended_ports_rest_on),
		TEST(reservations_are_taken_over),
		TEST(a_damaged_reservation_is_none),
		cmocka_unit_test(a_damaged_allocation_goes_alone),
		cmocka_unit_test(a_damaged_peer_goes_alone),
		TEST(links_and_counts_are_not_believed),
		TEST(a_torn_record_takes_no_port_of_a_sound_one),
		TEST(dropped_records_are_not_confused_with_later_ones),
		TEST(random_damage_never_breaks_the_store),
		TEST(sync_tells_everything_once),
		TEST(a_write_that_was_not_ended_is_undone),
		TEST(a_permission_outlives_a_refresh_that_was_not_ended),
		TEST(an_old_journal_undoes_nothing),
		TEST(no_session_key_stays_behind),
		TEST(want_of_memory_drops_nothing),
		cmocka_unit_test(a_long_scan_says_that_it_goes_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
