// SPDX-License-Identifier: BSD-3-Clause
// What binds an attachment, the store and TURN together: adoption, replay, acknowledgements,
// requests, expiry. Loop thread only.
#pragma once

#include "control/alloc/adopt.h"
#include "control/alloc/relay_use.h"
#include "control/alloc/store.h"
#include "control/ctl.h"

struct ctl_session;

// Prepares users and peer ACL from the configuration; attaches when ctl_session_attached comes.
// 0 or -errno.
int ctl_session_create(struct ctl *ctl, struct ctl_session **out);
// Reads this machine's addresses again and judges peers by them from now on; _work does it every
// ten seconds. 0 or -errno: then the earlier ones stay in force.
int ctl_session_renew_acl(struct ctl_session *s);
// Takes another configuration, of which everything that does not change live is as it was
// (conf_reload). 0: ctl->conf is `fresh`, the old one is the caller's to free. -errno: nothing
// changed.
int ctl_session_reload(struct ctl_session *s, struct conf *fresh);
// Whether the dataplane has taken what of the configuration it can change live.
bool ctl_session_settings_in_force(const struct ctl_session *s);
// Leaves allocations as they are: they outlive this process.
void ctl_session_destroy(struct ctl_session *s);

// Callbacks of dpcmd/client.
int ctl_session_attached(void *session, struct ctl_attachment *attachment);
void ctl_session_detached(void *session);

// One round over acknowledgements, replay, requests and expiry; publishes what it produced. True
// when there is more to do at once.
bool ctl_session_work(struct ctl_session *s);
// Announces to the producers of our rings that we are about to block; false when something came in.
bool ctl_session_sleep(struct ctl_session *s);
void ctl_session_wake(struct ctl_session *s);
// When _work must run again at the latest (CLOCK_MONOTONIC).
uint64_t ctl_session_deadline(const struct ctl_session *s);

// Held: requests stay where the workers put them. What is under way ends, then the session is
// quiet.
void ctl_session_hold(struct ctl_session *s, bool held);
bool ctl_session_quiet(const struct ctl_session *s);

// Its region is another process's from now on (loop/upgrade.h): nothing is written to it any more,
// not by a reload either (-EBUSY). For good.
void ctl_session_give_away(struct ctl_session *s);

// For control/api. The store is NULL until the first attachment, and stays while detached.
struct ctl_store *ctl_session_store(struct ctl_session *s);
const struct ctl_turn *ctl_session_turn(const struct ctl_session *s);
const struct ctl_io_counters *ctl_session_io(const struct ctl_session *s);
bool ctl_session_is_attached(const struct ctl_session *s);
// Attached, and the dataplane has acknowledged the replay.
bool ctl_session_in_step(const struct ctl_session *s);
// Where both processes beat (common/abi/health.h); NULL while detached.
struct tp_region_beats *ctl_session_beats(struct ctl_session *s);
uint16_t ctl_session_workers(const struct ctl_session *s); // of the dataplane, 0 while detached
const struct ctl_adoption *ctl_session_adoption(const struct ctl_session *s);

// Asks the dataplane for an allocation's counters; the record's snapshot is fresh when `done` is
// called with true. False: away, no room, gone. Called exactly once, perhaps before it returns.
typedef void (*ctl_session_counters_fn)(void *context, bool fresh);
void ctl_session_counters(struct ctl_session *s, struct tp_alloc_ref ref,
	ctl_session_counters_fn done, void *context);

// Ends an allocation for the operator. 0, -ENOENT, -ENOTCONN (dataplane away), -ENOBUFS.
int ctl_session_close(struct ctl_session *s, struct tp_alloc_ref ref);

// Drains, removes or takes back an entry of relay.addresses for the operator. 0, -ENOENT, -ENOTCONN
// (no dataplane was ever attached), -EBUSY as of ctl_relay_set_use.
int ctl_session_relay_use(struct ctl_session *s, uint32_t entry, enum ctl_relay_use use);
