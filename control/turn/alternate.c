// SPDX-License-Identifier: BSD-3-Clause
// 300 (Try Alternate): which other server a client is sent to, RFC 8489 section 10 and RFC 8656
// section 7.2.
#include <errno.h>

#include "control/turn/turn_private.h"

static bool has_family(const struct ctl_turn *turn, uint8_t family)
{
	for (size_t i = 0; i < turn->alternate.n_servers; i++)
		if (turn->alternate.servers[i].address.family == family)
			return true;
	return false;
}

// The next one of a family in turn, or NULL.
static const struct conf_alternate *next_of(struct ctl_turn *turn, uint8_t family)
{
	uint32_t *next = &turn->alternate_next[family == TP_FAMILY_IPV6];
	for (size_t i = 0; i < turn->alternate.n_servers; i++) {
		const struct conf_alternate *s =
			&turn->alternate.servers[*next % turn->alternate.n_servers];
		*next = (uint32_t)((*next + 1) % turn->alternate.n_servers);
		if (s->address.family == family)
			return s;
	}
	return NULL;
}

// A reserved port is here and nowhere else.
static bool may_redirect(const struct ctl_transaction *t, const struct ctl_allocation_request *q)
{
	return !q->token && has_family(t->turn, t->request.client.ip.family);
}

bool ctl_alternate_always(const struct ctl_transaction *t, const struct ctl_allocation_request *q)
{
	return t->turn->alternate.when == CONF_ALTERNATE_ALWAYS && may_redirect(t, q);
}

bool ctl_alternate_when(
	const struct ctl_transaction *t, const struct ctl_allocation_request *q, int rc)
{
	return (rc == -ENOSPC || rc == -EUSERS) && t->turn->alternate.when != CONF_ALTERNATE_OFF &&
	       may_redirect(t, q);
}

static void write_server(struct ctl_transaction *t, const struct conf_alternate *server)
{
	struct tp_addr address = {.ip = server->address, .port = server->port};
	stun_write_address(&t->writer, STUN_ATTR_ALTERNATE_SERVER, &address);
}

void ctl_alternate_write(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	uint8_t family = t->request.client.ip.family;
	// First the one that must be there: of the family of the request's source.
	const struct conf_alternate *first = next_of(turn, family);
	if (!first)
		return;
	write_server(t, first);
	// The name in another server's certificate is for who can use it: clients of RFC 8489 over
	// TLS or DTLS, under an integrity that only they send.
	bool named = t->request.transport >= CTL_TRANSPORT_TLS && t->sha256 && first->domain[0];
	const struct conf_alternate *other =
		next_of(turn, family == TP_FAMILY_IPV4 ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4);
	if (other && (!named || strcmp(other->domain, first->domain) == 0))
		write_server(t, other);
	if (named)
		stun_write_attr(&t->writer, STUN_ATTR_ALTERNATE_DOMAIN, first->domain,
			strlen(first->domain));
}
