// SPDX-License-Identifier: BSD-3-Clause
// Clients of RFC 3489, whose messages are written here by hand.
#include "tests/unit/control/turn/client.h"

#define IP_UDP 28

static struct relay *open_relay(bool classic, bool discovery)
{
	struct relay *r = calloc(1, sizeof(*r));

	r->conf.compatibility.stun = classic ? CONF_STUN_RFC3489 : CONF_STUN_RFC8489;
	if (discovery) {
		struct conf_discovery *d = &r->conf.nat_discovery.families[0];
		d->address[0] = ip("198.18.0.2");
		d->address[1] = ip("198.18.0.3");
		d->public_address[0] = ip("203.0.113.5");
		d->public_address[1] = ip("198.18.0.3");
		d->port[0] = 3478;
		d->port[1] = 3479;
	}
	relay_open(r);
	return r;
}

static void classic_begin(struct relay *r)
{
	static const uint8_t id[16] = "sixteen bytes!!!";
	memset(r->bytes, 0, sizeof(r->bytes));
	tp_wr16(r->bytes, 1);
	memcpy(r->bytes + 4, id, sizeof(id));
	r->length = 20;
}

static void classic_attr(struct relay *r, uint16_t type, const void *value, uint16_t length)
{
	tp_wr16(r->bytes + r->length, type);
	tp_wr16(r->bytes + r->length + 2, length);
	memcpy(r->bytes + r->length + 4, value, length);
	r->length += 4u + length;
	tp_wr16(r->bytes + 2, (uint16_t)(r->length - 20));
}

static void classic_change(struct relay *r, uint8_t flags)
{
	classic_attr(r, 3, (const uint8_t[4]){0, 0, 0, flags}, 4);
}

// Sends it; the one answer, to the source of the request, under its whole transaction ID and of at
// most 1.5 times its size. NULL when there is none.
static const struct sent *classic_answer(struct relay *r)
{
	r->n_sent = 0;
	if (request_send(r) == 0)
		return NULL;
	const struct sent *s = last_sent(r);
	assert_int_equal(r->n_sent, 1);
	assert_true(tp_addr_equal(&s->destination, &r->client));
	assert_memory_equal(s->bytes + 4, r->bytes + 4, 16);
	assert_int_equal(tp_rd16(s->bytes + 2), s->length - 20);
	assert_true(2 * (s->length + IP_UDP) <= 3 * (r->length + IP_UDP));
	return s;
}

static const uint8_t *find_attr(const struct sent *s, uint16_t type, uint16_t *length)
{
	for (size_t at = 20; at < s->length; at += 4u + *length) {
		*length = tp_rd16(s->bytes + at + 2);
		assert_int_equal(*length % 4, 0);
		if (tp_rd16(s->bytes + at) == type)
			return s->bytes + at + 4;
	}
	return NULL;
}

static void assert_address(const struct sent *s, uint16_t type, const char *host, uint16_t port)
{
	uint16_t length;
	const uint8_t *value = find_attr(s, type, &length);
	struct tp_ip expected = ip(host);
	assert_non_null(value);
	assert_int_equal(length, 8);
	assert_int_equal(value[1], 1);
	assert_int_equal(tp_rd16(value + 2), port);
	assert_memory_equal(value + 4, expected.bytes, 4);
}

static void off_by_default(void **state)
{
	struct relay *r = open_relay(false, false);
	classic_begin(r);
	assert_null(classic_answer(r));
	assert_int_equal(ctl_turn_counters(r->turn)->malformed, 1);
	relay_teardown((void **)&r);
}

static void binding_tells_the_mapped_address(void **state)
{
	struct relay *r = open_relay(true, false);
	uint16_t length;
	classic_begin(r);
	const struct sent *s = classic_answer(r);
	assert_non_null(s);
	assert_int_equal(tp_rd16(s->bytes), 0x0101);
	assert_int_equal(s->length, 32);
	assert_address(s, STUN_ATTR_MAPPED_ADDRESS, "198.18.1.1", 4000);
	assert_true(tp_addr_equal(&s->source, &r->listener));
	// A CHANGE-REQUEST that asks for nothing, as the first test of every client of the time.
	classic_begin(r);
	classic_change(r, 0);
	s = classic_answer(r);
	assert_address(s, STUN_ATTR_MAPPED_ADDRESS, "198.18.1.1", 4000);
	assert_null(find_attr(s, STUN_ATTR_XOR_MAPPED_ADDRESS, &length));
	assert_int_equal(ctl_turn_counters(r->turn)->requests[CTL_METHOD_BINDING], 2);
	assert_int_equal(ctl_turn_counters(r->turn)->successes[CTL_METHOD_BINDING], 2);
	relay_teardown((void **)&r);
}

