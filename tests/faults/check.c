// SPDX-License-Identifier: BSD-3-Clause
// What must hold, whatever was killed, lost or refused.
#include <string.h>

#include "common/base/bytes.h"
#include "dataplane/cmd/apply_impl.h"
#include "tests/faults/world.h"

static struct tp_region_header *header(const struct world *w)
{
	return w->memory.region.base;
}

struct tp_alloc_record *world_records(const struct world *w)
{
	return (struct tp_alloc_record *)((uint8_t *)w->memory.region.base +
					  TP_REGION_HEADER_BYTES);
}

struct tp_peer_record *world_peers(const struct world *w)
{
	return (struct tp_peer_record *)(world_records(w) + FAULT_ALLOCS);
}

struct tp_name_record *world_names(const struct world *w)
{
	return (struct tp_name_record *)(world_peers(w) + FAULT_PEERS);
}

static bool torn(const _Atomic uint32_t *sequence)
{
	return *sequence & 1;
}

static bool live(const struct tp_alloc_record *r)
{
	return !torn(&r->sequence) && r->state == TP_RECORD_LIVE;
}

static bool is_at(const struct tp_alloc_record *r, const struct tp_addr *client)
{
	struct tp_addr to = {.ip.family = r->move_family, .port = r->move_port};
	struct tp_addr before = {.ip.family = r->before.family, .port = r->before.port};
	memcpy(to.ip.bytes, r->move_ip, sizeof(r->move_ip));
	memcpy(before.ip.bytes, r->before.ip, sizeof(r->before.ip));
	return tp_addr_equal(&r->client, client) ||
	       (r->before.family != TP_FAMILY_NONE && tp_addr_equal(&before, client)) ||
	       (r->move_family != TP_FAMILY_NONE && tp_addr_equal(&to, client));
}

const struct tp_alloc_record *world_record_at(const struct world *w, const struct tp_addr *client)
{
	const struct tp_alloc_record *r = world_records(w);
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++)
		if (live(&r[i]) && is_at(&r[i], client))
			return &r[i];
	return NULL;
}

// ---- Ids and books.

static void check_id(struct world *w, const struct tp_alloc_record *r)
{
	struct seen *s = w->seen, *end = s + w->n_seen;
	while (s < end && memcmp(s->uid, r->uid, sizeof(r->uid)) != 0)
		s++;
	if (s == end) {
		FAULT_CHECK(w->n_seen < IDS, "more allocations than the harness remembers");
		w->n_seen++;
		*s = (struct seen){.ref = r->self};
		memcpy(s->uid, r->uid, sizeof(s->uid));
	}
	FAULT_CHECK(s->ref.index == r->self.index && s->ref.generation == r->self.generation,
		"id %llu of %u.%u is that of %u.%u too", (unsigned long long)tp_rd64(r->uid + 8),
		s->ref.index, s->ref.generation, r->self.index, r->self.generation);
	FAULT_CHECK(memcmp(r->uid, header(w)->uid_prefix, 8) != 0 || // damaged
			    tp_rd64(r->uid + 8) < header(w)->next_uid,
		"id %llu will be given again", (unsigned long long)tp_rd64(r->uid + 8));
	// Damage may have been done to them.
	FAULT_CHECK(w->damages || (r->snapshot.up_packets >= s->up_packets &&
					  r->snapshot.up_bytes >= s->up_bytes &&
					  r->snapshot.down_packets >= s->down_packets &&
					  r->snapshot.down_bytes >= s->down_bytes),
		"the counters of %u.%u went back", r->self.index, r->self.generation);
	s->up_packets = r->snapshot.up_packets;
	s->up_bytes = r->snapshot.up_bytes;
	s->down_packets = r->snapshot.down_packets;
	s->down_bytes = r->snapshot.down_bytes;
}

void check_forget_ids(struct world *w)
{
	w->n_seen = 0;
	w->next_uid = 0;
}

static void check_books(struct world *w)
{
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++) {
		const struct dp_alloc *a = &w->dp.apply->allocs[i];
		const struct media *m = &w->media[i];
		struct tp_alloc_counters now;
		if (a->generation == 0 || a->generation != m->generation)
			continue;
		dp_owned_counters(w->dp.apply, a, &now);
		FAULT_CHECK(now.up_packets + now.down_packets == m->packets,
			"%u.%u relayed %llu packets, the dataplane says %llu", i, m->generation,
			(unsigned long long)m->packets,
			(unsigned long long)(now.up_packets + now.down_packets));
		FAULT_CHECK(w->dp.police[i].up.bytes >= m->level &&
				    w->dp.police[i].down.packets >= m->level,
			"the policer of %u.%u was filled up again", i, m->generation);
	}
}

