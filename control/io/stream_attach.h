// SPDX-License-Identifier: BSD-3-Clause
// The beginning of a stream process's attachment to control: its greeting, and the rings that it
// gets, fresh each time (common/abi/stream.h).
#pragma once

#include "common/abi/shm_map.h"
#include "control/io/stream_in.h"

struct ctl_stream_link {
	struct tp_shm rings;
	int request_fd, response_fd; // eventfds: the stream wakes us, we wake it
};

// Whether a message greets as a stream does. 0, or the enum tp_refusal that it gets.
int ctl_stream_greeting(const void *message, size_t length_bytes, struct tp_stream_hello *out);

// Makes rings and eventfds and sends them by `sock`. 0: `link` and the rings of `stream` are ready,
// the caller ends it with ctl_stream_link_close; or -errno.
int ctl_stream_link_open(int sock, struct ctl_stream_link *link, struct ctl_stream *stream);
void ctl_stream_link_close(struct ctl_stream_link *link);

void ctl_stream_refuse(int sock, enum tp_refusal why, uint32_t detail);
