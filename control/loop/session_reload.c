// SPDX-License-Identifier: BSD-3-Clause
// Another configuration while control runs. All that can fail is made first; then it is put in
// place at once, and what the dataplane must know follows by commands, a slice a round.
#include <errno.h>

#include "common/base/log.h"
#include "common/wire/chandata.h"
#include "control/loop/match.h"
#include "control/loop/session_impl.h"
#include "control/loop/streams.h"
#include "control/turn/policy.h"
#include "control/turn/turn.h"

// ---- what the dataplane takes live

static void describe_settings(const struct conf *conf, struct tp_cmd_settings *out)
{
	bool wide = conf->compatibility.channel_numbers == CONF_CHANNELS_RFC5766;

	*out = (struct tp_cmd_settings){.per_address = conf->unauthenticated.per_address,
		.per_network = conf->unauthenticated.per_network,
		.punts = conf->unauthenticated.punts,
		.unproven = conf->unauthenticated.unproven,
		.channel_max = wide ? CHANDATA_CHANNEL_MAX_RFC5766 : CHANDATA_CHANNEL_MAX,
		.hop_limit = (uint8_t)conf->forwarding.hop_limit,
		.dscp = (uint8_t)conf->forwarding.dscp,
		.log_level = (uint32_t)conf->log_level};
}

void ctl_session_settings_step(struct ctl_session *s)
{
	struct tp_cmd cmd = {.type = TP_CMD_SETTINGS, .layout = 1, .alloc = TP_ALLOC_NONE};
	struct ctl_commands sink = ctl_command_queue_sink(&s->commands);

	if (!s->settings_due || ctl_command_queue_room(&s->commands) == 0)
		return;
	describe_settings(s->ctl->conf, &cmd.settings);
	s->settings_due = false;
	s->settings_in_force = false;
	s->settings_sequence = sink.send(sink.context, &cmd);
}

void ctl_session_settings_ack(struct ctl_session *s, const struct tp_ack *ack)
{
	if (s->settings_sequence == 0 || ack->sequence != s->settings_sequence)
		return;
	s->settings_in_force = ack->result == 0;
	if (!s->settings_in_force)
		tp_warning("the dataplane does not take budgets, channel numbers and forwarding "
			   "of the configuration live (%d): restart it with this version",
			ack->result);
}

bool ctl_session_settings_in_force(const struct ctl_session *s)
{
	return s->attached && s->settings_in_force && !s->settings_due;
}

// ---- users

void ctl_session_old_users_step(struct ctl_session *s)
{
	for (struct ctl_user_store **at = &s->old_users; *at;) {
		struct ctl_user_store *store = *at;
		if (store->under_way > 0) {
			at = &store->older;
			continue;
		}
		*at = store->older;
		store->destroy(store);
	}
}

static void replace_users(struct ctl_session *s, struct ctl_user_store *fresh)
{
	s->users->older = s->old_users;
	s->old_users = s->users;
	s->users = fresh;
	if (s->turn)
		ctl_turn_set_users(s->turn, fresh);
	ctl_session_old_users_step(s);
}

// ---- all of it

int ctl_session_reload(struct ctl_session *s, struct conf *fresh)
{
	struct ctl_user_store *users = NULL;
	struct ctl_store_policy policy;
	struct ctl_acl *acl = NULL;
	int rc;

	if (s->given_away)
		return -EBUSY;
	rc = ctl_policy_users(fresh, &users);
	if (rc == 0)
		rc = ctl_match_acl(fresh, s->store, &acl);
	if (rc == 0 && s->turn)
		rc = ctl_turn_renew(s->turn, fresh);
	if (rc) {
		ctl_acl_destroy(acl);
		if (users)
			users->destroy(users);
		return rc;
	}
	replace_users(s, users);
	if (s->turn)
		ctl_turn_set_acl(s->turn, acl);
	ctl_acl_destroy(s->acl);
	s->acl = acl;
	if (s->store) {
		ctl_policy_store(fresh, &policy);
		ctl_store_renew(s->store, &policy);
	}
	s->punt_in.conf = fresh;
	ctl_streams_reload(s->ctl->streams, fresh);
	s->ctl->conf = fresh;
	s->settings_due = true;
	return 0;
}
