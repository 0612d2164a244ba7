// SPDX-License-Identifier: BSD-3-Clause
// Lives of allocations through the TURN layer and the store: a client, a model of the dataplane
// that checks what it is told, and the ends of both processes.
#pragma once

#include "control/alloc/mobility.h"
#include "control/alloc/relay_use.h"
#include "control/alloc/store_private.h"
#include "control/auth/ticket.h"

#include "tests/unit/control/turn/client.h"

#define RECORDS  32
#define PEERS    300
#define NAMES    2
#define PER_USER 8
#define PORT_MAX 50015 // 16 ports of each address: exhausted before the records are
#define RANDOM   UINT64_C(0x2545f4914f6cdd1d)

// What the dataplane knows of a record's index.
struct model_allocation {
	bool live, marked;
	struct tp_alloc_ref ref;
	struct tp_addr relay[2];
};

struct leak {
	struct relay r;
	struct model_allocation model[RECORDS];
	bool syncing;
	// Results of the next such commands, 0: taken; refuse_move: a set of what is there already.
	int refuse_set, refuse_peer, refuse_move;
	uint32_t kill_one_in; // of the times that control should die, it does; 0: each time
	uint64_t random;      // of the choices; the relay's own is another
	uint32_t codes[1000]; // responses by code, 0: success
};

static inline uint32_t chance(struct leak *l, uint32_t below)
{
	l->random ^= l->random << 13;
	l->random ^= l->random >> 7;
	l->random ^= l->random << 17;
	return (uint32_t)(l->random >> 33) % below;
}

// ---- The dataplane.

static inline int model_set(struct leak *l, const struct tp_cmd *cmd)
{
	struct model_allocation *m = &l->model[cmd->alloc.index];
	if (l->refuse_set && !(m->live && m->ref.generation == cmd->alloc.generation))
		return l->refuse_set;
	if (l->refuse_move && m->live)
		return l->refuse_move;
	for (int i = 0; i < RECORDS; i++)
		for (int k = 0; k < 4; k++) {
			const struct tp_addr *have = &l->model[i].relay[k / 2];
			if (l->model[i].live && &l->model[i] != m &&
				have->ip.family != TP_FAMILY_NONE)
				assert_false(tp_addr_equal(have, &cmd->allocation.relay[k % 2]));
		}
	*m = (struct model_allocation){.live = true, .marked = true, .ref = cmd->alloc};
	memcpy(m->relay, cmd->allocation.relay, sizeof(m->relay));
	return 0;
}

static inline bool model_has(const struct leak *l, struct tp_alloc_ref ref)
{
	return ref.index < RECORDS && l->model[ref.index].live &&
	       l->model[ref.index].ref.generation == ref.generation;
}

static inline int model_execute(struct leak *l, const struct tp_cmd *cmd)
{
	switch (cmd->type) {
	case TP_CMD_SYNC_BEGIN:
		for (int i = 0; i < RECORDS; i++)
			l->model[i].marked = false;
		return 0;
	case TP_CMD_SYNC_END:
		for (int i = 0; i < RECORDS; i++)
			l->model[i].live = l->model[i].live && l->model[i].marked;
		return 0;
	case TP_CMD_ALLOC_SET:
		return model_set(l, cmd);
	case TP_CMD_ALLOC_DELETE:
		if (!model_has(l, cmd->alloc))
			return -ENOENT;
		l->model[cmd->alloc.index].live = false;
		return 0;
	case TP_CMD_PERMISSION_SET:
	case TP_CMD_CHANNEL_SET:
		return model_has(l, cmd->alloc) ? l->refuse_peer : -ENOENT;
	default:
		return model_has(l, cmd->alloc) ? 0 : -ENOENT;
	}
}

// Executes what was sent, and lets control know unless it is gone.
static inline void work(struct leak *l, bool control_lives)
{
	struct world *w = &l->r.w;
	while (w->n_acked < w->n_commands) {
		int result = model_execute(l, &w->command[w->n_acked]);
		if (control_lives)
			relay_ack(&l->r, result);
		else
			w->n_acked++;
	}
	world_forget(w);
}

static inline void synchronise(struct leak *l)
{
	struct ctl_sync sync;
	ctl_sync_start(&sync);
	assert_true(ctl_sync_step(l->r.w.store, &sync, l->r.w.now, 0));
	work(l, true);
}

// ---- The client.

// The code of the answer, 0 of a success, -1 when there was none.
static inline int send_it(struct leak *l)
{
	l->r.n_sent = 0;
	request_send(&l->r);
	work(l, true);
	if (ctl_store_resync_due(l->r.w.store))
		synchronise(l);
	if (l->r.n_sent == 0)
		return -1;
	int code = sent_code(last_sent(&l->r));
	l->codes[code]++;
	return code;
}

