// SPDX-License-Identifier: BSD-3-Clause
// Binding answers, requests to control, datagrams of control.
#include "tests/unit/dataplane/path/rig.h"
// After cmocka's headers.
#include "dataplane/path/state.h"

static const uint8_t transaction[12] = "abcdefghijkl";

static void set_link(struct rig *rig)
{
	// As the loop does it at the start of a turn.
	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
}

static struct frame request(struct tp_addr from, struct tp_addr to, uint16_t method,
	uint8_t *buffer, bool fingerprint, uint16_t attr)
{
	struct stun_writer w;

	stun_write_begin(&w, buffer, 600, STUN_REQUEST, method, transaction);
	if (attr != 0)
		stun_write_u32(&w, attr, 0);
	if (fingerprint)
		stun_write_fingerprint(&w);
	return rig_frame(from, to, buffer, (size_t)stun_write_finish(&w));
}

static void test_binding_is_answered_with_the_address(void **state)
{
	static const char *const client[] = {"198.18.1.1", "fd00:198:18::11"};
	static const char *const listener[] = {"198.18.0.2", "fd00:198:18::2"};

	for (int i = 0; i < 4; i++) {
		struct rig *rig = rig_make();
		struct tp_addr from = rig_addr(client[i & 1], 40000);
		struct tp_addr to = rig_addr(listener[i & 1], 3478), mapped;
		struct stun_message m;
		struct stun_attr attr;
		uint8_t buffer[600];
		bool fingerprint = i >= 2;

		struct frame f = request(from, to, STUN_BINDING, buffer, fingerprint, 0);
		f.vlan = fingerprint ? 0x4005 : -1;
		rig_receive_frame(rig, &f);
		struct frame out = rig_only(rig);
		assert_memory_equal(&out.from, &to, sizeof(to));
		assert_memory_equal(&out.to, &from, sizeof(from));
		assert_int_equal(out.damage, 0);
		assert_false(out.zero_checksum);
		// No route here: back to where it came from.
		assert_memory_equal(out.dst_mac, RIG_SENDER_MAC, 6);
		assert_memory_equal(out.src_mac, RIG_PORT_MAC, 6);
		assert_int_equal(out.vlan, fingerprint ? 5 : -1);
		assert_int_equal(stun_read(out.payload, out.length, &m), STUN_READ_OK);
		assert_int_equal(m.class, STUN_SUCCESS);
		assert_int_equal(m.method, STUN_BINDING);
		assert_memory_equal(m.transaction_id, transaction, 12);
		assert_true(stun_find(&m, STUN_ATTR_XOR_MAPPED_ADDRESS, &attr));
		assert_true(stun_read_xor_address(&attr, m.transaction_id, &mapped));
		assert_memory_equal(&mapped, &from, sizeof(mapped));
		assert_int_equal(stun_has_fingerprint(&m), fingerprint);
		assert_true(!fingerprint || stun_fingerprint_ok(&m));
		assert_int_equal(rig_counter(rig, binding), 1);
		rig_end(rig);
	}
}

// RFC 5780 section 6.1: a listener of discovery tells its addresses too.
static void test_binding_tells_of_discovery(void **state)
{
	struct rig *rig = rig_make();
	const struct dp_locals *before = rig->w->locals;
	struct tp_addr from = rig_addr("198.18.1.1", 40000), to = rig_addr("198.18.0.2", 3478);
	struct tp_addr expected[] = {from, to, rig_addr("198.18.0.3", 3479)}, told;
	static const uint16_t types[] = {
		STUN_ATTR_MAPPED_ADDRESS, STUN_ATTR_RESPONSE_ORIGIN, STUN_ATTR_OTHER_ADDRESS};
	struct stun_message m;
	struct stun_attr attr;
	uint8_t buffer[600];

	rig->conf.nat_discovery.families[0] =
		(struct conf_discovery){.address = {to.ip, expected[2].ip},
			.public_address = {to.ip, expected[2].ip},
			.port = {3478, 3479}};
	struct dp_locals *locals = dp_locals_create(&rig->conf, SOCKET_ID_ANY);
	rig->w->locals = locals;
	struct frame f = request(from, to, STUN_BINDING, buffer, true, 0);
	rig_receive_frame(rig, &f);
	struct frame out = rig_only(rig);
	assert_int_equal(out.damage, 0);
	assert_int_equal(stun_read(out.payload, out.length, &m), STUN_READ_OK);
	for (size_t i = 0; i < RTE_DIM(types); i++) {
		assert_true(stun_find(&m, types[i], &attr));
		assert_true(stun_read_address(&attr, &told));
		assert_true(tp_addr_equal(&told, &expected[i]));
	}
	assert_true(stun_find(&m, STUN_ATTR_XOR_MAPPED_ADDRESS, &attr));
	assert_true(stun_fingerprint_ok(&m));
	rig->w->locals = before;
	dp_locals_destroy(locals);
	rig_end(rig);
}

