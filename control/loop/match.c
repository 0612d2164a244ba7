// SPDX-License-Identifier: BSD-3-Clause
#include "control/loop/match.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/base/log.h"
#include "control/turn/policy.h"

#define OWN_MAX 4096 // addresses of this machine that are looked at

static struct tp_addr listener_addr(const struct conf_listener *l)
{
	return (struct tp_addr){.ip = l->address, .port = l->port};
}

static bool said_listens(const struct tp_attached *said, const struct tp_addr *addr)
{
	for (unsigned int i = 0; i < said->listeners; i++)
		if (tp_addr_equal(&said->listener[i], addr))
			return true;
	return false;
}

static bool conf_listens(const struct conf *conf, const struct tp_addr *addr)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		struct tp_addr ours = listener_addr(&conf->listeners[i]);
		if (tp_addr_equal(&ours, addr))
			return true;
	}
	return false;
}

static unsigned int match_listeners(const struct conf *conf, const struct tp_attached *said)
{
	unsigned int differences = 0;
	char text[TP_ADDR_STRLEN];

	for (size_t i = 0; i < conf->n_listeners; i++) {
		struct tp_addr ours = listener_addr(&conf->listeners[i]);
		if (!(conf->listeners[i].transports & (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)) ||
			said_listens(said, &ours))
			continue;
		tp_warning("listener %s: the dataplane does not have it; restart it with this "
			   "configuration",
			tp_addr_format(&ours, text));
		differences++;
	}
	for (unsigned int i = 0; i < said->listeners; i++) {
		if (conf_listens(conf, &said->listener[i]))
			continue;
		tp_warning("listener %s: only the dataplane has it; its clients get no answer",
			tp_addr_format(&said->listener[i], text));
		differences++;
	}
	return differences;
}

static bool relay_equal(const struct conf_relay *ours, const struct tp_relay_place *theirs)
{
	return ours->prefix_bits == theirs->prefix_bits &&
	       tp_ip_equal(&ours->address, &theirs->address) &&
	       tp_ip_equal(&ours->public_address, &theirs->public_address);
}

static unsigned int match_relays(const struct conf *conf, const struct tp_attached *said)
{
	unsigned int differences = 0;
	char text[TP_ADDR_STRLEN];

	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *ours = &conf->relay.addresses[i];
		bool found = false;
		for (unsigned int j = 0; j < said->relays; j++)
			found = found || relay_equal(ours, &said->relay[j]);
		if (found)
			continue;
		tp_warning("relay address %s/%u: the dataplane does not have it like this; "
			   "restart it with this configuration",
			tp_ip_format(&ours->address, text), ours->prefix_bits);
		differences++;
	}
	for (unsigned int j = 0; j < said->relays; j++) {
		bool found = false;
		for (size_t i = 0; i < conf->relay.n_addresses; i++)
			found = found || relay_equal(&conf->relay.addresses[i], &said->relay[j]);
		if (found)
			continue;
		tp_warning("relay address %s/%u: only the dataplane has it like this; it stays "
			   "unused",
			tp_ip_format(&said->relay[j].address, text), said->relay[j].prefix_bits);
		differences++;
	}
	return differences;
}

unsigned int ctl_match_warn(const struct conf *conf, const struct tp_attached *said)
{
	unsigned int differences = match_listeners(conf, said) + match_relays(conf, said);

	if (conf->relay.port_min != said->port_min || conf->relay.port_max != said->port_max) {
		tp_warning("relay.port_range is %u to %u, the dataplane's is %u to %u; restart it "
			   "with this configuration",
			conf->relay.port_min, conf->relay.port_max, said->port_min, said->port_max);
		differences++;
	}
	return differences;
}

// Addresses of the interfaces, loopback too: no peer of a client may be this machine.
static size_t own_addresses(const struct ifaddrs *list, struct tp_ip *out, size_t capacity)
{
	size_t n = 0;

	for (const struct ifaddrs *i = list; i && n < capacity; i = i->ifa_next) {
		struct sockaddr_storage sa = {0};
		struct tp_addr addr;
		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET)
			memcpy(&sa, i->ifa_addr, sizeof(struct sockaddr_in));
		else if (i->ifa_addr->sa_family == AF_INET6)
			memcpy(&sa, i->ifa_addr, sizeof(struct sockaddr_in6));
		else
			continue;
		if (tp_addr_from_sockaddr(&sa, &addr) == 0)
			out[n++] = addr.ip;
	}
	return n;
}

int ctl_match_acl(const struct conf *conf, const struct ctl_store *store, struct ctl_acl **out)
{
	struct ifaddrs *list;
	struct tp_ip *own;
	size_t entries = 0;
	int rc = -ENOMEM;

	if (getifaddrs(&list) < 0)
		return -errno;
	for (const struct ifaddrs *i = list; i && entries < OWN_MAX; i = i->ifa_next)
		entries++;
	own = calloc(entries + 1, sizeof(*own));
	if (own)
		rc = ctl_policy_acl_now(conf, store, own, own_addresses(list, own, entries), out);
	freeifaddrs(list);
	free(own);
	return rc;
}
