// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_schema.h"

#include <string.h>

#include "config/conf_value_check.h"

#define FIELD(type_, field) .offset = offsetof(type_, field), .size = sizeof(((type_ *)0)->field)
#define TOP(field)          FIELD(struct conf, field)
#define PORT(field)         FIELD(struct conf_port, field)
#define LSTN(field)         FIELD(struct conf_listener, field)
#define RELY(field)         FIELD(struct conf_relay, field)
#define ALTR(field)         FIELD(struct conf_alternate, field)
#define USER(field)         FIELD(struct conf_user, field)
#define CERT(field)         FIELD(struct conf_certificate, field)
#define OKEY(field)         FIELD(struct conf_oauth_key, field)
// A list kept in the struct itself, and one on the heap.
#define INLINE(field, count)                                                                       \
	TOP(field), .count_offset = offsetof(struct conf, count),                                  \
		    .element_size = sizeof(((struct conf *)0)->field[0])
#define HEAP(field, count) INLINE(field, count), .on_heap = true

// What a change of a value takes.
#define NOTHING           .change = CONF_CHANGE_NOTHING
#define LIVE              .change = CONF_CHANGE_LIVE
#define RESTART_CONTROL   .change = CONF_CHANGE_RESTART_CONTROL
#define RESTART_DATAPLANE .change = CONF_CHANGE_RESTART_DATAPLANE
#define RESTART_BOTH      .change = CONF_CHANGE_RESTART_BOTH
#define STREAMS           .change = CONF_CHANGE_STREAMS

#define INTEGER_MAX ((uint64_t)INT64_MAX)

static const char *const port_modes[] = {
	[CONF_PORT_AF_XDP] = "af_xdp", [CONF_PORT_BENCH] = "bench", NULL};
static const char *const channel_numbers[] = {"rfc8656", "rfc5766", NULL};
static const char *const access_tokens[] = {"rfc7635", "coturn", NULL};
static const char *const stun_versions[] = {
	[CONF_STUN_RFC8489] = "rfc8489", [CONF_STUN_RFC3489] = "rfc3489", NULL};
static const char *const dual_numbers[] = {
	[CONF_DUAL_RFC8656] = "rfc8656", [CONF_DUAL_DRAFT] = "draft", NULL};
static const char *const alternate_when[] = {[CONF_ALTERNATE_OFF] = "off",
	[CONF_ALTERNATE_WHEN_FULL] = "when_full",
	[CONF_ALTERNATE_ALWAYS] = "always",
	NULL};
static const char *const idle_modes[] = {
	[CONF_IDLE_POLL] = "poll", [CONF_IDLE_BACKOFF] = "backoff", NULL};
static const char *const transports[] = {"udp", "tcp", "tls", "dtls", NULL};
static const char *const log_levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const seccomp_modes[] = {
	[CONF_SECCOMP_KILL] = "kill", [CONF_SECCOMP_LOG] = "log", [CONF_SECCOMP_OFF] = "off", NULL};
static const char *const holders[] = {[CONF_HOLDER_NONE] = "none",
	[CONF_HOLDER_KEEPER] = "keeper",
	[CONF_HOLDER_SYSTEMD] = "systemd",
	NULL};
static const char *const oauth_algorithms[] = {"A256GCM", "A128GCM", NULL};
static const char *const tls_versions[] = {[CONF_TLS_1_2] = "1.2", [CONF_TLS_1_3] = "1.3", NULL};
static const char *const relay_forms[] = {"address", "prefix", NULL};
static const char *const user_forms[] = {"password", "key", NULL};
static const char *const ip_ids[] = {
	[CONF_IP_ID_COUNTER] = "counter", [CONF_IP_ID_KEEP] = "keep", NULL};
static const char *const rest_expiries[] = {"allocate", "always", NULL};

