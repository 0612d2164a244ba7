// SPDX-License-Identifier: BSD-3-Clause
// The beginning and the end of an attachment.
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/abi/health.h"
#include "common/base/log.h"
#include "common/base/notify.h"
#include "control/loop/match.h"
#include "control/loop/session_impl.h"
#include "control/loop/streams.h"
#include "control/turn/policy.h"
#include "control/turn/turn.h"

static bool same_memory(const struct tp_shm *a, const struct tp_shm *b)
{
	struct stat sa, sb;

	return fstat(a->fd, &sa) == 0 && fstat(b->fd, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static void log_adoption(const struct ctl_adoption *a, const char *verb)
{
	tp_notice("%s %u allocations, %u permissions, %u channels", verb, a->allocations,
		a->permissions, a->channels);
	for (int i = 0; i < CTL_ADOPT_REASON_COUNT; i++) {
		const char *text = ctl_adopt_reason_text((enum ctl_adopt_reason)i);
		if (a->dropped_allocations[i])
			tp_warning("%u allocations dropped: %s", a->dropped_allocations[i], text);
		if (a->dropped_peers[i])
			tp_warning("%u permissions or channels dropped: %s", a->dropped_peers[i],
				text);
	}
	if (a->dropped_names)
		tp_warning("%u user names dropped", a->dropped_names);
}

// Whoever wonders where new allocations do not go finds it in the log.
static void log_relays(const struct ctl_store *store)
{
	char text[TP_ADDR_STRLEN];
	struct ctl_relay_view v;

	for (uint32_t i = 0; ctl_relay_entry(store, i, &v); i++) {
		if (v.use == CTL_RELAY_IN_USE)
			continue;
		tp_notice("relay address %s/%u stays %s", tp_ip_format(&v.address, text),
			v.prefix_bits, v.use == CTL_RELAY_REMOVED ? "removed" : "drained");
	}
}

static void send_response(void *context, const struct ctl_reply_to *reply_to,
	const struct tp_addr *source, const struct tp_addr *destination, const uint8_t *bytes,
	size_t length)
{
	struct ctl_session *s = context;

	if (reply_to->stream.stream != 0)
		ctl_streams_send(s->ctl->streams, reply_to, bytes, length);
	else if (s->attached)
		ctl_inject_send(
			&s->punt_in, &s->attachment, reply_to, source, destination, bytes, length);
}

static bool tell_stream(void *context, enum tp_stream_note_kind kind, struct tp_stream_client to,
	const void *payload, size_t length)
{
	struct ctl_session *s = context;

	return ctl_streams_tell(s->ctl->streams, kind, to, payload, length);
}

static int create_turn(struct ctl_session *s)
{
	struct ctl_turn_options options = {.conf = s->ctl->conf,
		.store = s->store,
		.users = s->users,
		.acl = s->acl,
		.send = send_response,
		.send_context = s,
		.tell = tell_stream,
		.tell_context = s,
		.random = ctl_random_system()};

	return ctl_turn_create(&options, &s->turn);
}

// The first attachment of this process: the records of an earlier control, if any, become ours.
static int adopt_region(struct ctl_session *s, struct tp_shm *region)
{
	struct ctl_store_options options = {.region = region->base,
		.region_bytes = region->bytes,
		.region_fd = region->fd,
		.commands = ctl_command_queue_sink(&s->commands),
		.random = ctl_random_system(),
		.working = tp_notify_watchdog};
	struct ctl_store_policy policy;
	int rc;

	ctl_policy_store(s->ctl->conf, &policy);
	options.policy = &policy;
	rc = ctl_store_create(&options, &s->store);
	if (rc)
		return rc;
	rc = ctl_store_adopt(s->store, ctl_session_time(), &s->adoption);
	// By now it is known which relay addresses are removed.
	if (rc == 0 && ctl_session_renew_acl(s))
		s->next_acl_ns = 0;
	if (rc == 0)
		rc = create_turn(s);
	if (rc) {
		ctl_store_destroy(s->store);
		s->store = NULL;
	}
	return rc;
}

// Puts the store onto the region of a new attachment. The memory that stays in use moves to
// s->region.
static int take_region(struct ctl_session *s, struct tp_shm *region)
{
	bool moved = s->store != NULL;
	int rc = 0;

	// The same dataplane, or the next one with the region that was kept for it.
	if (s->store && same_memory(&s->region, region)) {
		ctl_store_count_anew(s->store);
		tp_shm_close(region);
		return 0;
	}
	if (s->store)
		rc = ctl_store_move(
			s->store, region->base, region->bytes, region->fd, ctl_session_time(), &s->adoption);
	else
		rc = adopt_region(s, region);
	if (rc) {
		tp_error("the session region cannot be used: %s", strerror(-rc));
		return rc;
	}
	log_adoption(&s->adoption, moved ? "gave the new dataplane" : "took over");
	log_relays(s->store);
	tp_shm_close(&s->region);
	s->region = *region;
	*region = (struct tp_shm){.fd = -1};
	return 0;
}

static void on_wakeup(evutil_socket_t fd, short events, void *arg)
{
	// The loop looks at all rings whenever it comes round.
}

static int watch(struct ctl_session *s, int fd)
{
	struct event *e;

	for (size_t i = 0; i < s->n_wakeups; i++)
		if (event_get_fd(s->wakeups[i]) == fd)
			return 0;
	e = event_new(s->ctl->base, fd, EV_READ | EV_PERSIST, on_wakeup, NULL);
	if (!e || event_add(e, NULL) < 0) {
		if (e)
			event_free(e);
		return -ENOMEM;
	}
	s->wakeups[s->n_wakeups++] = e;
	return 0;
}

void ctl_session_unwatch(struct ctl_session *s)
{
	while (s->n_wakeups > 0)
		event_free(s->wakeups[--s->n_wakeups]);
}

static int watch_rings(struct ctl_session *s, const struct ctl_attachment *a)
{
	int rc = watch(s, a->ack.event_fd);

	for (uint16_t w = 0; rc == 0 && w < a->said.workers; w++)
		rc = watch(s, a->punt[w].event_fd);
	if (rc)
		ctl_session_unwatch(s);
	return rc;
}

int ctl_session_attached(void *session, struct ctl_attachment *attachment)
{
	struct ctl_session *s = session;
	int rc;

	ctl_match_warn(s->ctl->conf, &attachment->said);
	rc = watch_rings(s, attachment);
	if (rc)
		return rc;
	rc = take_region(s, &attachment->region);
	if (rc) {
		ctl_session_unwatch(s);
		return rc;
	}
	s->attachment = *attachment;
	s->attached = true;
	s->in_step = false;
	// The first beat; the others are loop/watch.c's.
	atomic_store_explicit(&ctl_session_beats(s)->control_ns, tp_now_ns(), memory_order_relaxed);
	ctl_command_queue_attach(&s->commands, &s->attachment.command, s->attachment.ack.size);
	ctl_store_resync_due(s->store); // the one that starts here serves
	ctl_sync_start(&s->sync);
	s->settings_due = true;
	tp_notice("attached to dataplane %u, instance %016llx, %u workers", attachment->said.pid,
		(unsigned long long)attachment->said.instance, attachment->said.workers);
	if (attachment->said.header.minor != TP_ABI_MINOR)
		tp_notice("the dataplane is of ABI %u.%u, this control of %u.%u",
			attachment->said.header.major, attachment->said.header.minor, TP_ABI_MAJOR,
			TP_ABI_MINOR);
	return 0;
}

void ctl_session_detached(void *session)
{
	struct ctl_session *s = session;

	s->attached = false;
	s->in_step = false;
	ctl_session_unwatch(s);
	ctl_command_queue_detach(&s->commands);
	ctl_turn_detach(s->turn, ctl_session_time());
	ctl_session_counters_expire(s, UINT64_MAX);
	ctl_attachment_close(&s->attachment);
}
