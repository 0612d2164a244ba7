// SPDX-License-Identifier: BSD-3-Clause
// Status questions to the dataplane over the connection that control is attached by. One question
// is on the wire at a time, so that answers never pile up in the socket; whoever asks meanwhile
// shares the next one, because the reply to this one may have been written before. Loop thread
// only.
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/abi/stats.h"

struct ctl_question; // somebody who waits

struct ctl_questions {
	struct event_base *base;
	int fd; // -1 while there is nobody to ask
	TAILQ_HEAD(ctl_question_list, ctl_question) waiting;
	unsigned int n_waiting;
	bool on_the_wire;
};

// Called exactly once: with the reply, valid during the call, or NULL when there is none in time.
typedef void (*ctl_question_fn)(void *context, const struct tp_status_reply *reply);

void ctl_questions_init(struct ctl_questions *q, struct event_base *base);

// Asks; answers NULL at once while there is nobody to ask or too many wait, after a second at the
// latest.
void ctl_questions_ask(struct ctl_questions *q, ctl_question_fn done, void *context);

// A TP_MSG_STATUS_REPLY came. 0, or -EPROTO: nobody asked, or it is malformed.
int ctl_questions_reply(struct ctl_questions *q, const void *message, size_t length_bytes);

// The connection is gone: answers NULL to all.
void ctl_questions_end(struct ctl_questions *q);
