// SPDX-License-Identifier: BSD-3-Clause
// Every method with its answers, and every error code with a request that earns it.
#include "tests/unit/control/turn/client.h"

// ---- Binding and what is no request.

static void binding_tells_the_address(void **state)
{
	struct relay *r = *state;
	request_begin(r, STUN_BINDING);
	request_finish(r);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	struct tp_addr mapped = sent_address(last_sent(r), STUN_ATTR_XOR_MAPPED_ADDRESS);
	assert_true(tp_addr_equal(&mapped, &r->client));
	struct stun_attr a;
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	// With an unknown attribute: 420 that lists it.
	request_begin(r, STUN_BINDING);
	stun_write_u32(&r->writer, STUN_ATTR_CHANGE_REQUEST, 6);
	request_finish(r);
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 420);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
	assert_int_equal(a.length, 2);
	assert_int_equal(tp_rd16(a.value), STUN_ATTR_CHANGE_REQUEST);
}

static void what_is_no_request_gets_no_answer(void **state)
{
	struct relay *r = *state;
	static const enum stun_class classes[] = {STUN_INDICATION, STUN_SUCCESS, STUN_ERROR};
	for (int i = 0; i < 3; i++) {
		static const uint16_t methods[] = {STUN_BINDING, STUN_SEND, STUN_ALLOCATE};
		stun_write_begin(&r->writer, r->bytes, sizeof(r->bytes), classes[i], methods[i],
			r->transaction_id);
		request_finish(r);
		assert_int_equal(request_send(r), 0);
	}
	request_begin(r, STUN_SEND); // as a request it is none of ours
	request_finish(r);
	assert_int_equal(request_send(r), 0);
	request_begin(r, STUN_BINDING);
	stun_write_fingerprint(&r->writer);
	request_finish(r);
	r->bytes[r->length - 1] ^= 1;
	assert_int_equal(request_send(r), 0);
	r->length = 7;
	assert_int_equal(request_send(r), 0);
	r->length = 0;
	assert_int_equal(request_send(r), 0);
	r->length = CTL_REQUEST_MAX_BYTES + 1;
	assert_int_equal(request_send(r), 0);
	assert_int_equal(ctl_turn_counters(r->turn)->not_a_request, 3);
	assert_int_equal(ctl_turn_counters(r->turn)->malformed, 4);
	assert_int_equal(ctl_turn_counters(r->turn)->pending, 0);
}

// ---- Authentication.

static const uint16_t turn_methods[] = {
	STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION, STUN_CHANNEL_BIND};

static void without_integrity_401(void **state)
{
	struct relay *r = *state;
	for (int i = 0; i < 4; i++) {
		request_begin(r, turn_methods[i]);
		request_finish(r);
		assert_int_equal(request_send(r), 1);
		const struct sent *s = last_sent(r);
		struct stun_attr a;
		assert_int_equal(sent_code(s), 401);
		assert_true(stun_find(&s->message, STUN_ATTR_REALM, &a));
		assert_int_equal(a.length, strlen(RELAY_REALM));
		assert_memory_equal(a.value, RELAY_REALM, a.length);
		assert_true(stun_find(&s->message, STUN_ATTR_NONCE, &a));
		assert_false(stun_find(&s->message, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	}
}

static void with_integrity_but_not_the_rest_400(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	struct ctl_key key = request_key(r);
	for (int missing = 0; missing < 3; missing++) {
		request_begin(r, STUN_ALLOCATE);
		if (missing != 0)
			stun_write_attr(&r->writer, STUN_ATTR_USERNAME, "alice", 5);
		if (missing != 1)
			stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, 11);
		if (missing != 2)
			stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
		ctl_integrity_append(r->crypto, &r->writer, key.bytes, sizeof(key.bytes));
		request_finish(r);
		request_send(r);
		struct stun_attr a;
		assert_int_equal(sent_code(last_sent(r)), 400);
		assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_REALM, &a));
		assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_NONCE, &a));
		assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_MESSAGE_INTEGRITY, &a));
	}
}

static void unknown_user_and_wrong_password_look_the_same(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	uint8_t seen[2][CTL_RESPONSE_MAX_BYTES];
	size_t length[2];
	for (int i = 0; i < 2; i++) {
		r->user = i ? "mallo" : "alice";
		r->password = "guess";
		request_allocate(r);
		assert_int_equal(request_code(r), 401);
		length[i] = last_sent(r)->length;
		memcpy(seen[i], last_sent(r)->bytes, length[i]);
		memset(seen[i] + 8, 0, 12); // transaction id
	}
	assert_int_equal(length[0], length[1]);
	assert_memory_equal(seen[0], seen[1], length[0]);
	assert_null(relay_allocation(r));
}

