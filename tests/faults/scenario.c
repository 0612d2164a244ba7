// SPDX-License-Identifier: BSD-3-Clause
// One scenario: what happens to a relay, step by step, as a function of the seed.
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "tests/faults/world.h"

#define STEPS 18 // of a scenario, at least

uint32_t pick(struct world *w, uint32_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (uint32_t)(w->random >> 33) % below;
}

static bool wishes_a_move(const struct world *w)
{
	return w->wish == FAULT_record_place || w->wish == FAULT_record_ticket ||
	       w->wish == FAULT_record_before;
}

static struct client *some_client(struct world *w, enum fault_op op)
{
	uint32_t from = pick(w, CLIENTS);
	bool moves = op == FAULT_move || (op == FAULT_delete && wishes_a_move(w));
	for (uint32_t i = 0; i < CLIENTS; i++) {
		struct client *c = &w->client[(from + i) % CLIENTS];
		bool has = c->allocation.latest_ns > world_now(w);
		if (c->asking != FAULT_NOTHING)
			continue;
		if (op == FAULT_allocate ? !has
					 : has && c->allocation.held && (!moves || c->mobile))
			return c;
	}
	return NULL;
}

static void converse(struct world *w, enum fault_op op)
{
	struct client *c = some_client(w, op);
	if (!c)
		return;
	client_ask(w, c, op);
	fault_trace("%s of %u (%d, %u s)", fault_op_name(op), c->at.port, c->which, c->lifetime_s);
	for (int n = 0; n < 6 && c->asking == op; n++) {
		if (n > 0 && pick(w, 8) == 0)
			return; // it comes back to it later
		w->free_before[0] = w->s->status.ports_free[0];
		w->free_before[1] = w->s->status.ports_free[1];
		client_send(w, c);
		lives_turn(w, ASK_REQUEST);
		lives_round_trip(w, pick(w, 3) ? UINT32_MAX : pick(w, 3));
	}
}

static void pass(struct world *w, uint64_t seconds)
{
	fault_trace("%llu s pass", (unsigned long long)seconds);
	w->s->now.now_ns += seconds * TP_NS_PER_S;
	w->s->now.wall_ns += seconds * TP_NS_PER_S;
	lives_turn(w, ASK_TICK);
	for (int i = 0; i < 4; i++)
		lives_round_trip(w, UINT32_MAX);
}

static void on_some_record(struct world *w, enum fault_ask what)
{
	uint32_t from = pick(w, FAULT_ALLOCS);
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++) {
		const struct tp_alloc_record *r = &world_records(w)[(from + i) % FAULT_ALLOCS];
		if (r->state != TP_RECORD_LIVE)
			continue;
		fault_trace("%s %u.%u", what == ASK_CLOSE ? "close" : "count", r->self.index,
			r->self.generation);
		w->s->alloc = r->self;
		if (what == ASK_CLOSE)
			for (int k = 0; k < CLIENTS; k++)
				if (world_record_at(w, &w->client[k].at) == r ||
					(w->client[k].asking == FAULT_move &&
						world_record_at(w, &w->client[k].to) == r))
					client_forget(w, &w->client[k]);
		lives_turn(w, what);
		lives_round_trip(w, UINT32_MAX);
		return;
	}
}

static void forget_all(struct world *w)
{
	for (int i = 0; i < CLIENTS; i++)
		client_forget(w, &w->client[i]);
	memset(w->promised_ns, 0, sizeof(w->promised_ns));
}

static void replace(struct world *w)
{
	fault_trace("another dataplane");
	if (!w->control.pid)
		lives_recover(w);
	uint64_t kills = w->kills;
	dataplane_replace(w);
	w->s->fresh_region = true;
	w->next_uid = 0;
	bool alive = lives_ask(w, ASK_DETACH) && lives_attach(w);
	// Whoever is killed before it has moved takes what it knew along, and the old region.
	if (w->kills != kills) {
		forget_all(w);
		check_forget_ids(w);
	} else if (!alive && !w->s->attached) {
		FAULT_CHECK(lives_attach(w), "it does not attach the second time either");
	}
	lives_recover(w);
}