static inline int ask(struct leak *l)
{
	request_sign(&l->r);
	request_finish(&l->r);
	return send_it(l);
}

static inline void challenge(struct leak *l)
{
	request_begin(&l->r, STUN_ALLOCATE);
	request_finish(&l->r);
	assert_int_equal(send_it(l), 401);
	learn_nonce(&l->r, last_sent(&l->r));
}

// Somebody of the three at a port that was not used lately, with a nonce.
static inline void new_client(struct leak *l)
{
	static const char *const users[] = {"alice", "bob", "carol"};
	static const char *const passwords[] = {"wonder", "build", "sing"};
	uint32_t who = chance(l, 3);
	l->r.user = users[who];
	l->r.password = passwords[who];
	l->r.client.port = (uint16_t)(1024 + (l->r.client.port + 1) % 60000);
	challenge(l);
}

struct wish {
	int family, additional;
	int even; // -1 none, 0, 0x80
	const uint8_t *token;
};

static inline int allocate(struct leak *l, struct wish wish)
{
	struct stun_writer *w = &l->r.writer;
	request_allocate(&l->r);
	if (wish.family)
		stun_write_u32(w, STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
			(uint32_t)(wish.family == 4 ? 1 : 2) << 24);
	if (wish.additional)
		stun_write_u32(w, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, 2u << 24);
	if (wish.even >= 0)
		stun_write_attr(w, STUN_ATTR_EVEN_PORT, &(uint8_t){(uint8_t)wish.even}, 1);
	if (wish.token)
		stun_write_attr(w, STUN_ATTR_RESERVATION_TOKEN, wish.token, 8);
	return ask(l);
}

#define PLAIN ((struct wish){.even = -1})
#define PAIR  ((struct wish){.even = 0x80})

static inline int refresh(struct leak *l, uint32_t lifetime_s, int family)
{
	request_begin(&l->r, STUN_REFRESH);
	stun_write_u32(&l->r.writer, STUN_ATTR_LIFETIME, lifetime_s);
	if (family)
		stun_write_u32(&l->r.writer, STUN_ATTR_REQUESTED_ADDRESS_FAMILY,
			(uint32_t)(family == 4 ? 1 : 2) << 24);
	return ask(l);
}

static inline int permit(struct leak *l, const char *peer)
{
	request_begin(&l->r, STUN_CREATE_PERMISSION);
	request_peer(&l->r, peer, 0);
	request_peer(&l->r, "8.8.4.4", 0);
	return ask(l);
}

static inline int bind_channel(struct leak *l, const char *peer)
{
	request_begin(&l->r, STUN_CHANNEL_BIND);
	stun_write_u32(&l->r.writer, STUN_ATTR_CHANNEL_NUMBER, (0x4000 + chance(l, 100)) << 16);
	request_peer(&l->r, peer, 9);
	return ask(l);
}

static inline void pass(struct leak *l, uint64_t seconds)
{
	world_pass(&l->r.w, seconds * TP_NS_PER_S);
	ctl_turn_tick(l->r.turn, l->r.w.now);
	while (ctl_store_expire(l->r.w.store, l->r.w.now, 64) == 64)
		work(l, true);
	work(l, true);
}

static inline void end(struct leak *l)
{
	assert_int_equal(refresh(l, 0, 0), 0);
}

// ---- Ends of processes.

static inline void open_turn(struct leak *l)
{
	struct relay *r = &l->r;
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
}

// Control dies with its private memory; the dataplane executes what is in the ring; a new control
// takes over.
static inline void kill_control(struct leak *l)
{
	struct world *w = &l->r.w;
	if (l->kill_one_in && chance(l, l->kill_one_in) != 0) {
		work(l, true);
		return;
	}
	ctl_turn_destroy(l->r.turn);
	ctl_store_destroy(w->store);
	work(l, false);
	struct ctl_store_options options = world_options(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, NULL), 0);
	open_turn(l);
	synchronise(l);
}

// The dataplane is gone with its tables and its region; the next one brings new ones.
static inline void replace_dataplane(struct leak *l)
{
	struct world *w = &l->r.w;
	void *old = w->region;
	world_forget(w);
	w->room = 0;
	ctl_turn_detach(l->r.turn, w->now);
	memset(l->model, 0, sizeof(l->model));
	w->region = aligned_alloc(64, (w->region_bytes + 63) / 64 * 64);
	memset(w->region, 0, w->region_bytes);
	assert_int_equal(
		ctl_region_format(w->region, w->region_bytes, RECORDS, PEERS, NAMES, 9), 0);
	assert_int_equal(ctl_store_move(w->store, w->region, w->region_bytes, -1, w->now, NULL), 0);
	free(old);
	world_forget(w);
	ctl_store_resync_due(w->store);
	synchronise(l);
}
