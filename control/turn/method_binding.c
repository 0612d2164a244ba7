// SPDX-License-Identifier: BSD-3-Clause
// Binding, RFC 8489 section 3: the client's address as we see it; and NAT behaviour discovery,
// where it is configured.
#include "control/turn/turn_private.h"

enum stun_err ctl_method_binding(struct ctl_transaction *t)
{
	enum stun_err code = ctl_discovery_direct(t);
	if (code != STUN_OK)
		return code;
	ctl_response_begin(t);
	stun_write_xor_address(&t->writer, STUN_ATTR_XOR_MAPPED_ADDRESS, &t->request.client);
	ctl_discovery_write(t);
	ctl_response_success(t);
	return STUN_OK;
}
