// SPDX-License-Identifier: BSD-3-Clause
// Which peers a client may reach: one function, canonicalise, then match, used by every method
// (RFC 8656 section 21.1 and 21.2). Immutable after creation.
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/base/addr.h"

struct ctl_acl_prefix {
	struct tp_ip address;
	uint8_t bits;
};

struct ctl_acl_options { // all lists are copied
	const struct ctl_acl_prefix *allow, *deny;
	size_t n_allow, n_deny;
	// Relay addresses as prefixes, private and public forms alike: reachable for hairpin.
	const struct ctl_acl_prefix *relays;
	size_t n_relays;
	// Relay addresses that the operator removed: still this appliance's, reachable no more.
	const struct ctl_acl_prefix *removed;
	size_t n_removed;
	uint16_t port_min, port_max; // relay range
	const struct tp_addr *listeners;
	size_t n_listeners;
	// Any other address of this machine (interfaces), may be empty.
	const struct tp_ip *own;
	size_t n_own;
};

enum ctl_acl_verdict {
	CTL_ACL_ALLOWED = 0,
	CTL_ACL_LISTENER,  // address and port of a listener
	CTL_ACL_DENIED,    // peers.deny
	CTL_ACL_OWN,       // this appliance, no relay address or not a relay port
	CTL_ACL_SPECIAL,   // loopback, private, multicast ...
	CTL_ACL_NOT_AN_IP, // family none
};

struct ctl_acl;

// 0, -EINVAL (a prefix of no family or too long), -ENOMEM.
int ctl_acl_create(const struct ctl_acl_options *options, struct ctl_acl **out);
void ctl_acl_destroy(struct ctl_acl *acl);

// Judges a peer; port 0 means any (a permission). Every form of the address must pass: itself, and
// each IPv4 address embedded in it (mapped, compatible, translated, 6to4,
// Teredo server and client, NAT64, ISATAP).
// For each form the first rule that fits decides:
//   1. a listener's address and port: denied, whatever the configuration says
//   2. peers.deny: denied
//   3. a relay address, private or public form, any port or one of the relay range: allowed
//   4. any other address of this appliance, removed relay addresses too: denied
//   5. peers.allow: allowed
//   6. special ranges (unspecified, loopback, link-local, private, multicast, broadcast, 6to4 and
//      Teredo): denied
//   7. allowed
enum ctl_acl_verdict ctl_acl_check(const struct ctl_acl *acl, const struct tp_addr *peer);

// A Teredo or 6to4 address: no client may allocate from one, as a peer it is special (RFC 8656
// section 21.4).
bool ctl_acl_tunnelled(const struct tp_ip *ip);

const char *ctl_acl_verdict_text(enum ctl_acl_verdict verdict);