// Binding requests of RFC 3489, where the configuration admits them: control's, on the budget of
// their source, and never what begins with the first byte of another protocol.
static void test_binding_without_cookie(void **state)
{
	struct rig *rig = rig_make();
	struct tp_addr from = rig_addr("198.18.1.1", 40000), to = rig_addr("198.18.0.2", 3478);
	uint8_t bytes[28] = {
		0, 1, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 3, 0, 4};

	set_link(rig);
	struct frame f = rig_frame(from, to, bytes, sizeof(bytes));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, bad_stun), 1);
	rig->w->classic = true;
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 1);
	const struct tp_punt *punt = tp_ring_front(&rig->punts);
	assert_non_null(punt);
	assert_int_equal(punt->length, sizeof(bytes));
	assert_memory_equal(punt->payload, bytes, sizeof(bytes));
	tp_ring_pop(&rig->punts);

	// TURN methods, a wrong length, IPv6, a forged source: no.
	for (uint8_t method = 2; method < 0x20; method++) {
		bytes[1] = method;
		f = rig_frame(from, to, bytes, sizeof(bytes));
		rig_receive_frame(rig, &f);
	}
	bytes[1] = 1;
	f = rig_frame(from, to, bytes, sizeof(bytes) - 4);
	rig_receive_frame(rig, &f);
	f = rig_frame(rig_addr("fd00:198:18::11", 40000), rig_addr("fd00:198:18::2", 3478), bytes,
		sizeof(bytes));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, bad_stun), 1 + 30 + 2);
	f = rig_frame(rig_addr("127.0.0.1", 40000), to, bytes, sizeof(bytes));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, bad_source), 1);
	// The first byte decides first (RFC 7983): DTLS and ChannelData stay what they are.
	bytes[0] = 22;
	f = rig_frame(from, to, bytes, sizeof(bytes));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, dtls_unserved), 1);
	bytes[0] = 0x40;
	f = rig_frame(from, to, bytes, sizeof(bytes));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 1);
	assert_int_equal(rig->n_out, 0);
	rig_end(rig);
}

static void test_binding_with_wishes_is_for_control(void **state)
{
	static const uint16_t wishes[] = {STUN_ATTR_CHANGE_REQUEST, STUN_ATTR_RESPONSE_PORT,
		STUN_ATTR_PADDING, STUN_ATTR_MESSAGE_INTEGRITY, STUN_ATTR_USERNAME, 0x7ff0};
	struct rig *rig = rig_make();
	uint8_t buffer[600];

	set_link(rig);
	for (size_t i = 0; i < RTE_DIM(wishes); i++) {
		struct frame f = request(rig_addr("198.18.1.1", 40000),
			rig_addr("198.18.0.2", 3478), STUN_BINDING, buffer, false, wishes[i]);
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig_counter(rig, punted), RTE_DIM(wishes));
	assert_int_equal(rig->n_out, 0);
	rig_end(rig);
}

static void test_nothing_answers_a_source_that_no_client_has(void **state)
{
	static const char *const sources[] = {"0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1",
		"239.1.2.3", "240.0.0.1", "255.255.255.255", "198.18.0.2", "10.0.0.5", "::", "::1",
		"ff02::1", "fd00:198:18::2"};
	struct rig *rig = rig_make();
	uint8_t buffer[600];

	set_link(rig);
	for (size_t i = 0; i < RTE_DIM(sources); i++) {
		bool ipv6 = strchr(sources[i], ':') != NULL;
		struct tp_addr to = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478);
		struct frame f =
			request(rig_addr(sources[i], 40000), to, STUN_BINDING, buffer, false, 0);
		rig_receive_frame(rig, &f);
		f = request(rig_addr(sources[i], 40000), to, STUN_ALLOCATE, buffer, false,
			STUN_ATTR_REQUESTED_TRANSPORT);
		rig_receive_frame(rig, &f);
		assert_int_equal(rig_drop(rig, bad_source), 2 * (i + 1));
	}
	// While there is no route the answer would go to the sender's Ethernet address.
	struct frame f = request(rig_addr("198.18.1.1", 40000), rig_addr("198.18.0.2", 3478),
		STUN_BINDING, buffer, false, 0);
	memset(f.src_mac, 0xff, sizeof(f.src_mac));
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, bad_source), 2 * RTE_DIM(sources) + 1);
	assert_int_equal(rig->n_out, 0);
	assert_int_equal(rig_counter(rig, punted), 0);
	rig_end(rig);
}