static void stale_nonce_438_with_a_fresh_one(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	world_pass(&r->w, 601 * TP_NS_PER_S);
	ctl_turn_tick(r->turn, r->w.now);
	request_allocate(r);
	assert_int_equal(request_code(r), 438);
	learn_nonce(r, last_sent(r));
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
	// A nonce of somebody else, or none of ours.
	r->client.port++;
	request_allocate(r);
	assert_int_equal(request_code(r), 438);
	memset(r->nonce, 'x', 40);
	r->nonce_length = 40;
	request_allocate(r);
	assert_int_equal(request_code(r), 438);
	// A wrong password is not told that its nonce is stale.
	r->password = "guess";
	request_allocate(r);
	assert_int_equal(request_code(r), 401);
}

static void time_limited_credentials_serve(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	r->user = "1700000600:alice";
	r->password = "gthUwOpcRoLI0MMCziCEBOWYnpo=";
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 590 * TP_NS_PER_S);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 11 * TP_NS_PER_S);
	request_allocate(r); // its time is over, and the nonce is old: the former counts
	assert_int_equal(request_code(r), 401);
}

static void unknown_attributes_420(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	for (int i = 0; i < 4; i++) {
		request_begin(r, turn_methods[i]);
		stun_write_u32(&r->writer, 0x7001, 1);
		stun_write_u32(&r->writer, 0x7001, 1);
		stun_write_u32(&r->writer, 0x7002, 1);
		stun_write_u32(&r->writer, 0xf001, 1); // optional
		assert_int_equal(request_code(r), 420);
		struct stun_attr a;
		assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
		assert_int_equal(a.length, 4);
		assert_int_equal(tp_rd16(a.value), 0x7001);
		assert_int_equal(tp_rd16(a.value + 2), 0x7002);
	}
	// Authentication comes first.
	request_begin(r, STUN_ALLOCATE);
	stun_write_u32(&r->writer, 0x7001, 1);
	r->password = "guess";
	assert_int_equal(request_code(r), 401);
}

// As many as a request can hold, each once, authenticated or not.
static void every_unknown_attribute_is_listed(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	for (int binding = 0; binding < 2; binding++) {
		struct stun_attr a;
		uint16_t n = 0;
		request_begin(r, binding ? STUN_BINDING : STUN_REFRESH);
		while (r->writer.length + (binding ? 4 : 200) <= CTL_REQUEST_MAX_BYTES)
			stun_write_attr(&r->writer, (uint16_t)(0x6000 + n++), "", 0);
		if (!binding)
			request_sign(r);
		request_finish(r);
		r->n_sent = 0;
		assert_int_equal(request_send(r), 1);
		assert_int_equal(sent_code(last_sent(r)), 420);
		assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
		assert_true(n > 300);
		assert_int_equal(a.length, 2 * n);
		for (uint16_t i = 0; i < n; i++)
			assert_int_equal(tp_rd16(a.value + 2 * i), 0x6000 + i);
		assert_true(last_sent(r)->length < r->length);
	}
}

static void somebody_elses_allocation_441(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->user = "bob";
	r->password = "build";
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 441);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), 441);
	request_begin(r, STUN_CHANNEL_BIND);
	assert_int_equal(request_code(r), 441);
	request_allocate(r);
	assert_int_equal(request_code(r), 437);
	// RFC 8656 section 7.2: that is step 2, so no REQUESTED-TRANSPORT is needed to learn it;
	// but an unknown attribute comes before (RFC 8489 section 6.3.1).
	request_begin(r, STUN_ALLOCATE);
	assert_int_equal(request_code(r), 437);
	request_begin(r, STUN_ALLOCATE);
	stun_write_u32(&r->writer, 0x7001, 1);
	assert_int_equal(request_code(r), 420);
}

static void without_allocation_437(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	for (int i = 1; i < 4; i++) {
		request_begin(r, turn_methods[i]);
		assert_int_equal(request_code(r), 437);
	}
	// That comes before anything that is wrong with the request.
	request_begin(r, STUN_REFRESH);
	stun_write_attr(&r->writer, STUN_ATTR_LIFETIME, "x", 1);
	assert_int_equal(request_code(r), 437);
	// An allocation counts for its five-tuple only, transport included.
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
	r->transport = CTL_TRANSPORT_TCP;
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 437);
}

// ---- Refresh.

