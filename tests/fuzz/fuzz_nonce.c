// SPDX-License-Identifier: BSD-3-Clause
// The text of nonces as clients send it back: only what we wrote for this client and listener, and
// is young enough, is taken; whatever can be read is written again as it was.
#include "common/base/clock.h"
#include "control/auth/nonce.h"
#include "tests/fuzz/script.h"

#define LIFETIME_S 600
#define NOW_NS     (UINT64_C(1700000000) * TP_NS_PER_S)

static int draw(void *context, void *out, size_t len)
{
	memset(out, 0x5a, len);
	return *(uint8_t *)context & 1 ? -1 : 0;
}

static void check_text(const uint8_t *text, size_t size, const struct tp_nonce_key keys[2])
{
	struct tp_addr client = {.ip = tp_ip4(0xc6120101), .port = 4000};
	struct tp_addr listener = {.ip = tp_ip4(0xc6120002), .port = 3478};
	struct tp_nonce n = {.client = client, .listener = listener};
	struct tp_siphash_key key;
	char again[TP_NONCE_CHARS];
	uint64_t tag;

	uint32_t features = tp_nonce_features(text, size);
	bool readable = tp_nonce_read(text, size, &n, &tag);
	FUZZ_CHECK(!readable || n.features == features);
	bool ours = false;
	for (int i = 0; readable && i < 2; i++) {
		memcpy(key.bytes, keys[i].key, sizeof(key.bytes));
		tp_nonce_write(&key, &n, again);
		// All but the tag is the same again, whoever wrote it.
		FUZZ_CHECK(memcmp(again, text, TP_NONCE_COOKIE_CHARS + 5) == 0);
		ours |= memcmp(again, text, TP_NONCE_CHARS) == 0;
	}
	bool ok = ctl_nonce_ok(keys, NOW_NS, LIFETIME_S, &client, &listener, text, size);
	FUZZ_CHECK(!ok || (ours && n.time_s <= NOW_NS / TP_NS_PER_S + 5));
	client.port++;
	FUZZ_CHECK(!ctl_nonce_ok(keys, NOW_NS, LIFETIME_S, &client, &listener, text, size));
	if (readable)
		fuzz_canary(text + size);
}

// The first byte says how old the keys are and whether the random source fails; then a byte of
// changes for a nonce of ours, at each of the places that follow; or, without them, the text.
void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	struct tp_nonce_key keys[2] = {{.created_wall_ns = NOW_NS - 10, .key = {1}}, {.key = {2}}};
	struct tp_addr client = {.ip = tp_ip4(0xc6120101), .port = 4000};
	struct tp_addr listener = {.ip = tp_ip4(0xc6120002), .port = 3478};
	uint8_t how = fuzz_u8(&s);
	const struct ctl_random random = {.bytes = draw, .context = &how};
	uint64_t age_ns = (uint64_t)(how >> 2) * 60 * TP_NS_PER_S;

	if (ctl_nonce_rotate(keys, NOW_NS + age_ns, LIFETIME_S, &random) < 0)
		FUZZ_CHECK(how & 1);
	if (how & 2) {
		char ours[TP_NONCE_CHARS];
		ctl_nonce_write(keys, NOW_NS - age_ns, fuzz_u16(&s) << 8, &client, &listener, ours);
		while (fuzz_left(&s) > 1) {
			uint8_t place = fuzz_u8(&s) % TP_NONCE_CHARS;
			ours[place] = (char)(ours[place] ^ fuzz_u8(&s));
		}
		uint8_t *copy = malloc(sizeof(ours));
		memcpy(copy, ours, sizeof(ours));
		check_text(copy, sizeof(ours), keys);
		free(copy);
	} else {
		check_text(s.at, fuzz_left(&s), keys);
	}
}
