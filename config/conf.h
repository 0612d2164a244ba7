// SPDX-License-Identifier: BSD-3-Clause
// The configuration of all daemons: one JSON document, one schema table (conf_schema.c), one
// struct.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/addr.h"

#define CONF_MAX_PORTS        8
#define CONF_MAX_CORES        16
#define CONF_MAX_LISTENERS    64
#define CONF_MAX_RELAYS       256
#define CONF_MAX_REALMS       (CONF_MAX_LISTENERS + 1) // each listener's, and the default one
#define CONF_MAX_USERS        65536
#define CONF_MAX_REST_SECRETS 8
#define CONF_MAX_OAUTH_KEYS   64
#define CONF_MAX_KID_BYTES    43
#define CONF_NAME_BYTES       16 // IFNAMSIZ
#define CONF_MAX_ALTERNATES   16
#define CONF_MAX_CERTIFICATES 64 // beside the first one

enum conf_port_mode {
	CONF_PORT_AF_XDP,
	CONF_PORT_BENCH, // a DPDK vdev without a kernel side
};

enum conf_idle {
	CONF_IDLE_POLL,
	CONF_IDLE_BACKOFF,
};

enum conf_ip_id { CONF_IP_ID_COUNTER, CONF_IP_ID_KEEP };

enum conf_channel_numbers {
	CONF_CHANNELS_RFC8656, // 0x4000-0x4FFF
	CONF_CHANNELS_RFC5766, // 0x4000-0x7FFF
};

#define CONF_DSCP_COPY 64 // one more than the highest code point

enum conf_stun {
	CONF_STUN_RFC8489,
	CONF_STUN_RFC3489, // also clients without magic cookie
};

enum conf_dual {
	CONF_DUAL_RFC8656,
	CONF_DUAL_DRAFT, // also by the number that drafts of it used
};

enum conf_alternate_when {
	CONF_ALTERNATE_OFF,
	CONF_ALTERNATE_WHEN_FULL,
	CONF_ALTERNATE_ALWAYS,
};

enum conf_tls_version {
	CONF_TLS_1_2,
	CONF_TLS_1_3,
};

enum conf_rest_expiry {
	CONF_REST_EXPIRY_ALLOCATE, // an expired credential serves its allocations to their end
	CONF_REST_EXPIRY_ALWAYS,
};

enum conf_oauth_algorithm {
	CONF_OAUTH_A256GCM = 1,
	CONF_OAUTH_A128GCM,
};

enum conf_access_tokens {
	CONF_TOKENS_RFC7635,
	CONF_TOKENS_COTURN, // also session keys cut to 16 bytes
};

// Who keeps the session region when both daemons die at once.
enum conf_holder {
	CONF_HOLDER_NONE,
	CONF_HOLDER_KEEPER,
	CONF_HOLDER_SYSTEMD,
};

enum conf_seccomp {
	CONF_SECCOMP_KILL,
	CONF_SECCOMP_LOG,
	CONF_SECCOMP_OFF,
};

enum conf_transport { // bits
	CONF_TRANSPORT_UDP = 1,
	CONF_TRANSPORT_TCP = 2,
	CONF_TRANSPORT_TLS = 4,
	CONF_TRANSPORT_DTLS = 8,
};

struct conf_port {
	char name[CONF_NAME_BYTES];
	enum conf_port_mode mode;
	char interface[CONF_NAME_BYTES]; // af_xdp
	char vdev[256];                  // bench: EAL vdev arguments
	uint32_t queues;
};

struct conf_listener {
	struct tp_ip address;
	uint16_t port;
	uint32_t transports;  // enum conf_transport bits
	bool proxy_protocol;  // of TCP and TLS
	char *realm;          // NULL when not given
	uint16_t realm_index; // derived: of `realms`
};

// NAT behaviour discovery (RFC 5780) in one address family: two addresses and two ports make four
// listeners. Index 0 is the primary one, that of the first UDP listener of the family; 1 the
// alternate one.
struct conf_discovery {
	struct tp_ip address[2];        // family none: no discovery in this family
	struct tp_ip public_address[2]; // as clients know them
	uint16_t port[2];
};

