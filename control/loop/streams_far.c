// SPDX-License-Identifier: BSD-3-Clause
// TCP allocations (RFC 6062) between control/turn and the stream processes: notes both ways, and
// sockets from one process to another.
#include <string.h>

#include "control/loop/session_impl.h"
#include "control/loop/streams_impl.h"

static bool take_note(void *context, const struct ctl_far_note *note)
{
	struct ctl_streams *s = context;

	return ctl_turn_far_note(s->ctl->session->turn, note, ctl_session_time());
}

void ctl_streams_far_callbacks(struct ctl_stream_in *in)
{
	in->far = take_note;
}

void ctl_streams_gone(struct ctl_streams_member *m)
{
	struct ctl_streams *s = m->streams;

	if (!s->ctl->session || !s->ctl->session->turn)
		return;
	ctl_stream_drain_last(&s->in, &m->stream);
	ctl_turn_stream_gone(s->ctl->session->turn, m->stream.number, ctl_session_time());
}

bool ctl_streams_tell(struct ctl_streams *s, enum tp_stream_note_kind kind,
	struct tp_stream_client to, const void *payload, size_t length)
{
	struct ctl_streams_member *m = s ? ctl_streams_find(s, to.stream) : NULL;

	return m && m->attached && ctl_stream_put(&m->stream, kind, to.connection, payload, length);
}

static bool deliver(struct ctl_streams_member *m, const struct tp_stream_far *far, int fd)
{
	struct tp_stream_far_socket message = {.header = {.magic = TP_ABI_MAGIC,
						       .major = TP_ABI_MAJOR,
						       .minor = TP_ABI_MINOR,
						       .type = TP_MSG_STREAM_FAR,
						       .length_bytes = sizeof(message)},
		.far = *far};

	return tp_message_send(m->sock, &message, sizeof(message), &fd, 1) == 0;
}

bool ctl_streams_far_message(struct ctl_streams_member *m, const void *message, size_t length,
	const int *fds, size_t n_fds)
{
	struct ctl_turn *turn = m->streams->ctl->session ? m->streams->ctl->session->turn : NULL;
	struct tp_stream_far_socket said;
	struct tp_stream_far far;
	struct ctl_streams_member *to;
	uint32_t number;

	if (length != sizeof(said) || n_fds != 1)
		return false;
	memcpy(&said, message, sizeof(said));
	if (said.header.magic != TP_ABI_MAGIC || said.header.type != TP_MSG_STREAM_FAR || !turn)
		return false;
	number = ctl_turn_far_handed(turn, m->stream.number, said.far.id, &far, ctl_session_time());
	if (number == 0)
		return true;
	to = ctl_streams_find(m->streams, number);
	ctl_turn_far_delivered(
		turn, far.id, to && to->attached && deliver(to, &far, fds[0]), ctl_session_time());
	ctl_streams_flush(m->streams);
	return true;
}
