// SPDX-License-Identifier: BSD-3-Clause
// Allocate: what it gives, and every error code with a request that earns it.
#include "tests/unit/control/turn/client.h"

static void allocate_succeeds(void **state)
{
	struct relay *r = *state;
	r->fingerprint = true;
	relay_allocate(r);
	const struct sent *s = last_sent(r);
	const struct tp_alloc_record *record = relay_allocation(r);
	assert_non_null(record);
	struct tp_addr relayed = sent_address(s, STUN_ATTR_XOR_RELAYED_ADDRESS);
	struct tp_addr mapped = sent_address(s, STUN_ATTR_XOR_MAPPED_ADDRESS);
	struct tp_ip public = ip("203.0.113.5");
	assert_true(tp_ip_equal(&relayed.ip, &public));
	assert_int_equal(relayed.port, record->relay[0].port);
	assert_true(tp_addr_equal(&mapped, &r->client));
	assert_int_equal(sent_lifetime(s), 600);
	struct stun_attr a;
	assert_false(stun_find(&s->message, STUN_ATTR_RESERVATION_TOKEN, &a));
	assert_false(
		stun_find(&s->message, STUN_ATTR_SOFTWARE, &a)); // it is configured to be empty
	assert_int_equal(r->w.command[0].type, TP_CMD_ALLOC_SET);
	assert_int_equal(r->w.n_commands, 1);
}

// RFC 8656 section 21.4.
static void no_allocation_from_a_tunnel(void **state)
{
	static const char *const tunnelled[] = {"2002:808:808::1", "2001:0:102:304::fefd:fcfb"};
	struct relay *r = *state;
	for (size_t i = 0; i < 2; i++) {
		r->client = addr(tunnelled[i], 4000);
		relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), 403);
		assert_null(relay_allocation(r));
	}
}

// One row: attributes of an Allocate and the answer.
static const struct {
	const char *what;
	int code;
	struct {
		uint16_t type;
		uint8_t length;
		uint8_t value[8];
	} attr[4];
} allocates[] = {
	{"no transport", 400, {}},
	{"transport too short", 400, {{STUN_ATTR_REQUESTED_TRANSPORT, 1, {17}}}},
	{"SCTP", 442, {{STUN_ATTR_REQUESTED_TRANSPORT, 4, {132}}}},
	{"TCP over UDP, RFC 6062 section 5.1", 400, {{STUN_ATTR_REQUESTED_TRANSPORT, 4, {6}}}},
	{"plain", 0, {{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}}},
	{"reserved bits set", 0, {{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17, 1, 2, 3}}}},
	{"don't fragment", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_DONT_FRAGMENT, 0, {}}}},
	{"IPv4", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1}}}},
	{"IPv6", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {2}}}},
	{"family 3", 440,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}}}},
	{"reserved bits of the family set", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1, 0xff, 0xff, 0xff}}}},
	{"reserved bits of the additional family set", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2, 0xff, 0xff, 0xff}}}},
	{"family too long", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 8, {1}}}},
	{"both family attributes", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2}}}},
	{"additional IPv4", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {1}}}},
	{"additional 9", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {9}}}},
	{"even", 0, {{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 1, {0}}}},
	{"even, reserved bits set", 0,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 1, {0x7f}}}},
	{"even too long", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 4, {0}}}},
	{"pair of two families", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 1, {0x80}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2}}}},
	{"unknown token", 508,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}}}},
	{"short token", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 4, {1}}}},
	{"token and even", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}},
			{STUN_ATTR_EVEN_PORT, 1, {0}}}},
	{"token and family", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1}}}},
	{"token and additional", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2}}}},
	// Two mistakes: the earlier step of section 7.2 answers.
	{"unknown attribute before all", 420, {{0x7001, 0, {}}}},
	{"SCTP before token and family", 442,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {132}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1}}}},
	{"no transport before family 3", 400, {{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}}}},
	{"SCTP before family 3", 442,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {132}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}}}},
	{"token and family before family 3", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_RESERVATION_TOKEN, 8, {1}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}}}},
	{"both family attributes before family 3", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2}}}},
	{"both family attributes before the pair", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 1, {0x80}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {1}},
			{STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 4, {2}}}},
	{"family 3 before the pair", 440,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_EVEN_PORT, 1, {0x80}},
			{STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 4, {3}}}},
	{"malformed lifetime", 400,
		{{STUN_ATTR_REQUESTED_TRANSPORT, 4, {17}}, {STUN_ATTR_LIFETIME, 8, {}}}},
};

