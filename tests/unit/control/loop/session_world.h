// SPDX-License-Identifier: BSD-3-Clause
// A session, and the dataplane that the test plays on the other side of the rings.
#pragma once

#include "../dpcmd/attach_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control/dpcmd/client.h"
#include "control/loop/session_impl.h"

struct world {
	struct conf conf;
	struct conf_user user;
	struct ctl ctl;
	struct attach_fixture fixture;
	struct tp_ring command, ack, punt, inject; // the dataplane's ends
};

static inline const struct tp_ring_place *place(const struct world *w, uint16_t kind)
{
	for (unsigned int i = 0; i < w->fixture.message.rings; i++)
		if (w->fixture.message.ring[i].kind == kind)
			return &w->fixture.message.ring[i];
	return NULL;
}

static inline void *memory_of(struct world *w, const struct tp_ring_place *p)
{
	return (uint8_t *)w->fixture.rings.base + p->offset;
}

static inline void consume(struct world *w, uint16_t kind, struct tp_ring *ring)
{
	const struct tp_ring_place *p = place(w, kind);

	assert_int_equal(
		tp_ring_consumer_init(ring, memory_of(w, p), tp_ring_bytes(p->slots, p->slot_bytes),
			p->slots, p->slot_bytes, -1),
		0);
}

static inline void produce(struct world *w, uint16_t kind, struct tp_ring *ring)
{
	const struct tp_ring_place *p = place(w, kind);

	assert_int_equal(
		tp_ring_producer_init(ring, memory_of(w, p), tp_ring_bytes(p->slots, p->slot_bytes),
			p->slots, p->slot_bytes, -1),
		0);
}

// A new attachment; `region` of an earlier one, or none: a fresh, empty one.
static inline void attach(struct world *w, const struct tp_shm *region, uint64_t instance)
{
	char why[CTL_ATTACH_WHY_BYTES];
	struct ctl_attachment a;

	fixture_init(&w->fixture, 1);
	w->fixture.message.instance = instance;
	if (region) {
		close(w->fixture.fds[0]);
		w->fixture.fds[0] = fcntl(region->fd, F_DUPFD_CLOEXEC, 3);
	} else {
		assert_int_equal(ctl_region_format(w->fixture.region.base, w->fixture.region.bytes,
					 8, 8, 8, instance),
			0);
	}
	consume(w, TP_RING_COMMAND, &w->command);
	produce(w, TP_RING_ACK, &w->ack);
	produce(w, TP_RING_PUNT, &w->punt);
	consume(w, TP_RING_INJECT, &w->inject);
	assert_int_equal(ctl_attachment_open(&w->fixture.message, sizeof(w->fixture.message),
				 w->fixture.fds, w->fixture.n_fds, &a, why),
		0);
	assert_int_equal(ctl_session_attached(w->ctl.session, &a), 0);
}

// Takes one command and acknowledges it; its type, or 0.
static inline uint16_t execute(struct world *w)
{
	const struct tp_cmd *c = tp_ring_front(&w->command);
	struct tp_ack *ack;
	uint16_t type;

	if (!c)
		return 0;
	type = c->type;
	ack = tp_ring_reserve(&w->ack);
	assert_non_null(ack);
	*ack = (struct tp_ack){.sequence = c->sequence, .type = type, .alloc = c->alloc};
	tp_ring_pop(&w->command);
	tp_ring_commit(&w->ack);
	tp_ring_flush(&w->ack);
	return type;
}

static inline void synchronise(struct world *w)
{
	ctl_session_work(w->ctl.session);
	while (execute(w))
		ctl_session_work(w->ctl.session);
	ctl_session_work(w->ctl.session);
	assert_true(ctl_session_in_step(w->ctl.session));
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct conf *c = &w->conf;
	struct ctl_dataplane_options options = {.path = "/nonexistent/dataplane.sock"};

	w->user = (struct conf_user){
		.name = (char *)(uintptr_t) "u", .password = (char *)(uintptr_t) "p"};
	c->realm = (char *)(uintptr_t) "example.org";
	c->realms[0] = c->realm;
	c->n_realms = 1;
	c->software = (char *)(uintptr_t) "";
	c->auth.users = &w->user;
	c->auth.n_users = 1;
	c->auth.nonce_lifetime_s = 600;
	c->n_listeners = 1;
	c->listeners[0] = (struct conf_listener){
		.address = tp_ip4(0xc6120002), .port = 3478, .transports = CONF_TRANSPORT_UDP};
	c->relay.n_addresses = 1;
	c->relay.addresses[0] = (struct conf_relay){.address = tp_ip4(0xc6120002),
		.public_address = tp_ip4(0xc6120002),
		.prefix_bits = 32};
	c->relay.port_min = 49152;
	c->relay.port_max = 65535;
	c->lifetimes.allocation_default_s = 600;
	c->lifetimes.allocation_max_s = 3600;
	c->lifetimes.permission_s = 300;
	c->lifetimes.channel_s = 600;
	c->lifetimes.port_rest_s = 60;
	w->ctl.conf = c;
	w->ctl.base = event_base_new();
	options.base = w->ctl.base;
	options.attached = ctl_session_attached;
	options.detached = ctl_session_detached;
	assert_int_equal(ctl_session_create(&w->ctl, &w->ctl.session), 0);
	assert_int_equal(ctl_dataplane_create(&options, &w->ctl.dataplane), 0);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	ctl_dataplane_destroy(w->ctl.dataplane);
	ctl_session_destroy(w->ctl.session);
	event_base_free(w->ctl.base);
	fixture_fini(&w->fixture);
	free(w);
	return 0;
}
