// SPDX-License-Identifier: BSD-3-Clause
// The session against a dataplane that the test plays on the other side of the rings.
#include "session_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "control/alloc/mobility.h"
#include "control/alloc/permission.h"
#include "control/alloc/store.h"
#include "control/loop/loop.h"
#include "control/turn/turn_private.h"

static void an_attachment_begins_with_a_synchronisation(void **state)
{
	struct world *w = *state;

	assert_null(ctl_session_store(w->ctl.session));
	attach(w, NULL, 1);
	assert_true(ctl_session_is_attached(w->ctl.session));
	ctl_session_work(w->ctl.session);
	assert_int_equal(execute(w), TP_CMD_SETTINGS);
	assert_int_equal(execute(w), TP_CMD_SYNC_BEGIN);
	assert_int_equal(execute(w), TP_CMD_SYNC_END);
	assert_int_equal(execute(w), 0);
	assert_false(ctl_session_in_step(w->ctl.session));
	ctl_session_work(w->ctl.session);
	assert_true(ctl_session_in_step(w->ctl.session));
}

static void punt_binding(struct world *w)
{
	static const uint8_t binding[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
	struct tp_punt *p = tp_ring_reserve(&w->punt);

	memset(p, 0, TP_PACKET_SLOT_BYTES);
	p->source = (struct tp_addr){.ip = tp_ip4(0xc612000a), .port = 1234};
	p->destination = w->fixture.message.listener[0];
	p->length = sizeof(binding);
	memcpy(p->payload, binding, sizeof(binding));
	tp_ring_commit(&w->punt);
	tp_ring_flush(&w->punt);
}

static void a_request_is_answered(void **state)
{
	struct world *w = *state;
	const struct tp_inject *got;

	attach(w, NULL, 1);
	synchronise(w);
	punt_binding(w);
	ctl_session_work(w->ctl.session);
	got = tp_ring_front(&w->inject);
	assert_non_null(got);
	assert_int_equal(got->destination.port, 1234);
	assert_int_equal(got->payload[0] << 8 | got->payload[1], 0x0101);
}

// The dataplane speaks by itself: an event of a move counts in no sequence, one of a kind that is
// not known is nothing.
static void events_come_between_acknowledgements(void **state)
{
	struct world *w = *state;
	struct ctl_allocation_request q = {.client = {.ip = tp_ip4(0xc612000a), .port = 1234},
		.listener = w->fixture.message.listener[0],
		.families = CTL_FAMILY_BIT_IPV4,
		.user = (const uint8_t *)"u",
		.user_length = 1,
		.transaction_id = (const uint8_t *)"transaction",
		.lifetime_s = 600,
		.mobile = true};
	struct ctl_change change;

	attach(w, NULL, 1);
	synchronise(w);
	q.listener = w->fixture.message.listener[0];
	struct ctl_store *store = ctl_session_store(w->ctl.session);
	struct ctl_time now = {.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(store, &q, now, &change, NULL), 0);
	struct ctl_move_request m = {.client = {.ip = tp_ip4(0xc612000b), .port = 99},
		.listener = q.listener,
		.transaction_id = (const uint8_t *)"another one",
		.lifetime_s = 600};
	struct tp_alloc_ref ref = change.alloc;
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_move(store, ref, &m, now, &change), 0);
	ctl_session_work(w->ctl.session);
	execute(w);
	const struct tp_ack events[] = {{.type = 4711, .alloc = ref, .moved = 1},
		{.type = TP_EVENT_MOVED, .alloc = ref, .moved = 1}};
	for (int i = 0; i < 2; i++) {
		struct tp_ack *slot = tp_ring_reserve(&w->ack);
		*slot = events[i];
		tp_ring_commit(&w->ack);
	}
	execute(w);
	ctl_session_work(w->ctl.session);
	assert_true(ctl_session_is_attached(w->ctl.session));
	const struct tp_alloc_record *record = ctl_allocation_get(store, ref);
	assert_int_equal(record->client.port, 99);
	assert_int_equal(record->move_family, TP_FAMILY_NONE);
}

// Replay first: the command ring has room for it, but no request is looked at before.
static void requests_wait_for_the_replay(void **state)
{
	struct world *w = *state;

	attach(w, NULL, 1);
	punt_binding(w);
	assert_null(tp_ring_front(&w->inject));
	ctl_session_work(w->ctl.session);
	assert_int_equal(execute(w), TP_CMD_SETTINGS);
	assert_int_equal(execute(w), TP_CMD_SYNC_BEGIN);
	assert_non_null(tp_ring_front(&w->inject)); // the empty replay was sent in the same round
}

