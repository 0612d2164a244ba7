// SPDX-License-Identifier: BSD-3-Clause
// One life each: every kind of allocation with every kind of end. A new way to make, move or end
// one gets a row in `cycles`.
#pragma once

#include "tests/unit/control/turn/lives_world.h"

// ---- One life each.

static inline void plain(struct leak *l)
{
	assert_int_equal(allocate(l, PLAIN), 0);
	assert_int_equal(permit(l, "8.8.8.8"), 0);
	bind_channel(l, "8.8.8.8");
	assert_int_equal(refresh(l, 700, 0), 0);
	end(l);
}

static inline void even(struct leak *l)
{
	assert_int_equal(
		allocate(l, (struct wish){.even = 0, .family = 4 + 2 * (int)chance(l, 2)}), 0);
	end(l);
}

// Makes a pair; the token is copied out.
static inline void make_pair(struct leak *l, uint8_t token[8])
{
	struct stun_attr a;
	assert_int_equal(allocate(l, PAIR), 0);
	assert_true(stun_find(&last_sent(&l->r)->message, STUN_ATTR_RESERVATION_TOKEN, &a));
	memcpy(token, a.value, 8);
}

static inline void pair_with_token_used(struct leak *l)
{
	uint8_t token[8];
	make_pair(l, token);
	struct relay first = l->r; // its credentials
	bool maker_first = chance(l, 2);
	if (maker_first)
		end(l);
	new_client(l);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .token = token}), 0);
	assert_int_equal(refresh(l, 600, 0), 0);
	end(l);
	if (maker_first)
		return;
	l->r.client = first.client;
	l->r.user = first.user;
	l->r.password = first.password;
	challenge(l);
	end(l);
}

static inline void pair_with_token_expired(struct leak *l)
{
	uint8_t token[8];
	make_pair(l, token);
	pass(l, 31);
	challenge(l);
	end(l);
	new_client(l);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .token = token}), 508);
}

static inline void pair_with_token_never_used(struct leak *l)
{
	uint8_t token[8];
	make_pair(l, token);
	end(l);
}

static inline void pair_refused(struct leak *l)
{
	l->refuse_set = -ENOSPC;
	assert_int_equal(allocate(l, PAIR), 508);
	l->refuse_set = 0;
}

static inline void token_refused(struct leak *l)
{
	uint8_t token[8];
	make_pair(l, token);
	end(l);
	new_client(l);
	l->refuse_set = -EADDRNOTAVAIL;
	assert_int_equal(allocate(l, (struct wish){.even = -1, .token = token}), 508);
	l->refuse_set = 0;
}

static inline void reservations_of_one_user(struct leak *l)
{
	int n = 0, code = 0;
	for (; n < PER_USER + 2 && code == 0; n++) {
		code = allocate(l, PAIR);
		if (code == 0) {
			end(l);
			l->r.client.port++;
			challenge(l);
		}
	}
	assert_true(code == 486 || code == 508);
}

static inline void dual(struct leak *l)
{
	assert_int_equal(allocate(l, (struct wish){.even = -1, .additional = 6}), 0);
	assert_int_equal(permit(l, "2001:db8::1"), 0);
	assert_int_equal(bind_channel(l, "8.8.8.8"), 0);
	end(l);
}

static inline void dual_with_a_family_closed(struct leak *l)
{
	int family = 4 + 2 * (int)chance(l, 2);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .additional = 6}), 0);
	permit(l, "2001:db8::1");
	assert_int_equal(refresh(l, 0, family), 0);
	if (chance(l, 2))
		assert_int_equal(refresh(l, 0, 10 - family), 0);
	else
		end(l);
}

static inline void dual_without_the_second(struct leak *l)
{
	assert_int_equal(ctl_relay_set_use(l->r.w.store, 1, CTL_RELAY_DRAINED), 0);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .additional = 6}), 0);
	assert_int_equal(ctl_relay_set_use(l->r.w.store, 1, CTL_RELAY_IN_USE), 0);
	end(l);
}

static inline void ipv6(struct leak *l)
{
	assert_int_equal(allocate(l, (struct wish){.even = -1, .family = 6}), 0);
	assert_int_equal(permit(l, "8.8.8.8"), 443);
	end(l);
}

static inline void ipv6_client(struct leak *l)
{
	struct tp_addr client = l->r.client, listener = l->r.listener;
	l->r.client = addr("2001:db8:1::1", client.port);
	l->r.listener = addr("fd00:198:18::2", 3478);
	challenge(l);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .family = 6}), 0);
	assert_int_equal(bind_channel(l, "2001:db8::7"), 0);
	end(l);
	l->r.client = client;
	l->r.listener = listener;
}

