// SPDX-License-Identifier: BSD-3-Clause
// One scenario's world: the real command executor over real flow tables (dataplane.c), clients that
// remember what they were promised (client.c), and what must hold of all of it (check.c).
#pragma once

#include "control/auth/integrity.h"
#include "control/auth/ticket.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/path/moves.h"
#include "tests/faults/shared.h"

#define FLOWS        1024
#define CLIENTS      8
#define CLIENT_PEERS 4
#define PORT_MIN     50000
#define PORT_MAX     50031
#define IDS          4096
#define REST_S       60
#define REALM        "example.org"

// A permission or a channel as its client knows it.
struct promise {
	bool held;          // answered with success, and not over
	uint64_t least_ns;  // promised until then
	uint64_t latest_ns; // nothing that was asked for reaches further
};

struct client_peer {
	struct tp_addr address;
	uint16_t channel;
	struct promise permission, binding;
};

struct client {
	struct tp_addr at, to; // `to`: where a move under way leads to
	struct tp_addr listener;
	int user;
	char nonce[256];
	size_t nonce_length;

	struct promise allocation;
	struct tp_addr relay; // as told
	uint8_t uid[16];      // of the record, when it was answered
	bool mobile;
	uint8_t ticket[CTL_TICKET_CHARS];
	struct client_peer peer[CLIENT_PEERS];

	// A request without an answer yet.
	enum fault_op asking; // FAULT_NOTHING: none
	struct {              // what held before it was sent
		struct promise allocation;
		struct client_peer peer[CLIENT_PEERS];
	} before;
	int which; // peer
	uint32_t lifetime_s;
	uint64_t first_ns, last_ns; // sent
	uint32_t sent, resigned;    // how often: the same, with another nonce
	uint8_t transaction_id[12];
	uint8_t bytes[CTL_REQUEST_MAX_BYTES];
	size_t length;
};

// Of an allocation that was ever seen, by the low half of its unique id.
struct seen {
	uint8_t uid[16];
	struct tp_alloc_ref ref;
	uint64_t up_packets, up_bytes, down_packets, down_bytes; // the highest snapshot
};

// What the harness as a worker counted, by index.
struct media {
	uint32_t generation;
	uint64_t packets; // both directions, of this dataplane
	uint64_t level;   // of the policer
};

struct world {
	uint64_t seed, random;
	struct conf conf;
	struct conf_user users[3];
	struct ctl_crypto *crypto;
	struct fault_shared *s;

	// The dataplane.
	struct dp dp;
	struct dp_moves moves;           // what its worker saw
	struct fault_memory memory, old; // `old`: the region before, while control still has it
	struct tp_ring command, ack;
	uint64_t instance;
	uint32_t ack_faults; // one in; 0: none
	bool breach;         // an acknowledgement was tampered with in this attachment
	struct tp_ack held;  // overtaken by the next one
	bool holding;
	int refuse; // result of the next SET of a request
	struct media media[FAULT_ALLOCS];

	struct fault_control control;
	uint8_t next_op, next_step; // point at which the control after the next kill dies
	uint32_t named;             // points that this scenario armed
	enum fault_step wish;       // of the point that is armed, or FAULT_STEPS_END
	struct client client[CLIENTS];
	struct seen seen[IDS];
	uint32_t n_seen;
	uint64_t next_uid;
	uint64_t promised_ns[2]
			    [PORT_MAX - PORT_MIN + 1]; // when a port was last promised, by family
	uint8_t promised_uid[2][PORT_MAX - PORT_MIN + 1][16];
	uint64_t free_before[2]; // ports, before the request under way
	uint32_t port;           // of the next client

	uint64_t kills, steps, answers, successes, breaches, renewals, damages;
	uint64_t layouts, halves; // changed, and killed amid
};

uint32_t pick(struct world *w, uint32_t below);
static inline uint64_t world_now(const struct world *w)
{
	return w->s->now.now_ns;
}

// ---- dataplane.c

void dataplane_open(struct world *w);
void dataplane_close(struct world *w);
// Another run: empty tables, an empty region. The old region stays for control to move out of.
void dataplane_replace(struct world *w);
void dataplane_forget_old(struct world *w);
// Fresh rings for an attachment.
void dataplane_rings(struct world *w);
// Executes up to `most` commands; acknowledges them as the faults of the scenario want it.
void dataplane_work(struct world *w, uint32_t most);
// What the old control had published, whose results go nowhere.
void dataplane_drain(struct world *w);
bool dataplane_idle(struct world *w);
// A worker's packet on any flow.
void dataplane_media(struct world *w);
// A datagram of a client that moves comes by. False when nobody moves.
bool dataplane_arrival(struct world *w);

// ---- layout.c

// While no control runs, now and then: the region in the layout before, and back.
void layout_there_and_back(struct world *w);

// ---- client.c

void client_open(struct world *w, struct client *c);
// Begins to ask for something, or sends again what was not answered; what it sends is in w->s.
void client_ask(struct world *w, struct client *c, enum fault_op what);
void client_send(struct world *w, struct client *c);
// Takes the answers that came.
void client_listen(struct world *w);
// The client does not know any more what it has: it goes somewhere else.
void client_forget(struct world *w, struct client *c);

// ---- check.c

// The region as control has it in memory.
struct tp_alloc_record *world_records(const struct world *w);
struct tp_peer_record *world_peers(const struct world *w);
struct tp_name_record *world_names(const struct world *w);
// The live record of a five-tuple, or of the place its client moves to; NULL.
const struct tp_alloc_record *world_record_at(const struct world *w, const struct tp_addr *client);
// Whatever is under way.
void check_always(struct world *w);
// When control and dataplane are in step and nothing is under way.
void check_in_step(struct world *w);
// After damage: what was known of ids is not any more.
void check_forget_ids(struct world *w);
// When everything has expired.
void check_empty(struct world *w);

// ---- lives.c

// No kill and no failing call waits.
void lives_disarm(struct world *w);
// No fault of any kind waits.
void lives_calm(struct world *w);
// One turn of control. False when it was killed.
bool lives_ask(struct world *w, enum fault_ask what);
// A new process, not attached yet.
void lives_start(struct world *w);
// Of the records, to see whether they changed.
uint64_t lives_digest(const struct world *w);
// Whether it attached. An attachment that fails has a reason.
bool lives_attach(struct world *w);
// Until a control is attached and in step with the dataplane.
void lives_recover(struct world *w);
// A turn in whatever state; recovers where control was killed or gave the attachment up.
bool lives_turn(struct world *w, enum fault_ask what);
// The dataplane works, then control.
void lives_round_trip(struct world *w, uint32_t most);
// Nothing is under way any more, and all that was asked is answered.
void lives_settle(struct world *w);

// ---- scenario.c

void scenario_run(
	struct world *w, struct fault_shared *s, struct ctl_crypto *crypto, uint64_t seed);

// ---- campaign.c

// What follows is of this seed.
void fault_trace_begin(uint64_t seed);
// A control that fault_fail ends; 0: none.
void fault_ends_with_us(pid_t control);
