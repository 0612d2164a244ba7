// SPDX-License-Identifier: BSD-3-Clause
// Control's request path as a conversation: the input is a script of datagrams as they are, of
// requests that are properly signed (or wrong in one way) with attributes of the script's choice,
// of time that passes, acknowledgements, and answers of the user store. Every response is
// well-formed, the books close, and when all is over nothing is left.
#include <errno.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/challenge.h"
#include "common/wire/chandata.h"
#include "control/alloc/adopt.h"
#include "control/alloc/expiry.h"
#include "control/auth/nonce.h"
#include "control/auth/ticket.h"
#include "control/turn/turn.h"
#include "tests/fuzz/script.h"
#include "tests/unit/control/auth/oauth_token.h"

#define ALLOCS   8
#define PEERS    32
#define NAMES    2
#define COMMANDS 512
#define PORTS    16
#define CLIENTS  4

enum { OP_RAW, OP_REQUEST, OP_REQUEST_TOO, OP_ACK, OP_TIME, OP_HOLD, OP_STORE, OP_DETACH, OPS };

struct fuzz_relay {
	struct ctl_user_store users; // first: the interface's handle
	struct ctl_store *store;
	struct ctl_turn *turn;
	struct ctl_crypto *crypto;
	struct ctl_time now;
	struct tp_cmd *command; // COMMANDS
	uint32_t n_commands, n_acked, room;
	uint64_t sequence;
	const uint8_t *request; // under way
	size_t request_length;
	uint32_t allocated; // with success
	uint8_t draw;
	bool gone;                 // the dataplane, for good: no more responses
	uint8_t hold;              // acknowledgements wait for their step
	uint8_t store_says;        // 0 the key, 1 unknown, 2 it is down, 3 later, 4 two keys
	ctl_user_answer_fn answer; // of a lookup under way
	void *answer_context;
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES]; // the last one granted
	uint8_t ticket[CTL_TICKET_CHARS];           // the same, of mobility
	size_t session_length;                      // of the last access token's key
	struct conf *conf;
};

static const struct ctl_key key = {.bytes = "0123456789abcde", .length = 16};
static const struct ctl_key other_key = {.bytes = "another", .length = 16};
// Of the authorization server: what it shares with us, and what it gives to clients.
static const char long_term_key[] = "0123456789abcdef0123456789abcdef";
static const uint8_t session_key[CTL_OAUTH_MAC_KEY_MAX] = "session key of the client only";