void check_always(struct world *w)
{
	const struct tp_alloc_record *r = world_records(w);
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++) {
		FAULT_CHECK(!w->control.pid || !w->s->attached || !torn(&r[i].sequence),
			"record %u is torn", i);
		if (live(&r[i]))
			check_id(w, &r[i]);
	}
	if (header(w)->next_uid == 0) // of a dataplane that control has not been to
		return;
	FAULT_CHECK(header(w)->next_uid >= w->next_uid, "the next id went back");
	w->next_uid = header(w)->next_uid;
	check_books(w);
}

// ---- The region in itself.

static uint32_t check_list(const struct world *w, const struct tp_alloc_record *r)
{
	uint32_t n = 0;
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = world_peers(w)[i].next) {
		FAULT_CHECK(i < FAULT_PEERS && n < FAULT_PEERS, "the peers of %u lead nowhere",
			r->self.index);
		const struct tp_peer_record *p = &world_peers(w)[i];
		FAULT_CHECK(!torn(&p->sequence) && p->state == TP_RECORD_LIVE &&
				    p->owner.index == r->self.index &&
				    p->owner.generation == r->self.generation,
			"peer %u of %u is not its own", i, r->self.index);
		n++;
	}
	FAULT_CHECK(n == r->peers, "%u has %u peers and says %u", r->self.index, n, r->peers);
	return n;
}

static void check_relays(const struct tp_alloc_record *r, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		for (int a = 0; a < 4; a++) {
			const struct tp_addr *x = &r[i].relay[a / 2], *y = &r[k].relay[a % 2];
			FAULT_CHECK(r[k].state == TP_RECORD_FREE ||
					    x->ip.family == TP_FAMILY_NONE || !tp_addr_equal(x, y),
				"records %u and %u have the same relayed address", k, i);
		}
}

struct census {
	uint32_t live, resting, peers, names;
	uint32_t taken[2], rest[2]; // ports
	uint32_t permissions, channels;
};

static struct census check_region(const struct world *w)
{
	const struct tp_alloc_record *r = world_records(w);
	struct census n = {0};
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++) {
		if (r[i].state == TP_RECORD_FREE)
			continue;
		bool is_live = r[i].state == TP_RECORD_LIVE;
		FAULT_CHECK(r[i].self.index == i && (is_live || r[i].state == TP_RECORD_RESTING),
			"record %u is of the state %u", i, r[i].state);
		check_relays(r, i);
		n.live += is_live;
		n.resting += !is_live;
		for (int k = 0; k < 2; k++)
			if (r[i].relay[k].ip.family != TP_FAMILY_NONE)
				(is_live ? n.taken
					 : n.rest)[r[i].relay[k].ip.family == TP_FAMILY_IPV6]++;
		if (is_live)
			n.peers += check_list(w, &r[i]);
		FAULT_CHECK(!is_live || r[i].deadline_ns > world_now(w), "%u has expired", i);
	}
	uint32_t live_peers = 0;
	for (uint32_t i = 0; i < FAULT_PEERS; i++) {
		const struct tp_peer_record *p = &world_peers(w)[i];
		live_peers += p->state == TP_RECORD_LIVE;
		n.permissions += p->state == TP_RECORD_LIVE && p->kind == TP_PEER_PERMISSION;
		n.channels += p->state == TP_RECORD_LIVE && p->kind == TP_PEER_CHANNEL;
	}
	FAULT_CHECK(live_peers == n.peers, "%u peers live, %u are in a list", live_peers, n.peers);
	for (uint32_t i = 0; i < FAULT_NAMES; i++) {
		const struct tp_name_record *name = &world_names(w)[i];
		if (name->state == TP_RECORD_FREE)
			continue;
		n.names++;
		FAULT_CHECK(name->owner.index < FAULT_ALLOCS && live(&r[name->owner.index]) &&
				    r[name->owner.index].user_more == i,
			"name %u is nobody's", i);
	}
	return n;
}