static inline void quota_used_up(struct leak *l)
{
	uint16_t first = l->r.client.port;
	int n = 0, code;
	while ((code = allocate(l, (struct wish){.even = -1, .family = n % 2 ? 6 : 4})) == 0) {
		n++;
		l->r.client.port++;
		challenge(l);
	}
	assert_int_equal(code, 486);
	assert_in_range(n, 1, PER_USER); // less when others of that user are there
	for (int i = 0; i < n; i++) {
		l->r.client.port = (uint16_t)(first + i);
		challenge(l);
		end(l);
	}
}

static inline void dataplane_refuses(struct leak *l)
{
	static const int results[] = {-ENOSPC, -EEXIST, -EADDRNOTAVAIL, -EINVAL};
	l->refuse_set = results[chance(l, 4)];
	assert_int_equal(
		allocate(l, (struct wish){.even = -1, .additional = chance(l, 2) ? 6 : 0}), 508);
	l->refuse_set = 0;
}

static inline void dataplane_refuses_peers(struct leak *l)
{
	assert_int_equal(allocate(l, PLAIN), 0);
	permit(l, "8.8.8.8");
	l->refuse_peer = -ENOSPC;
	assert_int_equal(bind_channel(l, "9.9.9.9"), 508);
	assert_int_equal(permit(l, "9.9.9.10"), 508);
	l->refuse_peer = 0;
	// Taken back and told so; a dataplane that refused the way back too would be compared anew.
	work(l, true);
	if (relay_allocation(&l->r))
		end(l);
}

static inline void bad_requests(struct leak *l)
{
	struct stun_writer *w = &l->r.writer;
	uint8_t token[8] = {1, 2, 3};
	assert_int_equal(refresh(l, 100, 0), 437);
	assert_int_equal(permit(l, "8.8.8.8"), 437);
	request_begin(&l->r, STUN_ALLOCATE);
	assert_int_equal(ask(l), 400);
	request_begin(&l->r, STUN_ALLOCATE);
	stun_write_u32(w, STUN_ATTR_REQUESTED_TRANSPORT, 132u << 24);
	assert_int_equal(ask(l), 442);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .family = 4, .additional = 6}), 400);
	assert_int_equal(allocate(l, (struct wish){.even = 0x80, .additional = 6}), 400);
	assert_int_equal(allocate(l, (struct wish){.even = 0, .token = token}), 400);
	assert_int_equal(allocate(l, (struct wish){.even = -1, .token = token}), 508);
	request_allocate(&l->r);
	stun_write_u32(w, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 7u << 24);
	assert_int_equal(ask(l), 440);
	request_allocate(&l->r);
	stun_write_u32(w, 0x7fff, 0);
	assert_int_equal(ask(l), 420);
	const char *password = l->r.password;
	l->r.password = "wrong";
	assert_int_equal(allocate(l, PLAIN), 401);
	l->r.password = password;
	assert_int_equal(allocate(l, PLAIN), 0);
	assert_int_equal(allocate(l, PLAIN), 437);
	assert_int_equal(permit(l, "10.0.0.1"), 403);
	assert_int_equal(bind_channel(l, "127.0.0.1"), 403);
	const char *user = l->r.user;
	l->r.user = strcmp(user, "alice") ? "alice" : "bob";
	l->r.password = strcmp(user, "alice") ? "wonder" : "build";
	assert_int_equal(refresh(l, 0, 0), 441);
	l->r.user = user;
	l->r.password = password;
	end(l);
}

static inline void retransmitted(struct leak *l)
{
	assert_int_equal(allocate(l, chance(l, 2) ? PAIR : PLAIN), 0);
	assert_int_equal(send_it(l), 0);
	end(l);
	assert_int_equal(send_it(l), 0);
}

static inline void expired(struct leak *l)
{
	assert_int_equal(allocate(l, (struct wish){.even = -1, .additional = 6}), 0);
	permit(l, "8.8.8.8");
	bind_channel(l, "2001:db8::9");
	pass(l, chance(l, 2) ? 301 : 601);
	pass(l, 601);
	assert_null(relay_allocation(&l->r));
}

// The five-tuple comes again before the deadline of the old allocation was noticed.
static inline void expired_unnoticed(struct leak *l)
{
	assert_int_equal(allocate(l, PLAIN), 0);
	world_pass(&l->r.w, 601 * TP_NS_PER_S);
	challenge(l);
	assert_int_equal(allocate(l, PLAIN), 0);
	end(l);
}