static void allocate_by_the_table(void **state)
{
	for (size_t i = 0; i < sizeof(allocates) / sizeof(allocates[0]); i++) {
		struct relay *r;
		relay_setup((void **)&r);
		struct ctl_store_status start = world_status(&r->w);
		relay_challenge(r);
		request_begin(r, STUN_ALLOCATE);
		for (int k = 0; k < 4 && allocates[i].attr[k].type; k++)
			stun_write_attr(&r->writer, allocates[i].attr[k].type,
				allocates[i].attr[k].value, allocates[i].attr[k].length);
		int code = request_code(r);
		if (code != allocates[i].code)
			fail_msg("%s: %d", allocates[i].what, code);
		struct ctl_store_status end = world_status(&r->w);
		if (code)
			assert_memory_equal(&start, &end, sizeof(start));
		relay_teardown((void **)&r);
	}
}

static void lifetimes_are_clamped(void **state)
{
	struct relay *r = *state;
	static const uint32_t asked[] = {0, 1, 600, 601, 3600, 3601, UINT32_MAX};
	static const uint32_t granted[] = {600, 600, 600, 601, 3600, 3600, 3600};
	for (int i = 0; i < 7; i++) {
		r->client.port++;
		relay_challenge(r);
		request_allocate(r);
		stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, asked[i]);
		assert_int_equal(request_code(r), 0);
		assert_int_equal(sent_lifetime(last_sent(r)), granted[i]);
		assert_int_equal(relay_allocation(r)->deadline_ns,
			r->w.now.now_ns + granted[i] * TP_NS_PER_S);
		if (asked[i] == 0)
			continue;
		request_begin(r, STUN_REFRESH);
		stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, asked[i]);
		assert_int_equal(request_code(r), 0);
		assert_int_equal(sent_lifetime(last_sent(r)), granted[i]);
	}
}

static void even_port_with_reservation(void **state)
{
	struct relay *r = *state;
	struct stun_attr token;
	static const uint8_t reserve = 0x80;
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_EVEN_PORT, &reserve, 1);
	assert_int_equal(request_code(r), 0);
	uint16_t even = sent_address(last_sent(r), STUN_ATTR_XOR_RELAYED_ADDRESS).port;
	assert_int_equal(even % 2, 0);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_RESERVATION_TOKEN, &token));
	uint8_t copy[8];
	memcpy(copy, token.value, 8);
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_RESERVATION_TOKEN, copy, 8);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(sent_address(last_sent(r), STUN_ATTR_XOR_RELAYED_ADDRESS).port, even + 1);
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_RESERVATION_TOKEN, &token));
}

static void dual_allocation(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	assert_int_equal(request_code(r), 0);
	struct stun_attr a;
	struct tp_addr relayed;
	uint16_t at = STUN_HEADER_BYTES;
	int families = 0;
	while (stun_next_attr(&last_sent(r)->message, &at, &a))
		if (a.type == STUN_ATTR_XOR_RELAYED_ADDRESS &&
			stun_read_xor_address(&a, r->transaction_id, &relayed))
			families |= relayed.ip.family;
	assert_int_equal(families, TP_FAMILY_IPV4 | TP_FAMILY_IPV6);
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_ADDRESS_ERROR_CODE, &a));

	// Peers of both families; then one family is given up.
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	request_peer(r, "2001:db8::1", 0);
	assert_int_equal(request_code(r), 0);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 1u << 24);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 0);
	assert_int_equal(relay_allocation(r)->peers, 1);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), 443);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 1u << 24);
	assert_int_equal(request_code(r), 443);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_null(relay_allocation(r));
}

