// SPDX-License-Identifier: BSD-3-Clause
// Third-party authorization (RFC 7635) through the request path: tokens are made and answers judged
// by libcrypto here.
#include <openssl/hmac.h>

#include "tests/unit/control/turn/client.h"
// After cmocka's headers.
#include "common/wire/challenge.h"
#include "tests/unit/control/auth/oauth_token.h"

#define SERVER_NAME "turn.example.org"
#define KEY_NORTH   "01234567890123456789012345678901"
#define KEY_UNION   "1234567890123456"
#define NOW_S       (WORLD_WALL_NS / TP_NS_PER_S)

// A client with a token, and how it signs.
struct bearer {
	const char *kid, *server_name;
	const char *mac_key; // 20 or 32 bytes
	size_t mac_length;
	uint64_t made_s;
	uint32_t lifetime_s;
	bool no_token;  // kid and mac_key only
	bool sha256;    // MESSAGE-INTEGRITY-SHA256 instead
	bool both;      // as well
	bool sha1_key;  // appendix B: MESSAGE-INTEGRITY by the SHA-1 of mac_key
	bool wrong_key; // signs with another mac_key
	bool cut_key;   // signs with 16 bytes of mac_key
	size_t cut;     // bytes off the token's end
};

static const struct bearer ann = {.kid = "north",
	.server_name = SERVER_NAME,
	.mac_key = "ann's key, 20 bytes.",
	.mac_length = 20,
	.made_s = NOW_S,
	.lifetime_s = 3600};

static void open_with_oauth(struct relay *r)
{
	static char kids[2][6] = {"north", "union"}, name[] = SERVER_NAME;
	static char north[] = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
	static char union_[] = "MTIzNDU2Nzg5MDEyMzQ1Ng==";
	static struct conf_oauth_key keys[2] = {
		{.kid = kids[0], .key = north, .algorithm = CONF_OAUTH_A256GCM},
		{.kid = kids[1], .key = union_, .algorithm = CONF_OAUTH_A128GCM}};
	r->conf.auth.oauth.server_name = name;
	r->conf.auth.oauth.keys = keys;
	r->conf.auth.oauth.n_keys = 2;
	relay_open(r);
}

static int setup(void **state)
{
	struct relay *r = calloc(1, sizeof(*r));
	open_with_oauth(r);
	*state = r;
	return 0;
}

static void write_token(struct relay *r, const struct bearer *b)
{
	bool north = strcmp(b->kid, "union") != 0;
	uint8_t block[64], token[TOKEN_MOST];
	size_t n = token_block((uint16_t)b->mac_length, b->mac_key, b->mac_length, b->made_s << 16,
		b->lifetime_s, block);
	n = token_seal(
		north ? 256 : 128, north ? KEY_NORTH : KEY_UNION, b->server_name, block, n, token);
	stun_write_attr(&r->writer, STUN_ATTR_ACCESS_TOKEN, token, n - b->cut);
}

static void write_integrity(struct relay *r, const struct bearer *b, uint16_t type)
{
	bool sha256 = type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
	uint8_t copy[CTL_REQUEST_MAX_BYTES], digest[32], key[32];
	size_t n = r->writer.length, size = sha256 ? 32 : 20, key_length = b->mac_length;
	memcpy(key, b->mac_key, key_length);
	if (b->sha1_key) {
		EVP_Digest(b->mac_key, b->mac_length, key, NULL, EVP_sha1(), NULL);
		key_length = 20;
	}
	if (b->cut_key)
		key_length = 16;
	key[0] ^= b->wrong_key;
	memcpy(copy, r->bytes, n);
	tp_wr16(copy + 2, (uint16_t)(n + 4 + size - 20));
	HMAC(sha256 ? EVP_sha256() : EVP_sha1(), key, (int)key_length, copy, n, digest, NULL);
	stun_write_attr(&r->writer, type, digest, size);
}

