// SPDX-License-Identifier: BSD-3-Clause
// The addresses that the dataplane answers for: listeners and relay addresses (prefixes expanded).
// Built once from the config, which must stay, read-only afterwards.
#pragma once

#include "config/conf.h"
#include "common/abi/abi.h"
#include "dataplane/table/flow.h"

#define DP_LOCAL_NONE    UINT16_MAX
#define DP_LISTENER_NONE UINT16_MAX

struct dp_local {
	struct tp_ip address;        // as it stands in packets here
	struct tp_ip public_address; // as clients and peers know it
	uint8_t relay;               // 1: its relay port range is ours
	uint8_t listener;            // 1: at least one listener stands on it
	uint16_t pad;
	// ones' complement sum of `address` as 16-bit words in memory order, folded to 16 bits; for
	// the pseudo header (path/encap)
	uint32_t source_sum;
};

// What the answer to a plain Binding request tells of discovery (RFC 5780 section 6.1), in public
// form; no families when the listener takes no part in it.
struct dp_discovery {
	struct tp_addr origin; // RESPONSE-ORIGIN
	struct tp_addr other;  // OTHER-ADDRESS
};

struct dp_locals;

// NULL and rte_errno E2BIG when the prefixes expand beyond TP_MAX_LOCALS, ENOMEM without memory.
// Listener indices follow the order of the config, those with neither "udp" nor "dtls" left out.
struct dp_locals *dp_locals_create(const struct conf *conf, int socket);
void dp_locals_destroy(struct dp_locals *l);

uint16_t dp_local_count(const struct dp_locals *l);
const struct dp_local *dp_local_at(const struct dp_locals *l, uint16_t index);

// Workers and manager. Address as in the packet; DP_LOCAL_NONE when not ours. `ip` is 4 or 16
// bytes.
uint16_t dp_local_find(const struct dp_locals *l, uint8_t family, const uint8_t *ip);
// The same by the public form of a relay address (falls back to the private form).
uint16_t dp_local_find_public(const struct dp_locals *l, const struct tp_ip *ip);
// Listener for datagrams at this address and port, DP_LISTENER_NONE when none. Port in network
// order.
uint16_t dp_listener_find(const struct dp_locals *l, uint16_t local, rte_be16_t port);
uint16_t dp_listener_count(const struct dp_locals *l);
// Whether it has one of these transports, enum conf_transport bits.
bool dp_listener_serves(const struct dp_locals *l, uint16_t listener, uint32_t transports);
// Address and port of a listener, and its local index.
const struct tp_addr *dp_listener_at(const struct dp_locals *l, uint16_t listener, uint16_t *local);
// The realm of a listener, the configuration's string.
const char *dp_listener_realm(const struct dp_locals *l, uint16_t listener);
// By listener index; never NULL.
const struct dp_discovery *dp_listener_discovery(const struct dp_locals *l, uint16_t listener);
// Whether the port (network order) is in the relay range.
bool dp_local_relay_port(const struct dp_locals *l, rte_be16_t port);