static inline void closed_by_the_operator(struct leak *l)
{
	assert_int_equal(allocate(l, chance(l, 2) ? PAIR : PLAIN), 0);
	permit(l, "8.8.8.8");
	const struct tp_alloc_record *r = relay_allocation(&l->r);
	assert_int_equal(
		ctl_allocation_delete(l->r.w.store, r->self, TP_END_OPERATOR, l->r.w.now, NULL), 0);
	work(l, true);
}

static inline void control_killed(struct leak *l)
{
	assert_int_equal(allocate(l, chance(l, 2) ? PAIR : PLAIN), 0);
	permit(l, "8.8.8.8");
	bind_channel(l, "8.8.4.4");
	kill_control(l);
	challenge(l);
	assert_int_equal(refresh(l, 600, 0), 0);
	if (chance(l, 2))
		end(l);
}

// In the middle of a request: its commands are in the ring, its answer never leaves.
static inline void control_killed_half_way(struct leak *l)
{
	l->refuse_set = chance(l, 2) ? -ENOSPC : 0;
	request_allocate(&l->r);
	if (chance(l, 2))
		stun_write_attr(&l->r.writer, STUN_ATTR_EVEN_PORT, &(uint8_t){0x80}, 1);
	request_sign(&l->r);
	request_finish(&l->r);
	l->r.n_sent = 0;
	request_send(&l->r);
	assert_int_equal(l->r.n_sent, 0);
	kill_control(l);
	l->refuse_set = 0;
}

static inline void dataplane_replaced(struct leak *l)
{
	assert_int_equal(allocate(l, (struct wish){.even = -1, .additional = 6}), 0);
	bind_channel(l, "8.8.4.4");
	replace_dataplane(l);
	assert_int_equal(refresh(l, 600, 0), 0);
	if (chance(l, 2))
		end(l);
}

static inline void dataplane_replaced_half_way(struct leak *l)
{
	request_allocate(&l->r);
	if (chance(l, 2))
		stun_write_attr(&l->r.writer, STUN_ATTR_EVEN_PORT, &(uint8_t){0x80}, 1);
	request_sign(&l->r);
	request_finish(&l->r);
	l->r.n_sent = 0;
	request_send(&l->r);
	replace_dataplane(l);
}

// Until nothing is left of a family's ports, whoever had them.
static inline void ports_exhausted(struct leak *l)
{
	pass(l, 4000);
	int n = 0, code = 0;
	for (; n < 40 && code != 508; n++) {
		new_client(l);
		code = allocate(l, (struct wish){.even = n % 3 ? -1 : 0, .family = 4});
		assert_true(code == 0 || code == 486 || code == 508);
	}
	assert_int_equal(code, 508);
	uint32_t index = 0;
	const struct tp_alloc_record *r;
	while ((r = ctl_allocation_next(l->r.w.store, &index)))
		ctl_allocation_delete(l->r.w.store, r->self, TP_END_OPERATOR, l->r.w.now, NULL);
	work(l, true);
}

static inline void drained_meanwhile(struct leak *l)
{
	assert_int_equal(allocate(l, PLAIN), 0);
	assert_int_equal(ctl_relay_set_use(l->r.w.store, 0, CTL_RELAY_DRAINED), 0);
	uint16_t port = l->r.client.port;
	l->r.client.port++;
	challenge(l);
	assert_int_equal(allocate(l, PLAIN), 508);
	l->r.client.port = port;
	challenge(l);
	if (chance(l, 2))
		kill_control(l);
	challenge(l);
	end(l);
	assert_int_equal(ctl_relay_set_use(l->r.w.store, 0, CTL_RELAY_IN_USE), 0);
}

// ---- RFC 8016.

struct own_ticket {
	uint8_t text[CTL_TICKET_CHARS];
};

static inline int allocate_mobile(struct leak *l, struct own_ticket *t)
{
	struct stun_attr a;
	request_allocate(&l->r);
	stun_write_attr(&l->r.writer, STUN_ATTR_MOBILITY_TICKET, NULL, 0);
	int code = ask(l);
	if (code == 0) {
		assert_true(stun_find(&last_sent(&l->r)->message, STUN_ATTR_MOBILITY_TICKET, &a));
		memcpy(t->text, a.value, sizeof(t->text));
	}
	return code;
}

