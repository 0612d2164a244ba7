// SPDX-License-Identifier: BSD-3-Clause
// Commands of a control that has gone mad, and datagrams of clients that move: refused or executed,
// never more than the tables hold, and when all is swept nothing is left, no reference on a next
// hop either.
#include "tests/unit/dataplane/cmd/fixture.h"
// After cmocka's headers.
#include "common/base/log.h"
#include "common/wire/chandata.h"
#include "tests/fuzz/eal.h"

#define FILL_MOST 1200 // permissions made by OP_FILL, all told: more than the table holds

// Beside the commands, by type & 0xf.
enum { OP_FILL = 0xd, OP_ARRIVE, OP_ROUTES };

static const char *const addresses[] = {"198.18.0.2", "10.0.0.5", "203.0.113.5", "fd00:198:18::5",
	"198.18.1.1", "198.18.1.2", "fd00:198:18::11", "fd00:198:18::2", "198.18.0.3", "0.0.0.0",
	"198.19.0.7", "2001:db8::1"};

static struct tp_addr take_addr(struct fuzz_script *s)
{
	uint8_t which = fuzz_u8(s), port = fuzz_u8(s);
	struct tp_addr out = {.port = port & 0x80 ? 3478 : port & 0x40 ? 0 : 49152 + (port & 7)};

	if (which & 0x80)
		fuzz_take(s, &out.ip, sizeof(out.ip)); // anything
	else if (which & 0x40)
		out = (struct tp_addr){0};
	else
		out.ip = ip(addresses[which % RTE_DIM(addresses)]);
	return out;
}

static uint64_t take_deadline(struct fuzz_script *s)
{
	static const uint64_t deadlines[] = {0, 1000, 2000, UINT64_MAX};
	return deadlines[fuzz_u8(s) & 3];
}

// Most of it right, so that a single byte of the script is what makes it wrong.
static struct tp_cmd_settings take_settings(struct fuzz_script *s)
{
	static const uint16_t channel_most[] = {
		CHANDATA_CHANNEL_MAX, CHANDATA_CHANNEL_MAX_RFC5766, 0x3fff, UINT16_MAX};
	static const uint32_t levels[] = {TP_LOG_ERROR, TP_LOG_ERROR, UINT32_MAX, TP_LOG_DEBUG + 1};
	uint8_t rate = fuzz_u8(s), which = fuzz_u8(s);

	return (struct tp_cmd_settings){.per_address = rate,
		.per_network = UINT32_MAX >> (rate & 31),
		.punts = rate,
		.unproven = UINT32_MAX,
		.channel_max = channel_most[which & 3],
		.log_level = levels[which >> 2 & 3],
		.hop_limit = which,
		.dscp = fuzz_u8(s)};
}

// Where the client moves to, and the number of the move.
static void take_move(struct fuzz_script *s, struct tp_cmd *cmd)
{
	cmd->allocation.pending = take_addr(s);
	cmd->allocation.pending_listener = take_addr(s);
	cmd->move = fuzz_u8(s);
}

static struct tp_cmd take_command(struct fuzz_script *s)
{
	struct tp_cmd cmd = {0};
	uint8_t type = fuzz_u8(s), alloc = fuzz_u8(s);

	if (type & 0x80) {
		fuzz_take(s, &cmd, sizeof(cmd));
		return cmd;
	}
	cmd = (struct tp_cmd){.type = type & 0xf,
		.layout = type & 0x40 ? 2 : 1,
		.alloc = {.index = alloc & 0x40 ? ALLOCATIONS : alloc & 3,
			.generation = (alloc >> 2) & 7},
		.deadline_ns = take_deadline(s)};
	switch (cmd.type) {
	case TP_CMD_ALLOC_SET:
		cmd.allocation = (struct tp_cmd_alloc){.client = take_addr(s),
			.listener = take_addr(s),
			.relay = {take_addr(s), take_addr(s)},
			.rate_bytes_per_s = (uint64_t)fuzz_u16(s) << (alloc & 0x80 ? 48 : 0)};
		if (type & 0x10)
			take_move(s, &cmd);
		if (type & 0x20)
			for (int side = 0; side < 2; side++)
				cmd.allocation.family_deadline_ns[side] = take_deadline(s);
		break;
	case TP_CMD_SETTINGS:
		cmd.settings = take_settings(s);
		break;
	case TP_CMD_PERMISSION_SET:
	case TP_CMD_PERMISSION_DELETE:
		cmd.permission = take_addr(s).ip;
		break;
	case TP_CMD_CHANNEL_SET:
	case TP_CMD_CHANNEL_DELETE:
		cmd.channel.peer = take_addr(s);
		cmd.channel.channel = fuzz_u8(s) & 0x80 ? fuzz_u16(s) : 0x4000 + (alloc & 3);
		break;
	}
	return cmd;
}