static void sleep_notices_what_came_meanwhile(void **state)
{
	struct world *w = *state;

	attach(w, NULL, 1);
	synchronise(w);
	assert_true(ctl_session_sleep(w->ctl.session));
	ctl_session_wake(w->ctl.session);
	punt_binding(w);
	assert_false(ctl_session_sleep(w->ctl.session));
	ctl_session_work(w->ctl.session);
	assert_true(ctl_session_sleep(w->ctl.session));
	// A sleeping consumer is woken through its eventfd.
	produce(w, TP_RING_PUNT, &w->punt);
	w->punt.event_fd = w->fixture.fds[place(w, TP_RING_PUNT)->event_fd];
	punt_binding(w);
	event_base_loop(w->ctl.base, EVLOOP_ONCE);
	ctl_session_wake(w->ctl.session);
	ctl_session_work(w->ctl.session);
	assert_non_null(tp_ring_front(&w->inject));
}

// Detached, and attached with the same region by that instance of the dataplane.
static void attach_again(struct world *w, uint64_t instance)
{
	struct ctl_store *store = ctl_session_store(w->ctl.session);
	struct tp_shm region;

	ctl_session_detached(w->ctl.session);
	assert_false(ctl_session_is_attached(w->ctl.session));
	assert_false(ctl_session_work(w->ctl.session));
	assert_true(ctl_session_sleep(w->ctl.session));
	region = w->fixture.region;
	tp_shm_close(&w->fixture.rings);
	((struct tp_region_header *)region.base)->instance = instance;
	attach(w, &region, instance);
	synchronise(w); // all of it anew
	assert_ptr_equal(ctl_session_store(w->ctl.session), store);
	assert_int_equal(
		*(uint64_t *)((uint8_t *)region.base + TP_REGION_COUNTED_OFFSET), instance);
	tp_shm_close(&region);
}

static void the_store_survives_an_end_and_the_same_region(void **state)
{
	struct world *w = *state;

	attach(w, NULL, 1);
	synchronise(w);
	attach_again(w, 1);
}

// The dataplane alone died, and its successor has the region that was kept for it.
static void the_store_stays_on_a_kept_region(void **state)
{
	struct world *w = *state;

	attach(w, NULL, 1);
	synchronise(w);
	attach_again(w, 2);
}

// While a new process is in charge the old one goes on in its loop, to take back or to end.
static void a_region_given_away_is_not_written(void **state)
{
	struct world *w = *state;
	struct tp_region_header *header;
	struct tp_nonce_key before[2];
	struct conf fresh;

	attach(w, NULL, 1);
	synchronise(w);
	header = w->ctl.session->region.base;
	for (int given = 0; given < 2; given++) {
		if (given) {
			ctl_session_detached(w->ctl.session);
			ctl_session_give_away(w->ctl.session);
		}
		header->nonce_key[0].created_wall_ns = 1; // long due
		memcpy(before, header->nonce_key, sizeof(before));
		w->ctl.session->next_tick_ns = 0;
		ctl_session_work(w->ctl.session);
		assert_true(w->ctl.session->next_tick_ns > 0);
		assert_int_equal(memcmp(before, header->nonce_key, sizeof(before)) == 0, given);
	}
	fresh = *w->ctl.conf;
	assert_int_equal(ctl_session_reload(w->ctl.session, &fresh), -EBUSY);
	fixture_fini(&w->fixture);
}

static void a_new_region_takes_the_records_over(void **state)
{
	struct tp_region_header before, after;
	struct world *w = *state;

	attach(w, NULL, 1);
	synchronise(w);
	memcpy(&before, w->fixture.region.base, sizeof(before));
	ctl_session_detached(w->ctl.session);
	fixture_fini(&w->fixture);
	attach(w, NULL, 2);
	synchronise(w);
	memcpy(&after, w->fixture.region.base, sizeof(after));
	assert_memory_equal(before.uid_prefix, after.uid_prefix, sizeof(before.uid_prefix));
	assert_int_equal(after.instance, 2);
}

struct watch {
	struct world *world;
	unsigned int calls, answers;
};

