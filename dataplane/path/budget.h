// SPDX-License-Identifier: BSD-3-Clause
// How much a worker does for five-tuples without an allocation: answers and punts by source address
// and by the network around it (IPv4 /32 and /24, IPv6 /64 and /56), and punts of all of them
// together (common/base/budget.h). Of those there are two kinds: a request that carries a nonce of
// ours for its address and port came from somebody who received it there (proof.c); anybody can
// forge the others, so they have a budget of their own and never take from the first. One table of
// fixed size a worker, made once.
#pragma once

#include "common/base/budget.h"
#include "dataplane/path/packet.h"

#define DP_BUDGET_SETS 4096
#define DP_BUDGET_WAYS TP_BUDGET_WAYS

// Rates a second; a budget holds one second's worth. 0: no limit.
struct dp_budget_rates {
	uint32_t per_address, per_network;
	uint32_t punts;    // with a nonce of ours; one address gets at most half of it, one
			   // network three quarters
	uint32_t unproven; // punts without
};

struct dp_budget {
	struct tp_siphash_key key;
	uint64_t cost_ns[2]; // of one request to its address, to its network; 0: no limit
	uint64_t punt_cost_ns, unproven_cost_ns;
	uint64_t punt_whole_ns, unproven_whole_ns;
	uint64_t dtls_whole_ns, dtls_unproven_whole_ns;
	struct tp_budget_set set[DP_BUDGET_SETS];
};

// Worker creation. NULL without memory or randomness.
struct dp_budget *dp_budget_create(const struct dp_budget_rates *rates, int socket);
void dp_budget_destroy(struct dp_budget *budget);
// Other rates from now on; what was used stays used.
void dp_budget_set(struct dp_budget *budget, const struct dp_settings_values *settings);

// Takes one request out of the budget of its address, then of its network; false when either is
// used up (what the address gave is not given back). `ip` has 16 bytes, `family` is TP_FAMILY_.
bool dp_budget_source(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns);
// The same in two steps, so that what the second one needs is on its way: `tag` is between them.
void dp_budget_fetch(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t tag[2]);
bool dp_budget_fetched(struct dp_budget *budget, const uint64_t tag[2], uint64_t now_ns);
// Takes one punt out of the budget of all unknown sources that showed a nonce of ours, and of the
// shares of its address and network in that.
bool dp_budget_punt(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns);
// Takes one out of the budget of all unknown sources that did not.
bool dp_budget_unproven(struct dp_budget *budget, uint64_t now_ns);
// The same two for stream processes, as large and apart from those of control: of DTLS,
// ClientHellos with our cookie, and what is of no session that is known.
bool dp_budget_dtls(struct dp_budget *budget, uint8_t family, const uint8_t *ip, uint64_t now_ns);
bool dp_budget_dtls_unproven(struct dp_budget *budget, uint64_t now_ns);
