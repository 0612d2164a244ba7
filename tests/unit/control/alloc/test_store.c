// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/bytes.h"
#include "tests/unit/control/world.h"

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	world_policy(&w->policy);
	world_open(w, 64, 128, 4);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

static const struct tp_alloc_record *record_at(const struct world *w, uint32_t index)
{
	return (const struct tp_alloc_record *)((const uint8_t *)w->region +
						TP_REGION_HEADER_BYTES) +
	       index;
}

static void allocation_is_found_by_its_five_tuple(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	struct ctl_allocation_request q = world_request(1);
	const struct tp_alloc_record *r =
		ctl_allocation_find(w->store, 0, &q.client, &q.listener, w->now);
	assert_non_null(r);
	assert_int_equal(r->self.index, ref.index);
	assert_ptr_equal(ctl_allocation_get(w->store, ref), r);
	// Another transport, another port, another listener: not it.
	assert_null(ctl_allocation_find(w->store, 1, &q.client, &q.listener, w->now));
	q.client.port++;
	assert_null(ctl_allocation_find(w->store, 0, &q.client, &q.listener, w->now));
	// A record is even when nobody writes it.
	assert_int_equal(atomic_load(&r->sequence) & 1, 0);
}

static void second_allocation_of_a_five_tuple_is_refused(void **state)
{
	struct world *w = *state;
	world_allocate(w, 1);
	struct ctl_store_status before = world_status(w);
	struct ctl_allocation_request q = world_request(1);
	struct ctl_change change;
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -EEXIST);
	struct ctl_store_status after = world_status(w);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void expired_predecessor_makes_place(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref old = world_allocate(w, 1);
	world_pass(w, 600 * TP_NS_PER_S);
	struct tp_alloc_ref fresh = world_allocate(w, 1);
	assert_null(ctl_allocation_get(w->store, old));
	assert_non_null(ctl_allocation_get(w->store, fresh));
	assert_int_equal(w->command[w->n_commands - 2].type, TP_CMD_ALLOC_DELETE);
	assert_int_equal(w->command[w->n_commands - 1].type, TP_CMD_ALLOC_SET);
}

static void create_sends_what_the_record_says(void **state)
{
	struct world *w = *state;
	w->policy.rate_bytes_per_s = 0;
	struct tp_alloc_ref ref = world_allocate(w, 3);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	const struct tp_cmd *cmd = &w->command[0];
	assert_int_equal(cmd->type, TP_CMD_ALLOC_SET);
	assert_int_equal(cmd->layout, 1);
	assert_int_equal(cmd->alloc.generation, ref.generation);
	assert_int_equal(cmd->deadline_ns, w->now.now_ns + 600 * TP_NS_PER_S);
	assert_true(tp_addr_equal(&cmd->allocation.client, &r->client));
	assert_true(tp_addr_equal(&cmd->allocation.relay[0], &r->relay[0]));
	assert_int_equal(cmd->allocation.relay[1].ip.family, TP_FAMILY_NONE);
	assert_in_range(r->relay[0].port, 50000, 50099);
}

static void public_form_is_what_clients_are_told(void **state)
{
	struct world *w = *state;
	bool seen = false;
	for (uint32_t n = 0; n < 40; n++) {
		const struct tp_alloc_record *r =
			ctl_allocation_get(w->store, world_allocate(w, n));
		struct tp_addr public = ctl_allocation_public_relay(w->store, r, 0);
		struct tp_ip private = ip("198.18.0.2"), nat = ip("203.0.113.5");
		bool natted = tp_ip_equal(&r->relay[0].ip, &private);
		assert_true(tp_ip_equal(&public.ip, natted ? &nat : &r->relay[0].ip));
		assert_int_equal(public.port, r->relay[0].port);
		seen |= natted;
	}
	assert_true(seen);
}

static void ids_are_unique_and_rise(void **state)
{
	struct world *w = *state;
	uint64_t last = 0;
	for (uint32_t n = 0; n < 20; n++) {
		struct tp_alloc_ref ref = world_allocate(w, n);
		uint64_t low = tp_rd64(ctl_allocation_get(w->store, ref)->uid + 8);
		assert_true(low > last);
		last = low;
		ctl_allocation_delete(w->store, ref, TP_END_OPERATOR, w->now, NULL);
	}
}

