// SPDX-License-Identifier: BSD-3-Clause
// Every field of a flow is bits of its number, and no two flows are the same.
#include "tests/unit/control/world.h"

#include "common/base/bytes.h"
#include "control/alloc/numbering.h"
#include "control/api/numbering_json.h"

static struct ctl_numbering example(void)
{
	return (struct ctl_numbering){.allocations = 1032192,
		.channel_bits = 3,
		.peer_bits = 1,
		.port_bits = 14,
		.channel = 0x4000,
		.listener = addr("198.18.0.2", 3478),
		.client = addr("198.19.0.0", 16384),
		.relay = addr("198.18.7.0", 49152),
		.peer = addr("198.19.128.0", 32768)};
}

static uint32_t v4(const struct tp_addr *a)
{
	return tp_rd32(a->ip.bytes);
}

// The documented formula, written once more by masks alone, as a generator works.
static void every_field_is_bits_of_the_number(void **state)
{
	struct ctl_numbering n = example();
	uint64_t flows = ctl_numbering_flows(&n);
	assert_null(ctl_numbering_check(&n));
	assert_int_equal(flows, 1032192 * 8);
	assert_int_equal(ctl_numbering_addresses(&n), 63);
	for (uint64_t f = 0; f < flows; f += 4093) {
		uint32_t a = (uint32_t)(f >> 3), k = f & 7;
		struct tp_addr client = ctl_numbering_client(&n, a),
			       relay = ctl_numbering_relay(&n, a), peer = ctl_numbering_peer(&n, k);
		assert_int_equal(v4(&client), 0xc6130000 | f >> 17);
		assert_int_equal(client.port, 0x4000 | (f >> 3 & 0x3fff));
		assert_int_equal(v4(&relay), 0xc6120700 | f >> 17);
		assert_int_equal(relay.port, 0xc000 | (f >> 3 & 0x3fff));
		assert_int_equal(v4(&peer), 0xc6138000 | (f & 1));
		assert_int_equal(peer.port, 0x8000 | (f >> 1 & 3));
		assert_int_equal(ctl_numbering_channel(&n, k), 0x4000 | (f & 7));
	}
}

static void what_would_carry_is_refused(void **state)
{
	const struct ctl_numbering good = example();
	struct ctl_numbering n = good;
	n.client = addr("198.19.0.64", 16384);
	assert_null(ctl_numbering_check(&n)); // 63 addresses: six bits
	n.client = addr("198.19.0.32", 16384);
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.relay.port = 49153;
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.peer = addr("198.19.128.1", 32768);
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.peer.port = 32770;
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.channel = 0x4004;
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.channel_bits = 10;
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.allocations = 0;
	assert_non_null(ctl_numbering_check(&n));
	n = good;
	n.client = addr("fd00::", 16384);
	assert_non_null(ctl_numbering_check(&n));
}

static void json_carries_all_of_it(void **state)
{
	struct ctl_numbering n = example(), back;
	json_t *o = ctl_numbering_json(&n);
	memset(&back, 0xff, sizeof(back));
	assert_int_equal(ctl_numbering_from_json(o, &back), 0);
	assert_memory_equal(&n, &back, sizeof(n));
	const json_t *formula = json_object_get(o, "formula");
	assert_string_equal(json_string_value(json_object_get(formula, "client_address")),
		"198.19.0.0 + (flow >> 17)");
	assert_string_equal(json_string_value(json_object_get(formula, "relayed_port")),
		"49152 + (flow >> 3 & 16383)");
	assert_string_equal(json_string_value(json_object_get(formula, "peer_port")),
		"32768 + ((flow & 7) >> 1)");
	json_object_set_new(o, "client", json_string("198.19.0.1:16384"));
	assert_int_equal(ctl_numbering_from_json(o, &back), -EINVAL);
	json_object_del(o, "client");
	assert_int_equal(ctl_numbering_from_json(o, &back), -EINVAL);
	json_decref(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_is_bits_of_the_number),
		cmocka_unit_test(what_would_carry_is_refused),
		cmocka_unit_test(json_carries_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
