// SPDX-License-Identifier: BSD-3-Clause
// Control's request path. The input goes in as a datagram; and, so that more than the first check
// is reached, as the attributes of a request that is properly signed: its first byte chooses the
// method, and whether the dataplane takes it.
#include <errno.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/adopt.h"
#include "control/auth/nonce.h"
#include "control/turn/turn.h"
#include "tests/fuzz/fuzz.h"

#define ALLOCS            8
#define PEERS             32
#define NAMES             2
#define CREDENTIALS_BYTES 200

struct fuzz_relay {
	struct ctl_user_store users; // first: the interface's handle
	struct ctl_store *store;
	struct ctl_turn *turn;
	struct ctl_crypto *crypto;
	struct ctl_time now;
	struct tp_cmd command[2 * PEERS];
	uint32_t n_commands, n_acked;
	uint64_t sequence;
	const uint8_t *request; // under way
	size_t request_length;
	uint32_t responses;
	bool success;
	uint8_t draw;
};

static const struct ctl_key key = {.bytes = "0123456789abcde", .length = 16};
static const uint8_t transaction_id[12] = {
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab};

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
	FUZZ_CHECK(f->n_commands < 2 * PEERS);
	f->command[f->n_commands] = *cmd;
	f->command[f->n_commands++].sequence = ++f->sequence;
	return f->sequence;
}

static uint32_t room(void *context)
{
	return 2 * PEERS - ((struct fuzz_relay *)context)->n_commands;
}

static void lookup(struct ctl_user_store *store, const struct ctl_user_query *q,
	ctl_user_answer_fn answer, void *context)
{
	struct ctl_user_answer a = {
		.n_keys = 1, .key = {key}, .user = (const uint8_t *)"user", .user_length = 4};
	answer(context, &a);
}

static void check_response(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct fuzz_relay *f = context;
	struct stun_message m;
	if (tp_rd32(bytes + 4) != STUN_MAGIC_COOKIE) { // to a client of RFC 3489
		FUZZ_CHECK(memcmp(bytes + 4, f->request + 4, 16) == 0);
		FUZZ_CHECK(tp_rd16(bytes + 2) == length - STUN_HEADER_BYTES);
		FUZZ_CHECK(2 * (length + 28) <= 3 * (f->request_length + 28));
		f->responses++;
		return;
	}
	FUZZ_CHECK(stun_read(bytes, length, &m) == STUN_READ_OK);
	FUZZ_CHECK(m.class == STUN_SUCCESS || m.class == STUN_ERROR);
	FUZZ_CHECK(!stun_has_fingerprint(&m) || stun_fingerprint_ok(&m));
	f->responses++;
	f->success = m.class == STUN_SUCCESS;
}

static void acknowledge(struct fuzz_relay *f, int result)
{
	while (f->n_acked < f->n_commands) {
		const struct tp_cmd *cmd = &f->command[f->n_acked++];
		struct tp_ack ack = {.sequence = cmd->sequence,
			.type = cmd->type,
			.alloc = cmd->alloc,
			.result = result};
		ctl_turn_ack(f->turn, &ack, f->now);
	}
	f->n_commands = f->n_acked = 0;
}

static void send_request(struct fuzz_relay *f, const uint8_t *bytes, size_t length, int result)
{
	struct ctl_request q = {.client = {.ip = tp_ip4(0xc6120101), .port = 4000},
		.listener = {.ip = tp_ip4(0xc6120002), .port = 3478},
		.bytes = bytes,
		.length = length};
	f->request = bytes;
	f->request_length = length;
	f->responses = 0;
	f->success = false;
	ctl_turn_request(f->turn, &q, f->now);
	acknowledge(f, result);
	FUZZ_CHECK(f->responses <= 1);
	FUZZ_CHECK(ctl_turn_counters(f->turn)->pending == 0);
	f->now.now_ns += TP_NS_PER_S;
	f->now.wall_ns += TP_NS_PER_S;
}