// It as base64, and a kid that is too long for an identity.
static struct conf_oauth_key oauth_keys[] = {{.kid = (char[]){"kid1"},
	.key = (char[]){"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
	.algorithm = CONF_OAUTH_A256GCM}};
static struct conf_oauth_key long_kid[] = {
	{.kid = (char[]){"a kid of more than the 43 bytes that an identity has"},
		.key = (char[]){"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="},
		.algorithm = CONF_OAUTH_A256GCM}};

static int draw(void *context, void *out, size_t len)
{
	struct fuzz_relay *f = context;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = f->draw = (uint8_t)(f->draw * 13 + 7);
	return 0;
}

static uint64_t take_command(void *context, const struct tp_cmd *cmd)
{
	struct fuzz_relay *f = context;
	FUZZ_CHECK(f->n_commands < COMMANDS && f->room > 0);
	f->room--;
	f->command[f->n_commands] = *cmd;
	f->command[f->n_commands++].sequence = ++f->sequence;
	return f->sequence;
}

static uint32_t room(void *context)
{
	return ((struct fuzz_relay *)context)->room;
}

static void answer(struct fuzz_relay *f, uint8_t how, ctl_user_answer_fn fn, void *context)
{
	struct ctl_user_answer a = {.result = how == 1   ? -ENOENT
					      : how == 2 ? -EIO
							 : 0,
		.why = CTL_AUTH_unknown_user,
		.expired = how == 5,
		.n_keys = how == 4 ? 2 : 1,
		.key = {how == 1 ? other_key : key, key},
		.user = (const uint8_t *)"user",
		.user_length = 4};
	fn(context, &a);
}

static void lookup(struct ctl_user_store *store, const struct ctl_user_query *q,
	ctl_user_answer_fn fn, void *context)
{
	struct fuzz_relay *f = (struct fuzz_relay *)store;

	if (f->store_says != 3 || f->answer) {
		answer(f, f->store_says, fn, context);
		return;
	}
	f->answer = fn;
	f->answer_context = context;
}

static void answer_late(struct fuzz_relay *f, uint8_t how)
{
	ctl_user_answer_fn fn = f->answer;

	f->answer = NULL;
	if (fn)
		answer(f, how, fn, f->answer_context);
}

static void check_response(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct fuzz_relay *f = context;
	struct stun_message m;
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES;

	FUZZ_CHECK(!f->gone);
	FUZZ_CHECK(length <= CTL_RESPONSE_MAX_BYTES);
	if (tp_rd32(bytes + 4) != STUN_MAGIC_COOKIE) { // to a client of RFC 3489
		FUZZ_CHECK(memcmp(bytes + 4, f->request + 4, 16) == 0);
		FUZZ_CHECK(tp_rd16(bytes + 2) == length - STUN_HEADER_BYTES);
		FUZZ_CHECK(2 * (length + 28) <= 3 * (f->request_length + 28));
		return;
	}
	FUZZ_CHECK(stun_read(bytes, length, &m) == STUN_READ_OK);
	FUZZ_CHECK(m.class == STUN_SUCCESS || m.class == STUN_ERROR);
	FUZZ_CHECK(!stun_has_fingerprint(&m) || stun_fingerprint_ok(&m));
	FUZZ_CHECK(stun_find(&m, STUN_ATTR_ERROR_CODE, &a) == (m.class == STUN_ERROR));
	while (stun_next_attr(&m, &at, &a))
		FUZZ_CHECK(stun_attr_length_ok(&a));
	f->allocated += m.class == STUN_SUCCESS && m.method == STUN_ALLOCATE;
	if (stun_find(&m, STUN_ATTR_RESERVATION_TOKEN, &a))
		memcpy(f->token, a.value, sizeof(f->token));
	if (m.class == STUN_SUCCESS && stun_find(&m, STUN_ATTR_MOBILITY_TICKET, &a)) {
		FUZZ_CHECK(a.length == sizeof(f->ticket));
		memcpy(f->ticket, a.value, sizeof(f->ticket));
	}
}

static void acknowledge(struct fuzz_relay *f, uint32_t most, int result)
{
	while (f->n_acked < f->n_commands && most-- > 0) {
		const struct tp_cmd *cmd = &f->command[f->n_acked++];
		struct tp_ack ack = {.sequence = cmd->sequence,
			.type = cmd->type,
			.alloc = cmd->alloc,
			.result = result};
		ctl_turn_ack(f->turn, &ack, f->now);
	}
	if (f->n_acked == f->n_commands)
		f->n_commands = f->n_acked = 0;
}

// ---- requests

static struct tp_addr client_of(uint8_t which)
{
	return (struct tp_addr){.ip = tp_ip4(0xc6120101), .port = 4000 + which % CLIENTS};
}

static const struct tp_addr listener = {
	.ip = {.bytes = {198, 18, 0, 2}, .family = TP_FAMILY_IPV4}, .port = 3478};

static void send_bytes(struct fuzz_relay *f, uint8_t client, const uint8_t *bytes, size_t length)
{
	uint8_t *exact = malloc(length);
	struct ctl_request q = {.client = client_of(client),
		.listener = listener,
		.transport = client >> 4 & 3,
		.bytes = exact,
		.length = length};

	FUZZ_CHECK(exact || length == 0);
	if (length > 0)
		memcpy(exact, bytes, length);
	f->request = exact;
	f->request_length = length;
	ctl_turn_request(f->turn, &q, f->now);
	free(exact);
	if (!f->hold)
		acknowledge(f, UINT32_MAX, 0);
}

static void write_peer(struct stun_writer *w, uint8_t which)
{
	static const char *const peers[] = {"198.19.0.1", "198.19.0.2", "2001:db8::1", "10.0.0.1",
		"198.18.0.2", "224.0.0.1", "2001:db8::2", "198.19.0.3"};
	struct tp_addr peer = {.port = which & 0x80 ? 0 : 5000 + (which >> 3 & 3)};

	FUZZ_CHECK(tp_ip_parse(peers[which & 7], &peer.ip) == 0);
	stun_write_xor_address(w, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
}

// An access token as the authorization server makes it, or wrong: how long its key is, its
// lifetime, its age, whether it is for us.
static void write_access_token(struct fuzz_relay *f, struct stun_writer *w, uint8_t how)
{
	uint8_t block[64], token[TOKEN_MOST];
	uint64_t made_s = f->now.wall_ns / TP_NS_PER_S - (how & 4 ? 100000 : 0);

	f->session_length = how & 1 ? CTL_OAUTH_MAC_KEY_MIN : CTL_OAUTH_MAC_KEY_MAX;
	size_t n = token_block((uint16_t)f->session_length, session_key, f->session_length,
		made_s << 16, (how >> 4) * 100u, block);
	n = token_seal(256, long_term_key, how & 2 ? "turn.example.com" : "turn.example.org", block,
		n, token);
	stun_write_attr(w, STUN_ATTR_ACCESS_TOKEN, token, n - (how >> 3 & 1));
}

// Asks for a ticket, or shows the last one, or one that was damaged.
static void write_ticket(struct fuzz_relay *f, struct stun_writer *w, uint8_t how)
{
	uint8_t ticket[CTL_TICKET_CHARS];

	memcpy(ticket, f->ticket, sizeof(ticket));
	ticket[how >> 2 & 15] ^= how & 2;
	stun_write_attr(w, STUN_ATTR_MOBILITY_TICKET, ticket, how & 1 ? sizeof(ticket) : 0);
}

// One attribute: the choice between the usual ones, or any type, length and value.
static void write_attr(struct fuzz_relay *f, struct stun_writer *w, struct fuzz_script *s)
{
	static const uint16_t types[] = {STUN_ATTR_REQUESTED_TRANSPORT,
		STUN_ATTR_REQUESTED_ADDRESS_FAMILY, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY,
		STUN_ATTR_EVEN_PORT, STUN_ATTR_DONT_FRAGMENT, STUN_ATTR_LIFETIME,
		STUN_ATTR_CHANNEL_NUMBER, STUN_ATTR_CHANGE_REQUEST, STUN_ATTR_RESPONSE_PORT};
	static const uint8_t lengths[] = {4, 4, 4, 1, 0, 4, 4, 4, 4};
	uint8_t which = fuzz_u8(s) & 0xf, value[64];

	if (which < sizeof(lengths)) {
		fuzz_take(s, value, lengths[which]);
		stun_write_attr(w, types[which], value, lengths[which]);
	} else if (which == 9) {
		stun_write_attr(w, STUN_ATTR_RESERVATION_TOKEN, f->token, sizeof(f->token));
	} else if (which == 10) {
		uint8_t all[STUN_PASSWORD_ALGORITHMS_BYTES];
		stun_password_algorithms(all);
		stun_write_attr(w, STUN_ATTR_PASSWORD_ALGORITHMS, all, sizeof(all));
		stun_write_u32(w, STUN_ATTR_PASSWORD_ALGORITHM, (uint32_t)fuzz_u8(s) << 16);
	} else if (which == 11) {
		write_peer(w, fuzz_u8(s));
	} else if (which == 12) {
		write_access_token(f, w, fuzz_u8(s));
	} else if (which == 13) {
		write_ticket(f, w, fuzz_u8(s));
	} else {
		uint16_t type = which == 14 ? fuzz_u8(s) : fuzz_u16(s);
		uint8_t length = fuzz_u8(s) % sizeof(value);
		fuzz_take(s, value, length);
		stun_write_attr(w, type, value, length);
	}
}

// What of the credentials is missing or wrong.
enum { NO_USER = 1, NO_REALM = 2, NO_NONCE = 4, OLD_NONCE = 8, WRONG_KEY = 16, HASHED = 32 };

static void write_credentials(struct fuzz_relay *f, struct stun_writer *w, uint8_t client,
	uint8_t wrong, bool sha256, uint32_t features)
{
	static const uint8_t hash[CTL_USERHASH_BYTES];
	struct tp_addr from = client_of(client);
	char nonce[TP_NONCE_CHARS];

	ctl_nonce_write(ctl_store_nonce_keys(f->store),
		f->now.wall_ns - (wrong & OLD_NONCE ? 3600 * TP_NS_PER_S : 0), features, &from,
		&listener, nonce);
	// Without both: a name and a realm that are not what they should be.
	bool other = (wrong & (NO_USER | NO_REALM)) == (NO_USER | NO_REALM);
	bool bearer = client & 4;
	if (!(wrong & NO_USER))
		stun_write_attr(w, STUN_ATTR_USERNAME, bearer ? "kid1" : "user", 4);
	else if (other)
		stun_write_attr(w, STUN_ATTR_USERNAME, "\xcd\xb8", 2); // unassigned
	if (wrong & HASHED)
		stun_write_attr(w, STUN_ATTR_USERHASH, hash, sizeof(hash));
	if (!(wrong & NO_REALM))
		stun_write_attr(w, STUN_ATTR_REALM, "example.org", 11);
	else if (other)
		stun_write_attr(w, STUN_ATTR_REALM, "example.com", 11);
	if (!(wrong & NO_NONCE))
		stun_write_attr(w, STUN_ATTR_NONCE, nonce, sizeof(nonce));
	const uint8_t *with = wrong & WRONG_KEY ? other_key.bytes
			      : bearer          ? session_key
						: key.bytes;
	size_t n = bearer && !(wrong & WRONG_KEY) ? f->session_length : key.length;
	FUZZ_CHECK((sha256 ? ctl_integrity_sha256_append(f->crypto, w, with, n)
			   : ctl_integrity_append(f->crypto, w, with, n)) == 0);
}

// Bytes: method and number of attributes; client; how it is signed; which transaction; attributes.
static void send_request(struct fuzz_relay *f, struct fuzz_script *s)
{
	static const uint16_t methods[] = {STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION,
		STUN_CHANNEL_BIND, STUN_BINDING, 0x0fff, STUN_SEND, STUN_ALLOCATE};
	uint8_t bytes[CTL_REQUEST_MAX_BYTES], transaction_id[12] = {0};
	uint8_t what = fuzz_u8(s), client = fuzz_u8(s), how = fuzz_u8(s);
	uint16_t method = methods[what & 7];
	struct stun_writer w;

	transaction_id[0] = fuzz_u8(s);
	stun_write_begin(&w, bytes, sizeof(bytes), how & 0x80 ? STUN_INDICATION : STUN_REQUEST,
		method, transaction_id);
	for (uint8_t i = 0; i < what >> 3 && fuzz_left(s) > 0; i++)
		write_attr(f, &w, s);
	// The first attributes of a usual Allocate cost no bytes of the script.
	if ((what & 7) == 7)
		stun_write_u32(&w, STUN_ATTR_REQUESTED_TRANSPORT, 17u << 24);
	if (method != STUN_BINDING && !(client & 0x80))
		write_credentials(f, &w, client, how & 0x3f, client & 0x40,
			client & 8 ? STUN_FEATURE_PASSWORD_ALGORITHMS : 0);
	if (how & 0x40)
		stun_write_fingerprint(&w);
	int length = stun_write_finish(&w);
	if (length > 0)
		send_bytes(f, client, bytes, (size_t)length);
}

static void check_books(struct fuzz_relay *f)
{
	struct ctl_store_status s;

	ctl_store_status(f->store, &s);
	FUZZ_CHECK(s.allocs_free + s.allocations + s.resting == ALLOCS);
	FUZZ_CHECK(s.peers_free + s.permissions + s.channels == PEERS);
}

static void pass(struct fuzz_relay *f, uint64_t seconds)
{
	f->now.now_ns += seconds * TP_NS_PER_S;
	f->now.wall_ns += seconds * TP_NS_PER_S;
	ctl_turn_tick(f->turn, f->now);
	ctl_store_expire(f->store, f->now, UINT32_MAX);
}

// The dataplane says that a datagram came from where the client moves to: true or not.
static void moved(struct fuzz_relay *f, uint32_t index, uint32_t number)
{
	struct ctl_store_status s;
	struct tp_ack event = {.type = TP_EVENT_MOVED, .moved = number};

	ctl_store_status(f->store, &s);
	for (uint32_t generation = 1; generation <= s.allocations + 2; generation++) {
		event.alloc = (struct tp_alloc_ref){.index = index, .generation = generation};
		ctl_store_ack(f->store, &event, true, f->now);
	}
}

// A command queue without a ring has no room.
static void detach(struct fuzz_relay *f)
{
	f->room = 0;
	ctl_turn_detach(f->turn, f->now);
	f->n_commands = f->n_acked = 0;
}

// What is not a request: the dataplane goes, the configuration is read anew, a client has moved.
static void change(struct fuzz_relay *f, uint8_t what)
{
	switch (what & 3) {
	case 0:
		detach(f);
		f->room = COMMANDS;
		break;
	case 1:
		f->conf->mobility = what >> 2 & 1;
		FUZZ_CHECK(ctl_turn_renew(f->turn, f->conf) == 0);
		ctl_turn_set_users(f->turn, &f->users);
		break;
	case 2: // a kid too long is refused, and everything stays as it was
		f->conf->auth.oauth.keys = long_kid;
		FUZZ_CHECK((ctl_turn_renew(f->turn, f->conf) == 0) ==
			   (f->conf->auth.oauth.server_name == NULL));
		f->conf->auth.oauth.keys = oauth_keys;
		break;
	default:
		moved(f, what >> 2, 1);
	}
}

static void step(struct fuzz_relay *f, struct fuzz_script *s)
{
	uint8_t op = fuzz_u8(s);

	switch (op % OPS) {
	case OP_RAW: {
		size_t length;
		uint8_t client = fuzz_u8(s), most = fuzz_u8(s);
		uint8_t *bytes = fuzz_piece(
			s, most == UINT8_MAX ? CTL_REQUEST_MAX_BYTES + 8 : most, &length);
		send_bytes(f, client, bytes, length);
		free(bytes);
		break;
	}
	case OP_REQUEST:
	case OP_REQUEST_TOO:
		send_request(f, s);
		break;
	case OP_ACK: {
		static const int results[] = {0, -ENOSPC, -EEXIST, -ENOENT};
		acknowledge(f, 1 + (op >> 6), results[op >> 4 & 3]);
		if (op & 8 && f->n_acked < f->n_commands)
			f->n_acked++; // lost
		break;
	}
	case OP_TIME:
		pass(f, (uint64_t)fuzz_u8(s) * (op & 8 ? 60 : 1));
		break;
	case OP_HOLD:
		f->hold = op >> 3 & 1;
		f->room = op >> 4 & 1 ? 1 : COMMANDS;
		break;
	case OP_STORE:
		f->store_says = (op >> 3) % 6;
		answer_late(f, (op >> 3) % 6);
		break;
	default:
		change(f, op >> 3);
	}
	if (f->n_commands > COMMANDS - 2 * CTL_CHANGE_STEPS)
		acknowledge(f, UINT32_MAX, 0);
	if (f->room > 1)
		f->room = COMMANDS - f->n_commands;
	check_books(f);
}

static void converse(struct fuzz_relay *f, const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data + 1, size - 1);
	struct ctl_store_status status;

	for (int i = 0; i < 100 && fuzz_left(&s) > 0; i++)
		step(f, &s);
	answer_late(f, 1);
	if (data[0] & 16) // the end of the process finds what waits
		return;
	f->gone = true;
	detach(f);
	FUZZ_CHECK(ctl_turn_counters(f->turn)->pending == (f->answer ? 1 : 0));
	answer_late(f, 0);
	FUZZ_CHECK(ctl_turn_counters(f->turn)->pending == 0);
	f->room = COMMANDS;
	for (int i = 0; i < 3; i++)
		pass(f, 100000);
	ctl_store_status(f->store, &status);
	FUZZ_CHECK(status.allocs_free == ALLOCS && status.peers_free == PEERS);
	FUZZ_CHECK(status.ports_free[0] == PORTS && status.users == 0);
	if (f->allocated > 0)
		fuzz_canary(data + size);
}

static struct ctl_store_policy make_policy(uint8_t options)
{
	static const struct tp_ip relay6 = {.bytes = {0xfd, [15] = 2}, .family = TP_FAMILY_IPV6};
	struct ctl_store_policy policy = {
		.relays = {{listener.ip, listener.ip, 32}, {relay6, relay6, 128}},
		.n_relays = options & 1 ? 2 : 1,
		.port_min = 50000,
		.port_max = 50000 + PORTS - 1,
		.listeners = {listener},
		.n_listeners = 1,
		.channel_max = CHANDATA_CHANNEL_MAX,
		.allocation_max_s = 3600,
		.permission_s = 300,
		.channel_s = 600,
		.port_rest_s = 60};
	policy.allocations_per_user = options & 2 ? 2 : 0;
	return policy;
}

// Servers to send clients to: always, or when there is no room here; the one with a name is for
// TLS.
static void alternates(struct conf *conf, uint8_t options)
{
	static const struct conf_alternate servers[] = {
		{.address = {.bytes = {198, 18, 7, 7}, .family = TP_FAMILY_IPV4},
			.port = 5349,
			.domain = "b.example.org"},
		{.address = {.bytes = {0xfd, [15] = 7}, .family = TP_FAMILY_IPV6},
			.port = 5349,
			.domain = "b.example.org"}};

	conf->alternate_servers.when =
		options & 2 ? CONF_ALTERNATE_WHEN_FULL : CONF_ALTERNATE_ALWAYS;
	memcpy(conf->alternate_servers.servers, servers, sizeof(servers));
	conf->alternate_servers.n_servers = options & 1 ? 2 : 1;
}

// The first byte chooses the configuration, the rest is the script.
void fuzz_one(const uint8_t *data, size_t size)
{
	static _Alignas(64)
		uint8_t region[TP_REGION_HEADER_BYTES + ALLOCS * sizeof(struct tp_alloc_record) +
			       PEERS * 64 + NAMES * 512];
	static struct tp_cmd command[COMMANDS];
	struct fuzz_relay f = {.users = {.lookup = lookup},
		.now = {.now_ns = TP_NS_PER_S, .wall_ns = 1700000000 * TP_NS_PER_S},
		.command = command,
		.session_length = CTL_OAUTH_MAC_KEY_MAX,
		.room = COMMANDS};
	uint8_t options = size > 0 ? data[0] : 0;
	char realm[] = "example.org", realm2[] = "example.net", software[] = "Turnpike";
	char server_name[] = "turn.example.org";
	struct conf conf = {.realm = realm, .realms = {realm}, .n_realms = 1, .n_listeners = 1};
	conf.listeners[0] = (struct conf_listener){
		.address = listener.ip, .port = listener.port, .transports = CONF_TRANSPORT_UDP};
	struct ctl_acl_options no_rules = {};
	struct ctl_acl *acl;

	conf.software = options & 8 ? software : NULL;
	conf.auth.nonce_lifetime_s = 600;
	conf.nat_discovery.families[0] =
		(struct conf_discovery){.address = {tp_ip4(0xc6120002), tp_ip4(0xc6120003)},
			.public_address = {tp_ip4(0xc6120002), tp_ip4(0xc6120003)},
			.port = {3478, 3479}};
	conf.compatibility.stun = CONF_STUN_RFC3489;
	conf.lifetimes.allocation_default_s = 600;
	conf.lifetimes.allocation_max_s = 3600;
	conf.mobility = options & 32;
	conf.auth.oauth.server_name = options & 64 ? server_name : NULL;
	conf.auth.oauth.keys = oauth_keys;
	conf.auth.oauth.n_keys = 1;
	if (options & 128) {
		alternates(&conf, options);
		conf.realms[conf.n_realms++] = realm2;
		conf.compatibility.dual_allocation = CONF_DUAL_DRAFT;
	}
	f.conf = &conf;
	struct ctl_store_policy policy = make_policy(options);
	struct ctl_random random = {.bytes = draw, .context = &f};
	struct ctl_store_options store = {.region = region,
		.region_bytes = sizeof(region),
		.policy = &policy,
		.commands = {.send = take_command, .room = room, .context = &f},
		.random = random};
	memset(region, 0, sizeof(region));
	FUZZ_CHECK(ctl_region_format(region, sizeof(region), ALLOCS, PEERS, NAMES, 1) == 0);
	FUZZ_CHECK(ctl_store_create(&store, &f.store) == 0);
	FUZZ_CHECK(ctl_store_adopt(f.store, f.now, NULL) == 0);
	FUZZ_CHECK(ctl_acl_create(&no_rules, &acl) == 0);
	FUZZ_CHECK(ctl_crypto_create(&f.crypto) == 0);
	struct ctl_turn_options turn = {.conf = &conf,
		.store = f.store,
		.users = &f.users,
		.acl = acl,
		.send = check_response,
		.send_context = &f,
		.random = random,
		.max_pending = options & 4 ? 2 : 64,
		.replay_slots = 8};
	FUZZ_CHECK(ctl_turn_create(&turn, &f.turn) == 0);
	for (unsigned int i = 0; ctl_turn_method_label(i); i++)
		FUZZ_CHECK(i < CTL_METHODS);
	for (unsigned int i = 0; i < CTL_ERRORS; i++)
		FUZZ_CHECK(ctl_turn_error_code(i) >= 0);
	ctl_turn_set_acl(f.turn, acl);
	if (size > 0)
		converse(&f, data, size);
	ctl_turn_destroy(f.turn);
	ctl_crypto_destroy(f.crypto);
	ctl_acl_destroy(acl);
	ctl_store_destroy(f.store);
}
