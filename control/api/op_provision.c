// SPDX-License-Identifier: BSD-3-Clause
// `provision`, `unprovision` and `provision.status`. The first two begin a job and answer at once.
#include <errno.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "control/api/numbering_json.h"
#include "control/api/operations.h"
#include "control/api/text.h"
#include "control/loop/provision.h"
#include "control/loop/session.h"

#define DEFAULT_CLIENT     UINT32_C(0xc6130000) // 198.19.0.0
#define DEFAULT_PEER       UINT32_C(0xc6138000) // 198.19.128.0
#define DEFAULT_LIFETIME_S 86400

static double seconds(const struct ctl_provision *p)
{
	uint64_t end_ns = p->end_ns ? p->end_ns : tp_now_ns();

	return p->begin_ns ? (double)((end_ns - p->begin_ns) / TP_NS_PER_MS) / 1000.0 : 0.0;
}

static void answer(struct ctl *ctl, struct ctl_call *call)
{
	static const char *const state[] = {
		[CTL_PROVISION_IDLE] = "idle",
		[CTL_PROVISION_MAKING] = "making",
		[CTL_PROVISION_MADE] = "made",
		[CTL_PROVISION_REMOVING] = "removing",
		[CTL_PROVISION_FAILED] = "failed",
	};
	const struct ctl_provision *p = ctl_provision_get(ctl->session);
	const struct ctl_store *store = ctl_session_store(ctl->session);
	struct ctl_store_status s = {0};

	if (store)
		ctl_store_status(store, &s);
	ctl_call_reply(call,
		json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:f, s:o, s:o}", "state", state[p->state],
			"allowed", ctl->conf->provision.allow, "synthetic", (json_int_t)s.synthetic,
			"wanted", (json_int_t)p->numbering.allocations, "made", (json_int_t)p->made,
			"removed", (json_int_t)p->removed, "seconds", seconds(p), "error",
			p->why[0] ? json_string(p->why) : json_null(), "numbering",
			p->numbering.allocations ? ctl_numbering_json(&p->numbering)
						 : json_null()));
}

static void fail(struct ctl_call *call, int rc, const char *why)
{
	ctl_call_fail(call,
		rc == -ENOTCONN ? CTL_RPC_UNAVAILABLE
		: rc == -EBUSY  ? CTL_RPC_BUSY
		: rc == -EINVAL ? CTL_RPC_INVALID_PARAMS
				: CTL_RPC_CONFLICT,
		why);
}

static uint32_t integer(const json_t *params, const char *key, uint32_t otherwise)
{
	const json_t *v = json_object_get(params, key);

	return v ? (uint32_t)json_integer_value(v) : otherwise;
}

static const char *text(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

// NULL, or what is wrong.
static const char *read_wish(const json_t *params, struct ctl_synthetic_wish *w)
{
	const char *client = text(params, "client"), *peer = text(params, "peer"),
		   *listener = text(params, "listener"), *relay = text(params, "relay");

	*w = (struct ctl_synthetic_wish){.allocations = integer(params, "count", 0),
		.peers = integer(params, "peers", 1),
		.channels = integer(params, "channels", 1),
		.client = tp_ip4(DEFAULT_CLIENT),
		.peer = tp_ip4(DEFAULT_PEER)};
	if (w->allocations == 0)
		return "count: how many allocations?";
	if (client && tp_ip_parse(client, &w->client))
		return "client: expected an address";
	if (peer && tp_ip_parse(peer, &w->peer))
		return "peer: expected an address";
	if (listener && ctl_addr_parse(listener, &w->listener))
		return "listener: expected an address and port like 198.18.0.2:3478";
	if (relay && tp_prefix_parse(relay, &w->relay, &w->relay_bits))
		return "relay: expected an address or prefix like 198.18.7.0/26";
	return NULL;
}

void ctl_op_provision(void *context, struct ctl_call *call, const json_t *params)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct ctl *ctl = context;
	struct ctl_synthetic_wish wish;
	const char *wrong = read_wish(params, &wish);
	int rc;

	if (wrong) {
		ctl_call_fail(call, CTL_RPC_INVALID_PARAMS, wrong);
		return;
	}
	rc = ctl_provision_begin(
		ctl->session, &wish, integer(params, "lifetime", DEFAULT_LIFETIME_S), why);
	if (rc)
		fail(call, rc, why);
	else
		answer(ctl, call);
}

void ctl_op_unprovision(void *context, struct ctl_call *call, const json_t *params)
{
	char why[CTL_SYNTHETIC_WHY_BYTES];
	struct ctl *ctl = context;
	int rc = ctl_provision_remove(ctl->session, why);

	if (rc)
		fail(call, rc, why);
	else
		answer(ctl, call);
}

void ctl_op_provision_status(void *context, struct ctl_call *call, const json_t *params)
{
	answer(context, call);
}