// A signed request with these attributes, as far as they are whole words.
static void send_signed(
	struct fuzz_relay *f, uint16_t method, const uint8_t *attrs, size_t length, int result)
{
	uint8_t bytes[CTL_REQUEST_MAX_BYTES];
	struct tp_addr client = {.ip = tp_ip4(0xc6120101), .port = 4000};
	struct tp_addr listener = {.ip = tp_ip4(0xc6120002), .port = 3478};
	char nonce[TP_NONCE_CHARS];
	struct stun_writer w;
	size_t most = sizeof(bytes) - STUN_HEADER_BYTES - CREDENTIALS_BYTES;
	length = (length < most ? length : most) & ~(size_t)3;
	stun_write_begin(&w, bytes, sizeof(bytes), STUN_REQUEST, method, transaction_id);
	memcpy(bytes + w.length, attrs, length);
	w.length += length;
	ctl_nonce_write(ctl_store_nonce_keys(f->store), f->now.wall_ns,
		STUN_FEATURE_PASSWORD_ALGORITHMS, &client, &listener, nonce);
	stun_write_attr(&w, STUN_ATTR_USERNAME, "user", 4);
	stun_write_attr(&w, STUN_ATTR_REALM, "example.org", 11);
	stun_write_attr(&w, STUN_ATTR_NONCE, nonce, TP_NONCE_CHARS);
	FUZZ_CHECK(ctl_integrity_append(f->crypto, &w, key.bytes, sizeof(key.bytes)) == 0);
	int total = stun_write_finish(&w);
	FUZZ_CHECK(total > 0);
	send_request(f, bytes, (size_t)total, result);
}

static void check_books(struct fuzz_relay *f)
{
	struct ctl_store_status s;
	ctl_store_status(f->store, &s);
	FUZZ_CHECK(s.allocs_free + s.allocations + s.resting == ALLOCS);
	FUZZ_CHECK(s.peers_free + s.permissions + s.channels == PEERS);
}

static void converse(struct fuzz_relay *f, const uint8_t *data, size_t size)
{
	static const uint8_t udp[] = {0, STUN_ATTR_REQUESTED_TRANSPORT, 0, 4, 17, 0, 0, 0};
	static const uint16_t methods[] = {
		STUN_ALLOCATE, STUN_REFRESH, STUN_CREATE_PERMISSION, STUN_CHANNEL_BIND};
	send_request(f, data, size, 0);
	if (size == 0)
		return;
	uint16_t method = methods[data[0] & 3];
	int result = data[0] & 4 ? -ENOSPC : 0;
	if (method != STUN_ALLOCATE)
		send_signed(f, STUN_ALLOCATE, udp, sizeof(udp), 0);
	send_signed(f, method, data + 1, size - 1, result);
	FUZZ_CHECK(!(f->success && result && method == STUN_ALLOCATE));
	if (f->success && method == STUN_CHANNEL_BIND)
		fuzz_canary(data + size);
	check_books(f);
	send_signed(f, STUN_REFRESH, data + 1, size - 1, 0);
	check_books(f);
}

static struct ctl_store_policy make_policy(void)
{
	return (struct ctl_store_policy){.relays = {{tp_ip4(0xc6120002), tp_ip4(0xc6120002), 32}},
		.n_relays = 1,
		.port_min = 50000,
		.port_max = 50015,
		.listeners = {{.ip = tp_ip4(0xc6120002), .port = 3478}},
		.n_listeners = 1,
		.channel_max = CHANDATA_CHANNEL_MAX,
		.allocation_max_s = 3600,
		.permission_s = 300,
		.channel_s = 600,
		.port_rest_s = 60};
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static _Alignas(64)
		uint8_t region[TP_REGION_HEADER_BYTES + ALLOCS * 384 + PEERS * 64 + NAMES * 512];
	struct fuzz_relay f = {.users = {.lookup = lookup},
		.now = {.now_ns = TP_NS_PER_S, .wall_ns = 1700000000 * TP_NS_PER_S}};
	char realm[] = "example.org";
	struct conf conf = {.realm = realm, .realms = {realm}, .n_realms = 1};
	struct ctl_acl_options no_rules = {};
	struct ctl_acl *acl;
	conf.auth.nonce_lifetime_s = 600;
	conf.nat_discovery.families[0] =
		(struct conf_discovery){.address = {tp_ip4(0xc6120002), tp_ip4(0xc6120003)},
			.public_address = {tp_ip4(0xc6120002), tp_ip4(0xc6120003)},
			.port = {3478, 3479}};
	conf.compatibility.stun = CONF_STUN_RFC3489;
	conf.lifetimes.allocation_default_s = 600;
	conf.lifetimes.allocation_max_s = 3600;
	struct ctl_store_policy policy = make_policy();
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
		.replay_slots = 8};
	FUZZ_CHECK(ctl_turn_create(&turn, &f.turn) == 0);
	converse(&f, data, size);
	ctl_turn_destroy(f.turn);
	ctl_crypto_destroy(f.crypto);
	ctl_acl_destroy(acl);
	ctl_store_destroy(f.store);
}