// One of the four.
struct conf_discovery_place {
	const struct conf_discovery *of;
	uint8_t address, port; // indices
};

struct conf_relay {
	struct tp_ip address;        // or the prefix' network address
	struct tp_ip public_address; // equal to `address` without "public"
	uint8_t prefix_bits;         // 32 or 128 for an "address"
};

// Another server that clients may be sent to.
struct conf_alternate {
	struct tp_ip address;
	uint16_t port;
	char domain[256]; // in its certificate; empty: as ours
};

struct conf_user {
	char *name;
	char *password;         // this, or the key; never printed
	char *key, *key_sha256; // 32 and 64 hexadecimal digits; key_sha256 may be NULL beside key
	char *realm;            // NULL when not given
	uint16_t realm_index;   // derived: of `realms`
};

// A long-term key shared with an authorization server (RFC 7635).
struct conf_oauth_key {
	char *kid;
	char *key; // base64, of the length that the algorithm takes
	enum conf_oauth_algorithm algorithm;
	uint64_t timestamp;  // valid from, seconds since 1970; 0: always was
	uint32_t lifetime_s; // from then on; 0: no end
};

// Names of PEM files.
struct conf_certificate {
	char *certificate, *key;
};

struct conf_prefix {
	struct tp_ip address;
	uint8_t bits;
};

struct json_t;

struct conf {
	char *path; // as given, for messages
	// What it was filled from, defaults included, for conf_reload.h; its secrets are given up
	// by conf_veil_secrets.
	struct json_t *document;
	uint8_t veil_key[16];
	char *realm;
	char *software; // value of SOFTWARE, empty: not sent
	char *run_directory;
	enum {
		CONF_LOG_ERROR = 3,
		CONF_LOG_WARNING,
		CONF_LOG_NOTICE,
		CONF_LOG_INFO,
		CONF_LOG_DEBUG
	} log_level;

	struct {
		char *user, *group; // NULL when not given
		enum conf_seccomp seccomp;
		bool core_dumps;
	} privileges;

	struct {
		enum conf_holder holder;
	} region;

	struct conf_port ports[CONF_MAX_PORTS];
	size_t n_ports;

	struct {
		uint32_t cores[CONF_MAX_CORES];
		size_t n_cores;
		enum conf_idle idle;
	} workers;

	struct conf_listener listeners[CONF_MAX_LISTENERS];
	size_t n_listeners;

	// Derived when the document is checked: [0] is `realm`, the others are those of listeners
	// that differ. The strings belong to `realm` and the listeners.
	const char *realms[CONF_MAX_REALMS];
	size_t n_realms;

	struct {
		struct tp_ip alternate_address, alternate_address6; // family none: not given
		uint16_t alternate_port;                            // 0: no discovery
		// Derived when the document is checked.
		struct conf_discovery families[2]; // IPv4, IPv6
		size_t n_listeners; // of the four each, not in the document: the last of
				    // `listeners`
	} nat_discovery;

	struct {
		struct conf_relay addresses[CONF_MAX_RELAYS];
		size_t n_addresses;
		uint16_t port_min, port_max;
		bool tcp; // RFC 6062
	} relay;

	struct {
		char *certificate, *key;             // NULL when absent
		struct conf_certificate *additional; // for clients that ask for their names
		size_t n_additional;
		enum conf_tls_version minimum_version;
		char *ciphers, *cipher_suites; // NULL: those of OpenSSL
		char *client_ca;               // NULL: clients need no certificate
	} tls;

	struct {
		uint32_t processes;
		uint32_t connections, connections_per_address; // of each process
		uint32_t handshake_s, first_request_s, message_s;
		uint32_t dtls_mtu, dtls_idle_s;
		uint32_t buffer_bytes, buffer_ms; // media for a client that does not read
		uint32_t drain_s;                 // 0: no end
		struct conf_prefix *proxy_sources;
		size_t n_proxy_sources;
	} streams;

	struct {
		struct conf_user *users;
		size_t n_users;
		char **rest_secrets;
		size_t n_rest_secrets;
		enum conf_rest_expiry rest_expiry;
		uint32_t nonce_lifetime_s; // default 600
		struct {
			char *server_name; // NULL: no third-party authorization
			struct conf_oauth_key *keys;
			size_t n_keys;
		} oauth;
	} auth;