static void refresh_moves_the_deadline(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	world_pass(&r->w, 100 * TP_NS_PER_S);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(relay_allocation(r)->deadline_ns, r->w.now.now_ns + 600 * TP_NS_PER_S);
	assert_int_equal(r->w.command[1].type, TP_CMD_ALLOC_SET);
	assert_int_equal(r->w.command[1].deadline_ns, relay_allocation(r)->deadline_ns);
}

static void refresh_with_zero_ends_it(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 0);
	assert_null(relay_allocation(r));
	assert_int_equal(r->w.command[1].type, TP_CMD_ALLOC_DELETE);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 437);
	request_allocate(r);
	assert_int_equal(request_code(r), 0); // the five-tuple is free again
}

static void refresh_of_another_family_443(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	static const struct {
		uint32_t family;
		int code;
	} rows[] = {{1, 0}, {2, 443}, {7, 443}};
	for (int i = 0; i < 3; i++) {
		request_begin(r, STUN_REFRESH);
		stun_write_u32(
			&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, rows[i].family << 24);
		assert_int_equal(request_code(r), rows[i].code);
	}
	request_begin(r, STUN_REFRESH);
	stun_write_attr(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, "x", 1);
	assert_int_equal(request_code(r), 400);
	request_begin(r, STUN_REFRESH);
	stun_write_attr(&r->writer, STUN_ATTR_LIFETIME, "x", 1);
	assert_int_equal(request_code(r), 400);
}

// ---- CreatePermission.

static void permissions_all_or_none(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	static const struct {
		int code;
		const char *peer[4];
	} rows[] = {
		{400, {}}, {0, {"198.19.0.1"}}, {0, {"198.19.0.2", "198.19.0.3", "198.19.0.2"}},
		{443, {"198.19.0.4", "2001:db8::1"}}, {403, {"198.19.0.4", "10.0.0.1"}},
		{403, {"127.0.0.1", "198.19.0.4"}}, {403, {"0.0.0.0"}},
		{0, {"203.0.113.5"}}, // a relayed address of ours, in public form
		{0, {"198.18.0.2"}},  // and in private form
	};
	uint32_t peers = 0;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t before = r->w.n_commands;
		request_begin(r, STUN_CREATE_PERMISSION);
		for (int k = 0; rows[i].peer[k]; k++)
			request_peer(r, rows[i].peer[k], 9);
		assert_int_equal(request_code(r), rows[i].code);
		if (rows[i].code) {
			assert_int_equal(r->w.n_commands, before);
			assert_int_equal(relay_allocation(r)->peers, peers);
		}
		peers = relay_allocation(r)->peers;
	}
	assert_int_equal(peers, 5);
	// An unreadable peer among good ones.
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.9", 9);
	stun_write_attr(&r->writer, STUN_ATTR_XOR_PEER_ADDRESS, "12345678", 8);
	assert_int_equal(request_code(r), 400);
	assert_int_equal(relay_allocation(r)->peers, peers);
	// What follows MESSAGE-INTEGRITY is nobody's word.
	request_begin(r, STUN_CREATE_PERMISSION);
	request_sign(r);
	request_peer(r, "198.19.0.9", 9);
	request_finish(r);
	r->n_sent = 0;
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 400);
}

static void permissions_without_room_508_and_none_stays(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	r->w.room = 3;
	request_begin(r, STUN_CREATE_PERMISSION);
	for (uint16_t i = 0; i < 6; i++) {
		struct tp_addr peer = {.ip = tp_ip4(0xc6130001 + i)};
		stun_write_xor_address(&r->writer, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	}
	assert_int_equal(request_code(r), 508);
	assert_int_equal(relay_allocation(r)->peers, 0);
	assert_true(ctl_store_resync_due(r->w.store));
	assert_false(ctl_store_resync_due(r->w.store));
}

// ---- ChannelBind.

// 508 is what sections 10.2 and 12.2 of RFC 8656 have for a capacity limit; 486 is Allocate's.
static void too_many_peers_508_and_none_stays(void **state)
{
	struct relay *r = *state;
	relay_close(r);
	memset(r, 0, sizeof(*r));
	r->conf.quotas.permissions_per_allocation = 4;
	r->conf.quotas.new_peers_per_second = 5;
	relay_open(r);
	relay_allocate(r);
	request_begin(r, STUN_CREATE_PERMISSION);
	for (uint32_t i = 0; i < 3; i++)
		request_peer(r, (const char *[]){"198.19.0.1", "198.19.0.2", "198.19.0.3"}[i], 0);
	assert_int_equal(request_code(r), 0);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_peer(r, "198.19.0.4", 0);
	request_peer(r, "198.19.0.5", 0);
	assert_int_equal(request_code(r), 508);
	assert_int_equal(relay_allocation(r)->peers, 3);
	// The fourth has its place, and a channel the next; but that was the fifth of this second.
	assert_int_equal(relay_permit(r, "198.19.0.4"), 0);
	assert_int_equal(relay_permit(r, "198.19.0.5"), 508);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x4000u << 16);
	request_peer(r, "198.19.0.5", 9);
	assert_int_equal(request_code(r), 508);
	assert_int_equal(relay_allocation(r)->peers, 4);
	assert_int_equal(relay_permit(r, "198.19.0.1"), 0);
}

