// SPDX-License-Identifier: BSD-3-Clause
#include "control/turn/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/wire/chandata.h"
#include "control/alloc/relay_use.h"
#include "control/auth/rest.h"

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
		.allocations_per_realm = conf->quotas.allocations_per_realm,
		.n_realms = conf->n_realms,
		.rate_bytes_per_s = conf_bytes_per_second(conf),
		.rate_packets_per_s = conf->quotas.packets_per_second_per_allocation,
		.allocation_max_s = conf->lifetimes.allocation_max_s,
		.permission_s = conf->lifetimes.permission_s,
		.channel_s = conf->lifetimes.channel_s,
		.port_rest_s = conf->lifetimes.port_rest_s,
		.synthetic = conf->provision.allow};
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		out->relays[i] = (struct ctl_relay_prefix){.address = r->address,
			.public_address = r->public_address,
			.prefix_bits = r->prefix_bits};
	}
	for (size_t i = 0; i < conf->n_realms; i++)
		out->realm_tag[i] = ctl_realm_tag(conf->realms[i]);
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		out->listeners[i] = (struct tp_addr){.ip = l->address, .port = l->port};
		out->listener_transports[i] = (uint8_t)l->transports;
	}
}

static struct ctl_acl_prefix *copy_prefixes(const struct conf_prefix *list, size_t count)
{
	struct ctl_acl_prefix *out = calloc(count + 1, sizeof(*out));
	for (size_t i = 0; out && i < count; i++)
		out[i] = (struct ctl_acl_prefix){.address = list[i].address, .bits = list[i].bits};
	return out;
}

struct relay_forms {
	struct ctl_acl_prefix prefix[2 * CONF_MAX_RELAYS];
	size_t count;
};

// Both forms of an entry; most have only one.
static void add_forms(struct relay_forms *f, const struct conf_relay *r)
{
	f->prefix[f->count++] = (struct ctl_acl_prefix){r->address, r->prefix_bits};
	if (!tp_ip_equal(&r->address, &r->public_address))
		f->prefix[f->count++] = (struct ctl_acl_prefix){r->public_address, r->prefix_bits};
}

static bool is_removed(const struct ctl_store *store, const struct conf_relay *r)
{
	struct ctl_relay_view v;
	return store &&
	       ctl_relay_entry(store, ctl_relay_find(store, &r->address, r->prefix_bits), &v) &&
	       v.use == CTL_RELAY_REMOVED;
}

int ctl_policy_acl(
	const struct conf *conf, const struct tp_ip *own, size_t n_own, struct ctl_acl **out)
{
	return ctl_policy_acl_now(conf, NULL, own, n_own, out);
}

int ctl_policy_acl_now(const struct conf *conf, const struct ctl_store *store,
	const struct tp_ip *own, size_t n_own, struct ctl_acl **out)
{
	*out = NULL;
	struct relay_forms relays = {.count = 0}, removed = {.count = 0};
	struct tp_addr listeners[CONF_MAX_LISTENERS];
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		add_forms(is_removed(store, r) ? &removed : &relays, r);
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
			.relays = relays.prefix,
			.n_relays = relays.count,
			.removed = removed.prefix,
			.n_removed = removed.count,
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

static_assert(CONF_MAX_REST_SECRETS * CTL_REST_KEYS <= CTL_USER_KEYS);
static_assert(CONF_MAX_REALMS <= CTL_MAX_REALMS);

int ctl_policy_users(const struct conf *conf, struct ctl_user_store **out)
{
	*out = NULL;
	struct ctl_user_entry *users = calloc(conf->auth.n_users + 1, sizeof(*users));
	if (!users)
		return -ENOMEM;
	for (size_t i = 0; i < conf->auth.n_users; i++) {
		const struct conf_user *u = &conf->auth.users[i];
		users[i] = (struct ctl_user_entry){.name = u->name,
			.password = u->password,
			.key = u->key,
			.key_sha256 = u->key_sha256,
			.realm = u->realm_index};
	}
	struct ctl_config_users_options options = {.realms = conf->realms,
		.n_realms = conf->n_realms,
		.users = users,
		.n_users = conf->auth.n_users,
		.rest_secrets = (const char *const *)conf->auth.rest_secrets,
		.n_rest_secrets = conf->auth.n_rest_secrets};
	int rc = ctl_config_users_create(&options, out);
	free(users); // names and keys are the config's
	return rc;
}

static_assert(CONF_MAX_KID_BYTES == CTL_OAUTH_KID_BYTES);
static_assert(CONF_MAX_KID_BYTES + CTL_OAUTH_IDENTITY_MORE <= TP_RECORD_NAME_INLINE);
static_assert(CTL_OAUTH_MAC_KEY_MAX <= TP_RECORD_MAC_KEY_BYTES);

static int copy_oauth_key(const struct conf_oauth_key *from, struct ctl_oauth_key *to)
{
	size_t n;
	*to = (struct ctl_oauth_key){.kid = from->kid,
		.algorithm = from->algorithm == CONF_OAUTH_A128GCM ? CTL_OAUTH_A128GCM
								   : CTL_OAUTH_A256GCM,
		.valid_from_s = from->timestamp,
		.valid_until_s = from->lifetime_s ? from->timestamp + from->lifetime_s : 0};
	if (!tp_base64_read(from->key, strlen(from->key), to->key, sizeof(to->key), &n) ||
		n != (to->algorithm == CTL_OAUTH_A128GCM ? 16 : 32))
		return -EINVAL;
	return 0;
}

int ctl_policy_oauth(const struct conf *conf, struct ctl_oauth **out)
{
	size_t n = conf->auth.oauth.n_keys;
	int rc = 0;
	*out = NULL;
	if (!conf->auth.oauth.server_name)
		return 0;
	struct ctl_oauth_key *keys = calloc(n + 1, sizeof(*keys));
	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = copy_oauth_key(&conf->auth.oauth.keys[i], &keys[i]);
	if (rc == 0)
		rc = ctl_oauth_create(conf->auth.oauth.server_name, keys, n, out);
	if (rc == 0 && conf->compatibility.access_tokens == CONF_TOKENS_COTURN)
		ctl_oauth_take_cut_keys(*out);
	explicit_bzero(keys, n * sizeof(*keys));
	free(keys);
	return rc;
}