static void end_control(struct world *w, bool orderly)
{
	fault_trace("control %s", orderly ? "ends" : "is killed between two turns");
	if (!w->control.pid)
		return;
	if (orderly) {
		lives_ask(w, ASK_END);
		return;
	}
	int status;
	kill(w->control.pid, SIGKILL);
	waitpid(w->control.pid, &status, 0);
	close(w->control.fd);
	w->control.pid = 0;
	w->s->attached = w->s->in_step = false;
	w->s->answers = 0;
	w->kills++;
}

// A header that nobody can work with, and a region that is shorter than it says.
static void refuse_region(struct world *w)
{
	struct tp_region_header *h = w->memory.region.base, good = *h;
	uint32_t what = pick(w, 4);
	lives_start(w);
	dataplane_rings(w);
	if (what == 0)
		h->magic ^= UINT64_C(1) << pick(w, 64);
	else if (what == 1)
		h->alloc_capacity = UINT32_MAX - pick(w, 1000);
	else if (what == 2)
		h->peer_capacity += 1 + pick(w, 100000);
	else
		w->s->region_bytes += 1 + pick(w, 100000);
	uint64_t before = lives_digest(w);
	lives_ask(w, ASK_ATTACH);
	FAULT_CHECK(w->s->rc == -EINVAL, "a damaged header is taken: %d", w->s->rc);
	FAULT_CHECK(lives_digest(w) == before, "a region that is refused was changed");
	*h = good;
	fault_trace("  a region that makes no sense was refused");
}

static void damage(struct world *w)
{
	uint8_t *at = (uint8_t *)world_records(w);
	size_t bytes = w->memory.region.bytes - TP_REGION_HEADER_BYTES;
	uint32_t n = 1 + pick(w, 40);
	lives_calm(w);
	end_control(w, false);
	refuse_region(w);
	end_control(w, false);
	fault_trace("damage in %u words", n);
	for (; n > 0; n--) {
		// Where something is more often than anywhere.
		size_t word = pick(w, 2)
				      ? pick(w, (uint32_t)(bytes / 4))
				      : pick(w, FAULT_ALLOCS * sizeof(struct tp_alloc_record) / 4);
		for (uint32_t k = 0; k < 4; k++)
			at[word * 4 + k] ^= (uint8_t)(pick(w, 2) ? pick(w, 256) : 0);
	}
	w->damages++;
	forget_all(w);
	check_forget_ids(w);
	lives_recover(w);
	check_forget_ids(w);
	lives_settle(w);
}

// Kills control while it makes something, before the plan holds: the one after finds it half made.
static void leave_half_made(struct world *w)
{
	struct fault_plan *p = &w->s->plan;
	bool peer = w->wish >= FAULT_peer_begun && w->wish <= FAULT_peer_written;
	uint64_t kills = w->kills;
	w->next_op = p->kill_op;
	w->next_step = p->kill_step;
	p->kill_op = peer ? FAULT_bind : FAULT_allocate;
	p->kill_step = peer ? FAULT_peer_written : FAULT_record_written;
	p->kill_skip = 0;
	if (pick(w, 3) == 0) {
		p->kill_op = FAULT_NOTHING;
		p->kill_at = p->passages + 1 + pick(w, 80);
	}
	converse(w, peer ? FAULT_bind : FAULT_allocate);
	if (w->kills != kills)
		return;
	p->kill_at = 0;
	p->kill_op = w->next_op;
	p->kill_step = w->next_step;
	w->next_op = FAULT_NOTHING;
}

// What the point that is armed needs to be passed at all.
static void prepare(struct world *w, enum fault_op op)
{
	bool place = wishes_a_move(w);
	if (op == FAULT_arrive || op == FAULT_sync ||
		(place && (op == FAULT_expire || op == FAULT_delete))) {
		enum fault_step wish = w->wish;
		w->wish = FAULT_record_place; // somebody who can move
		converse(w, FAULT_allocate);
		converse(w, FAULT_move);
		w->wish = wish;
	} else if (op == FAULT_expire || op == FAULT_delete) {
		converse(w, FAULT_allocate);
	} else if ((op == FAULT_adopt || op == FAULT_renew) && pick(w, 4)) {
		leave_half_made(w);
	}
}

