// SPDX-License-Identifier: BSD-3-Clause
// NAT behaviour discovery (RFC 5780): where answers to Binding requests leave from and go to.
#include "tests/unit/control/turn/client.h"

#define CHANGE_PORT 2
#define CHANGE_IP   4

static const char *const hosts[2][2] = {
	{"198.18.0.2", "198.18.0.3"}, {"fd00:198:18::2", "fd00:198:18::3"}};
static const char *const public_hosts[2][2] = {
	{"203.0.113.5", "198.18.0.3"}, {"fd00:198:18::2", "fd00:198:18::3"}};
static const uint16_t ports[2] = {3478, 3479};

static int discovery_setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));

	for (int f = 0; f < 2; f++)
		for (int i = 0; i < 2; i++) {
			struct conf_discovery *d = &r->conf.nat_discovery.families[f];
			d->address[i] = ip(hosts[f][i]);
			d->public_address[i] = ip(public_hosts[f][i]);
			d->port[i] = ports[i];
		}
	relay_open(r);
	*state = r;
	return 0;
}

static struct tp_addr plain_address(const struct sent *s, uint16_t type)
{
	struct stun_attr a;
	struct tp_addr out;
	assert_true(stun_find(&s->message, type, &a));
	assert_true(stun_read_address(&a, &out));
	return out;
}

static void assert_addr(struct tp_addr got, const char *host, uint16_t port)
{
	struct tp_addr expected = addr(host, port);
	assert_true(tp_addr_equal(&got, &expected));
}

// Sends what was built; the one answer.
static const struct sent *answer(struct relay *r)
{
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	return last_sent(r);
}

static void check_answer(struct relay *r, int f, int a, int p, uint32_t flags)
{
	const struct sent *s = answer(r);
	int from_a = a ^ ((flags & CHANGE_IP) != 0), from_p = p ^ ((flags & CHANGE_PORT) != 0);

	assert_int_equal(sent_code(s), 0);
	assert_addr(s->source, hosts[f][from_a], ports[from_p]);
	assert_true(tp_addr_equal(&s->destination, &r->client));
	assert_addr(plain_address(s, STUN_ATTR_RESPONSE_ORIGIN), public_hosts[f][from_a],
		ports[from_p]);
	assert_addr(plain_address(s, STUN_ATTR_OTHER_ADDRESS), public_hosts[f][!a], ports[!p]);
	struct tp_addr mapped = plain_address(s, STUN_ATTR_MAPPED_ADDRESS);
	assert_true(tp_addr_equal(&mapped, &r->client));
	mapped = sent_address(s, STUN_ATTR_XOR_MAPPED_ADDRESS);
	assert_true(tp_addr_equal(&mapped, &r->client));
	assert_memory_equal(s->reply_to.bytes, "way back", 8);
}

// Section 6.1, table 1.
static void flags_choose_the_source(void **state)
{
	struct relay *r = *state;

	for (int i = 0; i < 32; i++) {
		int f = i & 1, a = i >> 1 & 1, p = i >> 2 & 1;
		// Other bits than the two mean nothing.
		uint32_t flags = ((uint32_t)i >> 3) << 1;
		r->client = addr(f ? "fd00:198:18::77" : "198.18.1.1", 4000);
		r->listener = addr(hosts[f][a], ports[p]);
		request_begin(r, STUN_BINDING);
		if (flags != 0)
			stun_write_u32(&r->writer, STUN_ATTR_CHANGE_REQUEST, flags | 0xfffffff9u);
		check_answer(r, f, a, p, flags);
	}
}

static void response_port_chooses_the_destination(void **state)
{
	struct relay *r = *state;

	for (size_t length = 2; length <= 4; length += 2) {
		static const uint8_t port[4] = {0x12, 0x34};
		request_begin(r, STUN_BINDING);
		stun_write_attr(&r->writer, STUN_ATTR_RESPONSE_PORT, port, length);
		stun_write_u32(&r->writer, STUN_ATTR_CHANGE_REQUEST, CHANGE_PORT);
		const struct sent *s = answer(r);
		assert_int_equal(sent_code(s), 0);
		assert_addr(s->destination, "198.18.1.1", 0x1234);
		assert_addr(s->source, "198.18.0.2", 3479);
		assert_addr(sent_address(s, STUN_ATTR_XOR_MAPPED_ADDRESS), "198.18.1.1", 4000);
	}
}

static size_t padding_of(const struct sent *s)
{
	struct stun_attr a;
	assert_true(stun_find(&s->message, STUN_ATTR_PADDING, &a));
	return a.length;
}

static void padding_is_as_long_as_the_requests(void **state)
{
	static const size_t lengths[][2] = {{0, 0}, {1, 4}, {7, 8}, {1200, 1200}, {1499, 1500},
		{1500, 1500}, {1501, 1500}, {1900, 1500}};
	static const uint8_t zero[1900];
	struct relay *r = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		request_begin(r, STUN_BINDING);
		stun_write_attr(&r->writer, STUN_ATTR_PADDING, zero, lengths[i][0]);
		assert_int_equal(padding_of(answer(r)), lengths[i][1]);
	}
}