// A Refresh with the ticket; the next ticket takes its place.
static inline int resume(struct leak *l, struct own_ticket *t, uint32_t lifetime_s)
{
	struct stun_attr a;
	request_begin(&l->r, STUN_REFRESH);
	stun_write_u32(&l->r.writer, STUN_ATTR_LIFETIME, lifetime_s);
	stun_write_attr(&l->r.writer, STUN_ATTR_MOBILITY_TICKET, t->text, sizeof(t->text));
	int code = ask(l);
	if (code == 0 && lifetime_s != 0) {
		assert_true(stun_find(&last_sent(&l->r)->message, STUN_ATTR_MOBILITY_TICKET, &a));
		memcpy(t->text, a.value, sizeof(t->text));
	}
	return code;
}

static inline void elsewhere(struct leak *l)
{
	l->r.client.port++;
	challenge(l);
}

// Some moves, of which some are completed by data; then every kind of end.
static inline void mobile(struct leak *l)
{
	struct own_ticket t, used;
	assert_int_equal(allocate_mobile(l, &t), 0);
	permit(l, "8.8.8.8");
	bind_channel(l, "8.8.4.4");
	for (uint32_t n = chance(l, 4); n > 0; n--) {
		used = t;
		elsewhere(l);
		assert_int_equal(resume(l, &t, 600), 0);
		const struct tp_alloc_record *r = relay_allocation(&l->r);
		if (chance(l, 2))
			ctl_allocation_moved(l->r.w.store, r->self, ctl_allocation_moves(r));
		elsewhere(l);
		assert_int_equal(resume(l, &used, 600), 400);
		l->r.client.port--;
		challenge(l);
	}
	switch (chance(l, 6)) {
	case 0:
		pass(l, 601);
		break;
	case 1:
		kill_control(l);
		challenge(l);
		end(l);
		break;
	case 2:
		replace_dataplane(l);
		end(l);
		break;
	case 3: // by the ticket, from where it never was
		elsewhere(l);
		assert_int_equal(resume(l, &t, 0), 0);
		break;
	default:
		end(l);
	}
	elsewhere(l);
	assert_int_equal(resume(l, &t, 600), 437);
}

static inline void mobile_refused(struct leak *l)
{
	struct own_ticket t;
	uint16_t home = l->r.client.port;
	l->refuse_set = -ENOSPC;
	assert_int_equal(allocate_mobile(l, &t), 508);
	l->refuse_set = 0;
	assert_int_equal(allocate_mobile(l, &t), 0);
	elsewhere(l);
	l->refuse_move = -ENOSPC;
	assert_int_equal(resume(l, &t, 600), 508);
	l->refuse_move = 0;
	work(l, true);
	if (chance(l, 2)) {
		l->r.client.port = home;
		challenge(l);
		if (relay_allocation(&l->r))
			end(l);
	} else if (resume(l, &t, 600) == 0) {
		end(l);
	}
}

static inline void mobile_killed_half_way(struct leak *l)
{
	struct own_ticket t;
	assert_int_equal(allocate_mobile(l, &t), 0);
	elsewhere(l);
	request_begin(&l->r, STUN_REFRESH);
	stun_write_attr(&l->r.writer, STUN_ATTR_MOBILITY_TICKET, t.text, sizeof(t.text));
	request_sign(&l->r);
	request_finish(&l->r);
	l->r.n_sent = 0;
	request_send(&l->r);
	assert_int_equal(l->r.n_sent, 0);
	bool taken_back = chance(l, 2); // by a dataplane that went away with the command
	if (taken_back)
		replace_dataplane(l);
	else
		kill_control(l);
	challenge(l);
	assert_int_equal(refresh(l, 600, 0), taken_back ? 437 : 0);
	if (chance(l, 2))
		assert_int_equal(resume(l, &t, 0), taken_back ? 0 : 400);
	else if (!taken_back)
		end(l);
}

// User names longer than a record holds.
static inline void long_name(struct leak *l)
{
	static uint8_t name[300] = "a long name";
	struct ctl_allocation_request q = world_request(chance(l, 50000));
	struct ctl_change change;
	q.user = name;
	q.user_length = sizeof(name) - chance(l, 100);
	ctl_change_init(&change);
	int rc = ctl_allocation_create(l->r.w.store, &q, l->r.w.now, &change, NULL);
	work(l, true);
	if (rc)
		return;
	if (chance(l, 2))
		kill_control(l);
	assert_int_equal(ctl_allocation_delete(
				 l->r.w.store, change.alloc, TP_END_OPERATOR, l->r.w.now, NULL),
		0);
	work(l, true);
}