// Whether the answer carries exactly one integrity, of this kind, right.
static bool answer_signed(struct relay *r, const struct bearer *b)
{
	bool sha256 = b->sha256 || b->both;
	const struct sent *s = last_sent(r);
	uint8_t copy[CTL_RESPONSE_MAX_BYTES], digest[32], key[32];
	size_t key_length = b->mac_length;
	struct stun_attr mi, other;
	if (!stun_find(&s->message,
		    sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY, &mi))
		return false;
	assert_false(stun_find(&s->message,
		sha256 ? STUN_ATTR_MESSAGE_INTEGRITY : STUN_ATTR_MESSAGE_INTEGRITY_SHA256, &other));
	memcpy(key, b->mac_key, key_length);
	if (b->sha1_key) {
		EVP_Digest(b->mac_key, b->mac_length, key, NULL, EVP_sha1(), NULL);
		key_length = 20;
	}
	if (b->cut_key)
		key_length = 16;
	memcpy(copy, s->bytes, mi.offset);
	tp_wr16(copy + 2, (uint16_t)(mi.offset + 4 + mi.length - 20));
	HMAC(sha256 ? EVP_sha256() : EVP_sha1(), key, (int)key_length, copy, mi.offset, digest,
		NULL);
	assert_int_equal(mi.length, sha256 ? 32 : 20);
	return memcmp(digest, mi.value, mi.length) == 0;
}

// Sends the request begun; the code of its answer. What must hold of every answer is checked here.
static int code_with(struct relay *r, const struct bearer *b)
{
	struct stun_attr a;
	stun_write_attr(&r->writer, STUN_ATTR_USERNAME, b->kid, strlen(b->kid));
	stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, strlen(RELAY_REALM));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	if (!b->no_token)
		write_token(r, b);
	if (!b->sha256)
		write_integrity(r, b, STUN_ATTR_MESSAGE_INTEGRITY);
	if (b->sha256 || b->both)
		write_integrity(r, b, STUN_ATTR_MESSAGE_INTEGRITY_SHA256);
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	const struct sent *s = last_sent(r);
	int code = sent_code(s);
	bool challenge = code == 401 || code == 438;
	assert_int_equal(answer_signed(r, b), !challenge);
	assert_int_equal(
		stun_find(&s->message, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, &a), challenge);
	assert_int_equal(stun_find(&s->message, STUN_ATTR_NONCE, &a), challenge);
	assert_false(stun_find(&s->message, STUN_ATTR_ACCESS_TOKEN, &a));
	return code;
}

static int allocate_with(struct relay *r, const struct bearer *b)
{
	relay_challenge(r);
	request_allocate(r);
	return code_with(r, b);
}

static int refresh_with(struct relay *r, const struct bearer *b, uint32_t lifetime_s)
{
	request_begin(r, STUN_REFRESH);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, lifetime_s);
	return code_with(r, b);
}

static int permit_with(struct relay *r, const struct bearer *b)
{
	request_begin(r, STUN_CREATE_PERMISSION);
	request_peer(r, "198.19.0.1", 0);
	return code_with(r, b);
}

static struct bearer without_token(const struct bearer *b)
{
	struct bearer out = *b;
	out.no_token = true;
	return out;
}

static uint64_t counted(struct relay *r, enum ctl_oauth_result result)
{
	return ctl_turn_counters(r->turn)->oauth[result];
}

// ---- Section 4.

static void challenges_name_the_server(void **state)
{
	struct relay *r = *state;
	struct stun_attr a;
	request_allocate(r); // the least one
	request_finish(r);
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 401);
	learn_nonce(r, last_sent(r));
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, &a));
	assert_int_equal(a.length, strlen(SERVER_NAME));
	assert_memory_equal(a.value, SERVER_NAME, a.length);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_REALM, &a));
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_PASSWORD_ALGORITHMS, &a));
	assert_true(2 * (last_sent(r)->length + 28) <= 5 * (r->length + 28));
	r->nonce[20] ^= 1; // 438 does, too: code_with looks
	request_allocate(r);
	assert_int_equal(code_with(r, &ann), 438);
	learn_nonce(r, last_sent(r));
	request_allocate(r);
	assert_int_equal(code_with(r, &ann), 0);
}

// Without the section: nothing in the challenge, and 420 once the request is authenticated.
static void unconfigured_the_attribute_is_unknown(void **state)
{
	struct relay *r = *state;
	struct stun_attr a;
	relay_challenge(r);
	assert_false(stun_find(&last_sent(r)->message, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, &a));
	request_allocate(r);
	write_token(r, &ann);
	assert_int_equal(request_code(r), 420);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &a));
	assert_memory_equal(a.value, "\x00\x1b", 2);
	request_begin(r, STUN_BINDING);
	write_token(r, &ann);
	request_finish(r);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 420);
}