// The request whose undoing passes there.
static enum fault_op undone(struct world *w)
{
	static const enum fault_op any[] = {
		FAULT_allocate, FAULT_permit, FAULT_bind, FAULT_bind, FAULT_refresh, FAULT_move};
	if ((w->wish >= FAULT_name_begun && w->wish <= FAULT_name_written) ||
		w->wish == FAULT_record_reservation)
		return FAULT_allocate;
	if (wishes_a_move(w) || w->wish == FAULT_record_identity) // its transaction
		return FAULT_move;
	if (w->wish >= FAULT_peer_begun && w->wish <= FAULT_peer_written)
		return pick(w, 2) ? FAULT_bind : FAULT_permit;
	return any[pick(w, sizeof(any) / sizeof(any[0]))];
}

static void act(struct world *w, enum fault_op op)
{
	if (w->wish != FAULT_STEPS_END)
		prepare(w, op);
	switch (op) {
	case FAULT_adopt:
	case FAULT_sync:
		end_control(w, pick(w, 2));
		if (pick(w, 2)) // which nobody is told
			dataplane_arrival(w);
		lives_recover(w);
		break;
	case FAULT_renew:
		replace(w);
		break;
	case FAULT_arrive:
		if (dataplane_arrival(w))
			lives_turn(w, ASK_ROUND);
		break;
	case FAULT_undo:
		w->refuse = pick(w, 2) ? -ENOSPC : -EEXIST;
		converse(w, undone(w));
		w->refuse = 0;
		break;
	case FAULT_expire:
		pass(w, w->wish != FAULT_STEPS_END
				? 3001
				: (uint64_t[]){1, 20, 61, 301, 601, 1300, 3001}[pick(w, 7)]);
		break;
	case FAULT_tick:
		pass(w, 601);
		break;
	case FAULT_count:
		on_some_record(w, ASK_COUNT);
		break;
	case FAULT_delete:
		if (w->wish == FAULT_STEPS_END && pick(w, 3) == 0) {
			on_some_record(w, ASK_CLOSE);
			break;
		}
		// fall through
	default:
		converse(w, op);
	}
}

// What happens between the steps that a plan names.
static enum fault_op any_op(struct world *w)
{
	static const enum fault_op often[] = {FAULT_allocate, FAULT_allocate, FAULT_allocate,
		FAULT_permit, FAULT_permit, FAULT_bind, FAULT_bind, FAULT_bind, FAULT_refresh,
		FAULT_move, FAULT_move, FAULT_arrive, FAULT_count, FAULT_delete, FAULT_expire,
		FAULT_undo};
	return often[pick(w, sizeof(often) / sizeof(often[0]))];
}

// Arms one fault; returns what must be done to meet it.
static enum fault_op arm(struct world *w)
{
	struct fault_plan *p = &w->s->plan;
	enum fault_op op = any_op(w);
	enum fault_step step;
	switch (pick(w, 8)) {
	case 0:
		p->kill_at = p->passages + 1 + pick(w, 150);
		return op;
	case 1:
		if (pick(w, 2))
			p->fail_at = p->allocations + 1 + pick(w, 20);
		else
			p->fail_call_at = p->calls + 1 + pick(w, 6);
		return pick(w, 3) ? op : FAULT_adopt;
	case 2:
		p->fail_random = true;
		return pick(w, 3) ? op : FAULT_adopt;
	case 3:
		w->ack_faults = 2 + pick(w, 6);
		return op;
	default:
		// One after the other, over all scenarios.
		fault_point((w->seed * 5 + w->named++) % fault_points(), &op, &step);
		p->kill_op = (uint8_t)op;
		p->kill_step = (uint8_t)step;
		w->wish = step;
		p->kill_skip = pick(w, 3) ? 0 : pick(w, 4);
		fault_trace("to be killed before %s.%s", fault_op_name(op), fault_step_name(step));
		return op;
	}
}