static const struct cycle {
	const char *name;
	void (*run)(struct leak *l);
	uint32_t one_in; // of the times it comes up
} cycles[] = {
	{"plain", plain, 1},
	{"even", even, 1},
	{"pair, token used", pair_with_token_used, 1},
	{"pair, token expired", pair_with_token_expired, 1},
	{"pair, token never used", pair_with_token_never_used, 1},
	{"pair refused", pair_refused, 1},
	{"token refused", token_refused, 1},
	{"reservations of one user", reservations_of_one_user, 4},
	{"dual", dual, 1},
	{"dual, one family closed", dual_with_a_family_closed, 1},
	{"dual without the second", dual_without_the_second, 1},
	{"IPv6", ipv6, 1},
	{"IPv6 client", ipv6_client, 1},
	{"quota used up", quota_used_up, 4},
	{"dataplane refuses", dataplane_refuses, 1},
	{"dataplane refuses peers", dataplane_refuses_peers, 1},
	{"bad requests", bad_requests, 1},
	{"retransmitted", retransmitted, 1},
	{"expired", expired, 1},
	{"expired unnoticed", expired_unnoticed, 1},
	{"closed by the operator", closed_by_the_operator, 1},
	{"control killed", control_killed, 4},
	{"control killed half way", control_killed_half_way, 4},
	{"dataplane replaced", dataplane_replaced, 4},
	{"dataplane replaced half way", dataplane_replaced_half_way, 4},
	{"ports exhausted", ports_exhausted, 8},
	{"drained meanwhile", drained_meanwhile, 1},
	{"mobile", mobile, 1},
	{"mobile, refused", mobile_refused, 1},
	{"mobile, killed half way", mobile_killed_half_way, 4},
	{"long name", long_name, 1},
};
#define KINDS (sizeof(cycles) / sizeof(cycles[0]))

// ---- Before and after.

struct inventory {
	struct ctl_store_status status;
	struct ctl_relay_totals relays[2];
	uint32_t deadlines;
	uint64_t pending;
};

static inline struct inventory take_inventory(const struct leak *l)
{
	struct inventory i = {.status = world_status(&l->r.w),
		.deadlines = l->r.w.store->expiry.count,
		.pending = ctl_turn_counters(l->r.turn)->pending};
	ctl_relay_total(l->r.w.store, i.relays);
	i.status.created = 0;
	memset(i.status.ended, 0, sizeof(i.status.ended));
	return i;
}

// Everything that ends by itself has ended.
static inline void settle(struct leak *l)
{
	for (int i = 0; i < 8; i++)
		pass(l, 1000);
}

static inline void assert_same(
	const struct leak *l, const struct inventory *begin, const char *after)
{
	struct inventory now = take_inventory(l);
	for (int i = 0; i < RECORDS; i++)
		if (l->model[i].live)
			fail_msg("after \"%s\" the dataplane still has allocation %d", after, i);
	if (now.status.ports_free[0] != begin->status.ports_free[0] ||
		now.status.ports_free[1] != begin->status.ports_free[1])
		fail_msg("after \"%s\" %llu and %llu ports are free", after,
			(unsigned long long)now.status.ports_free[0],
			(unsigned long long)now.status.ports_free[1]);
	if (memcmp(&now, begin, sizeof(now)) != 0)
		fail_msg("after \"%s\": %llu records, %llu peers, %llu names free, %llu users, %u "
			 "deadlines",
			after, (unsigned long long)now.status.allocs_free,
			(unsigned long long)now.status.peers_free,
			(unsigned long long)now.status.names_free,
			(unsigned long long)now.status.users, now.deadlines);
}

static inline int setup(void **state)
{
	struct leak *l = calloc(1, sizeof(*l));
	l->random = RANDOM;
	l->r.conf.relay.port_max = PORT_MAX;
	l->r.conf.mobility = true;
	l->r.conf.quotas.allocations_per_user = PER_USER;
	relay_open(&l->r);
	l->r.hold_acks = true;
	*state = l;
	return 0;
}

static inline int teardown(void **state)
{
	struct leak *l = *state;
	relay_close(&l->r);
	free(l);
	return 0;
}

static inline void run(struct leak *l, const struct cycle *c)
{
	new_client(l);
	c->run(l);
}

// One of all kinds by chance; false: it did not come up.
static inline bool live_once(struct leak *l)
{
	struct ctl_relay_totals relays[2];
	const struct cycle *c = &cycles[chance(l, KINDS)];
	if (chance(l, c->one_in) != 0)
		return false;
	run(l, c);
	// Some come right after the other, some later.
	if (chance(l, 2))
		pass(l, 1 + chance(l, 90));
	// The next one needs room: of 16 ports and of a user's quota.
	ctl_relay_total(l->r.w.store, relays);
	if (relays[0].load.taken + relays[0].load.reserved > 6 || chance(l, 6) == 0)
		pass(l, 700);
	return true;
}