// GOALS: one rule for every method. Send has no rule of its own: without a permission it finds no
// flow (test_indication.c), and here none comes to be.
static void denied_peers_403_by_every_method(void **state)
{
	static const char *const denied[] = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "127.255.255.255",
		"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1",
		"100.127.255.255", "169.254.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255", "::", "::1", "::ffff:10.0.0.1", "::10.0.0.1", "::ffff:127.0.0.1",
		"2002:a00:1::1", "2001:0:a00:1::1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "fc00::1",
		"fdff::1", "fe80::1", "fec0::1", "ff02::1"};
	struct relay *r = *state;
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	assert_int_equal(request_code(r), 0);
	uint32_t before = r->w.n_commands;
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		if (relay_permit(r, denied[i]) != 403)
			fail_msg("CreatePermission: %s", denied[i]);
		request_begin(r, STUN_CHANNEL_BIND);
		stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x4000u << 16);
		request_peer(r, denied[i], 9);
		if (request_code(r) != 403)
			fail_msg("ChannelBind: %s", denied[i]);
	}
	assert_int_equal(relay_allocation(r)->peers, 0);
	assert_int_equal(r->w.n_commands, before); // the dataplane heard of none
}

// A client that comes back from another port finds its one allocation taken until it ends, then
// gets it; coming and going never makes it two.
static void quota_of_one_under_reconnect(void **state)
{
	struct relay *r = *state;
	relay_close(r);
	memset(r, 0, sizeof(*r));
	r->conf.quotas.allocations_per_user = 1;
	relay_open(r);
	uint64_t free4 = world_status(&r->w).ports_free[0];
	relay_allocate(r);
	for (int i = 0; i < 20; i++) {
		struct tp_addr old = r->client;
		r->client.port++;
		relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), 486);
		assert_int_equal(world_status(&r->w).allocations, 1);
		struct tp_addr new = r->client;
		r->client = old;
		relay_challenge(r);
		request_begin(r, STUN_REFRESH);
		stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
		assert_int_equal(request_code(r), 0);
		request_send(r); // repeated: the quota is not given back twice
		r->client = new;
		relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), 0);
		assert_int_equal(world_status(&r->w).users, 1);
	}
	world_pass(&r->w, 700 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
	world_pass(&r->w, 60 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
	assert_int_equal(world_status(&r->w).ports_free[0], free4);
	assert_int_equal(world_status(&r->w).users, 0);
}

static void channels_by_the_table(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	static const struct {
		uint16_t channel;
		const char *peer;
		uint16_t port;
		int code;
	} rows[] = {
		{0x4000, "198.19.0.1", 100, 0},
		{0x4000, "198.19.0.1", 100, 0},   // refresh
		{0x4000, "198.19.0.1", 101, 400}, // number bound to another port
		{0x4000, "198.19.0.2", 100, 400}, // to another address
		{0x4001, "198.19.0.1", 100, 400}, // peer bound to another number
		{0x4001, "198.19.0.1", 101, 0},
		{0x4fff, "198.19.0.2", 100, 0},
		{0x3fff, "198.19.0.3", 100, 400},
		{0x5000, "198.19.0.3", 100, 400},
		{0x0000, "198.19.0.3", 100, 400},
		{0xffff, "198.19.0.3", 100, 400},
		{0x4002, "198.19.0.3", 0, 400},
		{0x4002, "2001:db8::1", 100, 443},
		{0x4002, "192.168.7.7", 100, 403},
		{0x4002, "198.18.0.2", 3478, 403},  // a listener
		{0x4002, "203.0.113.5", 3478, 403}, // beside the relay range
		{0x4002, "203.0.113.5", 50001, 0},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		request_begin(r, STUN_CHANNEL_BIND);
		stun_write_u32(
			&r->writer, STUN_ATTR_CHANNEL_NUMBER, (uint32_t)rows[i].channel << 16);
		request_peer(r, rows[i].peer, rows[i].port);
		int code = request_code(r);
		if (code != rows[i].code)
			fail_msg("row %zu: %d", i, code);
	}
	struct ctl_store_status s = world_status(&r->w);
	assert_int_equal(s.channels, 4);
	assert_int_equal(s.permissions, 3); // 198.19.0.1, .2, 203.0.113.5
}

// RFC 8656 sections 9 and 12.2: either request refreshes the one permission of an address, for 300
// seconds from then.
static void either_request_refreshes_the_permission(void **state)
{
	struct relay *r = *state;
	for (int bind_first = 0; bind_first < 2; bind_first++) {
		r->client.port++;
		relay_allocate(r);
		for (int i = 0; i < 2; i++) {
			if (i == bind_first) {
				assert_int_equal(relay_permit(r, "198.19.0.1"), 0);
			} else {
				request_begin(r, STUN_CHANNEL_BIND);
				stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x4000u << 16);
				request_peer(r, "198.19.0.1", 100);
				assert_int_equal(request_code(r), 0);
			}
			assert_int_equal(world_status(&r->w).permissions, 1);
			if (i == 0)
				world_pass(&r->w, 200 * TP_NS_PER_S);
		}
		world_pass(&r->w, 300 * TP_NS_PER_S - 1);
		ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
		assert_int_equal(world_status(&r->w).permissions, 1);
		world_pass(&r->w, 1);
		ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
		assert_int_equal(world_status(&r->w).permissions, 0);
		assert_int_equal(world_status(&r->w).channels, 1);
		world_pass(&r->w, 100 * TP_NS_PER_S); // the allocation ends, its channel with it
		ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
		assert_int_equal(world_status(&r->w).channels, 0);
	}
}

