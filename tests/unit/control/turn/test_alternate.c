// SPDX-License-Identifier: BSD-3-Clause
// 300 (Try Alternate), RFC 8489 section 10.
#include "tests/unit/control/turn/client.h"

static struct relay *open_relay(enum conf_alternate_when when)
{
	static const struct {
		const char *host;
		uint16_t port;
		const char *domain;
	} servers[] = {{"198.51.100.1", 3478, ""}, {"2001:db8::53", 3479, "six.example.org"},
		{"198.51.100.2", 5349, "four.example.org"}};
	struct relay *r = calloc(1, sizeof(*r));
	r->conf.alternate_servers.when = when;
	r->conf.alternate_servers.n_servers = 3;
	for (size_t i = 0; i < 3; i++) {
		struct conf_alternate *s = &r->conf.alternate_servers.servers[i];
		s->address = ip(servers[i].host);
		s->port = servers[i].port;
		strcpy(s->domain, servers[i].domain);
	}
	return r;
}

static int allocate(struct relay *r)
{
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	return request_code(r);
}

// The ALTERNATE-SERVER attributes of the last answer, in their order.
static uint32_t servers_told(const struct relay *r, struct tp_addr out[4])
{
	uint16_t at = STUN_HEADER_BYTES;
	struct stun_attr a;
	uint32_t n = 0;
	while (stun_next_attr(&last_sent(r)->message, &at, &a))
		if (a.type == STUN_ATTR_ALTERNATE_SERVER)
			assert_true(stun_read_address(&a, &out[n++]));
	return n;
}

static void assert_told(const struct relay *r, const char *host, uint16_t port, const char *other)
{
	struct tp_addr told[4], first = addr(host, port);
	struct tp_ip second = ip(other);
	assert_int_equal(servers_told(r, told), 2);
	assert_true(tp_addr_equal(&told[0], &first));
	assert_true(tp_ip_equal(&told[1].ip, &second));
}

static void off_and_room_send_nobody_away(void **state)
{
	struct relay *r = open_relay(CONF_ALTERNATE_OFF);
	r->conf.quotas.allocations_total = 1;
	relay_open(r);
	assert_int_equal(allocate(r), 0);
	assert_int_equal(allocate(r), 486);
	relay_teardown((void **)&r);
	r = open_relay(CONF_ALTERNATE_WHEN_FULL);
	relay_open(r);
	assert_int_equal(allocate(r), 0);
	relay_teardown((void **)&r);
}

static void a_full_one_sends_away(void **state)
{
	struct relay *r = open_relay(CONF_ALTERNATE_WHEN_FULL);
	struct stun_attr a;
	r->conf.quotas.allocations_total = 1;
	relay_open(r);
	assert_int_equal(allocate(r), 0);
	// In turn, the client's family first; signed (request_code looks), and without a name that
	// only TLS needs.
	assert_int_equal(allocate(r), 300);
	assert_told(r, "198.51.100.1", 3478, "2001:db8::53");
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_ALTERNATE_DOMAIN, &a));
	assert_int_equal(allocate(r), 300);
	assert_told(r, "198.51.100.2", 5349, "2001:db8::53");
	assert_int_equal(allocate(r), 300);
	assert_told(r, "198.51.100.1", 3478, "2001:db8::53");
	// A retransmission has the same one.
	struct sent first = *last_sent(r);
	request_send(r);
	assert_int_equal(last_sent(r)->length, first.length);
	assert_memory_equal(last_sent(r)->bytes, first.bytes, first.length);
	r->client = addr("fd00:198:18::10", 4000);
	r->listener = addr("fd00:198:18::2", 3478);
	assert_int_equal(allocate(r), 300);
	struct tp_addr told[4];
	assert_int_equal(servers_told(r, told), 2);
	assert_int_equal(told[0].ip.family, TP_FAMILY_IPV6);
	assert_int_equal(told[1].ip.family, TP_FAMILY_IPV4);
	assert_int_equal(
		ctl_turn_counters(r->turn)->errors[CTL_METHOD_ALLOCATE][CTL_ERROR_TRY_ALTERNATE],
		4);
	relay_teardown((void **)&r);
}

static void no_records_left_too_but_the_users_quota_not(void **state)
{
	struct relay *r = open_relay(CONF_ALTERNATE_WHEN_FULL);
	r->conf.quotas.allocations_per_user = 1;
	relay_open(r);
	assert_int_equal(allocate(r), 0);
	assert_int_equal(allocate(r), 486); // it would be no better elsewhere
	relay_teardown((void **)&r);
	r = open_relay(CONF_ALTERNATE_WHEN_FULL);
	relay_open(r);
	for (int i = 0; i < 32; i++)
		assert_int_equal(allocate(r), 0);
	assert_int_equal(allocate(r), 300);
	relay_teardown((void **)&r);
}

static void always_drains(void **state)
{
	struct relay *r = open_relay(CONF_ALTERNATE_OFF);
	relay_open(r);
	assert_int_equal(allocate(r), 0);
	r->conf.alternate_servers.when = CONF_ALTERNATE_ALWAYS;
	ctl_turn_destroy(r->turn);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);

	// What exists goes on: its Allocate repeated, Refresh, permissions.
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 0);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	assert_int_equal(request_code(r), 0);
	// Nobody learns of it without a password, and a request that is wrong stays wrong.
	r->password = "wrong";
	assert_int_equal(allocate(r), 401);
	r->password = "wonder";
	r->client.port++;
	relay_challenge(r);
	request_begin(r, STUN_ALLOCATE);
	assert_int_equal(request_code(r), 400);
	request_begin(r, STUN_BINDING);
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
	assert_int_equal(allocate(r), 300);
	// A token's port is here.
	static const uint8_t token[8] = "no token";
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_RESERVATION_TOKEN, token, sizeof(token));
	assert_int_equal(request_code(r), 508);
	assert_int_equal(world_status(&r->w).allocations, 1);
	relay_teardown((void **)&r);
}

// Section 10: a server MUST name one of the family of the request's source.
static void without_one_of_its_family_a_client_stays(void **state)
{
	struct relay *r = open_relay(CONF_ALTERNATE_ALWAYS);
	r->conf.alternate_servers.n_servers = 1;
	relay_open(r);
	assert_int_equal(allocate(r), 300);
	struct tp_addr told[4];
	assert_int_equal(servers_told(r, told), 1);
	r->client = addr("fd00:198:18::10", 4000);
	r->listener = addr("fd00:198:18::2", 3478);
	assert_int_equal(allocate(r), 0);
	relay_teardown((void **)&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_and_room_send_nobody_away),
		cmocka_unit_test(a_full_one_sends_away),
		cmocka_unit_test(no_records_left_too_but_the_users_quota_not),
		cmocka_unit_test(always_drains),
		cmocka_unit_test(without_one_of_its_family_a_client_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
