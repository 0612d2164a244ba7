// SPDX-License-Identifier: BSD-3-Clause
// A dataplane that control cannot trust: its attach message, then what it writes into the rings.
// What is refused is explained and leaves no descriptor behind; what is taken stays in its memory.
#include "tests/unit/control/dpcmd/attach_fixture.h"
// After cmocka's headers.
#include "control/dpcmd/attach.h"
#include "control/dpcmd/commands.h"
#include "control/io/punt_in.h"
#include "tests/fuzz/script.h"

static struct attach_fixture good;

struct sink {
	uint32_t requests;
	uint8_t sum; // of their bytes
};

static void take_request(void *context, const struct ctl_request *request)
{
	struct sink *sink = context;

	FUZZ_CHECK(request->length <= TP_PACKET_SLOT_BYTES);
	FUZZ_CHECK(request->client.ip.family == request->listener.ip.family);
	FUZZ_CHECK(request->client.port != 0 && tp_ip_length(&request->client.ip) != 0);
	for (size_t i = 0; i < request->length; i++)
		sink->sum ^= request->bytes[i];
	sink->requests++;
}

// The message with pieces of the input written over it: where, how many bytes, the bytes.
static void alter(struct tp_attached *message, struct fuzz_script *s)
{
	uint8_t n = fuzz_u8(s) & 0xf;

	for (uint8_t i = 0; i < n; i++) {
		size_t at = fuzz_u16(s) % sizeof(*message), length = 1 + (fuzz_u8(s) & 0x1f);
		uint8_t bytes[32];
		fuzz_take(s, bytes, sizeof(bytes) < length ? sizeof(bytes) : length);
		memcpy((uint8_t *)message + at, bytes,
			length < sizeof(*message) - at ? length : sizeof(*message) - at);
	}
}

// Heads, tails and slots as a mad peer leaves them.
static void scribble(struct ctl_attachment *a, struct fuzz_script *s)
{
	while (fuzz_left(s) > 0) {
		uint8_t how = fuzz_u8(s);
		struct tp_ring *ring = how & 1 ? &a->punt[0] : &a->ack;

		if (how & 2) {
			uint32_t index;
			fuzz_take(s, &index, sizeof(index));
			atomic_store(how & 4 ? &ring->shared->head : &ring->shared->tail, index);
		} else {
			uint8_t slot = fuzz_u8(s) % 4, length = fuzz_u8(s);
			fuzz_take(s, ring->shared->slots + (size_t)slot * ring->slot_bytes,
				length < ring->slot_bytes ? length : ring->slot_bytes);
		}
	}
}

static uint32_t drain(struct ctl_attachment *a)
{
	static struct conf conf = {.n_listeners = 1};
	struct sink sink = {0};
	struct ctl_punt_in in = {.conf = &conf, .sink = take_request, .context = &sink};
	struct ctl_command_queue queue = {0};
	struct tp_addr addr = {.ip = tp_ip4(0xc6120002), .port = 3478};
	struct tp_ack ack;
	const void *slot;

	conf.listeners[0] = (struct conf_listener){
		.address = addr.ip, .port = addr.port, .transports = CONF_TRANSPORT_UDP};
	ctl_punt_drain(&in, a, 3);
	while (ctl_punt_drain(&in, a, 64))
		;
	FUZZ_CHECK(in.counters.received ==
		   in.counters.malformed + in.counters.not_listener + sink.requests);
	ctl_command_queue_attach(&queue, &a->command, FIXTURE_SLOTS);
	struct ctl_commands commands = ctl_command_queue_sink(&queue);
	for (int i = 0; i < 3 && commands.room(commands.context) > 0; i++)
		commands.send(commands.context, &(struct tp_cmd){.type = TP_CMD_COUNTERS});
	ctl_command_queue_flush(&queue);
	for (uint32_t i = 0; i < 2 * FIXTURE_SLOTS && (slot = tp_ring_front(&a->ack)); i++) {
		memcpy(&ack, slot, sizeof(ack));
		tp_ring_pop(&a->ack);
		if (!ctl_command_queue_ack(&queue, &ack))
			break;
		FUZZ_CHECK(queue.acknowledged <= queue.sent);
	}
	struct ctl_punt_way way = {.worker = (uint16_t)sink.requests};
	struct ctl_reply_to reply_to = {0};
	memcpy(reply_to.bytes, &way, sizeof(way));
	ctl_inject_send(&in, a, &reply_to, &addr, &addr, (const uint8_t *)"x", 1);
	ctl_inject_flush(a);
	ctl_command_queue_detach(&queue);
	return (uint32_t)in.counters.received;
}

static void forget(void *memory, size_t bytes)
{
	memset(memory, 0, bytes);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	char why[CTL_ATTACH_WHY_BYTES] = "";
	struct ctl_attachment a;
	int fds[TP_ATTACHED_MAX_FDS];
	struct tp_attached message;
	size_t n_fds;

	if (good.n_fds == 0)
		fixture_init(&good, 2);
	message = good.message;
	alter(&message, &s);
	uint8_t how = fuzz_u8(&s);
	n_fds = how & 1 ? how >> 4 : good.n_fds;
	for (size_t i = 0; i < n_fds; i++) // how & 2: the first two the wrong way round
		fds[i] = fcntl(
			good.fds[how & 2 && i < 2 ? 1 - i : i % good.n_fds], F_DUPFD_CLOEXEC, 3);
	if (how & 8 && n_fds > 2)
		close(fds[2]);
	size_t length = how & 4 ? fuzz_u16(&s) % sizeof(message) : sizeof(message);
	uint8_t *copy = malloc(length);
	memcpy(copy, &message, length);
	int rc = ctl_attachment_open(copy, length, fds, n_fds, &a, why);
	free(copy);
	FUZZ_CHECK((rc == 0) == (why[0] == '\0'));
	if (rc == 0) {
		FUZZ_CHECK(a.said.workers == 2 && a.n_event_fds == n_fds - 2);
		scribble(&a, &s);
		if (drain(&a) > 0)
			fuzz_canary(data + size);
		ctl_attachment_close(&a);
	}
	forget(good.rings.base, good.rings.bytes);
	int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
	FUZZ_CHECK(next >= 0 && next < 64); // none leaked
	close(next);
}