// ---- Section 7.

static void a_token_allocates_and_the_rest_goes_without(void **state)
{
	struct relay *r = *state;
	struct bearer rest = without_token(&ann);
	assert_int_equal(allocate_with(r, &ann), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 600);
	assert_int_equal(permit_with(r, &rest), 0);
	request_begin(r, STUN_CHANNEL_BIND);
	stun_write_u32(&r->writer, STUN_ATTR_CHANNEL_NUMBER, 0x4000u << 16);
	request_peer(r, "198.19.0.1", 5000);
	assert_int_equal(code_with(r, &rest), 0);
	assert_int_equal(permit_with(r, &ann), 0); // bringing it is no harm
	assert_int_equal(refresh_with(r, &ann, 900), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 900);
	assert_int_equal(refresh_with(r, &ann, 0), 0);
	assert_null(relay_allocation(r));
	assert_int_equal(counted(r, CTL_OAUTH_accepted), 4);
}

static void the_aes_128_key_serves_too(void **state)
{
	struct bearer b = ann;
	b.kid = "union";
	assert_int_equal(allocate_with(*state, &b), 0);
}

static void users_work_beside_it(void **state)
{
	struct relay *r = *state;
	relay_allocate(r);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 0);
	assert_int_equal(counted(r, CTL_OAUTH_accepted), 0);
}

static void bad_tokens_401_counted_by_reason(void **state)
{
	struct relay *r = *state;
	struct bearer bad[CTL_OAUTH_RESULTS];
	for (int i = 0; i < CTL_OAUTH_RESULTS; i++)
		bad[i] = ann;
	bad[CTL_OAUTH_malformed].cut = 1;
	bad[CTL_OAUTH_unknown_kid].kid = "south";
	bad[CTL_OAUTH_tag].server_name = "turn2.example.org";
	bad[CTL_OAUTH_expired].made_s -= 3605;
	bad[CTL_OAUTH_early].made_s += 3605;
	bad[CTL_OAUTH_integrity].wrong_key = true;
	for (enum ctl_oauth_result i = 0; i < CTL_OAUTH_RESULTS; i++) {
		if (i == CTL_OAUTH_accepted || i == CTL_OAUTH_key_period)
			continue;
		assert_int_equal(allocate_with(r, &bad[i]), 401);
		assert_int_equal(counted(r, i), 1);
		assert_null(relay_allocation(r));
	}
	assert_int_equal(counted(r, CTL_OAUTH_accepted), 0);
}

// Whatever is wrong, the answers look the same: length and everything but nonce and ids.
static void reasons_do_not_show(void **state)
{
	struct relay *r = *state;
	struct bearer bad = ann;
	bad.kid = "south";
	assert_int_equal(allocate_with(r, &bad), 401);
	size_t length = last_sent(r)->length;
	uint8_t one[CTL_RESPONSE_MAX_BYTES];
	memcpy(one, last_sent(r)->bytes, length);
	bad = ann;
	bad.wrong_key = true;
	assert_int_equal(allocate_with(r, &bad), 401);
	assert_int_equal(last_sent(r)->length, length);
	memcpy(one + 8, last_sent(r)->bytes + 8, 12);
	assert_memory_equal(one, last_sent(r)->bytes, length);
}

static void the_kid_stands_in_username(void **state)
{
	struct relay *r = *state;
	uint8_t hash[32] = {0};
	relay_challenge(r);
	request_allocate(r); // neither: 400, as RFC 8489 has it
	stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, strlen(RELAY_REALM));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	write_token(r, &ann);
	write_integrity(r, &ann, STUN_ATTR_MESSAGE_INTEGRITY);
	request_finish(r);
	r->n_sent = 0;
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 400);
	request_allocate(r);
	stun_write_attr(&r->writer, STUN_ATTR_USERHASH, hash, 32);
	stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, strlen(RELAY_REALM));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	write_token(r, &ann);
	write_integrity(r, &ann, STUN_ATTR_MESSAGE_INTEGRITY);
	request_finish(r);
	r->n_sent = 0;
	request_send(r);
	assert_int_equal(sent_code(last_sent(r)), 401);
	assert_int_equal(counted(r, CTL_OAUTH_unknown_kid), 1);
}