static int long_software_setup(void **state)
{
	discovery_setup(state);
	struct relay *r = *state;
	static char software[509];
	memset(software, 'x', sizeof(software) - 1);
	r->conf.software = software;
	ctl_turn_destroy(r->turn);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	return ctl_turn_create(&o, &r->turn);
}

// The answer is cut at its padding, not lost.
static void padding_leaves_room_for_what_follows(void **state)
{
	static const uint8_t zero[1500];
	struct relay *r = *state;
	struct stun_attr a;

	r->fingerprint = true;
	r->client = addr("fd00:198:18::77", 4000);
	r->listener = addr(hosts[1][0], 3478);
	request_begin(r, STUN_BINDING);
	stun_write_attr(&r->writer, STUN_ATTR_PADDING, zero, sizeof(zero));
	const struct sent *s = answer(r);
	assert_int_equal(sent_code(s), 0);
	assert_true(padding_of(s) > 1200);
	assert_true(s->length <= CTL_RESPONSE_MAX_BYTES);
	assert_true(stun_find(&s->message, STUN_ATTR_SOFTWARE, &a));
	assert_int_equal(a.length, 508);
	assert_true(stun_fingerprint_ok(&s->message));
}

// All 400, and to who asked.
static void what_cannot_be_400(void **state)
{
	static const struct {
		uint16_t type[2];
		size_t length[2];
		uint8_t value;
	} wrong[] = {
		{{STUN_ATTR_CHANGE_REQUEST}, {3}, 0},
		{{STUN_ATTR_CHANGE_REQUEST}, {8}, 0},
		{{STUN_ATTR_RESPONSE_PORT}, {4}, 0}, // port 0
		{{STUN_ATTR_RESPONSE_PORT}, {1}, 1},
		{{STUN_ATTR_RESPONSE_PORT}, {6}, 1},
		{{STUN_ATTR_RESPONSE_PORT, STUN_ATTR_PADDING}, {4, 0}, 1},
		{{STUN_ATTR_PADDING, STUN_ATTR_RESPONSE_PORT}, {100, 4}, 1},
	};
	struct relay *r = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		uint8_t value[100];
		memset(value, wrong[i].value, sizeof(value));
		request_begin(r, STUN_BINDING);
		for (int j = 0; j < 2 && wrong[i].type[j]; j++)
			stun_write_attr(&r->writer, wrong[i].type[j], value, wrong[i].length[j]);
		const struct sent *s = answer(r);
		assert_int_equal(sent_code(s), 400);
		assert_true(tp_addr_equal(&s->source, &r->listener));
		assert_true(tp_addr_equal(&s->destination, &r->client));
	}
}

static void assert_unknown(const struct sent *s, uint16_t type)
{
	struct stun_attr a;
	assert_int_equal(sent_code(s), 420);
	assert_true(stun_find(&s->message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
	assert_int_equal(a.length, 2);
	assert_int_equal(tp_rd16(a.value), type);
}

static void elsewhere_its_attributes_are_unknown_420(void **state)
{
	static const uint16_t types[] = {
		STUN_ATTR_CHANGE_REQUEST, STUN_ATTR_RESPONSE_PORT, STUN_ATTR_PADDING};
	struct relay *r = *state;

	for (int i = 0; i < 3; i++) {
		// At a listener that takes no part.
		r->listener = addr("198.18.0.2", 5000);
		request_begin(r, STUN_BINDING);
		stun_write_u32(&r->writer, types[i], 1);
		assert_unknown(answer(r), types[i]);
		// At one that does, what else is unknown is listed, and nothing but that.
		r->listener = addr("198.18.0.2", 3478);
		request_begin(r, STUN_BINDING);
		stun_write_u32(&r->writer, types[i], 0x10000);
		stun_write_u32(&r->writer, 0x7001, 1);
		assert_unknown(answer(r), 0x7001);
		// Over TCP the address cannot change.
		r->transport = CTL_TRANSPORT_TCP;
		request_begin(r, STUN_BINDING);
		stun_write_u32(&r->writer, types[i], 1);
		assert_unknown(answer(r), types[i]);
		r->transport = CTL_TRANSPORT_UDP;
	}
	struct stun_attr a;
	r->listener = addr("198.18.0.2", 5000);
	request_begin(r, STUN_BINDING);
	assert_false(stun_find(&answer(r)->message, STUN_ATTR_OTHER_ADDRESS, &a));
	// In other methods than Binding.
	r->listener = addr("198.18.0.2", 3478);
	relay_challenge(r);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_CHANGE_REQUEST, 0);
	assert_int_equal(request_code(r), 420);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, discovery_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flags_choose_the_source),
		TEST(response_port_chooses_the_destination),
		TEST(padding_is_as_long_as_the_requests),
		cmocka_unit_test_setup_teardown(
			padding_leaves_room_for_what_follows, long_software_setup, relay_teardown),
		TEST(what_cannot_be_400),
		TEST(elsewhere_its_attributes_are_unknown_420),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