// What status says is what the table holds: one flow an allocation and permission, two a channel,
// and while clients move one more an allocation and channel.
static void check_status(const struct fixture *f, bool moving)
{
	struct tp_status_reply status = {0};

	dp_apply_status(f->apply, &status);
	uint64_t least = status.allocations + status.permissions + 2 * (uint64_t)status.channels;
	uint64_t more = moving ? status.allocations + (uint64_t)status.channels : 0;
	FUZZ_CHECK(status.flows >= least && status.flows <= least + more);
	FUZZ_CHECK(status.flows <= status.flow_capacity && status.allocations <= ALLOCATIONS);
}

// Permissions of an allocation, each for another peer.
static void fill(struct fixture *f, const struct tp_cmd *like, uint8_t n, uint32_t *filled)
{
	for (; n > 0 && *filled < FILL_MOST; n--) {
		struct tp_cmd cmd = {.type = TP_CMD_PERMISSION_SET,
			.layout = 1,
			.alloc = like->alloc,
			.deadline_ns = like->deadline_ns,
			.permission = tp_ip4(0xcb000000 + ++*filled)};
		dp_apply_command(f->apply, &cmd, &f->ack);
	}
}

// The flow of a moving client that the script means, 0 when there is none.
static uint32_t moving_flow(const struct fixture *f, uint8_t which)
{
	for (uint32_t i = 1; i <= dp_flow_capacity(f->dp.flows); i++) {
		const struct dp_flow *flow = dp_flow_at(f->dp.flows, i);
		if (flow->kind != DP_FLOW_FREE && flow->flags & DP_FLOW_MOVE && which-- == 0)
			return i;
	}
	return 0;
}

// The first datagram by a flow of a moving client, of its channels too, makes it the client.
static void see(struct fixture *f, struct dp_flow *flow)
{
	uint8_t awaited = DP_CLIENT_AWAITED;

	if (flow->client != 0)
		atomic_compare_exchange_strong(
			&dp_flow_at(f->dp.flows, flow->client)->client_state, &awaited,
			DP_CLIENT_ARRIVED);
	atomic_store(&flow->seen, 1);
}

// A worker says that a datagram came by a flow, as path/moves.c does; by the time it is read here
// the flow may be anything, or none.
static void arrive(struct fixture *f, struct fuzz_script *s)
{
	uint8_t which = fuzz_u8(s);
	uint32_t index = which & 0x80 ? fuzz_u16(s) : moving_flow(f, which & 0x3f);
	struct tp_ack event = {0};

	if (index != 0 && !(which & 0x80))
		see(f, dp_flow_at(f->dp.flows, index));
	if (which & 0x40) // and before it is read it is gone
		return;
	if (dp_apply_moved(f->apply, index, &event))
		FUZZ_CHECK(event.type == TP_EVENT_MOVED && event.sequence == 0);
}

static void sweep(struct fixture *f)
{
	struct tp_cmd cmd = {.layout = 1, .type = TP_CMD_SYNC_BEGIN};
	struct tp_status_reply status = {0};

	dp_apply_command(f->apply, &cmd, &f->ack);
	cmd.type = TP_CMD_SYNC_END;
	dp_apply_command(f->apply, &cmd, &f->ack);
	FUZZ_CHECK(f->ack.result == 0);
	dp_apply_status(f->apply, &status);
	FUZZ_CHECK(status.allocations == 0 && status.permissions == 0 && status.channels == 0);
	FUZZ_CHECK(status.flows == 0 && fixture_references(f) == 0);
}

// One step; returns whether a channel was bound.
static bool step(struct fixture *f, struct fuzz_script *s, uint32_t *filled, bool *moving)
{
	struct tp_cmd cmd = take_command(s);

	switch (cmd.type) {
	case OP_FILL:
		fill(f, &cmd, fuzz_u8(s), filled);
		return false;
	case OP_ARRIVE:
		arrive(f, s);
		return false;
	case OP_ROUTES: // the kernel's change
		f->net.generation++;
		f->net.shift = cmd.alloc.index & 1;
		dp_apply_resolve_slice(f->apply, 2);
		return false;
	}
	dp_apply_command(f->apply, &cmd, &f->ack);
	FUZZ_CHECK(f->ack.sequence == cmd.sequence && f->ack.type == cmd.type);
	FUZZ_CHECK(f->ack.result <= 0);
	*moving |=
		cmd.type == TP_CMD_ALLOC_SET && cmd.allocation.pending.ip.family != TP_FAMILY_NONE;
	return cmd.type == TP_CMD_CHANNEL_SET && f->ack.result == 0;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	uint32_t channels = 0, filled = 0;
	bool moving = false;

	fuzz_eal();
	struct fixture *f = fixture_new();
	for (int i = 0; i < 200 && fuzz_left(&s) > 0; i++) {
		channels += step(f, &s, &filled, &moving);
		check_status(f, moving);
	}
	if (channels > 0)
		fuzz_canary(data + size);
	while (dp_apply_resolve_slice(f->apply, 3))
		;
	sweep(f);
	fixture_free(f);
}
