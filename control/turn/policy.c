// SPDX-License-Identifier: BSD-3-Clause
#include "control/turn/policy.h"

#include <errno.h>
#include <stdlib.h>

#include "common/wire/chandata.h"

void ctl_policy_store(const struct conf *conf, struct ctl_store_policy *out)
{
	*out = (struct ctl_store_policy){.n_relays = conf->relay.n_addresses,
		.port_min = conf->relay.port_min,
		.port_max = conf->relay.port_max,
		.n_listeners = conf->n_listeners,
		.channel_max = conf->compatibility.channel_numbers == CONF_CHANNELS_RFC5766
				       ? CHANDATA_CHANNEL_MAX_RFC5766
				       : CHANDATA_CHANNEL_MAX,
		.allocations_total = conf->quotas.allocations_total,
		.allocations_per_user = conf->quotas.allocations_per_user,
		.permissions = conf->quotas.permissions_per_allocation,
		.new_peers_per_s = conf->quotas.new_peers_per_second,
		.rate_bytes_per_s = (conf->quotas.bits_per_second_per_allocation + 7) / 8,
		.allocation_max_s = conf->lifetimes.allocation_max_s,
		.permission_s = conf->lifetimes.permission_s,
		.channel_s = conf->lifetimes.channel_s,
		.port_rest_s = conf->lifetimes.port_rest_s};
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		out->relays[i] = (struct ctl_relay_prefix){.address = r->address,
			.public_address = r->public_address,
			.prefix_bits = r->prefix_bits};
	}
	for (size_t i = 0; i < conf->n_listeners; i++)
		out->listeners[i] = (struct tp_addr){
			.ip = conf->listeners[i].address, .port = conf->listeners[i].port};
}

static struct ctl_acl_prefix *copy_prefixes(const struct conf_prefix *list, size_t count)
{
	struct ctl_acl_prefix *out = calloc(count + 1, sizeof(*out));
	for (size_t i = 0; out && i < count; i++)
		out[i] = (struct ctl_acl_prefix){.address = list[i].address, .bits = list[i].bits};
	return out;
}

int ctl_policy_acl(
	const struct conf *conf, const struct tp_ip *own, size_t n_own, struct ctl_acl **out)
{
	*out = NULL;
	struct ctl_acl_prefix relays[2 * CONF_MAX_RELAYS];
	struct tp_addr listeners[CONF_MAX_LISTENERS];
	size_t n_relays = 0;
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		relays[n_relays++] = (struct ctl_acl_prefix){r->address, r->prefix_bits};
		relays[n_relays++] = (struct ctl_acl_prefix){r->public_address, r->prefix_bits};
	}
	for (size_t i = 0; i < conf->n_listeners; i++)
		listeners[i] = (struct tp_addr){
			.ip = conf->listeners[i].address, .port = conf->listeners[i].port};
	struct ctl_acl_prefix *allow = copy_prefixes(conf->peers.allow, conf->peers.n_allow);
	struct ctl_acl_prefix *deny = copy_prefixes(conf->peers.deny, conf->peers.n_deny);
	int rc = -ENOMEM;
	if (allow && deny) {
		struct ctl_acl_options options = {.allow = allow,
			.n_allow = conf->peers.n_allow,
			.deny = deny,
			.n_deny = conf->peers.n_deny,
			.relays = relays,
			.n_relays = n_relays,
			.port_min = conf->relay.port_min,
			.port_max = conf->relay.port_max,
			.listeners = listeners,
			.n_listeners = conf->n_listeners,
			.own = own,
			.n_own = n_own};
		rc = ctl_acl_create(&options, out);
	}
	free(allow);
	free(deny);
	return rc;
}

static_assert(CONF_MAX_REST_SECRETS <= CTL_USER_KEYS);

int ctl_policy_users(const struct conf *conf, struct ctl_user_store **out)
{
	*out = NULL;
	struct ctl_user_entry *users = calloc(conf->auth.n_users + 1, sizeof(*users));
	if (!users)
		return -ENOMEM;
	for (size_t i = 0; i < conf->auth.n_users; i++)
		users[i] = (struct ctl_user_entry){
			conf->auth.users[i].name, conf->auth.users[i].password};
	struct ctl_config_users_options options = {.realm = conf->realm,
		.users = users,
		.n_users = conf->auth.n_users,
		.rest_secrets = (const char *const *)conf->auth.rest_secrets,
		.n_rest_secrets = conf->auth.n_rest_secrets};
	int rc = ctl_config_users_create(&options, out);
	free(users); // names and passwords are the config's
	return rc;
}
