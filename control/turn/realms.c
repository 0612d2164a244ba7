// SPDX-License-Identifier: BSD-3-Clause
// Which realm a request is in: that of the listener it came to.
#include <errno.h>
#include <stdlib.h>

#include "control/turn/turn_private.h"

static_assert(CONF_TRANSPORT_UDP == 1 << CTL_TRANSPORT_UDP &&
	      CONF_TRANSPORT_TCP == 1 << CTL_TRANSPORT_TCP &&
	      CONF_TRANSPORT_TLS == 1 << CTL_TRANSPORT_TLS &&
	      CONF_TRANSPORT_DTLS == 1 << CTL_TRANSPORT_DTLS);

int ctl_realms_create(const struct conf *conf, struct ctl_realms **out)
{
	struct ctl_realms *r = calloc(1, sizeof(*r));
	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->rest_expiry = conf->auth.rest_expiry;
	for (; r->n < conf->n_realms; r->n++) {
		r->name[r->n] = strdup(conf->realms[r->n]);
		if (!r->name[r->n]) {
			ctl_realms_destroy(r);
			return -ENOMEM;
		}
	}
	for (; r->n_listeners < conf->n_listeners; r->n_listeners++) {
		const struct conf_listener *l = &conf->listeners[r->n_listeners];
		r->listener[r->n_listeners] =
			(struct ctl_realm_listener){.address = {.ip = l->address, .port = l->port},
				.transports = l->transports,
				.realm = l->realm_index};
	}
	*out = r;
	return 0;
}

void ctl_realms_destroy(struct ctl_realms *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		free(r->name[i]);
	free(r);
}

uint16_t ctl_realms_find(const struct ctl_realms *r, const struct ctl_request *q)
{
	if (r->n == 1) // as a rule
		return 0;
	for (size_t i = 0; i < r->n_listeners; i++)
		if ((r->listener[i].transports & 1u << q->transport) &&
			tp_addr_equal(&r->listener[i].address, &q->listener))
			return r->listener[i].realm;
	return 0;
}