static void check_counts(const struct world *w, const struct census *n)
{
	const struct ctl_store_status *s = &w->s->status;
	FAULT_CHECK(s->allocations == n->live && s->resting == n->resting &&
			    s->allocs_free == FAULT_ALLOCS - n->live - n->resting,
		"%u records live, %u rest; control says %llu, %llu, %llu free", n->live, n->resting,
		(unsigned long long)s->allocations, (unsigned long long)s->resting,
		(unsigned long long)s->allocs_free);
	FAULT_CHECK(s->permissions == n->permissions && s->channels == n->channels &&
			    s->peers_free == FAULT_PEERS - n->peers,
		"%u peers; control says %llu free", n->peers, (unsigned long long)s->peers_free);
	FAULT_CHECK(s->names_free == FAULT_NAMES - n->names, "%u names; control says %llu free",
		n->names, (unsigned long long)s->names_free);
	for (int f = 0; f < 2; f++) {
		const struct ctl_relay_load *load = &w->s->relays[f].load;
		FAULT_CHECK(load->taken == n->taken[f] && load->resting == n->rest[f] &&
				    load->free + load->taken + load->resting + load->reserved ==
					    load->ports,
			"%u ports are taken, %u rest; control says %llu, %llu, %llu free of %llu",
			n->taken[f], n->rest[f], (unsigned long long)load->taken,
			(unsigned long long)load->resting, (unsigned long long)load->free,
			(unsigned long long)load->ports);
	}
}

// ---- The dataplane against the region.

static const struct tp_peer_record *peer_of(const struct world *w, const struct tp_alloc_record *r,
	uint8_t kind, const struct dp_flow *flow)
{
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = world_peers(w)[i].next) {
		const struct tp_peer_record *p = &world_peers(w)[i];
		if (p->kind != kind || p->peer.ip.family != flow->key.family ||
			memcmp(p->peer.ip.bytes, flow->key.ip, sizeof(flow->key.ip)) != 0)
			continue;
		if (kind == TP_PEER_PERMISSION ||
			(rte_be_to_cpu_16(flow->key.port) == p->peer.port &&
				p->channel == flow->channel))
			return p;
	}
	return NULL;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

// Returns whether it is a permission (1), a channel (2) or neither (0).
static int check_flow(
	const struct world *w, const struct tp_alloc_record *r, const struct dp_flow *flow)
{
	uint64_t deadline_ns = r->deadline_ns;
	int kind = 0;
	if (flow->kind == DP_FLOW_PERMISSION || flow->kind == DP_FLOW_CHANNEL_DOWN) {
		kind = flow->kind == DP_FLOW_PERMISSION ? TP_PEER_PERMISSION : TP_PEER_CHANNEL;
		const struct tp_peer_record *p = peer_of(w, r, (uint8_t)kind, flow);
		FAULT_CHECK(p, "the dataplane has a %s of %u that control does not know",
			kind == TP_PEER_CHANNEL ? "channel" : "permission", r->self.index);
		deadline_ns = least(
			deadline_ns, r->family_deadline_ns[p->peer.ip.family == TP_FAMILY_IPV6]);
		deadline_ns = least(deadline_ns, p->deadline_ns);
		p = peer_of(w, r, TP_PEER_PERMISSION, flow);
		deadline_ns = p ? least(deadline_ns, p->deadline_ns) : 0;
	} else if (flow->kind != DP_FLOW_ALLOCATION) {
		return 0;
	}
	FAULT_CHECK(flow->deadline_ns == deadline_ns,
		"a flow of kind %u of %u ends at %llu in the dataplane, at %llu by the record",
		flow->kind, r->self.index, (unsigned long long)flow->deadline_ns,
		(unsigned long long)deadline_ns);
	return kind;
}

static void check_flows(const struct world *w, const struct census *n)
{
	const struct dp_apply *a = w->dp.apply;
	uint32_t have[3] = {0}, flows = 0;
	for (uint32_t i = 0; i < FAULT_ALLOCS; i++) {
		const struct tp_alloc_record *r = &world_records(w)[i];
		const struct dp_alloc *alloc = &a->allocs[i];
		bool is_live = r->state == TP_RECORD_LIVE;
		FAULT_CHECK(!is_live || alloc->generation == r->self.generation,
			"the dataplane has %u.%u for record %u.%u", i, alloc->generation, i,
			r->self.generation);
		FAULT_CHECK(is_live || alloc->generation == 0,
			"the dataplane has %u.%u, control has not", i, alloc->generation);
		for (uint32_t at = is_live ? alloc->first : 0; at != 0;
			at = dp_flow_at(a->flows, at)->next) {
			have[check_flow(w, r, dp_flow_at(a->flows, at))]++;
			flows++;
		}
		FAULT_CHECK(!is_live || (alloc->pending != 0) == (r->move_family != TP_FAMILY_NONE),
			"dataplane and control do not agree on where the client of %u is", i);
	}
	FAULT_CHECK(flows == dp_flow_count(a->flows), "%u flows are nobody's",
		dp_flow_count(a->flows) - flows);
	FAULT_CHECK(w->damages || (have[1] == n->permissions && have[2] == n->channels),
		"%u permissions and %u channels are recorded, the dataplane has %u and %u",
		n->permissions, n->channels, have[1], have[2]);
}