static void generation_rises_with_each_reuse(void **state)
{
	struct world *w = *state;
	uint32_t generation[64] = {};
	for (uint32_t n = 0; n < 300; n++) {
		struct tp_alloc_ref ref = world_allocate(w, n);
		assert_true(ref.generation > generation[ref.index]);
		generation[ref.index] = ref.generation;
		ctl_allocation_delete(w->store, ref, TP_END_OPERATOR, w->now, NULL);
		assert_null(ctl_allocation_get(w->store, ref));
		world_pass(w, 60 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, 100);
	}
	assert_true(generation[0] > 1);
}

static void ports_of_ended_allocations_rest(void **state)
{
	struct world *w = *state;
	struct ctl_store_status start = world_status(w);
	struct tp_alloc_ref ref = world_allocate(w, 1);
	struct tp_addr relay = ctl_allocation_get(w->store, ref)->relay[0];
	assert_int_equal(
		ctl_allocation_delete(w->store, ref, TP_END_REFRESH_ZERO, w->now, NULL), 0);
	assert_int_equal(world_status(w).ports_free[0], start.ports_free[0] - 1);
	assert_int_equal(world_status(w).resting, 1);
	for (uint32_t n = 2; n < 60; n++) {
		const struct tp_alloc_record *r =
			ctl_allocation_get(w->store, world_allocate(w, n));
		assert_false(tp_addr_equal(&r->relay[0], &relay));
		ctl_allocation_delete(w->store, r->self, TP_END_OPERATOR, w->now, NULL);
	}
	world_pass(w, 60 * TP_NS_PER_S - 1);
	assert_int_equal(ctl_store_expire(w->store, w->now, 100), 0);
	world_pass(w, 1);
	assert_int_equal(ctl_store_expire(w->store, w->now, 100), 59);
	struct ctl_store_status end = world_status(w);
	assert_int_equal(end.ports_free[0], start.ports_free[0]);
	assert_int_equal(end.allocs_free, start.allocs_free);
	assert_int_equal(end.users, 0);
}

// Coming and going fills neither the records nor the ports: what rests longest gives way.
static void resting_records_give_way(void **state)
{
	struct world *w = *state;
	world_close(w);
	w->policy.n_relays = 1;
	w->policy.port_min = 50000;
	w->policy.port_max = 50007;
	for (int records_run_out = 0; records_run_out < 2; records_run_out++) {
		world_open(w, records_run_out ? 4 : 64, 64, 4);
		struct tp_alloc_ref kept = world_allocate(w, 1);
		struct tp_addr first = {0};
		for (uint32_t n = 2; n < 100; n++) {
			struct tp_alloc_ref ref = world_allocate(w, n);
			assert_non_null(ctl_allocation_get(w->store, ref));
			if (n == 2)
				first = ctl_allocation_get(w->store, ref)->relay[0];
			else if (n == 4) // not yet: others are free
				assert_false(tp_addr_equal(
					&ctl_allocation_get(w->store, ref)->relay[0], &first));
			assert_int_equal(ctl_allocation_delete(
						 w->store, ref, TP_END_REFRESH_ZERO, w->now, NULL),
				0);
			world_forget(w);
		}
		assert_non_null(ctl_allocation_get(w->store, kept));
		assert_int_equal(world_status(w).resting, records_run_out ? 3 : 7);
		world_pass(w, 60 * TP_NS_PER_S);
		ctl_store_expire(w->store, w->now, 100);
		assert_int_equal(world_status(w).resting, 0);
		if (!records_run_out)
			world_close(w);
	}
}

static void quota_of_all_and_of_a_user(void **state)
{
	struct world *w = *state;
	world_close(w);
	w->policy.allocations_total = 6;
	w->policy.allocations_per_user = 2;
	world_open(w, 64, 64, 4);
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_alloc_ref first = world_allocate(w, 0);
	world_allocate(w, 5); // u0 again
	struct ctl_allocation_request q = world_request(10);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -EDQUOT);
	for (uint32_t n = 1; n < 5; n++)
		world_allocate(w, n);
	q = world_request(6);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -EUSERS);
	ctl_allocation_delete(w->store, first, TP_END_OPERATOR, w->now, NULL);
	q = world_request(10);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
}

static void long_user_names_come_back(void **state)
{
	struct world *w = *state;
	uint8_t name[CTL_USER_MAX_BYTES], back[CTL_USER_MAX_BYTES];
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = (uint8_t)(i * 7);
	static const size_t lengths[] = {1, 60, 61, 513};
	for (uint32_t i = 0; i < 4; i++) {
		struct ctl_allocation_request q = world_request(i);
		struct ctl_change change;
		ctl_change_init(&change);
		q.user = name;
		q.user_length = lengths[i];
		assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
		const struct tp_alloc_record *r = ctl_allocation_get(w->store, change.alloc);
		assert_int_equal(ctl_allocation_user(w->store, r, back), lengths[i]);
		assert_memory_equal(back, name, lengths[i]);
	}
	assert_int_equal(world_status(w).names_free, 2);
	struct ctl_allocation_request q = world_request(9);
	struct ctl_change change;
	ctl_change_init(&change);
	q.user = name;
	q.user_length = 514;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -EINVAL);
	q.user_length = 0;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -EINVAL);
}