static void count_answers(evutil_socket_t fd, short events, void *arg)
{
	struct watch *watch = arg;

	while (tp_ring_front(&watch->world->inject)) {
		tp_ring_pop(&watch->world->inject);
		watch->answers++;
	}
	if (watch->answers < 100 && ++watch->calls < 1000)
		return;
	watch->world->ctl.stop = true;
	event_base_loopbreak(watch->world->ctl.base);
}

// A wake-up may come when nobody sleeps any more, in the middle of a round of much work.
static void what_stays_readable_does_not_stop_the_rounds(void **state)
{
	struct watch watch = {.world = *state};
	struct world *w = *state;
	struct event *readable;
	int ends[2];

	attach(w, NULL, 1);
	synchronise(w);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	readable = event_new(w->ctl.base, ends[0], EV_READ | EV_PERSIST, count_answers, &watch);
	event_add(readable, NULL);
	for (int i = 0; i < 100; i++)
		punt_binding(w);
	assert_int_equal(ctl_loop_run(&w->ctl), 0);
	assert_int_equal(watch.answers, 100);
	event_free(readable);
	close(ends[0]);
	close(ends[1]);
}

static void storm(evutil_socket_t fd, short events, void *arg)
{
	struct watch *watch = arg;

	if (watch->calls++ == 0)
		for (int i = 0; i < 50; i++)
			raise(SIGHUP);
	else if (watch->calls > 10)
		watch->world->ctl.stop = true;
}

// Whatever comes while one reload is due, or under way, is one more: between two the rings are
// served.
static void many_hangups_are_few_reloads(void **state)
{
	struct watch watch = {.world = *state};
	struct world *w = *state;
	static char path[] = "/nowhere/turnpike.json";
	char log[] = "/tmp/turnpike-log-XXXXXX", line[512];
	int fd = mkstemp(log), standard = dup(STDERR_FILENO);
	unsigned int reloads = 0;

	assert_true(fd >= 0 && standard >= 0);
	attach(w, NULL, 1);
	w->conf.path = path;
	struct timeval often = {.tv_usec = 1000};
	struct event *timer = event_new(w->ctl.base, -1, EV_PERSIST, storm, &watch);
	event_add(timer, &often);
	dup2(fd, STDERR_FILENO);
	int rc = ctl_loop_run(&w->ctl);
	dup2(standard, STDERR_FILENO);
	close(standard);
	event_free(timer);
	w->conf.path = NULL;
	assert_int_equal(rc, 0);
	FILE *in = fdopen(fd, "r");
	assert_non_null(in);
	rewind(in);
	while (fgets(line, sizeof(line), in))
		reloads += strstr(line, "the old configuration stays in force") != NULL;
	fclose(in);
	unlink(log);
	assert_int_equal(reloads, 1);
}

static struct tp_alloc_ref allocate(struct world *w, struct ctl_time now)
{
	struct ctl_allocation_request q = {.client = {.ip = tp_ip4(0xc612000a), .port = 1234},
		.listener = w->fixture.message.listener[0],
		.families = CTL_FAMILY_BIT_IPV4,
		.user = (const uint8_t *)"u",
		.user_length = 1,
		.transaction_id = (const uint8_t *)"123456789012",
		.lifetime_s = 600};
	struct ctl_change change;

	ctl_change_init(&change);
	assert_int_equal(
		ctl_allocation_create(ctl_session_store(w->ctl.session), &q, now, &change, NULL),
		0);
	return change.alloc;
}

