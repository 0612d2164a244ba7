// SPDX-License-Identifier: BSD-3-Clause
// Clients of RFC 3489, where the configuration admits them: Binding over UDP and IPv4, nothing
// else. Without state and without credentials. An answer is at most 1.5 times its request, as IPv4
// packets, and goes to nobody but the source of the request.
#include "common/base/bytes.h"
#include "common/wire/stun_classic.h"
#include "control/turn/turn_private.h"

#define CHANGE_PORT   2u // RFC 3489 section 11.2.4
#define CHANGE_IP     4u
#define ADDRESS_BYTES 12 // an attribute with an IPv4 address
#define IP_UDP_BYTES  28
#define ANSWER_BYTES  128

static void begin(struct stun_writer *w, uint8_t *bytes, enum stun_class class,
	const struct stun_classic *request)
{
	stun_write_begin(w, bytes, ANSWER_BYTES, class, STUN_BINDING, request->transaction_id + 4);
	memcpy(bytes + 4, request->transaction_id, 4); // no cookie
}

// RFC 3489 section 11.2.10: a list of an odd length repeats one.
static void write_unknown(struct stun_writer *w, const struct stun_classic *request)
{
	// Section 11.2.9, without a phrase: the answer stays small.
	static const uint8_t code[4] = {0, 0, 4, 20};
	uint16_t types[STUN_CLASSIC_UNKNOWN_MAX + 1];
	uint32_t n = request->n_unknown;
	memcpy(types, request->unknown, n * sizeof(types[0]));
	if (n % 2)
		types[n++] = types[0];
	stun_write_attr(w, STUN_ATTR_ERROR_CODE, code, sizeof(code));
	stun_write_unknown_attributes(w, types, n);
}

// RFC 3489 section 8.1: SOURCE-ADDRESS and CHANGED-ADDRESS are there where there is another address
// to speak of. A request without attributes is too short for both: the source is what the client
// sees anyway.
static void write_addresses(struct stun_writer *w, const struct ctl_request *q,
	const struct conf_discovery_place *here, const struct tp_addr *from)
{
	size_t most = (q->length + IP_UDP_BYTES) * 3 / 2 - IP_UDP_BYTES;
	struct tp_addr other = {.ip = here->of->public_address[!here->address],
		.port = here->of->port[!here->port]};
	stun_write_address(w, STUN_ATTR_MAPPED_ADDRESS, &q->client);
	if (w->length + 2 * ADDRESS_BYTES <= most)
		stun_write_address(w, STUN_CLASSIC_SOURCE_ADDRESS, from);
	stun_write_address(w, STUN_CLASSIC_CHANGED_ADDRESS, &other);
}

static void send(struct ctl_turn *turn, const struct ctl_request *q, struct stun_writer *w,
	const struct tp_addr *source)
{
	int length = stun_write_finish(w);
	if (length > 0)
		turn->send(turn->send_context, &q->reply_to, source, &q->client, w->buffer,
			(size_t)length);
}

static void answer(
	struct ctl_turn *turn, const struct ctl_request *q, const struct stun_classic *request)
{
	uint8_t bytes[ANSWER_BYTES];
	struct stun_writer w;
	struct conf_discovery_place here;
	bool discovery = conf_discovery_find(turn->discovery, &q->listener, &here);
	struct tp_addr source = q->listener;

	begin(&w, bytes, STUN_SUCCESS, request);
	turn->counters.successes[CTL_METHOD_BINDING]++;
	if (!discovery) {
		stun_write_address(&w, STUN_ATTR_MAPPED_ADDRESS, &q->client);
		send(turn, q, &w, &source);
		return;
	}
	uint8_t address = here.address ^ ((request->change & CHANGE_IP) != 0);
	uint8_t port = here.port ^ ((request->change & CHANGE_PORT) != 0);
	struct tp_addr from = {.ip = here.of->public_address[address], .port = here.of->port[port]};
	source = (struct tp_addr){.ip = here.of->address[address], .port = here.of->port[port]};
	write_addresses(&w, q, &here, &from);
	send(turn, q, &w, &source);
}

bool ctl_classic_request(struct ctl_turn *turn, const struct ctl_request *q)
{
	struct stun_classic request;
	struct conf_discovery_place here;
	if (!turn->classic || q->transport != CTL_TRANSPORT_UDP ||
		q->client.ip.family != TP_FAMILY_IPV4 ||
		!stun_classic_read(q->bytes, q->length, &request))
		return false;
	turn->counters.requests[CTL_METHOD_BINDING]++;
	// RESPONSE-ADDRESS would make us send to whom it names, integrity asks for a shared secret
	// that nobody has: they are unknown. So is a change of the source where there is no other.
	if ((request.change & (CHANGE_IP | CHANGE_PORT)) &&
		!conf_discovery_find(turn->discovery, &q->listener, &here) &&
		request.n_unknown < STUN_CLASSIC_UNKNOWN_MAX)
		request.unknown[request.n_unknown++] = STUN_ATTR_CHANGE_REQUEST;
	if (request.n_unknown == 0) {
		answer(turn, q, &request);
		return true;
	}
	uint8_t bytes[ANSWER_BYTES];
	struct stun_writer w;
	begin(&w, bytes, STUN_ERROR, &request);
	write_unknown(&w, &request);
	turn->counters.errors[CTL_METHOD_BINDING][CTL_ERROR_UNKNOWN_ATTRIBUTE]++;
	send(turn, q, &w, &q->listener);
	return true;
}