static void families(void **state)
{
	struct world *w = *state;
	struct ctl_change change;
	ctl_change_init(&change);
	struct ctl_allocation_request q = world_request(1);
	q.families = CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	struct tp_alloc_ref ref = change.alloc;
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	assert_int_equal(r->relay[0].ip.family, TP_FAMILY_IPV4);
	assert_int_equal(r->relay[1].ip.family, TP_FAMILY_IPV6);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	assert_int_equal(world_bind(w, ref, 0x4001, "fd00::9", 9), 0);
	// One family is given up with its peers, the other stays.
	ctl_change_init(&change);
	struct tp_addr closed = r->relay[1];
	uint64_t free6 = world_status(w).ports_free[1];
	world_forget(w);
	assert_int_equal(
		ctl_allocation_close_family(w->store, ref, TP_FAMILY_IPV6, w->now, &change), 0);
	// The dataplane is told by one command that names the other family alone.
	assert_int_equal(w->n_commands, 1);
	assert_int_equal(w->command[0].type, TP_CMD_ALLOC_SET);
	assert_true(tp_addr_equal(&w->command[0].allocation.relay[0], &r->relay[0]));
	assert_int_equal(w->command[0].allocation.relay[1].ip.family, TP_FAMILY_NONE);
	assert_int_equal(change.last_sequence, w->command[0].sequence);
	assert_int_equal(world_status(w).permissions, 1);
	assert_int_equal(world_status(w).channels, 0);
	assert_int_equal(world_permit(w, ref, "fd00::9"), -EAFNOSUPPORT);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	assert_int_equal(
		ctl_allocation_close_family(w->store, ref, TP_FAMILY_IPV6, w->now, &change),
		-EAFNOSUPPORT);
	assert_int_equal(
		ctl_allocation_close_family(w->store, ref, TP_FAMILY_IPV4, w->now, &change),
		-EBUSY);
	// Its port rests, then is free again; a record that rests for it is adopted as such.
	assert_int_equal(world_status(w).ports_free[1], free6);
	assert_int_equal(world_status(w).resting, 1);
	const struct tp_alloc_record *resting = NULL;
	for (uint32_t i = 0; i < 64; i++) {
		const struct tp_alloc_record *at = record_at(w, i);
		if (at->state == TP_RECORD_RESTING)
			resting = at;
	}
	assert_non_null(resting);
	assert_true(tp_addr_equal(&resting->relay[0], &closed));
	world_pass(w, 60 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	assert_int_equal(world_status(w).ports_free[1], free6 + 1);
	assert_int_equal(world_status(w).resting, 0);
	assert_non_null(ctl_allocation_get(w->store, ref));
}

// RFC 8656 section 8.2: each family of a dual allocation has a time-to-expiry of its own.
static void families_end_apart(void **state)
{
	struct world *w = *state;
	struct ctl_change change;
	ctl_change_init(&change);
	struct ctl_allocation_request q = world_request(1);
	q.families = CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	struct tp_alloc_ref ref = change.alloc;
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	uint64_t start = w->now.now_ns;
	world_pass(w, 100 * TP_NS_PER_S);
	ctl_change_init(&change);
	world_forget(w);
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_IPV4, 1000, w->now, &change), 0);
	assert_int_equal(r->family_deadline_ns[0], start + 1100 * TP_NS_PER_S);
	assert_int_equal(r->family_deadline_ns[1], start + 600 * TP_NS_PER_S);
	assert_int_equal(r->deadline_ns, start + 1100 * TP_NS_PER_S);
	assert_memory_equal(w->command[0].allocation.family_deadline_ns, r->family_deadline_ns, 16);
	assert_int_equal(ctl_store_next_deadline(w->store), start + 600 * TP_NS_PER_S);

	// A refresh that the dataplane refuses is taken back for its family alone.
	ctl_change_init(&change);
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_IPV6, 3000, w->now, &change), 0);
	change.result = -ENOSPC;
	ctl_change_rollback(w->store, &change, w->now);
	assert_int_equal(r->family_deadline_ns[1], start + 600 * TP_NS_PER_S);
	assert_int_equal(r->deadline_ns, start + 1100 * TP_NS_PER_S);

	// At its deadline a family is of no use, even before its end is carried out.
	world_pass(w, 450 * TP_NS_PER_S);
	assert_int_equal(world_bind(w, ref, 0x4001, "fd00::9", 9), 0);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	world_pass(w, 50 * TP_NS_PER_S);
	assert_int_equal(ctl_allocation_families(r, w->now), CTL_FAMILY_BIT_IPV4);
	assert_int_equal(world_permit(w, ref, "fd00::9"), -EAFNOSUPPORT);
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_IPV6, 600, w->now, &change),
		-EAFNOSUPPORT);
	world_forget(w);
	w->room = 0; // it waits for room
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	assert_int_equal(r->relay[1].ip.family, TP_FAMILY_IPV6);
	world_forget(w);
	assert_int_equal(ctl_store_expire(w->store, w->now, UINT32_MAX), 1);
	assert_int_equal(r->relay[0].ip.family, TP_FAMILY_IPV4);
	assert_int_equal(r->relay[1].ip.family, TP_FAMILY_NONE);
	assert_int_equal(w->command[0].type, TP_CMD_ALLOC_SET);
	assert_int_equal(world_status(w).channels, 0);
	assert_int_equal(world_status(w).permissions, 1);
	assert_int_equal(world_status(w).allocations, 1);

	// A refresh without family is for what is left; its end is that of the allocation.
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_NONE, 600, w->now, &change), 0);
	world_pass(w, 600 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	assert_null(ctl_allocation_get(w->store, ref));
}

