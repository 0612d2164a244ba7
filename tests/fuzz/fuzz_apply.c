// SPDX-License-Identifier: BSD-3-Clause
// Commands of a control that has gone mad: refused or executed, never more than the tables hold,
// and when all is swept nothing is left, no reference on a next hop either.
#include "tests/unit/dataplane/cmd/fixture.h"
// After cmocka's headers.
#include "tests/fuzz/eal.h"

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

// What status says is what the table holds: one flow an allocation and permission, two a channel.
static void check_status(const struct fixture *f)
{
	struct tp_status_reply status = {0};

	dp_apply_status(f->apply, &status);
	FUZZ_CHECK(status.flows ==
		   status.allocations + status.permissions + 2 * (uint64_t)status.channels);
	FUZZ_CHECK(status.flows <= status.flow_capacity && status.allocations <= ALLOCATIONS);
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

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	uint32_t channels = 0;

	fuzz_eal();
	struct fixture *f = fixture_new();
	for (int i = 0; i < 200 && fuzz_left(&s) > 0; i++) {
		struct tp_cmd cmd = take_command(&s);

		if (cmd.type == 0xf) { // the kernel's routes change
			f->net.generation++;
			f->net.shift = cmd.alloc.index & 1;
			dp_apply_resolve_slice(f->apply, 2);
			continue;
		}
		dp_apply_command(f->apply, &cmd, &f->ack);
		FUZZ_CHECK(f->ack.sequence == cmd.sequence && f->ack.type == cmd.type);
		FUZZ_CHECK(f->ack.result <= 0);
		channels += cmd.type == TP_CMD_CHANNEL_SET && f->ack.result == 0;
		check_status(f);
	}
	if (channels > 0)
		fuzz_canary(data + size);
	while (dp_apply_resolve_slice(f->apply, 3))
		;
	sweep(f);
	fixture_free(f);
}