// clang-format off
static const struct conf_option schema[] = {
{"", CONF_OBJECT, .help = "One document configures all daemons of an appliance."},
{"$schema", CONF_STRING, NOTHING, .max = 4096,
	.help = "Where an editor finds the JSON Schema of this document. Not read."},
{"realm", CONF_TEXT, RESTART_BOTH, .required = true, .min = 1, .max = 127, TOP(realm), .check = conf_check_realm,
	.help = "Realm of the long-term credentials, as clients are asked for it; of all listeners and users that name no other."},
{"software", CONF_TEXT, LIVE, .max = 127, TOP(software), .default_json = "\"Turnpike\"", .check = conf_check_printable,
	.help = "Value of the SOFTWARE attribute in answers; empty sends none."},
{"run_directory", CONF_STRING, RESTART_BOTH, .min = 1, .max = 80, TOP(run_directory), .default_json = "\"/run/turnpike\"",
	.check = conf_check_absolute_path,
	.help = "Directory of the sockets and locks of one appliance. Two appliances on a machine have one each."},
{"log_level", CONF_CHOICE, LIVE, .min = CONF_LOG_ERROR, TOP(log_level), .choices = log_levels, .default_json = "\"info\"",
	.help = "The most verbose messages written to stderr."},

{"privileges", CONF_OBJECT, .default_json = "{}", .help = "What daemons keep of what they were started with. Whatever is said here, they keep only the capabilities that they need: the dataplane NET_ADMIN, NET_RAW, BPF, PERFMON and IPC_LOCK, control none, or NET_BIND_SERVICE where metrics.port is below 1024, turnpike-stream none."},
{"privileges.user", CONF_STRING, RESTART_BOTH, .min = 1, .max = 32, TOP(privileges.user), .check = conf_check_word,
	.default_note = "turnpike where this user exists, else root",
	.help = "User that daemons started as root become. It must be able to read this document and the files that it names, for a reload: mode 0640, owner root, and the user's group."},
{"privileges.group", CONF_STRING, RESTART_BOTH, .min = 1, .max = 32, TOP(privileges.group), .check = conf_check_word,
	.default_note = "the user's own group",
	.help = "Group that they take, and that the sockets in run_directory belong to: who is in it may use turnpikectl."},
{"privileges.seccomp", CONF_CHOICE, RESTART_BOTH, .min = CONF_SECCOMP_KILL, TOP(privileges.seccomp), .choices = seccomp_modes, .default_json = "\"kill\"",
	.help = "What becomes of a daemon that makes a system call it has no use for: kill ends it by SIGSYS, log writes a line to the kernel's log and lets it go on, off filters nothing."},
{"privileges.core_dumps", CONF_BOOLEAN, RESTART_CONTROL, TOP(privileges.core_dumps), .default_json = "false",
	.help = "Whether turnpike-control may leave core files and be looked at by debuggers of its user; its memory holds passwords. The dataplane, which forgets them, always may."},

{"region", CONF_OBJECT, .default_json = "{}", .help = "The memory in which control keeps the records of all allocations. It outlives either daemon, because the other one holds it."},
{"region.holder", CONF_CHOICE, RESTART_DATAPLANE, .min = CONF_HOLDER_NONE, TOP(region.holder), .choices = holders, .default_json = "\"none\"",
	.help = "Who else holds it, so that calls go on when both daemons die at once: none (all calls are lost then), keeper (turnpike-keeper, which also starts both anew), systemd (the file descriptor store of the unit that the dataplane is started by, which needs FileDescriptorStoreMax=1 or more). But for none, the dataplane does not start without a service manager's socket (NOTIFY_SOCKET)."},

{"keeper", CONF_OBJECT, .default_json = "{}", .help = "What turnpike-keeper does beyond starting anew what died. It reads this at its own start only."},
{"keeper.watchdog_s", CONF_INTEGER, RESTART_BOTH, .min = 0, .max = 3600, TOP(keeper.watchdog_s), .default_json = "0",
	.help = "Seconds after which a daemon that hangs is killed, and so started anew; 0: never. Each daemon says four times a second that it works, the dataplane only while none of its workers hangs. On a machine that lacks CPU a small value ends daemons that would have come back; 10 or more is for a machine whose cores are its own."},

{"ports", CONF_LIST, RESTART_DATAPLANE, .required = true, .min = 1, .max = CONF_MAX_PORTS, INLINE(ports, n_ports),
	.help = "The ports that the dataplane drives."},
{"ports[]", CONF_OBJECT, .check = conf_check_port, .help = "One port."},
{"ports[].name", CONF_NAME, .required = true, .min = 1, .max = CONF_NAME_BYTES - 1, PORT(name), .check = conf_check_word,
	.help = "Name of the port in logs and statistics: letters, digits, dot, dash, underscore."},
{"ports[].mode", CONF_CHOICE, .min = 0, PORT(mode), .choices = port_modes, .default_json = "\"af_xdp\"",
	.help = "af_xdp shares a kernel interface with Linux; bench is a DPDK virtual device without a kernel side, for measurements."},
{"ports[].interface", CONF_NAME, .min = 1, .max = CONF_NAME_BYTES - 1, PORT(interface), .check = conf_check_interface,
	.help = "Kernel interface of an af_xdp port, which needs it. Of a bench port, one whose addresses, routes and neighbours are used as if they were those of the device (a veth or dummy interface); without it nothing leaves."},
{"ports[].vdev", CONF_NAME, .min = 1, .max = 255, PORT(vdev), .check = conf_check_printable,
	.help = "DPDK virtual device of a bench port, which needs it: driver name and arguments as EAL's --vdev takes them."},
{"ports[].queues", CONF_INTEGER, .min = 1, .max = CONF_MAX_CORES, PORT(queues), .default_json = "1",
	.help = "Receive queues, and as many transmit queues."},

{"workers", CONF_OBJECT, .default_json = "{}", .help = "The threads that move packets."},
{"workers.cores", CONF_LIST, RESTART_DATAPLANE, .min = 1, .max = CONF_MAX_CORES, INLINE(workers.cores, workers.n_cores),
	.default_note = "the last core of the machine",
	.help = "CPU cores of the workers, one worker each."},
{"workers.cores[]", CONF_INTEGER, .min = 0, .max = 1023, .size = sizeof(uint32_t), .help = "Number of a CPU core."},
{"workers.idle", CONF_CHOICE, RESTART_DATAPLANE, .min = 0, TOP(workers.idle), .choices = idle_modes, .default_json = "\"backoff\"",
	.help = "What a worker does when little arrives: poll spins for the lowest latency; backoff sleeps until something does, and lets a few datagrams gather for 50 microseconds."},

{"listeners", CONF_LIST, RESTART_BOTH, .required = true, .min = 1, .max = CONF_MAX_LISTENERS, INLINE(listeners, n_listeners),
	.help = "Addresses and ports that clients reach."},
{"listeners[]", CONF_OBJECT, .help = "One address and port."},
{"listeners[].address", CONF_ADDRESS, .required = true, LSTN(address), .check = conf_check_unicast,
	.help = "Address of this host that a port receives on."},
{"listeners[].port", CONF_INTEGER, .min = 1, .max = 65535, LSTN(port), .default_json = "3478",
	.help = "UDP or TCP port."},
{"listeners[].transports", CONF_CHOICES, LSTN(transports), .choices = transports, .default_json = "[\"udp\"]",
	.help = "What clients may speak there."},
{"listeners[].proxy_protocol", CONF_BOOLEAN, LSTN(proxy_protocol), .default_json = "false",
	.help = "Every tcp or tls connection begins with the header of the PROXY protocol, version 1 or 2, and comes from one of streams.proxy_sources. Its client is whom the header names. UDP has none."},
{"listeners[].realm", CONF_TEXT, .min = 1, .max = 127, LSTN(realm), .check = conf_check_realm,
	.default_note = "the document's realm",
	.help = "Realm of the clients that come here; users of other realms are unknown."},

{"nat_discovery", CONF_OBJECT, .check = conf_check_nat_discovery,
	.help = "NAT behaviour discovery (RFC 5780) over UDP; without this section its attributes are unknown ones. The primary address and port are those of the first udp listener of a family; with the alternate ones they make four udp listeners, and those that the document does not list are added. They serve TURN like any other."},
{"nat_discovery.alternate_address", CONF_ADDRESS, RESTART_BOTH, TOP(nat_discovery.alternate_address), .check = conf_check_unicast,
	.help = "Second IPv4 address of this host. One of the two alternate addresses is needed."},
{"nat_discovery.alternate_address6", CONF_ADDRESS, RESTART_BOTH, TOP(nat_discovery.alternate_address6), .check = conf_check_unicast,
	.help = "Second IPv6 address of this host."},
{"nat_discovery.alternate_port", CONF_INTEGER, RESTART_BOTH, .min = 1, .max = 65535, TOP(nat_discovery.alternate_port), .default_json = "3479",
	.help = "Second UDP port, on all these addresses."},

{"relay", CONF_OBJECT, .required = true, .help = "Where relayed transport addresses come from."},
{"relay.addresses", CONF_LIST, RESTART_BOTH, .required = true, .min = 1, .max = CONF_MAX_RELAYS, INLINE(relay.addresses, relay.n_addresses),
	.help = "Addresses that peers see. All prefixes and listeners together make at most 4096 addresses."},
{"relay.addresses[]", CONF_OBJECT, .choices = relay_forms, .help = "A single address or a whole prefix."},
{"relay.addresses[].address", CONF_ADDRESS, RELY(address), .check = conf_check_unicast,
	.help = "A single address of this host."},
{"relay.addresses[].public", CONF_ADDRESS, RELY(public_address), .check = conf_check_unicast,
	.default_note = "the address or prefix itself",
	.help = "The address that clients and peers know, when a 1:1 NAT stands before this host; beside prefix, the first one of a prefix of the same length."},
{"relay.addresses[].prefix", CONF_PREFIX, RELY(address), .bits_offset = offsetof(struct conf_relay, prefix_bits),
	.check = conf_check_unicast_prefix,
	.help = "Every address of a prefix, made local by `ip route add local PREFIX dev lo`."},
{"relay.port_range", CONF_RANGE, RESTART_BOTH, .min = 1024, .max = 65535, TOP(relay.port_min), .default_json = "[49152, 65535]",
	.help = "First and last port of relayed transport addresses. The dataplane takes all UDP to them from the kernel."},
{"relay.tcp", CONF_BOOLEAN, LIVE, TOP(relay.tcp), .default_json = "true",
	.help = "Whether TCP and TLS clients may have TCP relayed (RFC 6062). Allocations that are there stay."},

{"tls", CONF_OBJECT, .help = "Certificate of the tls and dtls listeners, which need this section. Files are looked for beside the configuration file."},
{"tls.certificate", CONF_STRING, STREAMS, .required = true, .min = 1, .max = 4095, TOP(tls.certificate), .check = conf_check_printable,
	.help = "PEM file: the certificate, then its chain. Clients that name no server, or one that no certificate is for, get this one."},
{"tls.key", CONF_STRING, STREAMS, .required = true, .min = 1, .max = 4095, TOP(tls.key), .check = conf_check_printable,
	.help = "PEM file: the private key, not encrypted."},
{"tls.additional", CONF_LIST, STREAMS, .max = CONF_MAX_CERTIFICATES, HEAP(tls.additional, tls.n_additional), .default_json = "[]",
	.help = "More certificates, for clients that ask for their names (SNI)."},
{"tls.additional[]", CONF_OBJECT, .help = "One certificate."},
{"tls.additional[].certificate", CONF_STRING, .required = true, .min = 1, .max = 4095, CERT(certificate), .check = conf_check_printable,
	.help = "PEM file: the certificate, then its chain."},
{"tls.additional[].key", CONF_STRING, .required = true, .min = 1, .max = 4095, CERT(key), .check = conf_check_printable,
	.help = "PEM file: its private key, not encrypted."},
{"tls.minimum_version", CONF_CHOICE, STREAMS, .min = CONF_TLS_1_2, TOP(tls.minimum_version), .choices = tls_versions, .default_json = "\"1.2\"",
	.help = "The oldest version of TLS that clients may speak."},
{"tls.ciphers", CONF_STRING, STREAMS, .min = 1, .max = 4095, TOP(tls.ciphers), .check = conf_check_printable, .default_note = "those of OpenSSL",
	.help = "Ciphers of TLS 1.2, as openssl-ciphers(1) writes them."},
{"tls.cipher_suites", CONF_STRING, STREAMS, .min = 1, .max = 4095, TOP(tls.cipher_suites), .check = conf_check_printable, .default_note = "those of OpenSSL",
	.help = "Cipher suites of TLS 1.3, separated by colons."},
{"tls.client_ca", CONF_STRING, STREAMS, .min = 1, .max = 4095, TOP(tls.client_ca), .check = conf_check_printable, .default_note = "clients need no certificate",
	.help = "PEM file of authorities. With it every TLS client must show a certificate that one of them signed."},

{"streams", CONF_OBJECT, .default_json = "{}", .help = "The processes that terminate TCP, TLS and DTLS. Limits are of each process."},
{"streams.processes", CONF_INTEGER, RESTART_CONTROL, .min = 0, .max = 64, TOP(streams.processes), .default_json = "1",
	.help = "How many turnpike-control starts; 0: something else starts them."},
{"streams.connections", CONF_INTEGER, STREAMS, .min = 1, .max = 1048576, TOP(streams.connections), .default_json = "65536",
	.help = "Clients at a time; more are closed as they come. A greater number than at the start needs a restart."},
{"streams.connections_per_address", CONF_INTEGER, STREAMS, .min = 1, .max = 1048576, TOP(streams.connections_per_address), .default_json = "1024",
	.help = "Clients at a time from one IPv4 address or IPv6 /64."},
{"streams.handshake_s", CONF_INTEGER, STREAMS, .min = 1, .max = 3600, TOP(streams.handshake_s), .default_json = "10", .unit = "seconds",
	.help = "How long a handshake of TLS or DTLS may take, or the header of a proxy."},
{"streams.first_request_s", CONF_INTEGER, STREAMS, .min = 1, .max = 3600, TOP(streams.first_request_s), .default_json = "30", .unit = "seconds",
	.help = "How long a client may say nothing before its first message is complete."},
{"streams.message_s", CONF_INTEGER, STREAMS, .min = 1, .max = 3600, TOP(streams.message_s), .default_json = "30", .unit = "seconds",
	.help = "How long a message may take from its first byte to its last."},
{"streams.dtls_mtu", CONF_INTEGER, STREAMS, .min = 576, .max = 1900, TOP(streams.dtls_mtu), .default_json = "1500", .unit = "bytes",
	.help = "The largest IP packet that is sent to a DTLS client. A datagram of a peer that does not fit is dropped: there are no fragments of records. Handshakes keep to 1280."},
{"streams.dtls_idle_s", CONF_INTEGER, STREAMS, .min = 1, .max = 86400, TOP(streams.dtls_idle_s), .default_json = "900", .unit = "seconds",
	.help = "How long a DTLS client may say nothing before it is taken for gone. By then its channels and permissions are, unless their lifetimes are longer."},
{"streams.buffer_bytes", CONF_INTEGER, STREAMS, .min = 2048, .max = 16777216, TOP(streams.buffer_bytes), .default_json = "65536", .unit = "bytes",
	.help = "Media kept for a client that does not read fast enough; what is oldest is dropped first. Answers of control are kept apart from it: a client that leaves as many of them is closed."},
{"streams.buffer_ms", CONF_INTEGER, STREAMS, .min = 1, .max = 60000, TOP(streams.buffer_ms), .default_json = "200", .unit = "milliseconds",
	.help = "How old such media may become."},
{"streams.drain_s", CONF_INTEGER, STREAMS, .min = 0, .max = 31536000, TOP(streams.drain_s), .default_json = "0", .unit = "seconds",
	.help = "How long a process that takes no new clients, because another generation does, goes on for those it has; 0: until the last one leaves."},
{"streams.proxy_sources", CONF_LIST, STREAMS, .max = 1024, HEAP(streams.proxy_sources, streams.n_proxy_sources), .default_json = "[]",
	.help = "Addresses and prefixes of the proxies that may say who their clients are, at listeners with proxy_protocol. Anybody else is refused there."},
{"streams.proxy_sources[]", CONF_PREFIX, FIELD(struct conf_prefix, address), .bits_offset = offsetof(struct conf_prefix, bits), .help = "An address or a prefix."},

{"auth", CONF_OBJECT, .default_json = "{}", .help = "Who may use the relay."},
{"auth.users", CONF_LIST, LIVE, .max = CONF_MAX_USERS, HEAP(auth.users, auth.n_users), .default_json = "[]",
	.help = "Users with passwords or keys. Names, passwords and realms are prepared with OpaqueString (RFC 8265) before they are compared or hashed."},
{"auth.users[]", CONF_OBJECT, .choices = user_forms, .check = conf_check_user, .help = "One user."},
{"auth.users[].name", CONF_STRING, .required = true, .min = 1, .max = 508, USER(name), .check = conf_check_printable,
	.help = "User name, at most what the USERNAME attribute holds."},
{"auth.users[].password", CONF_STRING, .secret = true, .min = 1, .max = 1024, USER(password),
	.check = conf_check_printable, .help = "Password."},
{"auth.users[].key", CONF_STRING, .secret = true, .min = 32, .max = 32, USER(key), .check = conf_check_hex,
	.help = "Instead of the password: MD5(name:realm:password) as hexadecimal digits. Where key_sha256 is absent, clients that choose SHA-256 are refused."},
{"auth.users[].key_sha256", CONF_STRING, .secret = true, .min = 64, .max = 64, USER(key_sha256), .check = conf_check_hex,
	.help = "SHA-256(name:realm:password) as hexadecimal digits. Only beside key."},
{"auth.users[].realm", CONF_TEXT, .min = 1, .max = 127, USER(realm), .check = conf_check_realm,
	.default_note = "the document's realm",
	.help = "Realm that the user is known in: one that a listener has."},
{"auth.rest_secrets", CONF_LIST, LIVE, .max = CONF_MAX_REST_SECRETS, HEAP(auth.rest_secrets, auth.n_rest_secrets), .default_json = "[]",
	.help = "Secrets shared with a service that hands out temporary credentials, in every realm; each of them is tried, so one can replace another. The user name is timestamp, timestamp:id or id:timestamp, the password base64 of HMAC-SHA1 or HMAC-SHA256 over it."},
{"auth.rest_secrets[]", CONF_STRING, .secret = true, .min = 1, .max = 1024, .size = sizeof(char *), .check = conf_check_printable,
	.help = "One secret."},
{"auth.rest_expiry", CONF_CHOICE, LIVE, .min = CONF_REST_EXPIRY_ALLOCATE, TOP(auth.rest_expiry), .choices = rest_expiries, .default_json = "\"allocate\"",
	.help = "When a temporary credential must not be past its timestamp: allocate asks it of new allocations only, so that a call outlives its credential; always asks it of every request, so that allocations end at their next Refresh."},
{"auth.nonce_lifetime_s", CONF_INTEGER, LIVE, .min = 1, .max = 86400, TOP(auth.nonce_lifetime_s), .default_json = "600", .unit = "seconds",
	.help = "How long a nonce is accepted."},
{"auth.oauth", CONF_OBJECT,
	.help = "Third-party authorization by access tokens (RFC 7635), beside users and secrets. Without this section ACCESS-TOKEN is an unknown attribute."},
{"auth.oauth.server_name", CONF_STRING, RESTART_BOTH, .required = true, .min = 1, .max = 64, TOP(auth.oauth.server_name), .check = conf_check_printable,
	.help = "Name by which authorization servers know this appliance; sent in each challenge, and part of what tokens are sealed with. It and the realm, each rounded up to a multiple of 4 bytes, should have 28 bytes together at most: a longer challenge is more than 2.5 times the least request."},
{"auth.oauth.keys", CONF_LIST, LIVE, .required = true, .min = 1, .max = CONF_MAX_OAUTH_KEYS, HEAP(auth.oauth.keys, auth.oauth.n_keys),
	.help = "Long-term keys shared with authorization servers. All of them are alive, so one can replace another."},
{"auth.oauth.keys[]", CONF_OBJECT, .help = "One key."},
{"auth.oauth.keys[].kid", CONF_STRING, .required = true, .min = 1, .max = CONF_MAX_KID_BYTES, OKEY(kid), .check = conf_check_printable,
	.help = "Key identifier, which clients send as USERNAME. The allocations of its tokens are listed under it, with 16 digits that tell tokens apart."},
{"auth.oauth.keys[].key", CONF_STRING, .required = true, .secret = true, .min = 1, .max = 128, OKEY(key),
	.help = "The key in base64: 32 bytes for A256GCM, 16 for A128GCM."},
{"auth.oauth.keys[].algorithm", CONF_CHOICE, .required = true, .min = CONF_OAUTH_A256GCM, OKEY(algorithm), .choices = oauth_algorithms,
	.help = "How tokens are encrypted."},
{"auth.oauth.keys[].timestamp", CONF_INTEGER, .max = 281474976710655, OKEY(timestamp), .default_json = "0", .unit = "seconds since 1970",
	.help = "When the key becomes valid."},
{"auth.oauth.keys[].lifetime", CONF_INTEGER, .max = UINT32_MAX, OKEY(lifetime_s), .default_json = "0", .unit = "seconds",
	.help = "How long it is valid from its timestamp on; 0: no end."},

{"peers", CONF_OBJECT, .default_json = "{}", .help = "Exceptions from the built-in rule that denies peers at addresses that are not public; deny wins over allow."},
{"peers.allow", CONF_LIST, LIVE, .max = 1024, HEAP(peers.allow, peers.n_allow), .default_json = "[]", .help = "Peers allowed."},
{"peers.allow[]", CONF_PREFIX, FIELD(struct conf_prefix, address), .bits_offset = offsetof(struct conf_prefix, bits),
	.help = "Prefix or address."},
{"peers.deny", CONF_LIST, LIVE, .max = 1024, HEAP(peers.deny, peers.n_deny), .default_json = "[]", .help = "Peers denied."},
{"peers.deny[]", CONF_PREFIX, FIELD(struct conf_prefix, address), .bits_offset = offsetof(struct conf_prefix, bits),
	.help = "Prefix or address."},

{"quotas", CONF_OBJECT, .default_json = "{}", .help = "What users may take."},
{"quotas.allocations_total", CONF_INTEGER, LIVE, .max = INTEGER_MAX, TOP(quotas.allocations_total), .default_json = "0",
	.help = "Allocations at a time; 0: as many as limits.allocations."},
{"quotas.allocations_per_user", CONF_INTEGER, LIVE, .max = INTEGER_MAX, TOP(quotas.allocations_per_user), .default_json = "0",
	.help = "Allocations of one user at a time; 0: unlimited."},
{"quotas.allocations_per_realm", CONF_INTEGER, LIVE, .max = INTEGER_MAX, TOP(quotas.allocations_per_realm), .default_json = "0",
	.help = "Allocations of all users of one realm at a time; 0: unlimited."},
{"quotas.bits_per_second_per_allocation", CONF_INTEGER, LIVE, .max = INTEGER_MAX, TOP(quotas.bits_per_second_per_allocation), .default_json = "0", .unit = "bit/s",
	.help = "Rate of each direction of an allocation, over all its channels and permissions: application data, without headers; 0: unlimited. Over TCP, what is faster waits, and the connections of an allocation that end in one stream process share the rate."},
{"quotas.packets_per_second_per_allocation", CONF_INTEGER, LIVE, .max = INTEGER_MAX, TOP(quotas.packets_per_second_per_allocation), .default_json = "0", .unit = "1/s",
	.help = "The same in datagrams, whatever their size; 0: unlimited."},
{"quotas.permissions_per_allocation", CONF_INTEGER, LIVE, .min = 1, .max = 2048, TOP(quotas.permissions_per_allocation), .default_json = "1024",
	.help = "Peer addresses that an allocation may have permissions for at a time. Permissions and channels together are at most 2048."},
{"quotas.new_peers_per_second", CONF_INTEGER, LIVE, .max = 1000000, TOP(quotas.new_peers_per_second), .default_json = "200", .unit = "1/s",
	.help = "Peer addresses that an allocation may get new permissions for, in the long run; one second's worth may come at once. Refreshes are not counted. It keeps clients from scanning networks through the relay; 0: unlimited."},

{"alternate_servers", CONF_OBJECT,
	.help = "Other servers, for clients that get no allocation here: an authenticated Allocate is answered 300 with one of the client's address family, each in turn. Requests on allocations that exist, and those with a RESERVATION-TOKEN, are never sent away."},
{"alternate_servers.when", CONF_CHOICE, LIVE, .min = CONF_ALTERNATE_OFF, TOP(alternate_servers.when), .choices = alternate_when, .default_json = "\"when_full\"",
	.help = "when_full: in the place of 486 for quotas.allocations_total and of 508 for want of records or relay ports; always: every new allocation, to drain this server."},
{"alternate_servers.servers", CONF_LIST, LIVE, .required = true, .min = 1, .max = CONF_MAX_ALTERNATES, INLINE(alternate_servers.servers, alternate_servers.n_servers),
	.help = "The servers. They must know the same users."},
{"alternate_servers.servers[]", CONF_OBJECT, .help = "One server."},
{"alternate_servers.servers[].address", CONF_ADDRESS, .required = true, ALTR(address), .check = conf_check_unicast,
	.help = "Its address, as clients reach it; no listener of this appliance."},
{"alternate_servers.servers[].port", CONF_INTEGER, .min = 1, .max = 65535, ALTR(port), .default_json = "3478",
	.help = "Its port, of the transport that the client speaks."},
{"alternate_servers.servers[].domain", CONF_NAME, .min = 1, .max = 255, ALTR(domain), .check = conf_check_word, .default_note = "the name that the client knows us by",
	.help = "The name in its certificate, for clients over TLS and DTLS."},

{"unauthenticated", CONF_OBJECT, .default_json = "{}", .help = "What each worker does for clients that have no allocation yet, in requests a second; and, apart from it, control for those by TCP and TLS, where requests_unproven counts for nothing. A budget holds one second's worth; 0: no limit. Raise them where thousands of allocations a second come from one address."},
{"unauthenticated.requests_per_address", CONF_INTEGER, LIVE, .max = 100000000, TOP(unauthenticated.per_address), .default_json = "50000", .unit = "1/s",
	.help = "Of one IPv4 address or IPv6 /64. An allocation takes two."},
{"unauthenticated.requests_per_network", CONF_INTEGER, LIVE, .max = 100000000, TOP(unauthenticated.per_network), .default_json = "200000", .unit = "1/s",
	.help = "Of one IPv4 /24 or IPv6 /56."},
{"unauthenticated.requests_to_control", CONF_INTEGER, LIVE, .max = 100000000, TOP(unauthenticated.punts), .default_json = "20000", .unit = "1/s",
	.help = "Of all of them together, those that control must answer and that carry a nonce which was made for their source. One address gets at most half of it, one network (IPv4 /24, IPv6 /56) three quarters."},
{"unauthenticated.requests_unproven", CONF_INTEGER, LIVE, .max = 100000000, TOP(unauthenticated.unproven), .default_json = "2000", .unit = "1/s",
	.help = "Of all of them together, those that control must answer and that anybody can forge. They never take from requests_to_control."},

{"lifetimes", CONF_OBJECT, .default_json = "{}", .help = "Lifetimes of RFC 8656."},
{"lifetimes.allocation_default_s", CONF_INTEGER, LIVE, .min = 1, .max = 86400, TOP(lifetimes.allocation_default_s), .default_json = "600", .unit = "seconds",
	.help = "Of an allocation whose client asks for none or for less."},
{"lifetimes.allocation_max_s", CONF_INTEGER, LIVE, .min = 1, .max = 86400, TOP(lifetimes.allocation_max_s), .default_json = "3600", .unit = "seconds",
	.help = "The most a client gets."},
{"lifetimes.permission_s", CONF_INTEGER, LIVE, .min = 1, .max = 86400, TOP(lifetimes.permission_s), .default_json = "300", .unit = "seconds",
	.help = "Of a permission."},
{"lifetimes.channel_s", CONF_INTEGER, LIVE, .min = 1, .max = 86400, TOP(lifetimes.channel_s), .default_json = "600", .unit = "seconds",
	.help = "Of a channel binding."},
{"lifetimes.port_rest_s", CONF_INTEGER, LIVE, .min = 0, .max = 86400, TOP(lifetimes.port_rest_s), .default_json = "60", .unit = "seconds",
	.help = "How long the port of an ended allocation is given to nobody else, while others are free."},

{"limits", CONF_OBJECT, .default_json = "{}", .help = "Sizes fixed when the dataplane starts; they decide its memory."},
{"limits.allocations", CONF_INTEGER, RESTART_DATAPLANE, .min = 1, .max = 16777216, TOP(limits.allocations), .default_json = "131072",
	.help = "Allocations."},
{"limits.flows", CONF_INTEGER, RESTART_DATAPLANE, .min = 4, .max = 134217728, TOP(limits.flows), .default_note = "4 for each allocation",
	.help = "Flows: two for each channel and each permission."},
{"limits.mbufs", CONF_INTEGER, RESTART_DATAPLANE, .min = 1024, .max = 4194304, TOP(limits.mbufs), .default_json = "32768",
	.help = "Packet buffers."},
{"limits.routes", CONF_INTEGER, RESTART_DATAPLANE, .min = 16, .max = 4194304, TOP(limits.routes), .default_json = "16384",
	.help = "Routes of each family."},

{"provision", CONF_OBJECT, .default_json = "{}", .help = "Synthetic allocations, for measurements with packet generators."},
{"provision.allow", CONF_BOOLEAN, LIVE, TOP(provision.allow), .default_json = "false",
	.help = "Whether turnpikectl provision may make them. They take relay ports and records from clients. With false, a control that starts drops those that it finds; a reload only keeps new ones from being made."},

{"metrics", CONF_OBJECT, .help = "Metrics over HTTP; without this section there are none."},
{"metrics.address", CONF_ADDRESS, RESTART_CONTROL, TOP(metrics.address), .default_json = "\"127.0.0.1\"", .check = conf_check_no_multicast,
	.help = "Address to serve them on."},
{"metrics.port", CONF_INTEGER, RESTART_CONTROL, .min = 1, .max = 65535, TOP(metrics.port), .default_json = "9641", .help = "TCP port."},

{"mobility", CONF_BOOLEAN, LIVE, TOP(mobility), .default_json = "false",
	.help = "Whether clients that ask for it may take their allocation to another address (RFC 8016)."},

{"forwarding", CONF_OBJECT, .default_json = "{}", .help = "How relayed packets look."},
{"forwarding.hop_limit", CONF_INTEGER, LIVE, .max = 255, TOP(forwarding.hop_limit), .default_json = "0",
	.help = "TTL or hop limit of relayed packets; 0: one less than received."},
{"forwarding.dscp", CONF_INTEGER, LIVE, .max = CONF_DSCP_COPY, TOP(forwarding.dscp), .default_json = "64",
	.help = "DSCP of relayed packets and of answers, 0 to 63; 64: that of the packet received. ECN is always that of the packet received."},
{"forwarding.ip_id", CONF_CHOICE, RESTART_DATAPLANE, .min = CONF_IP_ID_COUNTER, TOP(forwarding.ip_id), .choices = ip_ids, .default_json = "\"counter\"",
	.help = "IPv4 Identification of relayed packets: counter is a number of the worker's own; keep is that of the packet received, between IPv4 and IPv4, for packet generators that count by it. Clients share relay addresses, so with keep the fragments of two of them may be taken for one datagram."},

{"compatibility", CONF_OBJECT, .default_json = "{}", .help = "What older clients need."},
{"compatibility.channel_numbers", CONF_CHOICE, LIVE, .min = CONF_CHANNELS_RFC8656, TOP(compatibility.channel_numbers), .choices = channel_numbers,
	.default_json = "\"rfc8656\"",
	.help = "Channel numbers that clients may bind: rfc8656 is 0x4000 to 0x4FFF, rfc5766 is 0x4000 to 0x7FFF, which clients written for that RFC choose from, turnutils_uclient of Debian 12 among them."},
{"compatibility.access_tokens", CONF_CHOICE, LIVE, .min = CONF_TOKENS_RFC7635, TOP(compatibility.access_tokens), .choices = access_tokens,
	.default_json = "\"rfc7635\"",
	.help = "Keys of MESSAGE-INTEGRITY of clients with an access token: rfc7635 is the session key, coturn also its first 16 bytes, which coturn's client library uses by mistake, turnutils_uclient of Debian 12 among its users."},
{"compatibility.stun", CONF_CHOICE, RESTART_BOTH, .min = CONF_STUN_RFC8489, TOP(compatibility.stun), .choices = stun_versions, .default_json = "\"rfc8489\"",
	.help = "The oldest STUN that is answered: with rfc3489 control also answers Binding requests without magic cookie, over UDP and IPv4, within the budgets of unauthenticated; they get MAPPED-ADDRESS."},
{"compatibility.dual_allocation", CONF_CHOICE, LIVE, .min = CONF_DUAL_RFC8656, TOP(compatibility.dual_allocation), .choices = dual_numbers, .default_json = "\"rfc8656\"",
	.help = "By which attribute a client asks for a second address family: rfc8656 is ADDITIONAL-ADDRESS-FAMILY, 0x8000; draft is also 0x8032, which coturn's clients send, turnutils_uclient of Debian 12 among them."},
};
// clang-format on