// The first of the two may be the one that goes.
static void ipv4_may_end_first(void **state)
{
	struct world *w = *state;
	struct ctl_change change;
	ctl_change_init(&change);
	struct ctl_allocation_request q = world_request(1);
	q.families = CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, change.alloc);
	struct tp_addr stays = r->relay[1];
	assert_int_equal(ctl_allocation_close_family(
				 w->store, change.alloc, TP_FAMILY_IPV4, w->now, &change),
		0);
	assert_true(tp_addr_equal(&r->relay[0], &stays));
	assert_int_equal(ctl_allocation_families(r, w->now), CTL_FAMILY_BIT_IPV6);
	assert_int_equal(world_permit(w, change.alloc, "198.18.9.9"), -EAFNOSUPPORT);
	assert_int_equal(world_permit(w, change.alloc, "fd00::9"), 0);
}

static int permit_n(struct world *w, struct tp_alloc_ref ref, uint32_t n)
{
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_ip peer = tp_ip4(0xc6130000 + n);
	return ctl_permission_set(w->store, ref, &peer, w->now, &change);
}

// All bytes of the token come from the random source: no counter, no address, no time.
static void reservation_tokens_are_random(void **state)
{
	struct world *w = *state;
	uint8_t token[2][8], all[8] = {0}, any[8];
	memset(any, 0xff, sizeof(any));
	for (uint32_t n = 0; n < 30; n++) {
		struct ctl_allocation_request q = world_request(n);
		struct ctl_change change;
		ctl_change_init(&change);
		q.even_port = CTL_PORT_RESERVE;
		assert_int_equal(
			ctl_allocation_create(w->store, &q, w->now, &change, token[n % 2]), 0);
		assert_memory_not_equal(token[0], token[1], 8);
		for (int i = 0; i < 8; i++) {
			all[i] |= token[n % 2][i];
			any[i] &= token[n % 2][i];
		}
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(all[i], 0xff); // no bit is always clear
		assert_int_equal(any[i], 0);    // or always set
	}
}

static void permissions_of_an_allocation_are_bounded(void **state)
{
	struct world *w = *state;
	world_close(w);
	w->policy.permissions = 5;
	world_open(w, 64, 64, 4);
	struct tp_alloc_ref ref = world_allocate(w, 1), other = world_allocate(w, 2);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
	assert_int_equal(permit_n(w, ref, 5), -ENOSPC);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.9", 9), -ENOSPC);
	// Refreshes, channels to permitted peers and other allocations are free to go on.
	assert_int_equal(permit_n(w, ref, 3), 0);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.19.0.1", 9), 0);
	assert_int_equal(world_bind(w, ref, 0x4001, "198.19.0.1", 10), 0);
	assert_int_equal(permit_n(w, other, 5), 0);
	// One that expires makes room, as does the next life of the record.
	world_pass(w, 200 * TP_NS_PER_S);
	assert_int_equal(permit_n(w, ref, 4), 0);
	world_pass(w, 100 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	for (uint32_t i = 10; i < 14; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
	assert_int_equal(permit_n(w, ref, 14), -ENOSPC);
	// An adopting control counts anew.
	ctl_store_destroy(w->store);
	struct ctl_store_options options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, NULL), 0);
	assert_int_equal(permit_n(w, ref, 14), -ENOSPC);
	assert_int_equal(permit_n(w, ref, 13), 0);
}

