// SPDX-License-Identifier: BSD-3-Clause
// The session store: control's allocations, permissions and channels. The records lie in the
// session region (common/abi/record.h), every index over them in private memory, so that a new
// control rebuilds everything from the region alone. One thread owns a store; nothing in it blocks.
#pragma once

#include <stdbool.h>

#include "common/abi/memory.h"
#include "common/abi/record.h"
#include "control/alloc/environment.h"

#define CTL_PEERS_PER_ALLOCATION 2048 // permissions and channels together
#define CTL_MAX_REALMS           (TP_MAX_LISTENERS + 1)

struct ctl_relay_prefix {
	struct tp_ip address;        // as peers see it at our side
	struct tp_ip public_address; // as clients are told; host bits are carried over
	uint8_t prefix_bits;
};

// The part of the configuration that the store needs (control/turn/policy.h makes it from conf).
struct ctl_store_policy {
	struct ctl_relay_prefix relays[TP_MAX_RELAYS];
	size_t n_relays;
	uint16_t port_min, port_max; // relay ports, host order
	struct tp_addr listeners[TP_MAX_LISTENERS];
	uint8_t listener_transports[TP_MAX_LISTENERS]; // bits 1 << enum ctl_transport
	size_t n_listeners;
	uint16_t channel_max;               // highest channel number, common/wire/chandata.h
	uint64_t allocations_total;         // 0: unlimited
	uint64_t allocations_per_user;      // 0: unlimited
	uint64_t allocations_per_realm;     // 0: unlimited
	uint64_t realm_tag[CTL_MAX_REALMS]; // ctl_realm_tag of each, by index
	size_t n_realms;                    // 0: one realm without a name
	uint64_t rate_bytes_per_s;          // for the dataplane; 0: unlimited
	uint64_t rate_packets_per_s;        // the same
	uint32_t permissions;               // of an allocation; 0: CTL_PEERS_PER_ALLOCATION
	uint32_t new_peers_per_s;           // of an allocation; 0: unlimited
	uint32_t allocation_max_s;
	uint32_t permission_s;
	uint32_t channel_s;
	uint32_t port_rest_s;
	bool synthetic; // synthetic allocations may be made, and are taken over
};

struct ctl_store_options {
	void *region; // 8-byte aligned; the caller's, mapped as long as the store uses it
	size_t region_bytes;
	int region_fd; // its file, the caller's; 0 or less: none (written.h)
	const struct ctl_store_policy *policy; // copied
	struct ctl_commands commands;          // copied
	struct ctl_random random;              // copied
	void (*working)(void); // may be NULL; called while a long scan goes on (ctl_store_adopt)
};

// Called when an allocation of TCP ends, or its relayed address of one family (TP_FAMILY_NONE: all
// of it), while its record still says what it was: somebody has connections of it
// (control/turn/far.h). May not change the store.
typedef void (*ctl_store_ended_fn)(
	void *context, const struct tp_alloc_record *record, uint8_t family);

struct ctl_store;

// Writes the header of an empty region (what the dataplane does when it creates one; also for
// tests): magic, version, capacities, instance. The region's memory must be zero.
// -EINVAL when the capacities do not fit region_bytes.
int ctl_region_format(void *region, size_t region_bytes, uint32_t allocs, uint32_t peers,
	uint32_t names, uint64_t instance);

// Checks the region's header and builds an empty store over it; the records are not looked at until
// ctl_store_adopt, which must be called once before anything else (also on an empty region: it
// draws uid prefix and nonce keys).
// 0; -EINVAL header, size or policy make no sense; -E2BIG the relay prefixes are more than
// TP_MAX_LOCALS addresses; -ENOMEM; -errno of the random source. The caller ends it with
// ctl_store_destroy; the region stays the caller's.
int ctl_store_create(const struct ctl_store_options *options, struct ctl_store **out);
void ctl_store_destroy(struct ctl_store *store);
void ctl_store_on_end(struct ctl_store *store, ctl_store_ended_fn ended, void *context);

struct ctl_store_status {
	uint64_t allocations, permissions, channels;
	uint64_t synthetic; // of the allocations (synthetic.h)
	uint64_t resting;   // ended allocations whose relay ports rest
	uint64_t alloc_capacity, peer_capacity, name_capacity;
	uint64_t allocs_free, peers_free, names_free;
	uint64_t ports_free[2];     // IPv4, IPv6, over all relay addresses in use
	uint64_t users;             // with at least one allocation that is not synthetic
	uint64_t created, ended[8]; // the same, since this process started; by enum tp_end_reason
};
void ctl_store_status(const struct ctl_store *store, struct ctl_store_status *out);
// Tells the memory of the indexes, without the names of users.
void ctl_store_memory(const struct ctl_store *store, struct tp_memory *out);

// The region header's nonce keys, for control/auth/nonce.h. Changes with ctl_store_move.
struct tp_nonce_key *ctl_store_nonce_keys(struct ctl_store *store);

// What a realm's name is in records: the same in every process, never 0. Names come from the
// configuration, nobody aims at collisions.
uint64_t ctl_realm_tag(const char *realm);

// Records that allocations may have: their indexes are below it.
uint32_t ctl_store_capacity(const struct ctl_store *store);

const struct ctl_store_policy *ctl_store_policy(const struct ctl_store *store);

// ---- another policy (renew.c)

// From now on this policy holds; its relay addresses, port range and listeners must be those of the
// old one. What exists stays: quotas and lifetimes meet the next request, rates the allocations one
// by one.
void ctl_store_renew(struct ctl_store *store, const struct ctl_store_policy *policy);
// Tells the dataplane the rates of existing allocations, of at most `max` records a call and while
// `reserve` places stay free in the command queue. True when more are left.
bool ctl_store_renew_step(
	struct ctl_store *store, struct ctl_time now, uint32_t max, uint32_t reserve);