#define SCHEMA_COUNT (sizeof(schema) / sizeof(schema[0]))

const struct conf_option *conf_schema(size_t *count)
{
	*count = SCHEMA_COUNT;
	return schema;
}

// The path below `object`, or NULL when the option is not directly in it.
static const char *schema_key_of(const struct conf_option *object, const struct conf_option *option)
{
	size_t n = strlen(object->path);
	const char *rest = option->path + n;

	if (strncmp(option->path, object->path, n) != 0 || *rest == '\0')
		return NULL;
	if (n > 0 && *rest++ != '.')
		return NULL;
	return strpbrk(rest, ".[") ? NULL : rest;
}

const struct conf_option *conf_schema_next(
	const struct conf_option *object, const struct conf_option *previous)
{
	for (const struct conf_option *o = (previous ? previous : object) + 1;
		o < schema + SCHEMA_COUNT; o++) {
		if (schema_key_of(object, o))
			return o;
	}
	return NULL;
}

const struct conf_option *conf_schema_key(const struct conf_option *object, const char *name)
{
	const struct conf_option *o = NULL;

	while ((o = conf_schema_next(object, o)) != NULL) {
		if (strcmp(schema_key_of(object, o), name) == 0)
			return o;
	}
	return NULL;
}

const struct conf_option *conf_schema_element(const struct conf_option *list)
{
	return list + 1;
}