// Against scanning: a peer address that is new costs its share of a second.
static void new_peers_come_at_a_rate(void **state)
{
	struct world *w = *state;
	world_close(w);
	w->policy.new_peers_per_s = 10;
	world_open(w, 64, 256, 4);
	struct tp_alloc_ref ref = world_allocate(w, 1), other = world_allocate(w, 2);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
	assert_int_equal(permit_n(w, ref, 10), -ENOSPC);
	assert_int_equal(permit_n(w, other, 10), 0);
	for (uint32_t i = 0; i < 10; i++) // what is there costs nothing
		assert_int_equal(permit_n(w, ref, i), 0);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.19.0.1", 9), 0);
	world_pass(w, TP_NS_PER_S / 10);
	assert_int_equal(permit_n(w, ref, 10), 0);
	assert_int_equal(permit_n(w, ref, 11), -ENOSPC);
	// Never more than a second's worth is saved up.
	world_pass(w, 100 * TP_NS_PER_S);
	for (uint32_t i = 20; i < 30; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
	assert_int_equal(permit_n(w, ref, 30), -ENOSPC);
	assert_int_equal(world_bind(w, ref, 0x4001, "198.18.9.9", 9), -ENOSPC);
	// A new allocation on the same record begins with a full one.
	assert_int_equal(ctl_allocation_delete(w->store, ref, TP_END_OPERATOR, w->now, NULL), 0);
	ref = world_allocate(w, 3);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(permit_n(w, ref, i), 0);
}

// RFC 5766 section 11: a switch for clients older than RFC 8656.
static void channel_numbers_of_rfc5766(void **state)
{
	struct world *w = *state;
	world_close(w);
	w->policy.channel_max = CHANDATA_CHANNEL_MAX_RFC5766;
	world_open(w, 64, 64, 4);
	struct tp_alloc_ref ref = world_allocate(w, 1);
	assert_int_equal(world_bind(w, ref, 0x7fff, "198.18.9.9", 100), 0);
	assert_int_equal(world_bind(w, ref, 0x8000, "198.18.9.9", 101), -EINVAL);
}

static void channel_conflicts(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.9", 100), 0);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.9", 100), 0); // refresh
	assert_int_equal(world_status(w).channels, 1);
	assert_int_equal(world_status(w).permissions, 1);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.9", 101), -EEXIST);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.8", 100), -EEXIST);
	assert_int_equal(world_bind(w, ref, 0x4001, "198.18.9.9", 100), -EEXIST);
	assert_int_equal(world_bind(w, ref, 0x4fff, "198.18.9.9", 101), 0);
	assert_int_equal(world_bind(w, ref, 0x3fff, "198.18.9.9", 102), -EINVAL);
	assert_int_equal(world_bind(w, ref, 0x5000, "198.18.9.9", 102), -EINVAL);
	assert_int_equal(world_bind(w, ref, 0x4002, "198.18.9.9", 0), -EINVAL);
	assert_int_equal(world_bind(w, ref, 0x4002, "fd00::9", 1), -EAFNOSUPPORT);
	// Another allocation is another name space.
	assert_int_equal(world_bind(w, world_allocate(w, 2), 0x4000, "198.18.9.9", 101), 0);
	assert_int_equal(world_status(w).channels, 3);
	assert_int_equal(world_status(w).permissions, 2);
}

static void everything_expires_in_order(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	assert_int_equal(world_bind(w, ref, 0x4000, "198.18.9.9", 100), 0);
	world_forget(w);
	assert_int_equal(ctl_store_next_deadline(w->store), w->now.now_ns + 300 * TP_NS_PER_S);
	world_pass(w, 300 * TP_NS_PER_S - 1);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 0);
	world_pass(w, 1);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 1);
	assert_int_equal(w->command[0].type, TP_CMD_PERMISSION_DELETE);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	world_forget(w);
	world_pass(w, 300 * TP_NS_PER_S);
	// Allocation, channel and the new permission at the same nanosecond: all end, once.
	ctl_store_expire(w->store, w->now, 10);
	assert_int_equal(world_status(w).allocations, 0);
	assert_int_equal(world_status(w).channels, 0);
	assert_int_equal(world_status(w).permissions, 0);
	assert_int_equal(w->command[w->n_commands - 1].type, TP_CMD_ALLOC_DELETE);
	assert_int_equal(world_status(w).ended[TP_END_EXPIRED], 1);
	world_pass(w, 60 * TP_NS_PER_S);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 1);
	assert_int_equal(ctl_store_next_deadline(w->store), UINT64_MAX);
}