	struct {
		struct conf_prefix *allow, *deny;
		size_t n_allow, n_deny;
	} peers;

	struct {
		uint64_t allocations_total, allocations_per_user; // 0: unlimited
		uint64_t allocations_per_realm;                   // 0: unlimited
		uint64_t bits_per_second_per_allocation;          // 0: unlimited
		uint64_t packets_per_second_per_allocation;       // 0: unlimited
		uint32_t permissions_per_allocation;
		uint32_t new_peers_per_second; // of an allocation; 0: unlimited
	} quotas;

	struct conf_alternates {
		enum conf_alternate_when when;
		struct conf_alternate servers[CONF_MAX_ALTERNATES];
		size_t n_servers; // 0: nobody is sent away
	} alternate_servers;

	// Lifetimes in seconds; the RFC's values unless an operator or a test shortens them.
	struct {
		uint32_t allocation_default_s; // 600
		uint32_t allocation_max_s;     // 3600
		uint32_t permission_s;         // 300
		uint32_t channel_s;            // 600
		uint32_t port_rest_s;          // 60: relay ports of dropped records
	} lifetimes;

	// Sizes fixed at start.
	struct {
		uint32_t allocations; // 131072
		uint32_t flows;       // 4 x allocations unless given
		uint32_t mbufs;       // 32768
		uint32_t routes;      // 16384, each family
	} limits;

	struct {
		bool allow; // synthetic allocations
	} provision;

	struct {
		struct tp_ip address; // family none: metrics are off
		uint16_t port;
	} metrics;

	// What is done a second for clients that have no allocation; 0: no limit.
	struct {
		uint32_t per_address; // answers and punts, IPv4 /32, IPv6 /64
		uint32_t per_network; // IPv4 /24, IPv6 /56
		uint32_t punts;       // of all together, to control, with a nonce of ours
		uint32_t unproven;    // of all together, to control, without one
	} unauthenticated;

	bool mobility; // RFC 8016: allocations may move with their clients

	struct {
		uint32_t hop_limit; // 0: decrement (default), else set to this value
		uint32_t dscp;      // CONF_DSCP_COPY (default), else set to this value
		enum conf_ip_id ip_id;
	} forwarding;

	struct {
		enum conf_channel_numbers channel_numbers;
		enum conf_access_tokens access_tokens;
		enum conf_stun stun;
		enum conf_dual dual_allocation;
	} compatibility;

	struct {
		uint32_t watchdog_s; // 0: none
	} keeper;
};

// Loads and checks a file. Every problem is printed to `errors` as
// "FILE: PATH.IN.DOCUMENT: what is wrong[; did you mean ...]", one a line. 0, or -EINVAL after at
// least one problem (or -errno of open/read, also printed). On success the caller owns *out and
// ends it with conf_free; on failure *out is NULL.
int conf_load(const char *path, struct conf **out, FILE *errors);

// Cleanses passwords, keys and secrets.
void conf_free(struct conf *conf);

// Puts a keyed hash in the place of every secret in `document`, and cleanses it: enough to see that
// it changed. `key` of 16 bytes, or NULL: a fresh one. 0, -ENOMEM or -errno of the random source.
int conf_veil_secrets(struct conf *conf, const uint8_t *key);

// Cleanses and drops users, secrets and keys of `auth`: for a process that does not authenticate.
void conf_forget_credentials(struct conf *conf);

// Whether a listener takes part in NAT behaviour discovery, and as which of the four. `out` points
// into `families`.
bool conf_discovery_find(const struct conf_discovery families[2], const struct tp_addr *listener,
	struct conf_discovery_place *out);

// quotas.bits_per_second_per_allocation in bytes, rounded up; 0: unlimited.
static inline uint64_t conf_bytes_per_second(const struct conf *conf)
{
	uint64_t bits = conf->quotas.bits_per_second_per_allocation;

	return bits / 8 + (bits % 8 != 0);
}

// Prints the schema: as a table for people (help, man page), or as JSON Schema.
void conf_print_options(FILE *out);
void conf_print_json_schema(FILE *out);