static void test_what_no_client_sends_is_dropped(void **state)
{
	struct rig *rig = rig_make();
	uint8_t buffer[64];
	struct stun_writer w;

	for (int class = STUN_INDICATION; class <= STUN_ERROR; class ++) {
		stun_write_begin(&w, buffer, sizeof(buffer), (enum stun_class) class, STUN_BINDING,
			transaction);
		struct frame f = rig_frame(rig_addr("198.18.1.1", 40000),
			rig_addr("198.18.0.2", 3478), buffer, (size_t)stun_write_finish(&w));
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig_drop(rig, stun_unexpected), 3);
	rig_end(rig);
}

static void test_a_request_reaches_control_whole(void **state)
{
	struct rig *rig = rig_make();
	struct tp_addr from = rig_addr("198.18.1.1", 40000), to = rig_addr("198.18.0.2", 3478);
	uint8_t buffer[600];

	set_link(rig);
	rig_allocate(rig, 5, from, to, rig_addr("198.18.0.2", 50001), (struct tp_addr){0}, 0);
	struct frame f = request(from, to, STUN_REFRESH, buffer, false, STUN_ATTR_LIFETIME);
	f.vlan = 0x2007;
	rig_receive_frame(rig, &f);
	const struct tp_punt *punt = tp_ring_front(&rig->punts);
	assert_non_null(punt);
	assert_memory_equal(&punt->source, &from, sizeof(from));
	assert_memory_equal(&punt->destination, &to, sizeof(to));
	assert_int_equal(punt->alloc.index, 5);
	assert_int_equal(punt->alloc.generation, 1);
	assert_int_equal(punt->received_ns, rig->now_ns);
	assert_int_equal(punt->length, f.length);
	assert_memory_equal(punt->payload, buffer, f.length);
	assert_memory_equal(punt->path.mac, RIG_SENDER_MAC, 6);
	assert_int_equal(punt->path.vlan, 0x2007);
	assert_int_equal(punt->path.valid, 1);
	assert_int_equal(punt->dscp_ecn, 0xb9);
	assert_int_equal(punt->hop_limit, 64);
	tp_ring_pop(&rig->punts);
	f = request(rig_addr("198.18.1.2", 1), to, STUN_ALLOCATE, buffer, false, 0);
	rig_receive_frame(rig, &f);
	punt = tp_ring_front(&rig->punts);
	assert_int_equal(punt->alloc.index, TP_ALLOC_NONE.index);
	assert_int_equal(punt->path.vlan, 0xffff);
	rig_end(rig);
}

static void test_requests_that_control_cannot_take_are_counted(void **state)
{
	struct rig *rig = rig_make();
	uint8_t buffer[2100] = {0};
	struct frame f = request(rig_addr("198.18.1.1", 40000), rig_addr("198.18.0.2", 3478),
		STUN_ALLOCATE, buffer, false, 0);

	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, control_away), 1);
	set_link(rig);
	for (int i = 0; i < 11; i++) // the ring has eight slots
		rig_receive_frame(rig, &f);
	assert_int_equal(rig_counter(rig, punted), 8);
	assert_int_equal(rig_drop(rig, punt_full), 3);
	assert_int_equal(tp_ring_filled(&rig->punts), 8);
	struct stun_writer w;
	stun_write_begin(&w, buffer, sizeof(buffer), STUN_REQUEST, STUN_ALLOCATE, transaction);
	memset(stun_write_reserve(&w, 0x8f00, 1916), 0, 1916);
	f.length = (size_t)stun_write_finish(&w);
	rig_receive_frame(rig, &f);
	assert_int_equal(rig_drop(rig, punt_too_long), 1);
	rig_end(rig);
}