// ---- Answers are promises.

static const struct tp_peer_record *peer_with(const struct world *w,
	const struct tp_alloc_record *r, const struct client_peer *p, uint8_t kind)
{
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = world_peers(w)[i].next) {
		const struct tp_peer_record *have = &world_peers(w)[i];
		if (have->kind == kind && tp_ip_equal(&have->peer.ip, &p->address.ip) &&
			(kind == TP_PEER_PERMISSION || have->channel == p->channel))
			return have;
	}
	return NULL;
}

static void check_promise(const struct world *w, const struct client *c, struct promise *p,
	const char *what, bool there, uint64_t deadline_ns)
{
	if (p->least_ns <= world_now(w))
		p->held = false; // it may be over
	FAULT_CHECK(!p->held || there, "%u was promised %s", c->at.port, what);
	FAULT_CHECK(!p->held || deadline_ns >= p->least_ns, "%s of %u ends too early", what,
		c->at.port);
	FAULT_CHECK(!there || p->latest_ns > world_now(w), "%u has %s that it was refused",
		c->at.port, what);
	FAULT_CHECK(
		!there || deadline_ns <= p->latest_ns, "%s of %u lasts too long", what, c->at.port);
}

static void check_client(struct world *w, struct client *c)
{
	const struct tp_alloc_record *r = world_record_at(w, &c->at);
	if (!r && c->asking == FAULT_move)
		r = world_record_at(w, &c->to);
	if (c->asking == FAULT_delete && !r)
		return;
	check_promise(w, c, &c->allocation, "an allocation", r, r ? r->deadline_ns : 0);
	if (!r)
		return;
	if (c->allocation.held && c->asking != FAULT_allocate) {
		FAULT_CHECK(memcmp(c->uid, r->uid, sizeof(c->uid)) == 0,
			"the allocation of %u has another id", c->at.port);
		FAULT_CHECK(tp_addr_equal(&c->relay, &r->relay[0]) ||
				    tp_addr_equal(&c->relay, &r->relay[1]),
			"the allocation of %u has another relayed address", c->at.port);
	}
	for (int i = 0; i < CLIENT_PEERS; i++) {
		struct client_peer *p = &c->peer[i];
		const struct tp_peer_record *have = peer_with(w, r, p, TP_PEER_PERMISSION);
		check_promise(
			w, c, &p->permission, "a permission", have, have ? have->deadline_ns : 0);
		have = peer_with(w, r, p, TP_PEER_CHANNEL);
		check_promise(w, c, &p->binding, "a channel", have, have ? have->deadline_ns : 0);
	}
	for (int i = 0; i < 2 && c->allocation.held; i++) {
		if (r->relay[i].ip.family == TP_FAMILY_NONE)
			continue;
		int f = r->relay[i].ip.family == TP_FAMILY_IPV6;
		w->promised_ns[f][r->relay[i].port - PORT_MIN] = world_now(w);
		memcpy(w->promised_uid[f][r->relay[i].port - PORT_MIN], r->uid, sizeof(r->uid));
	}
}

void check_in_step(struct world *w)
{
	check_always(w);
	struct census n = check_region(w);
	check_counts(w, &n);
	check_flows(w, &n);
	for (int i = 0; i < CLIENTS; i++)
		check_client(w, &w->client[i]);
}

void check_empty(struct world *w)
{
	const struct ctl_store_status *s = &w->s->status;
	FAULT_CHECK(s->allocs_free == FAULT_ALLOCS && s->peers_free == FAULT_PEERS &&
			    s->names_free == FAULT_NAMES && s->users == 0 && w->s->deadlines == 0 &&
			    s->ports_free[0] == PORT_MAX - PORT_MIN + 1 &&
			    s->ports_free[1] == PORT_MAX - PORT_MIN + 1,
		"in the end %llu records, %llu peers, %llu names, %llu and %llu ports are free, "
		"%llu users, %u deadlines",
		(unsigned long long)s->allocs_free, (unsigned long long)s->peers_free,
		(unsigned long long)s->names_free, (unsigned long long)s->ports_free[0],
		(unsigned long long)s->ports_free[1], (unsigned long long)s->users,
		w->s->deadlines);
	FAULT_CHECK(dp_flow_count(w->dp.flows) == 0, "in the end %u flows are left",
		dp_flow_count(w->dp.flows));
}
