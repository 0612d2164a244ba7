// SPDX-License-Identifier: BSD-3-Clause
// NAT behaviour discovery, RFC 5780 sections 6.1 and 7: where the response to a Binding request
// leaves from and goes to, and what it tells of our other address and port.
#include "common/base/bytes.h"
#include "control/turn/turn_private.h"

#define CHANGE_PORT  2u   // section 7.2
#define CHANGE_IP    4u   // section 7.2
#define PADDING_MOST 1500 // Ethernet's MTU, which section 7.6 recommends

static bool find_place(const struct ctl_transaction *t, struct conf_discovery_place *out)
{
	return t->method == CTL_METHOD_BINDING && t->request.transport == CTL_TRANSPORT_UDP &&
	       conf_discovery_find(t->turn->discovery, &t->request.listener, out);
}

bool ctl_discovery_understood(const struct ctl_transaction *t, uint16_t type)
{
	struct conf_discovery_place at;

	return (type == STUN_ATTR_CHANGE_REQUEST || type == STUN_ATTR_RESPONSE_PORT ||
		       type == STUN_ATTR_PADDING) &&
	       find_place(t, &at);
}

enum stun_err ctl_discovery_direct(struct ctl_transaction *t)
{
	struct stun_attr change, port, padding;
	struct conf_discovery_place at;

	if (!find_place(t, &at))
		return STUN_OK;
	bool has_change = stun_find(&t->message, STUN_ATTR_CHANGE_REQUEST, &change);
	bool has_port = stun_find(&t->message, STUN_ATTR_RESPONSE_PORT, &port);
	if ((has_change && !stun_attr_length_ok(&change)) ||
		(has_port && !stun_attr_length_ok(&port)))
		return STUN_ERR_BAD_REQUEST;
	if (has_port) {
		// Section 6.1: a large answer is for nobody but who asked.
		uint16_t wanted = tp_rd16(port.value);
		if (wanted == 0 || stun_find(&t->message, STUN_ATTR_PADDING, &padding))
			return STUN_ERR_BAD_REQUEST;
		t->respond_to.port = wanted;
	}
	if (has_change) {
		uint32_t flags = tp_rd32(change.value);
		at.address ^= (flags & CHANGE_IP) != 0;
		at.port ^= (flags & CHANGE_PORT) != 0;
		t->respond_from.ip = at.of->address[at.address];
		t->respond_from.port = at.of->port[at.port];
	}
	return STUN_OK;
}

// Section 7.6 recommends the MTU. Never more than the request had: the answer to a forged source
// is not to be many times the request. SOFTWARE and FINGERPRINT must still fit.
static void write_padding(struct ctl_transaction *t)
{
	static const uint8_t zero[PADDING_MOST];
	struct stun_attr padding;

	if (!stun_find(&t->message, STUN_ATTR_PADDING, &padding))
		return;
	size_t behind = 2 * STUN_ATTR_HEADER_BYTES + strlen(t->turn->software) + 3 + 8;
	size_t room = t->writer.capacity - t->writer.length - behind;
	size_t length = padding.length < PADDING_MOST ? padding.length : PADDING_MOST;
	length = (length + 3) & ~(size_t)3;
	stun_write_attr(&t->writer, STUN_ATTR_PADDING, zero, length < room ? length : room & ~3u);
}

void ctl_discovery_write(struct ctl_transaction *t)
{
	struct conf_discovery_place here, from;

	if (!find_place(t, &here) ||
		!conf_discovery_find(t->turn->discovery, &t->respond_from, &from))
		return;
	struct tp_addr origin = {
		.ip = from.of->public_address[from.address], .port = from.of->port[from.port]};
	// Whatever was asked for (table 1): what both flags would change the source to.
	struct tp_addr other = {
		.ip = here.of->public_address[!here.address], .port = here.of->port[!here.port]};
	stun_write_address(&t->writer, STUN_ATTR_MAPPED_ADDRESS, &t->request.client);
	stun_write_address(&t->writer, STUN_ATTR_RESPONSE_ORIGIN, &origin);
	stun_write_address(&t->writer, STUN_ATTR_OTHER_ADDRESS, &other);
	write_padding(t);
}