static void open_world(struct world *w, struct fault_shared *s)
{
	static char realm[] = REALM, empty[] = "";
	static char names[3][100] = {"alice", "bob",
		"a name that is longer than the sixty bytes that a record has of it, and more"};
	static char words[3][8] = {"wonder", "build", "sing"};
	struct conf *c = &w->conf;
	for (int i = 0; i < 3; i++)
		w->users[i] = (struct conf_user){.name = names[i], .password = words[i]};
	c->realm = realm;
	c->realms[0] = realm;
	c->n_realms = 1;
	c->software = empty;
	c->n_listeners = 1;
	c->listeners[0] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 3478, .transports = CONF_TRANSPORT_UDP};
	c->relay.n_addresses = 2;
	struct tp_ip six = {.bytes = {0xfd, [15] = 2}, .family = TP_FAMILY_IPV6};
	c->relay.addresses[0] = (struct conf_relay){tp_ip4(0xc6120002), tp_ip4(0xc6120002), 32};
	c->relay.addresses[1] = (struct conf_relay){six, six, 128};
	c->relay.port_min = PORT_MIN;
	c->relay.port_max = PORT_MAX;
	c->limits.allocations = FAULT_ALLOCS;
	c->auth.users = w->users;
	c->auth.n_users = 3;
	c->auth.nonce_lifetime_s = 600;
	c->lifetimes.allocation_default_s = 600;
	c->lifetimes.allocation_max_s = 3600;
	c->lifetimes.permission_s = 300;
	c->lifetimes.channel_s = 600;
	c->lifetimes.port_rest_s = REST_S;
	c->quotas.bits_per_second_per_allocation = 8000000;
	c->mobility = true;
	w->s = s;
	s->now = (struct ctl_time){
		.now_ns = 1000 * TP_NS_PER_S, .wall_ns = UINT64_C(1700000000) * TP_NS_PER_S};
	s->random = w->random * 3 | 1;
	s->answers = 0;
	lives_disarm(w);
	s->plan.passages = s->plan.allocations = s->plan.calls = 0;
	memset(s->op_of, 0, sizeof(s->op_of));
	dataplane_open(w);
	dataplane_rings(w);
	for (int i = 0; i < CLIENTS; i++)
		client_open(w, &w->client[i]);
}

void scenario_run(struct world *w, struct fault_shared *s, struct ctl_crypto *crypto, uint64_t seed)
{
	*w = (struct world){.seed = seed,
		.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1,
		.crypto = crypto};
	fault_trace_begin(seed);
	for (int i = 0; i < 8; i++)
		pick(w, 2);
	w->wish = FAULT_STEPS_END;
	open_world(w, s);
	// The first start of all is one to be killed in, too.
	enum fault_op op;
	enum fault_step step;
	fault_point(seed % fault_points(), &op, &step);
	if (op == FAULT_adopt) {
		s->plan.kill_op = (uint8_t)op;
		s->plan.kill_step = (uint8_t)step;
	}
	lives_recover(w);
	uint32_t steps = STEPS + pick(w, STEPS);
	uint32_t damage_at = pick(w, 8) == 0 ? steps - 4 : UINT32_MAX;
	for (uint32_t i = 0; i < steps; i++) {
		w->steps++;
		op = any_op(w);
		if (i >= 6 && i % 2 == 0)
			op = arm(w);
		else if (pick(w, 60) == 0)
			op = FAULT_renew;
		act(w, op);
		w->wish = FAULT_STEPS_END;
		if (!w->control.pid || !w->s->attached)
			lives_recover(w);
		for (uint32_t n = pick(w, 4); n > 0; n--)
			dataplane_media(w);
		check_always(w);
		if (i % 3 == 2)
			lives_settle(w);
		if (i == damage_at)
			damage(w);
	}
	lives_settle(w);
	for (int i = 0; i < 4; i++)
		pass(w, 30000); // damage may have made a deadline of up to a day
	lives_settle(w);
	check_empty(w);
	s->look_for_leaks = seed % 8 == 0; // it takes a second
	lives_ask(w, ASK_END);
	s->look_for_leaks = false;
	dataplane_close(w);
}
