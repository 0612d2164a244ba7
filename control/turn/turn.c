// SPDX-License-Identifier: BSD-3-Clause
// Making and unmaking the TURN layer, and the names of what it counts.
#include "control/turn/turn.h"

#include <errno.h>
#include <stdlib.h>

#include "control/turn/policy.h"
#include "control/turn/turn_private.h"

#define DEFAULT_PENDING      4096
#define DEFAULT_REPLAY_SLOTS 65536

int ctl_turn_renew(struct ctl_turn *turn, const struct conf *conf)
{
	char *software = strdup(conf->software ? conf->software : "");
	struct ctl_oauth *oauth = NULL;
	int rc = -ENOMEM;

	if (software)
		rc = ctl_policy_oauth(conf, &oauth);
	if (!rc)
		rc = ctl_turn_set_realms(turn, conf);
	if (rc) {
		ctl_oauth_destroy(oauth);
		free(software);
		return rc;
	}
	free(turn->software);
	turn->software = software;
	ctl_oauth_destroy(turn->oauth);
	turn->oauth = oauth;
	turn->mobility = conf->mobility;
	turn->relays_tcp = conf->relay.tcp;
	turn->nonce_lifetime_s = conf->auth.nonce_lifetime_s;
	turn->allocation_default_s = conf->lifetimes.allocation_default_s;
	turn->allocation_max_s = conf->lifetimes.allocation_max_s;
	turn->draft_dual = conf->compatibility.dual_allocation == CONF_DUAL_DRAFT;
	turn->alternate = conf->alternate_servers;
	return 0;
}

static int fill(struct ctl_turn *turn, const struct ctl_turn_options *o)
{
	const struct conf *conf = o->conf;
	turn->store = o->store;
	turn->users = o->users;
	turn->acl = o->acl;
	turn->send = o->send;
	turn->send_context = o->send_context;
	turn->tell = o->tell;
	turn->tell_context = o->tell_context;
	ctl_store_on_end(turn->store, ctl_over_tcp_ended, turn);
	turn->random = o->random;
	turn->classic = conf->compatibility.stun == CONF_STUN_RFC3489;
	memcpy(turn->discovery, conf->nat_discovery.families, sizeof(turn->discovery));
	turn->max_pending = o->max_pending ? o->max_pending : DEFAULT_PENDING;
	int rc = ctl_turn_renew(turn, conf);
	if (!rc)
		rc = ctl_crypto_create(&turn->crypto);
	if (!rc)
		rc = turn->random.bytes(turn->random.context, &turn->key, sizeof(turn->key));
	if (!rc)
		rc = ctl_replay_init(&turn->replay,
			o->replay_slots ? o->replay_slots : DEFAULT_REPLAY_SLOTS, &turn->key);
	return rc;
}

int ctl_turn_create(const struct ctl_turn_options *options, struct ctl_turn **out)
{
	*out = NULL;
	if (!options->store || !options->users || !options->acl || !options->send ||
		options->conf->n_realms == 0)
		return -EINVAL;
	struct ctl_turn *turn = calloc(1, sizeof(*turn));
	if (!turn)
		return -ENOMEM;
	int rc = fill(turn, options);
	if (rc) {
		ctl_turn_destroy(turn);
		return rc;
	}
	*out = turn;
	return 0;
}

void ctl_turn_destroy(struct ctl_turn *turn)
{
	if (!turn)
		return;
	for (size_t i = 0; i < CTL_BUSY_BUCKETS; i++)
		for (struct ctl_transaction *t = turn->busy[i], *next; t; t = next) {
			next = t->busy_next;
			ctl_transaction_drop_deferred(t);
			ctl_transaction_free(t);
		}
	if (turn->store)
		ctl_store_on_end(turn->store, NULL, NULL);
	ctl_fars_destroy(turn);
	for (struct ctl_transaction *t = turn->spare, *next; t; t = next) {
		next = t->next;
		free(t);
	}
	ctl_replay_fini(&turn->replay);
	ctl_crypto_destroy(turn->crypto);
	ctl_oauth_destroy(turn->oauth);
	ctl_realms_destroy(turn->realms);
	free(turn->software);
	free(turn);
}

void ctl_turn_set_acl(struct ctl_turn *turn, const struct ctl_acl *acl)
{
	turn->acl = acl;
}

void ctl_turn_set_users(struct ctl_turn *turn, struct ctl_user_store *users)
{
	turn->users = users;
}

int ctl_turn_set_realms(struct ctl_turn *turn, const struct conf *conf)
{
	struct ctl_realms *fresh;
	int rc = ctl_realms_create(conf, &fresh);
	if (rc)
		return rc;
	ctl_realms_destroy(turn->realms);
	turn->realms = fresh;
	return 0;
}

const struct ctl_turn_counters *ctl_turn_counters(const struct ctl_turn *turn)
{
	return &turn->counters;
}

const char *ctl_turn_method_label(unsigned int method)
{
	static const char *const label[] = {
		[CTL_METHOD_BINDING] = "binding",
		[CTL_METHOD_ALLOCATE] = "allocate",
		[CTL_METHOD_REFRESH] = "refresh",
		[CTL_METHOD_CREATE_PERMISSION] = "create_permission",
		[CTL_METHOD_CHANNEL_BIND] = "channel_bind",
		[CTL_METHOD_CONNECT] = "connect",
		[CTL_METHOD_CONNECTION_BIND] = "connection_bind",
		[CTL_METHOD_OTHER] = "other",
	};
	return method < CTL_METHODS ? label[method] : NULL;
}

int ctl_turn_error_code(unsigned int error)
{
	static const int code[] = {
#define STUN_ERR(name, number, reason) [CTL_ERROR_##name] = number,
#include "common/wire/stun_err.def"
#undef STUN_ERR
	};
	return error < CTL_ERRORS ? code[error] : 0;
}