// The answer's kind is the request's.
static void integrity_of_either_kind(void **state)
{
	static const char long_key[] = "0123456789abcdef0123456789ABCDEF";
	struct bearer kinds[6];
	for (int i = 0; i < 6; i++) {
		kinds[i] = ann;
		kinds[i].mac_key = i & 1 ? long_key : ann.mac_key;
		kinds[i].mac_length = i & 1 ? 32 : 20;
		kinds[i].sha256 = i / 2 == 1;
		kinds[i].both = i / 2 == 2;
	}
	for (int i = 0; i < 6; i++) {
		struct relay *r = *state;
		struct bearer rest = without_token(&kinds[i]);
		assert_int_equal(allocate_with(r, &kinds[i]), 0);
		assert_int_equal(permit_with(r, &rest), 0);
		assert_int_equal(refresh_with(r, &kinds[i], 0), 0);
	}
	// Appendix B: HMAC-SHA1 by the SHA-1 of a key of 256 bits; of a shorter one it is wrong.
	struct bearer b = kinds[1];
	b.sha1_key = true;
	struct bearer rest = without_token(&b);
	assert_int_equal(allocate_with(*state, &b), 0);
	assert_int_equal(permit_with(*state, &rest), 0);
	assert_int_equal(refresh_with(*state, &b, 0), 0);
	b = ann;
	b.sha1_key = true;
	assert_int_equal(allocate_with(*state, &b), 401);
}

// coturn's client: by a switch only, in MESSAGE-INTEGRITY only, and of no other length.
static void keys_cut_to_16_bytes(void **state)
{
	struct relay *r = *state;
	struct bearer b = ann, rest;
	b.cut_key = true;
	rest = without_token(&b);
	assert_int_equal(allocate_with(r, &b), 401);
	assert_int_equal(counted(r, CTL_OAUTH_integrity), 1);
	relay_close(r);
	memset(r, 0, sizeof(*r));
	r->conf.compatibility.access_tokens = CONF_TOKENS_COTURN;
	open_with_oauth(r);
	assert_int_equal(allocate_with(r, &b), 0);
	assert_int_equal(permit_with(r, &rest), 0);
	assert_int_equal(permit_with(r, &ann), 0);
	b.wrong_key = true;
	assert_int_equal(refresh_with(r, &b, 600), 401);
	b = ann;
	b.mac_key = "ann's key, 20 bytes?"; // the same first 16
	rest = without_token(&b);
	assert_int_equal(permit_with(r, &rest), 401);
}

// Section 11: a request that somebody overheard serves from no other five-tuple.
static void replayed_elsewhere_438(void **state)
{
	struct relay *r = *state;
	assert_int_equal(allocate_with(r, &ann), 0);
	r->client = addr("198.18.1.2", 4000);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1); // the same bytes
	assert_int_equal(sent_code(last_sent(r)), 438);
	assert_null(relay_allocation(r));
	r->client = addr("198.18.1.1", 4001);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 438);
	// At home it is a retransmission: the same answer.
	r->client = addr("198.18.1.1", 4000);
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 0);
}

// ---- Section 9.

static void a_token_serves_many_allocations(void **state)
{
	struct relay *r = *state;
	for (uint16_t port = 4000; port < 4010; port++) {
		r->client.port = port;
		assert_int_equal(allocate_with(r, &ann), 0);
	}
}

static void lifetimes_end_with_the_token(void **state)
{
	struct relay *r = *state;
	struct bearer b = ann;
	b.lifetime_s = 100;
	assert_int_equal(allocate_with(r, &b), 0); // the default would be 600
	assert_int_equal(sent_lifetime(last_sent(r)), 100);
	world_pass(&r->w, 50 * TP_NS_PER_S);
	assert_int_equal(refresh_with(r, &b, 600), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 55); // lifetime + Delta - age
	assert_true(relay_allocation(r)->deadline_ns == r->w.now.now_ns + 55 * TP_NS_PER_S);
	world_pass(&r->w, 54 * TP_NS_PER_S);
	assert_int_equal(refresh_with(r, &b, 600), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 1);
	world_pass(&r->w, TP_NS_PER_S);
	assert_int_equal(refresh_with(r, &b, 600), 401);
	assert_int_equal(counted(r, CTL_OAUTH_expired), 1);
	b = without_token(&b);
	assert_int_equal(permit_with(r, &b), 401); // and the allocation is over
	assert_null(relay_allocation(r));
}