static void nothing_happens_without_room(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	struct ctl_store_status before = world_status(w);
	w->room = 0;
	struct ctl_change change;
	ctl_change_init(&change);
	struct ctl_allocation_request q = world_request(2);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -ENOBUFS);
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_NONE, 700, w->now, &change),
		-ENOBUFS);
	assert_int_equal(
		ctl_allocation_delete(w->store, ref, TP_END_OPERATOR, w->now, NULL), -ENOBUFS);
	assert_int_equal(world_permit(w, ref, "198.18.9.8"), -ENOBUFS);
	world_pass(w, 600 * TP_NS_PER_S);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 0);
	struct ctl_store_status after = world_status(w);
	assert_memory_equal(&before, &after, sizeof(before));
	w->room = 1;
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 1);
}

static void records_run_out_cleanly(void **state)
{
	struct world *w = *state;
	for (uint32_t n = 0; n < 64; n++)
		world_allocate(w, n);
	struct ctl_store_status before = world_status(w);
	struct ctl_change change;
	ctl_change_init(&change);
	struct ctl_allocation_request q = world_request(64);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -ENOSPC);
	struct ctl_store_status after = world_status(w);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void rollback_of_a_refused_creation_leaves_nothing(void **state)
{
	struct world *w = *state;
	struct ctl_store_status start = world_status(w);
	struct ctl_change change;
	ctl_change_init(&change);
	uint8_t token[8];
	struct ctl_allocation_request q = world_request(1);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
	assert_int_equal(world_status(w).ports_free[0], start.ports_free[0] - 2);
	struct tp_ack ack = {.sequence = change.last_sequence,
		.result = -ENOSPC,
		.type = TP_CMD_ALLOC_SET,
		.alloc = change.alloc};
	assert_true(ctl_change_ack(&change, &ack));
	ctl_change_rollback(w->store, &change, w->now);
	struct ctl_store_status end = world_status(w);
	assert_int_equal(end.ports_free[0], start.ports_free[0]);
	assert_int_equal(end.allocs_free, start.allocs_free);
	assert_int_equal(end.users, 0);
	assert_int_equal(ctl_store_next_deadline(w->store), UINT64_MAX);
}

static void rollback_restores_old_deadlines(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	assert_int_equal(world_permit(w, ref, "198.18.9.9"), 0);
	uint64_t alloc_deadline = ctl_allocation_get(w->store, ref)->deadline_ns;
	uint64_t permission_deadline = w->now.now_ns + 300 * TP_NS_PER_S;
	world_pass(w, 10 * TP_NS_PER_S);
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_ip old = ip("198.18.9.9"), fresh = ip("198.18.9.10");
	assert_int_equal(
		ctl_allocation_refresh(w->store, ref, TP_FAMILY_NONE, 3600, w->now, &change), 0);
	assert_int_equal(ctl_permission_set(w->store, ref, &old, w->now, &change), 0);
	assert_int_equal(ctl_permission_set(w->store, ref, &fresh, w->now, &change), 0);
	assert_int_equal(ctl_permission_set(w->store, ref, &fresh, w->now, &change), 0);
	world_forget(w);
	change.result = -ENOSPC;
	ctl_change_rollback(w->store, &change, w->now);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	assert_int_equal(r->deadline_ns, alloc_deadline);
	assert_int_equal(r->granted_lifetime_s, 600);
	assert_int_equal(r->peers, 1);
	uint32_t at = r->first_peer;
	const struct tp_peer_record *p = ctl_peer_next(w->store, &at);
	assert_true(tp_ip_equal(&p->peer.ip, &old));
	assert_int_equal(p->deadline_ns, permission_deadline);
	// The dataplane is told the same: last the old permission with its old deadline.
	const struct tp_cmd *cmd = &w->command[w->n_commands - 1];
	assert_int_equal(cmd->type, TP_CMD_PERMISSION_SET);
	assert_int_equal(cmd->deadline_ns, permission_deadline);
	assert_int_equal(cmd[-1].type, TP_CMD_PERMISSION_DELETE);
}

