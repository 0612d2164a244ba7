// SPDX-License-Identifier: BSD-3-Clause
// What clients see of relay addresses that are drained, removed, or known to the world by another
// address.
#include "control/alloc/relay_use.h"

#include "tests/unit/control/turn/client.h"

// Entries of relay_open.
enum { FOUR, SIX };

static void use(struct relay *r, uint32_t entry, enum ctl_relay_use use)
{
	assert_int_equal(ctl_relay_set_use(r->w.store, entry, use), 0);
	// As the session does.
	struct ctl_acl *fresh;
	assert_int_equal(ctl_policy_acl_now(&r->conf, r->w.store, NULL, 0, &fresh), 0);
	ctl_turn_set_acl(r->turn, fresh);
	ctl_acl_destroy(r->acl);
	r->acl = fresh;
}

static int allocate(struct relay *r, int family, int additional)
{
	r->client.port++;
	relay_challenge(r);
	request_allocate(r);
	if (family)
		stun_write_u32(&r->writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
			(uint32_t)(family == 4 ? 1 : 2) << 24);
	if (additional)
		stun_write_u32(&r->writer, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	return request_code(r);
}

static int address_error(const struct sent *s)
{
	struct stun_attr a;
	if (!stun_find(&s->message, STUN_ATTR_ADDRESS_ERROR_CODE, &a))
		return 0;
	return a.value[0] * 1000 + a.value[2] * 100 + a.value[3];
}

// RFC 8656 section 7.2: 440 is for a family that the server does not have, 508 for what it cannot
// give now.
static void drained_is_508_and_removed_is_440(void **state)
{
	struct relay *r = *state;
	assert_int_equal(allocate(r, 6, 0), 0);
	use(r, SIX, CTL_RELAY_DRAINED);
	assert_int_equal(allocate(r, 6, 0), 508);
	assert_int_equal(allocate(r, 4, 0), 0);
	assert_int_equal(allocate(r, 0, 1), 0);
	assert_int_equal(address_error(last_sent(r)), 2508);
	use(r, FOUR, CTL_RELAY_DRAINED);
	assert_int_equal(allocate(r, 0, 0), 508);
	assert_int_equal(allocate(r, 0, 1), 508);
	use(r, FOUR, CTL_RELAY_IN_USE);
	world_pass(&r->w, 2000 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 100);
	relay_ack_all(r, 0);
	world_pass(&r->w, 100 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 100);
	use(r, SIX, CTL_RELAY_REMOVED);
	assert_int_equal(allocate(r, 6, 0), 440);
	assert_int_equal(allocate(r, 0, 1), 0);
	assert_int_equal(address_error(last_sent(r)), 2440);
}

// Section 7.2, step 9: an allocation of both families of which neither can be had is 508, even
// where one of them is not there at all.
static void neither_of_both_families_is_508(void **state)
{
	struct relay *r = *state;
	use(r, SIX, CTL_RELAY_DRAINED);
	use(r, SIX, CTL_RELAY_REMOVED);
	use(r, FOUR, CTL_RELAY_DRAINED);
	assert_int_equal(allocate(r, 0, 1), 508);
	assert_int_equal(allocate(r, 0, 0), 508);
	assert_int_equal(allocate(r, 6, 0), 440);
}

// Step 7: who names no family asks for IPv4.
static void without_ipv4_440(void **state)
{
	struct relay *r = *state;
	use(r, FOUR, CTL_RELAY_DRAINED);
	use(r, FOUR, CTL_RELAY_REMOVED);
	assert_int_equal(allocate(r, 0, 0), 440);
	assert_int_equal(allocate(r, 4, 0), 440);
	assert_int_equal(allocate(r, 0, 1), 0);
	assert_int_equal(address_error(last_sent(r)), 1440);
	assert_int_equal(allocate(r, 6, 0), 0);
}

static int refresh(struct relay *r)
{
	request_begin(r, STUN_REFRESH);
	return request_code(r);
}

static int permit(struct relay *r, const char *peer)
{
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, peer, 0);
	return request_code(r);
}

static void draining_closes_nothing(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	struct tp_addr before = sent_address(last_sent(r), STUN_ATTR_XOR_RELAYED_ADDRESS);
	use(r, FOUR, CTL_RELAY_DRAINED);
	assert_int_equal(refresh(r), 0);
	assert_int_equal(permit(r, "8.8.8.8"), 0);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x40010000);
	request_peer(r, "8.8.8.8", 53);
	assert_int_equal(request_code(r), 0);
	const struct tp_alloc_record *a = relay_allocation(r);
	struct tp_addr after = ctl_allocation_public_relay(r->w.store, a, 0);
	assert_true(tp_addr_equal(&before, &after));
	assert_int_equal(ctl_relay_set_use(r->w.store, FOUR, CTL_RELAY_REMOVED), -EBUSY);
	assert_int_equal(refresh(r), 0);
}