static void lifetime_zero_in_an_allocate_is_limited_too(void **state)
{
	struct relay *r = *state;
	struct bearer b = ann;
	b.lifetime_s = 100;
	relay_challenge(r);
	request_allocate(r);
	stun_write_u32(&r->writer, STUN_ATTR_LIFETIME, 0);
	assert_int_equal(code_with(r, &b), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 100);
}

static void an_allocate_or_refresh_needs_a_token(void **state)
{
	struct relay *r = *state;
	struct bearer rest = without_token(&ann);
	assert_int_equal(allocate_with(r, &rest), 401);
	assert_int_equal(allocate_with(r, &ann), 0);
	assert_int_equal(refresh_with(r, &rest, 600), 401);
	assert_int_equal(refresh_with(r, &rest, 0), 401);
	assert_non_null(relay_allocation(r));
}

// "The client MUST use the new token to refresh existing allocations": another session key, and
// perhaps another long-term key. From then on the new one counts, and the old one no longer.
static void a_new_token_refreshes(void **state)
{
	struct relay *r = *state;
	struct bearer next = ann, rest = without_token(&ann);
	uint8_t before[CTL_USER_MAX_BYTES], after[CTL_USER_MAX_BYTES];
	next.kid = "union";
	next.mac_key = "ann's next key of 20";
	next.made_s += 3000;
	assert_int_equal(allocate_with(r, &ann), 0);
	size_t n = ctl_allocation_user(r->w.store, relay_allocation(r), before);
	world_pass(&r->w, 500 * TP_NS_PER_S);
	assert_int_equal(refresh_with(r, &next, 1000), 0);
	assert_int_equal(sent_lifetime(last_sent(r)), 1000);
	assert_int_equal(permit_with(r, &rest), 401);
	rest = without_token(&next);
	assert_int_equal(permit_with(r, &rest), 0);
	// Accounted for as it began.
	assert_int_equal(ctl_allocation_user(r->w.store, relay_allocation(r), after), n);
	assert_memory_equal(before, after, n);
}

// ---- Whose allocation it is.

static void another_token_of_the_kid_is_somebody_else(void **state)
{
	struct relay *r = *state;
	struct bearer ben = ann, rest;
	ben.mac_key = "ben's key, 20 bytes.";
	rest = without_token(&ben);
	assert_int_equal(allocate_with(r, &ann), 0);
	assert_int_equal(permit_with(r, &ben), 441);
	assert_int_equal(permit_with(r, &rest), 401);
	request_allocate(r);
	assert_int_equal(code_with(r, &ben), 437);
	// From elsewhere there is nothing to take.
	r->client.port++;
	relay_challenge(r);
	assert_int_equal(refresh_with(r, &ben, 0), 437);
	r->client.port--;
	assert_non_null(relay_allocation(r));
}

// A repeated Allocate whose answer was forgotten is ann's only.
static void the_record_answers_its_own_token_only(void **state)
{
	struct relay *r = *state;
	struct bearer ben = ann;
	uint8_t id[12];
	ben.mac_key = "ben's key, 20 bytes.";
	assert_int_equal(allocate_with(r, &ann), 0);
	memcpy(id, r->transaction_id, sizeof(id));
	world_pass(&r->w, 41 * TP_NS_PER_S);
	request_allocate(r);
	memcpy(r->bytes + 8, id, sizeof(id));
	assert_int_equal(code_with(r, &ben), 437);
	request_allocate(r);
	memcpy(r->bytes + 8, id, sizeof(id));
	assert_int_equal(code_with(r, &ann), 0);
}

static void users_and_tokens_keep_apart(void **state)
{
	struct relay *r = *state;
	struct bearer rest = without_token(&ann);
	relay_allocate(r); // alice's
	assert_int_equal(refresh_with(r, &ann, 0), 441);
	assert_int_equal(permit_with(r, &ann), 441);
	assert_int_equal(permit_with(r, &rest), 401);
	r->client.port++;
	assert_int_equal(allocate_with(r, &ann), 0);
	request_begin(r, STUN_REFRESH);
	assert_int_equal(request_code(r), 441); // alice
	assert_non_null(relay_allocation(r));
}