// coturn's clients ask by the number of a draft; by default it is an attribute like any other that
// nobody knows.
static void dual_allocation_by_the_draft(void **state)
{
	for (int draft = 0; draft < 2; draft++) {
		struct relay *r = calloc(1, sizeof(*r));
		r->conf.compatibility.dual_allocation = draft ? CONF_DUAL_DRAFT : CONF_DUAL_RFC8656;
		relay_open(r);
		relay_challenge(r);
		request_allocate(r);
		stun_write_u32(&r->writer, 0x8032, 2u << 24);
		assert_int_equal(request_code(r), 0);
		assert_int_equal(ctl_allocation_families(relay_allocation(r), r->w.now),
			draft ? CTL_FAMILY_BIT_IPV4 | CTL_FAMILY_BIT_IPV6 : CTL_FAMILY_BIT_IPV4);
		r->client.port++;
		relay_challenge(r);
		request_allocate(r);
		stun_write_attr(&r->writer, 0x8032, "", 0);
		assert_int_equal(request_code(r), draft ? 400 : 0);
		relay_teardown((void **)&r);
	}
}

static int refresh_family(struct relay *r, uint32_t family, uint32_t lifetime_s)
{
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, family << 24);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, lifetime_s);
	return request_code(r);
}

// RFC 8656 section 8.2: a Refresh that names a family is about that one alone.
static void refresh_of_one_family(void **state)
{
	struct relay *r = *state;
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 300 * TP_NS_PER_S);
	assert_int_equal(refresh_family(r, 2, 1200), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 1200);
	world_pass(&r->w, 299 * TP_NS_PER_S);
	assert_int_equal(relay_permit(r, "198.19.0.1"), 0);
	assert_int_equal(relay_permit(r, "2001:db8::1"), 0);
	// IPv4 is over to the second, whether or not its end was carried out yet.
	world_pass(&r->w, 1 * TP_NS_PER_S);
	relay_challenge(r); // the nonce is old by now
	assert_int_equal(relay_permit(r, "198.19.0.1"), 443);
	assert_int_equal(relay_permit(r, "2001:db8::1"), 0);
	ctl_store_expire(r->w.store, r->w.now, UINT32_MAX);
	assert_int_equal(relay_permit(r, "198.19.0.1"), 443);
	assert_int_equal(refresh_family(r, 1, 600), 443);
	assert_int_equal(refresh_family(r, 2, 600), 0);
	// Without a family it is about what is left.
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	assert_null(relay_allocation(r));
}

static void dual_allocation_of_one_family(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	r->conf.relay.n_addresses = 1;
	relay_open(r);
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	assert_int_equal(request_code(r), 0);
	struct stun_attr a;
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_ADDRESS_ERROR_CODE, &a));
	assert_int_equal(a.value[0], 2);
	assert_int_equal(a.value[2] * 100 + a.value[3], 440);
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 2u << 24);
	assert_int_equal(request_code(r), 440);
	relay_teardown((void **)&r);
}

static void quotas_486_and_ports_508(void **state)
{
	struct relay *r = *state;
	relay_close(r);
	memset(r, 0, sizeof(*r));
	r->conf.quotas.allocations_per_user = 2;
	relay_open(r);
	for (int i = 0; i < 3; i++) {
		r->client.port++;
		relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), i < 2 ? 0 : 486);
	}
	r->user = "bob";
	r->password = "build";
	request_allocate(r);
	assert_int_equal(request_code(r), 0);
	// All records taken (32): 508.
	relay_close(r);
	memset(r, 0, sizeof(*r));
	relay_open(r);
	for (int i = 0; i < 33; i++) {
		r->client.port++;
		relay_challenge(r);
		request_allocate(r);
		assert_int_equal(request_code(r), i < 32 ? 0 : 508);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(allocate_succeeds),
		TEST(no_allocation_from_a_tunnel),
		cmocka_unit_test(allocate_by_the_table),
		TEST(lifetimes_are_clamped),
		TEST(even_port_with_reservation),
		TEST(dual_allocation),
		cmocka_unit_test(dual_allocation_by_the_draft),
		TEST(refresh_of_one_family),
		cmocka_unit_test(dual_allocation_of_one_family),
		TEST(quotas_486_and_ports_508),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