// A relay address is a peer for hairpin in either form; one that is removed is this machine's, and
// no peer, in either form.
static void hairpin_ends_with_removal(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	static const char *const forms[] = {"198.18.0.2", "203.0.113.5"};
	for (int i = 0; i < 2; i++)
		assert_int_equal(permit(r, forms[i]), 0);
	use(r, FOUR, CTL_RELAY_DRAINED);
	for (int i = 0; i < 2; i++)
		assert_int_equal(permit(r, forms[i]), 0);
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(request_code(r), 0);
	world_pass(&r->w, 61 * TP_NS_PER_S);
	ctl_store_expire(r->w.store, r->w.now, 100);
	use(r, FOUR, CTL_RELAY_REMOVED);
	// Through the other family's allocation the ACL is asked for IPv4 peers all the same.
	struct ctl_acl *acl = r->acl;
	for (int i = 0; i < 2; i++) {
		struct tp_addr a = addr(forms[i], 0), relay = addr(forms[i], 50001);
		assert_int_equal(ctl_acl_check(acl, &a), CTL_ACL_OWN);
		assert_int_equal(ctl_acl_check(acl, &relay), CTL_ACL_OWN);
	}
	use(r, FOUR, CTL_RELAY_IN_USE);
	relay_allocate(r);
	for (int i = 0; i < 2; i++)
		assert_int_equal(permit(r, forms[i]), 0);
}

// 1:1 NAT before addresses and prefixes of both families: clients are told the public form, and
// both forms are peers; others of the same networks are judged as ever.
static int public_setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	r->conf.relay.n_addresses = 4;
	r->conf.relay.addresses[2] = (struct conf_relay){ip("10.7.0.16"), ip("203.0.113.16"), 28};
	r->conf.relay.addresses[3] =
		(struct conf_relay){ip("fd00:7::10"), ip("2001:db8:7::40"), 124};
	relay_open(r);
	use(r, 0, CTL_RELAY_DRAINED); // 198.18.0.2
	use(r, 2, CTL_RELAY_DRAINED); // fd00:198:18::2
	*state = r;
	return 0;
}

static void public_forms_of_prefixes(void **state)
{
	struct relay *r = *state;
	static const struct {
		int family;
		const char *private, *public;
		uint8_t bits;
		const char *peers[4], *others[4];
	} nat[] = {
		{4, "10.7.0.16", "203.0.113.16", 28,
			{"10.7.0.16", "10.7.0.31", "203.0.113.16", "203.0.113.31"},
			{"10.7.0.15", "10.7.0.32", NULL, NULL}},
		{6, "fd00:7::10", "2001:db8:7::40", 124,
			{"fd00:7::10", "fd00:7::1f", "2001:db8:7::40", "2001:db8:7::4f"},
			{"fd00:7::f", "fd00:7::20", NULL, NULL}},
	};
	for (int f = 0; f < 2; f++) {
		struct tp_ip public = ip(nat[f].public), private = ip(nat[f].private);
		for (int i = 0; i < 8; i++) {
			assert_int_equal(allocate(r, nat[f].family, 0), 0);
			struct tp_addr told =
				sent_address(last_sent(r), STUN_ATTR_XOR_RELAYED_ADDRESS);
			const struct tp_alloc_record *a = relay_allocation(r);
			size_t n = tp_ip_length(&told.ip);
			assert_true(tp_ip_in_prefix(&told.ip, &public, nat[f].bits));
			assert_true(tp_ip_in_prefix(&a->relay[0].ip, &private, nat[f].bits));
			assert_int_equal(
				told.ip.bytes[n - 1] & 15, a->relay[0].ip.bytes[n - 1] & 15);
			assert_int_equal(told.port, a->relay[0].port);
		}
		for (int i = 0; i < 4; i++) {
			assert_int_equal(permit(r, nat[f].peers[i]), 0);
			if (nat[f].others[i])
				assert_int_equal(permit(r, nat[f].others[i]), 403);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(drained_is_508_and_removed_is_440),
		TEST(neither_of_both_families_is_508),
		TEST(without_ipv4_440),
		TEST(draining_closes_nothing),
		TEST(hairpin_ends_with_removal),
		cmocka_unit_test_setup_teardown(
			public_forms_of_prefixes, public_setup, relay_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
