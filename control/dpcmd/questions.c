// SPDX-License-Identifier: BSD-3-Clause
#include "control/dpcmd/questions.h"

#include <errno.h>
#include <stdlib.h>

#include "common/abi/shm_map.h"
#include "control/api/status.h"

#define TIMEOUT_S   1
#define MAX_WAITING 1024

struct ctl_question {
	TAILQ_ENTRY(ctl_question) entry;
	struct ctl_questions *questions;
	bool asked; // the question on the wire is (also) ours
	struct event *timeout;
	ctl_question_fn done;
	void *context;
};

void ctl_questions_init(struct ctl_questions *q, struct event_base *base)
{
	*q = (struct ctl_questions){.base = base, .fd = -1};
	TAILQ_INIT(&q->waiting);
}

// Takes it off the list before its callback, which may ask again.
static void question_end(struct ctl_question *w, const struct tp_status_reply *reply)
{
	struct ctl_questions *q = w->questions;

	TAILQ_REMOVE(&q->waiting, w, entry);
	q->n_waiting--;
	event_free(w->timeout);
	w->done(w->context, reply);
	free(w);
}

static void on_timeout(evutil_socket_t fd, short events, void *arg)
{
	question_end(arg, NULL);
}

static struct ctl_question *question_create(struct ctl_questions *q)
{
	const struct timeval tv = {.tv_sec = TIMEOUT_S};
	struct ctl_question *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->questions = q;
	w->timeout = evtimer_new(q->base, on_timeout, w);
	if (!w->timeout || evtimer_add(w->timeout, &tv) < 0) {
		if (w->timeout)
			event_free(w->timeout);
		free(w);
		return NULL;
	}
	return w;
}

// Asks for all that wait, unless a question is on the wire. A socket that takes nothing leaves them
// to their timeouts.
static void send_question(struct ctl_questions *q)
{
	const struct tp_message_header message = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_STATUS,
		.length_bytes = sizeof(message)};
	struct ctl_question *w;

	if (q->on_the_wire || TAILQ_EMPTY(&q->waiting) ||
		tp_message_send(q->fd, &message, sizeof(message), NULL, 0))
		return;
	q->on_the_wire = true;
	TAILQ_FOREACH(w, &q->waiting, entry)
		w->asked = true;
}

void ctl_questions_ask(struct ctl_questions *q, ctl_question_fn done, void *context)
{
	struct ctl_question *w = NULL;

	if (q->fd >= 0 && q->n_waiting < MAX_WAITING)
		w = question_create(q);
	if (!w) {
		done(context, NULL);
		return;
	}
	w->done = done;
	w->context = context;
	TAILQ_INSERT_TAIL(&q->waiting, w, entry);
	q->n_waiting++;
	send_question(q);
}

int ctl_questions_reply(struct ctl_questions *q, const void *message, size_t length_bytes)
{
	struct tp_status_reply reply;
	struct ctl_question *w;

	if (!q->on_the_wire || ctl_status_read(message, length_bytes, &reply))
		return -EPROTO;
	// Whoever asks from within a callback finds the question still on the wire.
	while ((w = TAILQ_FIRST(&q->waiting)) && w->asked)
		question_end(w, &reply);
	q->on_the_wire = false;
	send_question(q);
	return 0;
}

void ctl_questions_end(struct ctl_questions *q)
{
	struct ctl_question *w;

	q->fd = -1; // nobody asks again
	q->on_the_wire = false;
	while ((w = TAILQ_FIRST(&q->waiting)))
		question_end(w, NULL);
}