const char *conf_schema_change(enum conf_change change)
{
	switch (change) {
	case CONF_CHANGE_UNSAID:
		break;
	case CONF_CHANGE_NOTHING:
		return "without effect";
	case CONF_CHANGE_LIVE:
		return "changes live";
	case CONF_CHANGE_RESTART_CONTROL:
		return "needs a restart of turnpike-control";
	case CONF_CHANGE_RESTART_DATAPLANE:
		return "needs a restart of turnpike-dataplane";
	case CONF_CHANGE_RESTART_BOTH:
		return "needs a restart of both daemons";
	case CONF_CHANGE_STREAMS:
		return "is read again by turnpike-stream on SIGHUP";
	}
	return NULL;
}

const char *conf_schema_name(const struct conf_option *option)
{
	const char *dot = strrchr(option->path, '.');

	return dot ? dot + 1 : option->path;
}

static void schema_append_choices(char *out, size_t capacity, const char *const *choices)
{
	for (size_t i = 0; choices[i]; i++) {
		size_t n = strlen(out);

		snprintf(out + n, capacity - n, "%s\"%s\"",
			i == 0           ? ""
			: choices[i + 1] ? ", "
					 : " or ",
			choices[i]);
	}
}

static void schema_limits(
	const struct conf_option *o, const char *what, const char *unit, char *out, size_t capacity)
{
	const char *of = o->type == CONF_INTEGER ? "from" : "of";

	if (o->max == INTEGER_MAX)
		snprintf(out, capacity, "%s of %ju or more%s", what, (uintmax_t)o->min, unit);
	else if (o->min == o->max && o->type != CONF_INTEGER)
		snprintf(out, capacity, "%s of %ju%s", what, (uintmax_t)o->min, unit);
	else if (o->min == 0 && o->type != CONF_INTEGER)
		snprintf(out, capacity, "%s of at most %ju%s", what, (uintmax_t)o->max, unit);
	else
		snprintf(out, capacity, "%s %s %ju to %ju%s", what, of, (uintmax_t)o->min,
			(uintmax_t)o->max, unit);
}

