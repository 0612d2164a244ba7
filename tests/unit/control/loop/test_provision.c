// SPDX-License-Identifier: BSD-3-Clause
// The job of `provision`, against a dataplane that the test plays. The region has room for eight
// allocations and eight peers, the command ring 128 slots.
#include "session_world.h"

#include "control/alloc/allocation.h"

static struct ctl_synthetic_wish wish(uint32_t allocations)
{
	return (struct ctl_synthetic_wish){.allocations = allocations,
		.peers = 1,
		.channels = 1,
		.client = tp_ip4(0xc6130000),
		.peer = tp_ip4(0xc6138000)};
}

static struct ctl_store_status status(struct world *w)
{
	struct ctl_store_status s;

	ctl_store_status(ctl_session_store(w->ctl.session), &s);
	return s;
}

static int begin(struct world *w, uint32_t allocations, char why[CTL_SYNTHETIC_WHY_BYTES])
{
	struct ctl_synthetic_wish q = wish(allocations);

	return ctl_provision_begin(w->ctl.session, &q, 3600, why);
}

static void start(struct world *w)
{
	w->conf.provision.allow = true;
	attach(w, NULL, 1);
	synchronise(w);
}

static enum ctl_provision_state state_now(struct world *w)
{
	return ctl_provision_get(w->ctl.session)->state;
}

// Rounds until the job has ended; how many commands of that type the dataplane took.
static unsigned int work(struct world *w, uint16_t type)
{
	unsigned int rounds = 0, n = 0;
	uint16_t got;

	do {
		assert_true(rounds++ < 100);
		ctl_session_work(w->ctl.session);
		while ((got = execute(w)))
			n += got == type;
	} while (state_now(w) == CTL_PROVISION_MAKING || state_now(w) == CTL_PROVISION_REMOVING);
	return n;
}

static void is_made_when_the_dataplane_has_it(void **state)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct world *w = *state;
	uint64_t ports;

	start(w);
	ports = status(w).ports_free[0];
	assert_int_equal(begin(w, 4, why), 0);
	ctl_session_work(w->ctl.session);
	assert_int_equal(ctl_provision_get(w->ctl.session)->made, 4);
	ctl_session_work(w->ctl.session);
	assert_int_equal(state_now(w), CTL_PROVISION_MAKING); // nothing was acknowledged
	assert_int_equal(begin(w, 4, why), -EBUSY);
	assert_int_equal(work(w, TP_CMD_CHANNEL_SET), 4);
	assert_int_equal(state_now(w), CTL_PROVISION_MADE);
	assert_int_equal(status(w).synthetic, 4);
	assert_int_equal(begin(w, 4, why), -EEXIST);

	assert_int_equal(ctl_provision_remove(w->ctl.session, why), 0);
	assert_int_equal(work(w, TP_CMD_ALLOC_DELETE), 4);
	assert_int_equal(state_now(w), CTL_PROVISION_IDLE);
	assert_int_equal(status(w).allocations + status(w).resting, 0);
	assert_int_equal(status(w).ports_free[0], ports);
}

static void what_may_not_be_is_refused(void **state)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct world *w = *state;
	struct ctl_synthetic_wish q = wish(1);

	assert_int_equal(begin(w, 1, why), -EPERM);
	w->conf.provision.allow = true;
	assert_int_equal(begin(w, 1, why), -ENOTCONN);
	start(w);
	q.peer = tp_ip4(0x0a000000); // private
	assert_int_equal(ctl_provision_begin(w->ctl.session, &q, 3600, why), -EACCES);
	q = wish(1);
	q.client = tp_ip4(0xc6130001);
	assert_int_equal(ctl_provision_begin(w->ctl.session, &q, 3600, why), 0);
	work(w, 0);
	q = wish(16385); // one relay address of 16,384 ports
	assert_int_equal(ctl_provision_remove(w->ctl.session, why), 0);
	work(w, 0);
	assert_int_equal(ctl_provision_begin(w->ctl.session, &q, 3600, why), -EINVAL);
	assert_int_equal(status(w).allocations, 0);
}

static void records_that_run_out_take_all_of_it_back(void **state)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct world *w = *state;
	uint64_t ports;

	start(w);
	ports = status(w).ports_free[0];
	assert_int_equal(begin(w, 5, why), 0);
	work(w, 0);
	assert_int_equal(state_now(w), CTL_PROVISION_FAILED);
	assert_non_null(strstr(ctl_provision_get(w->ctl.session)->why, "limits.allocations"));
	assert_int_equal(status(w).allocations + status(w).resting, 0);
	assert_int_equal(status(w).ports_free[0], ports);
}

// One command of an allocation is refused, as by a full table.
static void a_refusal_takes_all_of_it_back(void **state)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct world *w = *state;
	const struct tp_cmd *c;
	struct tp_ack *ack;
	uint64_t ports;

	start(w);
	ports = status(w).ports_free[0];
	assert_int_equal(begin(w, 2, why), 0);
	ctl_session_work(w->ctl.session);
	for (int i = 0; i < 3; i++)
		execute(w); // the first one whole
	c = tp_ring_front(&w->command);
	assert_int_equal(c->type, TP_CMD_ALLOC_SET);
	ack = tp_ring_reserve(&w->ack);
	*ack = (struct tp_ack){
		.sequence = c->sequence, .type = c->type, .alloc = c->alloc, .result = -ENOSPC};
	tp_ring_pop(&w->command);
	tp_ring_commit(&w->ack);
	tp_ring_flush(&w->ack);
	work(w, 0);
	assert_int_equal(state_now(w), CTL_PROVISION_FAILED);
	assert_non_null(strstr(ctl_provision_get(w->ctl.session)->why, "limits.flows"));
	assert_int_equal(status(w).allocations + status(w).resting, 0);
	assert_int_equal(status(w).ports_free[0], ports);
}

// However much there is to make: a part of the command ring is left to requests.
static void requests_keep_their_room(void **state)
{
	const struct tp_cmd filler = {.type = TP_CMD_COUNTERS, .layout = 1, .alloc = TP_ALLOC_NONE};
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct world *w = *state;
	struct ctl_commands sink;

	start(w);
	sink = ctl_command_queue_sink(&w->ctl.session->commands);
	assert_int_equal(begin(w, 4, why), 0);
	while (sink.room(sink.context) > FIXTURE_SLOTS / 8 + 6)
		sink.send(sink.context, &filler);
	ctl_session_work(w->ctl.session);
	// One takes three commands, and asks for one more.
	assert_int_equal(ctl_provision_get(w->ctl.session)->made, 1);
	assert_int_equal(sink.room(sink.context), FIXTURE_SLOTS / 8 + 3);
	assert_true(ctl_session_sleep(w->ctl.session)); // until there are acknowledgements
	ctl_session_wake(w->ctl.session);
	work(w, 0);
	assert_int_equal(status(w).synthetic, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(is_made_when_the_dataplane_has_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_may_not_be_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(
			records_that_run_out_take_all_of_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_refusal_takes_all_of_it_back, setup, teardown),
		cmocka_unit_test_setup_teardown(requests_keep_their_room, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
