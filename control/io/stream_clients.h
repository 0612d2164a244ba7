// SPDX-License-Identifier: BSD-3-Clause
// The connections that one stream process has announced, by their numbers. Bounded.
#pragma once

#include "common/abi/stream.h"
#include "common/base/hash.h"

struct ctl_stream_client {
	struct ctl_stream_client *next;      // of the bucket
	struct ctl_stream_client *next_dtls; // over DTLS: of the bucket by five-tuple
	uint32_t connection;
	uint32_t failures; // error responses since the last success
	struct tp_addr client, listener;
	uint8_t transport; // enum tp_stream_transport
	bool proxied;      // `client` is what a proxy said
};

struct ctl_stream_clients {
	struct ctl_stream_client **bucket; // by connection
	struct ctl_stream_client **dtls;   // those over DTLS, by five-tuple
	uint32_t mask;
	uint32_t count, most;
	struct tp_siphash_key key; // the numbers are the stream's choice
};

// Room for `most`. 0, -ENOMEM.
int ctl_stream_clients_init(
	struct ctl_stream_clients *c, uint32_t most, const struct tp_siphash_key *key);
void ctl_stream_clients_fini(struct ctl_stream_clients *c);

struct ctl_stream_client *ctl_stream_clients_find(
	const struct ctl_stream_clients *c, uint32_t connection);
// The session that a DTLS client has here. NULL: none.
struct ctl_stream_client *ctl_stream_clients_find_dtls(const struct ctl_stream_clients *c,
	const struct tp_addr *client, const struct tp_addr *listener);
// 0, -EEXIST, -ENOSPC, -ENOMEM.
int ctl_stream_clients_add(
	struct ctl_stream_clients *c, uint32_t connection, const struct tp_stream_opened *opened);
void ctl_stream_clients_remove(struct ctl_stream_clients *c, uint32_t connection);