static const char *schema_plural(const struct conf_option *element)
{
	switch (element->type) {
	case CONF_OBJECT:
		return " objects";
	case CONF_INTEGER:
		return " integers";
	case CONF_PREFIX:
		return " prefixes";
	default:
		return " strings";
	}
}

char *conf_schema_expected(const struct conf_option *o, char out[CONF_EXPECTED_BYTES])
{
	switch (o->type) {
	case CONF_OBJECT:
		snprintf(out, CONF_EXPECTED_BYTES, "an object");
		break;
	case CONF_LIST:
		schema_limits(o, "a list", schema_plural(conf_schema_element(o)), out,
			CONF_EXPECTED_BYTES);
		break;
	case CONF_STRING:
	case CONF_NAME:
		schema_limits(o, "a string", " bytes", out, CONF_EXPECTED_BYTES);
		break;
	case CONF_TEXT:
		schema_limits(o, "a string", " characters", out, CONF_EXPECTED_BYTES);
		break;
	case CONF_INTEGER:
		schema_limits(o, "an integer", "", out, CONF_EXPECTED_BYTES);
		break;
	case CONF_BOOLEAN:
		snprintf(out, CONF_EXPECTED_BYTES, "true or false");
		break;
	case CONF_CHOICE:
		out[0] = '\0';
		schema_append_choices(out, CONF_EXPECTED_BYTES, o->choices);
		break;
	case CONF_CHOICES:
		snprintf(out, CONF_EXPECTED_BYTES, "a list of at least one of ");
		schema_append_choices(out, CONF_EXPECTED_BYTES, o->choices);
		break;
	case CONF_ADDRESS:
		snprintf(out, CONF_EXPECTED_BYTES, "an IPv4 or IPv6 address");
		break;
	case CONF_PREFIX:
		snprintf(out, CONF_EXPECTED_BYTES, "a prefix like 198.18.0.0/15 or 2001:db8::/32");
		break;
	case CONF_RANGE:
		snprintf(out, CONF_EXPECTED_BYTES, "a list of two integers from %ju to %ju",
			(uintmax_t)o->min, (uintmax_t)o->max);
		break;
	}
	return out;
}