static void inject(struct rig *rig, struct tp_addr from, struct tp_addr to, bool path,
	const void *payload, uint16_t length)
{
	struct tp_inject *slot = tp_ring_reserve(&rig->injects);
	assert_non_null(slot);
	*slot = (struct tp_inject){
		.source = from, .destination = to, .length = length, .dscp_ecn = 4};
	if (path) {
		memcpy(slot->path.mac, RIG_SENDER_MAC, 6);
		slot->path.vlan = 0x3009;
		slot->path.valid = 1;
	}
	if (length <= TP_PACKET_SLOT_BYTES - sizeof(*slot))
		memcpy(slot->payload, payload, length);
	tp_ring_commit(&rig->injects);
	tp_ring_flush(&rig->injects);
	dp_pipeline_inject(rig->w, rig->now_ns);
	rig_collect(rig);
}

static void test_control_sends_by_the_reply_path(void **state)
{
	struct rig *rig = rig_make();
	uint8_t data[501];

	rig_random(data, sizeof(data));
	set_link(rig);
	for (int i = 0; i < 2; i++) {
		struct tp_addr from = rig_addr(i ? "fd00:198:18::2" : "198.18.0.2", 3478);
		struct tp_addr to = rig_addr(i ? "fd00:198:18::11" : "198.18.1.1", 40000);
		inject(rig, from, to, true, data, sizeof(data));
		struct frame f = rig_only(rig);
		assert_memory_equal(&f.from, &from, sizeof(from));
		assert_memory_equal(&f.to, &to, sizeof(to));
		assert_memory_equal(f.dst_mac, RIG_SENDER_MAC, 6);
		assert_int_equal(f.vlan, 9);
		assert_int_equal(f.tos, 4);
		assert_int_equal(f.ttl, 64);
		assert_int_equal(f.damage, 0);
		assert_int_equal(f.length, sizeof(data));
		assert_memory_equal(f.payload, data, sizeof(data));
		rig_forget(rig);
	}
	assert_int_equal(rig_counter(rig, injected), 2);
	assert_int_equal(rig_counter(rig, tx), 0);
	assert_int_equal(rig_counter(rig, tx_bytes), 0);
	rig_end(rig);
}

static void test_what_control_may_not_send_fails(void **state)
{
	struct rig *rig = rig_make();
	struct tp_addr from = rig_addr("198.18.0.2", 3478), to = rig_addr("198.18.1.1", 40000);
	struct tp_addr zero = to;

	zero.port = 0;
	set_link(rig);
	inject(rig, rig_addr("198.18.0.3", 3478), to, true, "x", 1); // not ours
	inject(rig, rig_addr("fd00:198:18::2", 3478), to, true, "x", 1);
	inject(rig, from, zero, true, "x", 1);
	inject(rig, from, (struct tp_addr){.port = 1}, true, "x", 1);
	inject(rig, from, to, true, "x", 1921);
	inject(rig, from, to, false, "x", 1); // no route, no reply path
	assert_int_equal(rig_counter(rig, inject_failed), 6);
	assert_int_equal(rig_counter(rig, injected), 0);
	assert_int_equal(rig_drops(rig), 0);
	assert_int_equal(rig->n_out, 0);
	rig_end(rig);
}

static void test_a_long_datagram_of_control_is_fragmented(void **state)
{
	struct rig *rig = rig_make();
	uint8_t data[1900];

	rig_random(data, sizeof(data));
	set_link(rig);
	inject(rig, rig_addr("198.18.0.2", 3478), rig_addr("198.18.1.1", 40000), true, data,
		sizeof(data));
	assert_int_equal(rig->n_out, 2);
	assert_int_equal(rig_counter(rig, injected), 1);
	assert_int_equal(rig_counter(rig, tx_bytes), 0);
	rig_end(rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_binding_is_answered_with_the_address),
	cmocka_unit_test(test_binding_tells_of_discovery),
	cmocka_unit_test(test_binding_without_cookie),
	cmocka_unit_test(test_binding_with_wishes_is_for_control),
	cmocka_unit_test(test_nothing_answers_a_source_that_no_client_has),
	cmocka_unit_test(test_what_no_client_sends_is_dropped),
	cmocka_unit_test(test_a_request_reaches_control_whole),
	cmocka_unit_test(test_requests_that_control_cannot_take_are_counted),
	cmocka_unit_test(test_control_sends_by_the_reply_path),
	cmocka_unit_test(test_what_control_may_not_send_fails),
	cmocka_unit_test(test_a_long_datagram_of_control_is_fragmented),
};
RIG_TESTS(tests)