// What a roll-back could not take back is swept by a synchronisation, as soon as there is room.
static void a_rollback_without_room_is_made_good(void **state)
{
	struct ctl_time now = {.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
	struct tp_ip peer = tp_ip4(0xc6120014);
	struct world *w = *state;
	struct ctl_change change;
	struct tp_alloc_ref ref;
	struct ctl_store *store;
	unsigned int seen[TP_CMD_SETTINGS + 1] = {0};
	uint16_t type;

	attach(w, NULL, 1);
	synchronise(w);
	store = ctl_session_store(w->ctl.session);
	ref = allocate(w, now);
	ctl_change_init(&change);
	assert_int_equal(ctl_permission_set(store, ref, &peer, now, &change), 0);
	while (ctl_allocation_poll_counters(store, ref)) {
	}
	ctl_change_rollback(store, &change, now);
	do {
		ctl_session_work(w->ctl.session);
		type = execute(w);
		assert_in_range(type, 0, TP_CMD_SETTINGS);
		seen[type]++;
	} while (type);
	assert_int_equal(seen[TP_CMD_PERMISSION_SET], 1);
	assert_int_equal(seen[TP_CMD_PERMISSION_DELETE], 0);
	assert_int_equal(seen[TP_CMD_SYNC_BEGIN], 1);
	assert_int_equal(seen[TP_CMD_ALLOC_SET], 2);
	assert_int_equal(seen[TP_CMD_SYNC_END], 1);
}

static const struct tp_cmd *next_command(const struct world *w)
{
	const struct tp_cmd *c = tp_ring_front((struct tp_ring *)(uintptr_t)&w->command);
	assert_non_null(c);
	return c;
}

static void a_reload_tells_the_dataplane(void **state)
{
	struct ctl_time now = {.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
	struct world *w = *state;
	struct ctl_session *s;
	struct conf fresh = w->conf;

	attach(w, NULL, 1);
	synchronise(w);
	s = w->ctl.session;
	assert_true(ctl_session_settings_in_force(s));
	struct tp_alloc_ref ref = allocate(w, now);
	ctl_session_work(s);
	while (execute(w))
		ctl_session_work(s);
	fresh.unauthenticated.per_address = 1;
	fresh.unauthenticated.per_network = 2;
	fresh.unauthenticated.punts = 3;
	fresh.unauthenticated.unproven = 4;
	fresh.forwarding.hop_limit = 5;
	fresh.forwarding.dscp = 6;
	fresh.compatibility.channel_numbers = CONF_CHANNELS_RFC5766;
	fresh.log_level = CONF_LOG_DEBUG;
	fresh.quotas.bits_per_second_per_allocation = 80001;
	fresh.quotas.packets_per_second_per_allocation = 50;
	fresh.quotas.allocations_per_user = 1;
	fresh.auth.nonce_lifetime_s = 7;
	assert_int_equal(ctl_session_reload(s, &fresh), 0);
	assert_ptr_equal(w->ctl.conf, &fresh);
	assert_false(ctl_session_settings_in_force(s));
	ctl_session_work(s);
	const struct tp_cmd *c = next_command(w);
	assert_int_equal(c->type, TP_CMD_SETTINGS);
	assert_int_equal(c->settings.per_address, 1);
	assert_int_equal(c->settings.per_network, 2);
	assert_int_equal(c->settings.punts, 3);
	assert_int_equal(c->settings.unproven, 4);
	assert_int_equal(c->settings.hop_limit, 5);
	assert_int_equal(c->settings.dscp, 6);
	assert_int_equal(c->settings.channel_max, 0x7fff);
	assert_int_equal(c->settings.log_level, CONF_LOG_DEBUG);
	assert_int_equal(execute(w), TP_CMD_SETTINGS);
	c = next_command(w);
	assert_int_equal(c->type, TP_CMD_ALLOC_SET);
	assert_int_equal(c->alloc.index, ref.index);
	assert_int_equal(c->allocation.rate_bytes_per_s, 10001);
	assert_int_equal(c->allocation.rate_packets_per_s, 50);
	assert_int_equal(execute(w), TP_CMD_ALLOC_SET);
	assert_int_equal(execute(w), 0);
	ctl_session_work(s);
	assert_true(ctl_session_settings_in_force(s));
	assert_non_null(ctl_allocation_get(ctl_session_store(s), ref));
	assert_int_equal(ctl_session_turn(s)->nonce_lifetime_s, 7);
	assert_int_equal(ctl_store_policy(ctl_session_store(s))->allocations_per_user, 1);
	w->ctl.conf = &w->conf;
}

// Before the first attachment there is no store, and nobody to tell.
static void a_reload_while_detached_waits_for_the_dataplane(void **state)
{
	struct world *w = *state;
	struct conf fresh = w->conf;

	fresh.unauthenticated.unproven = 4;
	assert_int_equal(ctl_session_reload(w->ctl.session, &fresh), 0);
	ctl_session_work(w->ctl.session);
	attach(w, NULL, 1);
	ctl_session_work(w->ctl.session);
	assert_int_equal(next_command(w)->settings.unproven, 4);
	w->ctl.conf = &w->conf;
}

struct slow_users {
	struct ctl_user_store store;
	bool destroyed;
};

static void slow_destroy(struct ctl_user_store *store)
{
	((struct slow_users *)store)->destroyed = true;
}

// A store that somebody still waits for outlives the reload that replaces it.
static void old_users_go_after_their_last_answer(void **state)
{
	struct world *w = *state;
	struct slow_users slow = {.store = {.destroy = slow_destroy, .under_way = 1}};
	struct ctl_session *s = w->ctl.session;
	struct conf fresh = w->conf;

	s->users->destroy(s->users);
	s->users = &slow.store;
	assert_int_equal(ctl_session_reload(s, &fresh), 0);
	assert_ptr_not_equal(s->users, &slow.store);
	assert_false(slow.destroyed);
	ctl_session_old_users_step(s);
	assert_false(slow.destroyed);
	slow.store.under_way = 0;
	ctl_session_old_users_step(s);
	assert_true(slow.destroyed);
	assert_null(s->old_users);
	w->ctl.conf = &w->conf;
}

static void a_dataplane_that_does_not_take_settings_is_noticed(void **state)
{
	struct world *w = *state;

	attach(w, NULL, 1);
	ctl_session_work(w->ctl.session);
	const struct tp_cmd *c = next_command(w);
	struct tp_ack ack = {.sequence = c->sequence, .type = c->type, .result = -EINVAL};
	ctl_session_settings_ack(w->ctl.session, &ack);
	assert_false(ctl_session_settings_in_force(w->ctl.session));
}

static void nobody(void *context, bool fresh)
{
	*(int *)context = fresh;
}

static void without_a_dataplane_the_operator_is_told(void **state)
{
	struct world *w = *state;
	int fresh = -1;

	ctl_session_counters(w->ctl.session, TP_ALLOC_NONE, nobody, &fresh);
	assert_int_equal(fresh, 0);
	assert_int_equal(ctl_session_close(w->ctl.session, TP_ALLOC_NONE), -ENOTCONN);
	attach(w, NULL, 1);
	synchronise(w);
	fresh = -1;
	ctl_session_counters(w->ctl.session, TP_ALLOC_NONE, nobody, &fresh);
	assert_int_equal(fresh, 0);
	assert_int_equal(ctl_session_close(w->ctl.session, TP_ALLOC_NONE), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

// The verdict after the round in which the addresses are due to be read again.
static enum ctl_acl_verdict verdict_now(struct world *w, uint32_t address)
{
	struct tp_addr peer = {.ip = tp_ip4(address), .port = 50000};
	struct ctl_session *s = w->ctl.session;

	s->next_tick_ns = s->next_acl_ns = 0;
	ctl_session_work(s);
	assert_true(s->next_acl_ns > 0);
	return ctl_acl_check(s->turn->acl, &peer);
}

static void addresses_of_this_machine_are_read_again(void **state)
{
	const uint32_t address = 0xc6120505;
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(address)};
	struct ifreq request = {.ifr_name = "lo"};
	struct world *w = *state;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		skip(); // no right to a network of our own
	attach(w, NULL, 1);
	synchronise(w);
	assert_int_equal(verdict_now(w, address), CTL_ACL_ALLOWED);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	memcpy(&request.ifr_addr, &sa, sizeof(sa));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	assert_int_equal(verdict_now(w, address), CTL_ACL_OWN);
	sa.sin_addr.s_addr = htonl(address + 1);
	memcpy(&request.ifr_addr, &sa, sizeof(sa));
	assert_int_equal(ioctl(fd, SIOCSIFADDR, &request), 0);
	assert_int_equal(verdict_now(w, address), CTL_ACL_ALLOWED);
	assert_int_equal(verdict_now(w, address + 1), CTL_ACL_OWN);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reload_tells_the_dataplane),
		TEST(a_reload_while_detached_waits_for_the_dataplane),
		TEST(old_users_go_after_their_last_answer),
		TEST(a_dataplane_that_does_not_take_settings_is_noticed),
		TEST(an_attachment_begins_with_a_synchronisation), TEST(a_request_is_answered),
		TEST(events_come_between_acknowledgements), TEST(requests_wait_for_the_replay),
		TEST(sleep_notices_what_came_meanwhile),
		TEST(the_store_survives_an_end_and_the_same_region),
		TEST(the_store_stays_on_a_kept_region), TEST(a_region_given_away_is_not_written),
		TEST(a_new_region_takes_the_records_over),
		TEST(what_stays_readable_does_not_stop_the_rounds),
		TEST(many_hangups_are_few_reloads), TEST(a_rollback_without_room_is_made_good),
		TEST(without_a_dataplane_the_operator_is_told),
		TEST(addresses_of_this_machine_are_read_again), // last: it leaves the network
	};

	tp_log_init("test", TP_LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
