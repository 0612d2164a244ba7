// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/fill/fill.h"
#include "common/base/clock.h"
#include "control/alloc/adopt.h"
#include "control/alloc/allocation.h"
#include "control/alloc/permission.h"
#include "control/turn/policy.h"

#define PORTS_PER_CLIENT 50000
#define FIRST_PORT       1024
#define CHANNEL          0x4000
#define COMMANDS         8 // that one allocation may need, at least

static const char usage[] =
	"usage: turnpike-bench fill CONFIG ALLOCATIONS\n"
	"Attaches to the dataplane of CONFIG (no control may run), makes ALLOCATIONS allocations "
	"with\n"
	"one permission and one channel each, and leaves, as a control that dies would. Clients "
	"are\n"
	"198.19.0.0 and up, the peer is 198.18.0.20 port 9. Prints one JSON object.\n";

static int open_store(struct fill *f)
{
	struct ctl_store_options options = {.region = f->attachment.region.base,
		.region_bytes = f->attachment.region.bytes,
		.region_fd = f->attachment.region.fd,
		.commands = ctl_command_queue_sink(&f->commands),
		.random = ctl_random_system()};
	struct ctl_store_policy *policy = malloc(sizeof(*policy));
	struct ctl_time now = {.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
	int rc = -ENOMEM;

	if (policy) {
		ctl_policy_store(f->conf, policy);
		options.policy = policy;
		rc = ctl_store_create(&options, &f->store);
	}
	free(policy);
	return rc ? rc : ctl_store_adopt(f->store, now, NULL);
}

static int make_one(struct fill *f, uint32_t n)
{
	static const uint8_t transaction_id[12] = "synthetic";
	const struct conf *conf = f->conf;
	const char *user = conf->auth.n_users ? conf->auth.users[0].name : "synthetic";
	struct ctl_allocation_request q = {.client = {.ip = f->client},
		.listener = f->listener,
		.families = CTL_FAMILY_BIT_IPV4,
		.user = (const uint8_t *)user,
		.user_length = (uint16_t)strlen(user),
		.transaction_id = transaction_id,
		.lifetime_s = conf->lifetimes.allocation_max_s};
	struct ctl_time now = {.now_ns = tp_now_ns(), .wall_ns = tp_wall_ns()};
	uint8_t token[CTL_RESERVATION_TOKEN_BYTES];
	struct ctl_change change;
	int rc;

	q.client.ip.bytes[2] = (uint8_t)(n / PORTS_PER_CLIENT / 250);
	q.client.ip.bytes[3] = (uint8_t)(1 + n / PORTS_PER_CLIENT % 250);
	q.client.port = (uint16_t)(FIRST_PORT + n % PORTS_PER_CLIENT);
	ctl_change_init(&change);
	rc = ctl_allocation_create(f->store, &q, now, &change, token);
	if (rc == 0)
		rc = ctl_channel_bind(f->store, change.alloc, CHANNEL, &f->peer, now, &change);
	return rc;
}

static int make_all(struct fill *f)
{
	int rc = 0;

	for (uint32_t n = 0; rc == 0 && n < f->allocations; n++) {
		if (ctl_command_queue_room(&f->commands) < COMMANDS)
			rc = fill_wait(f, 4 * COMMANDS);
		if (rc == 0)
			rc = make_one(f, n);
		if (rc)
			fprintf(stderr, "turnpike-bench: allocation %u: %s\n", n, strerror(-rc));
	}
	return rc ? rc : fill_wait(f, UINT32_MAX);
}

static int find_listener(struct fill *f)
{
	for (size_t i = 0; i < f->conf->n_listeners; i++) {
		const struct conf_listener *l = &f->conf->listeners[i];
		if (l->address.family != TP_FAMILY_IPV4 || !(l->transports & CONF_TRANSPORT_UDP))
			continue;
		f->listener = (struct tp_addr){.ip = l->address, .port = l->port};
		return 0;
	}
	fputs("turnpike-bench: the configuration has no IPv4 listener for UDP\n", stderr);
	return -EINVAL;
}

static int fill(struct fill *f)
{
	uint64_t begin_ns = tp_now_ns();
	struct ctl_store_status s;
	int rc = find_listener(f);

	if (rc == 0)
		rc = fill_attach(f);
	if (rc < 0)
		return rc;
	ctl_command_queue_attach(&f->commands, &f->attachment.command, f->attachment.ack.size);
	rc = open_store(f);
	if (rc == 0)
		rc = make_all(f);
	if (rc < 0)
		return rc;
	ctl_store_status(f->store, &s);
	printf("{\"allocations\": %llu, \"permissions\": %llu, \"channels\": %llu, \"refused\": "
	       "%llu, "
	       "\"seconds\": %.3f}\n",
		(unsigned long long)s.allocations, (unsigned long long)s.permissions,
		(unsigned long long)s.channels, (unsigned long long)f->refused,
		(double)(tp_now_ns() - begin_ns) / (double)TP_NS_PER_S);
	return f->refused || s.channels != f->allocations ? -EIO : 0;
}

int fill_main(int argc, char **argv)
{
	struct fill f = {.fd = -1, .client = tp_ip4(0xc6130000), .peer = {tp_ip4(0xc6120014), 9}};
	struct conf *conf;
	char *end;
	int rc;

	if (argc != 3 || (f.allocations = (uint32_t)strtoul(argv[2], &end, 10)) == 0 || *end) {
		fputs(usage, stderr);
		return 2;
	}
	if (conf_load(argv[1], &conf, stderr) < 0)
		return 1;
	f.conf = conf;
	rc = fill(&f);
	// No orderly end: what a dead control leaves is what it wrote.
	return rc == 0 ? 0 : 1;
}
