// SPDX-License-Identifier: BSD-3-Clause
// Whether a request shows that its sender receives what is sent to its source address: it carries a
// nonce (RFC 8489 section 9.2) that was made for this address and port and this listener. No state,
// and no answer: control judges the request, this only says whose budget it takes from.
#pragma once

#include "common/wire/nonce.h"
#include "dataplane/path/state.h"

// The addresses that nonces are bound to, of this packet.
static inline void dp_nonce_place(
	const struct dp_worker *w, const struct dp_packet *p, struct tp_nonce *out)
{
	uint16_t listener_local;

	out->client = (struct tp_addr){
		.ip.family = p->in.family, .port = rte_be_to_cpu_16(p->in.src_port)};
	memcpy(out->client.ip.bytes, p->key.ip, sizeof(out->client.ip.bytes));
	out->listener = *dp_listener_at(w->locals, p->listener, &listener_local);
}

// `text` is the value of NONCE.
bool dp_nonce_proves(
	struct dp_worker *w, const struct dp_packet *p, const void *text, uint32_t length);