static void reservations_hold_the_next_port(void **state)
{
	struct world *w = *state;
	struct ctl_store_status start = world_status(w);
	struct ctl_change change;
	ctl_change_init(&change);
	uint8_t token[8], other[8] = "nonsense";
	struct ctl_allocation_request q = world_request(1);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
	struct tp_addr even = ctl_allocation_get(w->store, change.alloc)->relay[0];
	assert_int_equal(even.port % 2, 0);
	q = world_request(2);
	q.token = other;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -ENOSPC);
	q.token = token;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	struct tp_addr odd = ctl_allocation_get(w->store, change.alloc)->relay[0];
	assert_true(tp_ip_equal(&odd.ip, &even.ip));
	assert_int_equal(odd.port, even.port + 1);
	// A token serves once.
	q = world_request(3);
	q.token = token;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -ENOSPC);
	// An unused one is forgotten after 30 seconds and its port is free.
	q = world_request(4);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
	assert_int_equal(world_status(w).ports_free[0], start.ports_free[0] - 4);
	world_pass(w, 30 * TP_NS_PER_S);
	assert_int_equal(ctl_store_expire(w->store, w->now, 10), 1);
	assert_int_equal(world_status(w).ports_free[0], start.ports_free[0] - 3);
	q = world_request(5);
	q.token = token;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), -ENOSPC);
}

// A reservation outlives the allocation that made it (RFC 8656 section 7.2), so a user who makes
// and drops allocations could take them all.
static void reservations_of_one_user_are_bounded(void **state)
{
	struct world *w = *state;
	struct ctl_change change;
	ctl_change_init(&change);
	uint8_t token[8];
	for (uint32_t i = 0; i < 8; i++) {
		struct ctl_allocation_request q = world_request(5 * i); // u0
		q.even_port = CTL_PORT_RESERVE;
		assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
		assert_int_equal(ctl_allocation_delete(
					 w->store, change.alloc, TP_END_OPERATOR, w->now, NULL),
			0);
	}
	struct ctl_allocation_request q = world_request(40);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), -EDQUOT);
	// Without one, or as somebody else, it goes on.
	q.even_port = CTL_PORT_EVEN;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	q = world_request(41);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
	// They are the user's again when their time is up.
	world_pass(w, 30 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, 100);
	q = world_request(45);
	q.even_port = CTL_PORT_RESERVE;
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, token), 0);
}

static void counters_of_acknowledgements_are_kept(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	struct tp_ack ack = {.sequence = ctl_allocation_poll_counters(w->store, ref),
		.type = TP_CMD_COUNTERS,
		.alloc = ref,
		.counters = {1, 100, 2, 200}};
	assert_int_not_equal(ack.sequence, 0);
	ctl_store_ack(w->store, &ack, false, w->now);
	const struct tp_alloc_record *r = ctl_allocation_get(w->store, ref);
	assert_int_equal(r->snapshot.down_bytes, 200);
	// Of another generation: not ours.
	ack.alloc.generation++;
	ack.counters.down_bytes = 999;
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_int_equal(r->snapshot.down_bytes, 200);
	ack.alloc.index = UINT32_MAX;
	ctl_store_ack(w->store, &ack, false, w->now);
}

static void an_allocation_the_dataplane_does_not_take_ends(void **state)
{
	struct world *w = *state;
	struct tp_alloc_ref ref = world_allocate(w, 1);
	struct tp_ack ack = {.result = -ENOSPC, .type = TP_CMD_PERMISSION_SET, .alloc = ref};
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_non_null(ctl_allocation_get(w->store, ref));
	ack.type = TP_CMD_ALLOC_SET;
	ctl_store_ack(w->store, &ack, true, w->now);
	assert_non_null(ctl_allocation_get(w->store, ref));
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_null(ctl_allocation_get(w->store, ref));
	assert_int_equal(world_status(w).ended[TP_END_DATAPLANE_REFUSED], 1);
}

static void bad_regions_and_policies_are_refused(void **state)
{
	struct world *w = *state;
	struct ctl_store *store;
	struct ctl_store_options o = world_options(w);
	o.region_bytes--;
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL);
	o.region_bytes = 100;
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL);
	o = world_options(w);
	struct tp_region_header *h = w->region;
	h->alloc_capacity = UINT32_MAX;
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL);
	h->alloc_capacity = 64;
	h->magic++;
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL);
	h->magic--;
	w->policy.port_min = 50100;
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL);
	world_policy(&w->policy);
	w->policy.relays[1].prefix_bits = 8;
	assert_int_equal(ctl_store_create(&o, &store), -E2BIG);
	world_policy(&w->policy);
	w->policy.relays[0] = w->policy.relays[1];
	assert_int_equal(ctl_store_create(&o, &store), -EINVAL); // overlapping
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