static void quotas_are_by_token(void **state)
{
	struct relay *r = *state;
	struct bearer ben = ann;
	ben.mac_key = "ben's key, 20 bytes.";
	relay_close(r);
	memset(r, 0, sizeof(*r));
	r->conf.quotas.allocations_per_user = 1;
	open_with_oauth(r);
	assert_int_equal(allocate_with(r, &ann), 0);
	r->client.port++;
	assert_int_equal(allocate_with(r, &ann), 486);
	assert_int_equal(allocate_with(r, &ben), 0);
}

// ---- The session key in the region.

static bool region_has(const struct relay *r, const char *bytes, size_t n)
{
	return memmem(r->w.region, r->w.region_bytes, bytes, n) != NULL;
}

// Control ends and another one adopts its records.
static uint32_t restart(struct relay *r)
{
	struct ctl_adoption adoption;
	ctl_turn_destroy(r->turn);
	ctl_store_destroy(r->w.store);
	struct ctl_store_options store = world_options(&r->w);
	assert_int_equal(ctl_store_create(&store, &r->w.store), 0);
	assert_int_equal(ctl_store_adopt(r->w.store, r->w.now, &adoption), 0);
	struct ctl_turn_options o = {.conf = &r->conf,
		.store = r->w.store,
		.users = r->user_store,
		.acl = r->acl,
		.send = relay_sent,
		.send_context = r,
		.random = {.bytes = world_random, .context = &r->w}};
	assert_int_equal(ctl_turn_create(&o, &r->turn), 0);
	return adoption.allocations;
}

static void a_restart_of_control_keeps_the_key(void **state)
{
	struct relay *r = *state;
	struct bearer ben = ann, rest = without_token(&ann);
	ben.mac_key = "ben's key, 20 bytes.";
	assert_int_equal(allocate_with(r, &ann), 0);
	assert_int_equal(restart(r), 1);
	assert_int_equal(permit_with(r, &rest), 0);
	assert_int_equal(permit_with(r, &ben), 441);
	assert_int_equal(refresh_with(r, &ann, 600), 0);
}

// A key of a length that no token has would open the allocation to whoever knows that.
static void a_damaged_key_ends_the_allocation(void **state)
{
	static const uint8_t bad[] = {1, 19, 33, 255};
	struct relay *r = *state;
	for (size_t i = 0; i < sizeof(bad); i++) {
		assert_int_equal(allocate_with(r, &ann), 0);
		((struct tp_alloc_record *)(uintptr_t)relay_allocation(r))->mac_key_length = bad[i];
		assert_int_equal(restart(r), 0);
		assert_null(relay_allocation(r));
		assert_false(region_has(r, ann.mac_key, 20));
	}
}

static void no_key_outlives_its_allocation(void **state)
{
	struct relay *r = *state;
	struct bearer next = ann;
	next.mac_key = "ann's next key of 20";
	assert_int_equal(allocate_with(r, &ann), 0);
	assert_true(region_has(r, ann.mac_key, 20));
	assert_int_equal(refresh_with(r, &next, 600), 0);
	assert_false(region_has(r, ann.mac_key, 20));
	assert_true(region_has(r, next.mac_key, 20));
	assert_int_equal(refresh_with(r, &next, 0), 0);
	assert_false(region_has(r, next.mac_key, 20));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(challenges_name_the_server),
		cmocka_unit_test_setup_teardown(
			unconfigured_the_attribute_is_unknown, relay_setup, relay_teardown),
		TEST(a_token_allocates_and_the_rest_goes_without),
		TEST(the_aes_128_key_serves_too),
		TEST(users_work_beside_it),
		TEST(bad_tokens_401_counted_by_reason),
		TEST(reasons_do_not_show),
		TEST(the_kid_stands_in_username),
		TEST(integrity_of_either_kind),
		TEST(keys_cut_to_16_bytes),
		TEST(replayed_elsewhere_438),
		TEST(a_token_serves_many_allocations),
		TEST(lifetimes_end_with_the_token),
		TEST(lifetime_zero_in_an_allocate_is_limited_too),
		TEST(an_allocate_or_refresh_needs_a_token),
		TEST(a_new_token_refreshes),
		TEST(another_token_of_the_kid_is_somebody_else),
		TEST(the_record_answers_its_own_token_only),
		TEST(users_and_tokens_keep_apart),
		TEST(quotas_are_by_token),
		TEST(a_restart_of_control_keeps_the_key),
		TEST(a_damaged_key_ends_the_allocation),
		TEST(no_key_outlives_its_allocation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