static void channels_need_number_and_peer(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_CHANNEL_BIND);
	request_peer(r, "198.19.0.1", 100);
	assert_int_equal(request_code(r), 400);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x40000000);
	assert_int_equal(request_code(r), 400);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_attr(&r->writer, STUN_ATTR_CHANNEL_NUMBER, "\x40\x00", 2);
	request_peer(r, "198.19.0.1", 100);
	assert_int_equal(request_code(r), 400);
}

// A channel that ended may be bound anew, to whatever.
static void channel_numbers_come_back(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x40000000);
	request_peer(r, "198.19.0.1", 100);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 400 * TP_NS_PER_S);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 200 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 100);
	relay_ack_all(r, 0);
	relay_challenge(r);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x40000000);
	request_peer(r, "198.19.0.2", 100);
	assert_int_equal(request_code(r), 0);
}

static void counters_count(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	const struct ctl_turn_counters *c = ctl_turn_counters(r->turn);
	assert_int_equal(c->requests[CTL_METHOD_ALLOCATE], 2);
	assert_int_equal(c->successes[CTL_METHOD_ALLOCATE], 1);
	assert_int_equal(c->errors[CTL_METHOD_ALLOCATE][CTL_ERROR_UNAUTHENTICATED], 1);
	assert_string_equal(
		ctl_turn_method_label(CTL_METHOD_CREATE_PERMISSION), "create_permission");
	assert_null(ctl_turn_method_label(CTL_METHODS));
	assert_int_equal(ctl_turn_error_code(CTL_ERROR_STALE_NONCE), 438);
	assert_int_equal(ctl_turn_error_code(CTL_ERRORS), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(binding_tells_the_address),
		TEST(what_is_no_request_gets_no_answer),
		TEST(without_integrity_401),
		TEST(with_integrity_but_not_the_rest_400),
		TEST(unknown_user_and_wrong_password_look_the_same),
		TEST(stale_nonce_438_with_a_fresh_one),
		TEST(time_limited_credentials_serve),
		TEST(unknown_attributes_420),
		TEST(every_unknown_attribute_is_listed),
		TEST(somebody_elses_allocation_441),
		TEST(without_allocation_437),
		TEST(refresh_moves_the_deadline),
		TEST(refresh_with_zero_ends_it),
		TEST(refresh_of_another_family_443),
		TEST(permissions_all_or_none),
		TEST(permissions_without_room_508_and_none_stays),
		TEST(too_many_peers_508_and_none_stays),
		TEST(denied_peers_403_by_every_method),
		TEST(quota_of_one_under_reconnect),
		TEST(channels_by_the_table),
		TEST(either_request_refreshes_the_permission),
		TEST(channels_need_number_and_peer),
		TEST(channel_numbers_come_back),
		TEST(counters_count),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