// RFC 3489 section 8.1: 420, with a list of an even length.
static void refused_420(struct relay *r, uint16_t type)
{
	uint16_t length;
	const struct sent *s = classic_answer(r);
	assert_non_null(s);
	assert_int_equal(tp_rd16(s->bytes), 0x0111);
	const uint8_t *code = find_attr(s, STUN_ATTR_ERROR_CODE, &length);
	assert_int_equal(tp_rd32(code), 0x0414);
	const uint8_t *list = find_attr(s, STUN_ATTR_UNKNOWN_ATTRIBUTES, &length);
	assert_int_equal(tp_rd16(list), type);
	assert_true(tp_addr_equal(&s->source, &r->listener));
}

static void nobody_is_answered_elsewhere(void **state)
{
	static const uint8_t victim[8] = {0, 1, 0x12, 0x34, 198, 51, 100, 1};
	for (int discovery = 0; discovery < 2; discovery++) {
		struct relay *r = open_relay(true, discovery);
		classic_begin(r);
		classic_attr(r, 2, victim, sizeof(victim)); // RESPONSE-ADDRESS
		refused_420(r, 2);
		classic_begin(r);
		classic_change(r, 6);
		classic_attr(r, 2, victim, sizeof(victim));
		refused_420(r, 2);
		relay_teardown((void **)&r);
	}
}

static void what_is_not_served_420(void **state)
{
	struct relay *r = open_relay(true, false);
	static const uint16_t types[] = {6, 7, 8, 0x7fff};
	uint16_t length;
	for (size_t i = 0; i < 4; i++) {
		classic_begin(r);
		classic_attr(r, types[i], "user", 4);
		refused_420(r, types[i]);
	}
	for (uint8_t flags = 2; flags <= 6; flags = (uint8_t)(flags + 2)) {
		classic_begin(r);
		classic_change(r, flags); // no other address or port to answer from
		refused_420(r, 3);
	}
	classic_begin(r);
	for (uint16_t i = 0; i < 40; i++)
		classic_attr(r, (uint16_t)(0x100 + i), "", 0);
	refused_420(r, 0x100);
	find_attr(last_sent(r), STUN_ATTR_UNKNOWN_ATTRIBUTES, &length);
	assert_int_equal(length, 16);
	classic_begin(r);
	classic_attr(r, 0x8022, "soft", 4); // optional
	assert_int_equal(tp_rd16(classic_answer(r)->bytes), 0x0101);
	relay_teardown((void **)&r);
}

// TURN, other methods, other families and transports.
static void nothing_but_binding(void **state)
{
	struct relay *r = open_relay(true, false);
	for (uint16_t method = 0; method < 16; method++) {
		for (uint16_t class = 0; class < 4; class ++) {
			uint16_t type = stun_type((enum stun_class) class, method);
			classic_begin(r);
			tp_wr16(r->bytes, type);
			if (type != 1)
				assert_null(classic_answer(r));
		}
	}
	classic_begin(r);
	r->transport = CTL_TRANSPORT_TCP;
	assert_null(classic_answer(r));
	r->transport = CTL_TRANSPORT_UDP;
	r->client = addr("fd00:198:18::10", 4000);
	r->listener = addr("fd00:198:18::2", 3478);
	assert_null(classic_answer(r));
	relay_teardown((void **)&r);
}

static void discovery_in_its_old_names(void **state)
{
	static const char *const hosts[2] = {"198.18.0.2", "198.18.0.3"};
	static const char *const public_hosts[2] = {"203.0.113.5", "198.18.0.3"};
	struct relay *r = open_relay(true, true);
	uint16_t length;
	for (uint8_t flags = 0; flags <= 6; flags = (uint8_t)(flags + 2)) {
		int a = (flags & 4) != 0, p = (flags & 2) != 0;
		classic_begin(r);
		classic_change(r, flags);
		const struct sent *s = classic_answer(r);
		struct tp_addr from = addr(hosts[a], (uint16_t)(3478 + p));
		assert_true(tp_addr_equal(&s->source, &from));
		assert_address(s, STUN_ATTR_MAPPED_ADDRESS, "198.18.1.1", 4000);
		assert_address(s, 4, public_hosts[a], (uint16_t)(3478 + p));
		assert_address(s, 5, "198.18.0.3", 3479);
	}
	// Too short for all three within 1.5 times its size.
	classic_begin(r);
	const struct sent *s = classic_answer(r);
	assert_address(s, 5, "198.18.0.3", 3479);
	assert_null(find_attr(s, 4, &length));
	relay_teardown((void **)&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(off_by_default),
		cmocka_unit_test(binding_tells_the_mapped_address),
		cmocka_unit_test(nobody_is_answered_elsewhere),
		cmocka_unit_test(what_is_not_served_420),
		cmocka_unit_test(nothing_but_binding),
		cmocka_unit_test(discovery_in_its_old_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