// ---- another policy

static void rates_reach_existing_allocations_in_slices(void **state)
{
	struct world w = {};
	struct ctl_store_policy fresh;

	world_policy(&w.policy);
	world_open(&w, 64, 64, 8);
	for (uint32_t n = 0; n < 20; n++)
		world_allocate(&w, n);
	world_forget(&w);
	fresh = w.policy;
	fresh.permission_s = 7;
	ctl_store_renew(w.store, &fresh);
	assert_false(ctl_store_renew_step(w.store, w.now, 1000, 0)); // the rates are the same
	assert_int_equal(w.n_commands, 0);
	assert_int_equal(ctl_store_policy(w.store)->permission_s, 7);
	fresh.rate_packets_per_s = 50;
	ctl_store_renew(w.store, &fresh);
	// So many records a call, and not beyond what is reserved.
	assert_true(ctl_store_renew_step(w.store, w.now, 5, 0));
	assert_true(w.n_commands <= 5);
	w.room = 3;
	assert_true(ctl_store_renew_step(w.store, w.now, 1000, 3));
	assert_int_equal(w.room, 3);
	w.room = 1000;
	assert_false(ctl_store_renew_step(w.store, w.now, 1000, 3));
	assert_int_equal(w.n_commands, 20);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(w.command[i].type, TP_CMD_ALLOC_SET);
		assert_int_equal(w.command[i].allocation.rate_packets_per_s, 50);
	}
	assert_int_equal(world_status(&w).allocations, 20);
	world_close(&w);
}

// The dataplane refuses an allocation whose rates were told once more before its answer came: it
// may have taken that, and must give it up.
static void a_refused_creation_that_was_renewed_is_taken_back(void **state)
{
	for (int renewed = 0; renewed < 2; renewed++) {
		struct world w = {};
		struct ctl_allocation_request q = world_request(1);
		uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
		struct ctl_store_policy fresh;
		struct ctl_change change;

		world_policy(&w.policy);
		world_open(&w, 8, 8, 8);
		ctl_change_init(&change);
		assert_int_equal(ctl_allocation_create(w.store, &q, w.now, &change, token), 0);
		fresh = w.policy;
		fresh.rate_bytes_per_s = 1000;
		if (renewed)
			ctl_store_renew(w.store, &fresh);
		ctl_store_renew_step(w.store, w.now, 1000, 0);
		struct tp_ack ack = {.sequence = w.command[0].sequence,
			.type = TP_CMD_ALLOC_SET,
			.alloc = change.alloc,
			.result = -ENOSPC};
		ctl_store_ack(w.store, &ack, true, w.now);
		assert_true(ctl_change_ack(&change, &ack));
		world_forget(&w);
		ctl_change_rollback(w.store, &change, w.now);
		assert_int_equal(w.n_commands, renewed);
		if (renewed)
			assert_int_equal(w.command[0].type, TP_CMD_ALLOC_DELETE);
		assert_int_equal(world_status(&w).allocations, 0);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_reach_existing_allocations_in_slices),
		cmocka_unit_test(a_refused_creation_that_was_renewed_is_taken_back),
		TEST(allocation_is_found_by_its_five_tuple),
		TEST(second_allocation_of_a_five_tuple_is_refused),
		TEST(expired_predecessor_makes_place),
		TEST(create_sends_what_the_record_says),
		TEST(public_form_is_what_clients_are_told),
		TEST(ids_are_unique_and_rise),
		TEST(generation_rises_with_each_reuse),
		TEST(ports_of_ended_allocations_rest),
		TEST(resting_records_give_way),
		TEST(quota_of_all_and_of_a_user),
		TEST(long_user_names_come_back),
		TEST(reservation_tokens_are_random),
		TEST(permissions_of_an_allocation_are_bounded),
		TEST(new_peers_come_at_a_rate),
		TEST(families),
		TEST(families_end_apart),
		TEST(ipv4_may_end_first),
		TEST(channel_conflicts),
		TEST(channel_numbers_of_rfc5766),
		TEST(everything_expires_in_order),
		TEST(nothing_happens_without_room),
		TEST(records_run_out_cleanly),
		TEST(rollback_of_a_refused_creation_leaves_nothing),
		TEST(rollback_restores_old_deadlines),
		TEST(reservations_hold_the_next_port),
		TEST(reservations_of_one_user_are_bounded),
		TEST(counters_of_acknowledgements_are_kept),
		TEST(an_allocation_the_dataplane_does_not_take_ends),
		TEST(bad_regions_and_policies_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
