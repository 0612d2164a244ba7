// SPDX-License-Identifier: BSD-3-Clause
// One client behind a stream process with a channel and a permission, for the tests of both
// directions. Include once a test.
#pragma once

#include "dataplane/path/state.h"
#include "tests/unit/dataplane/path/stream_rig.h"

#define FAR (RIG_NOW + 300 * RIG_SECOND)

struct scene {
	struct rig *rig;
	struct stream_rig *stream;
	struct tp_addr relay, peer, other; // `other` has a permission and no channel
};

static inline struct scene scene_rate(bool ipv6, uint64_t rate)
{
	struct scene s = {.rig = rig_make(),
		.relay = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 50001),
		.peer = rig_addr(ipv6 ? "fd00:198:18::99" : "198.18.2.2", 6000)};

	s.other = s.peer;
	s.other.port = 6001;
	s.stream = stream_open(s.rig, STREAM_NUMBER, -1);
	rig_allocate(s.rig, 3, stream_client(STREAM_NUMBER, STREAM_CONNECTION), stream_listener(),
		s.relay, (struct tp_addr){0}, rate);
	rig_permit(s.rig, 3, s.peer.ip, FAR);
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, FAR);
	return s;
}

static inline struct scene scene(bool ipv6)
{
	return scene_rate(ipv6, 0);
}

static inline void end(struct scene *s)
{
	rig_end(s->rig);
	stream_close(s->stream);
}

static inline void peer_sends(struct scene *s, struct tp_addr from, const void *data, size_t length)
{
	struct frame f = rig_frame(from, s->relay, data, length);
	rig_receive_frame(s->rig, &f);
}

static inline void assert_to_peer(
	const struct scene *s, const struct frame *f, const struct tp_addr *peer)
{
	assert_memory_equal(&f->from, &s->relay, sizeof(s->relay));
	assert_memory_equal(&f->to, peer, sizeof(*peer));
	assert_int_equal(f->damage, 0);
	assert_false(f->zero_checksum);
	assert_int_equal(f->ttl, DP_MADE_HOP_LIMIT);
	assert_int_equal(f->tos, 0xb8); // DSCP of the connection, no ECN
}
