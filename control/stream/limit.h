// SPDX-License-Identifier: BSD-3-Clause
// How many connections each source has: of an IPv4 address, or of an IPv6 /64.
#pragma once

#include <stdbool.h>

#include "common/base/addr.h"
#include "common/base/hash.h"

struct stream_limit_entry {
	struct tp_ip source; // family none: free
	uint32_t count;
};

struct stream_limit {
	struct stream_limit_entry *entries;
	uint32_t mask;
	struct tp_siphash_key key; // so that nobody can aim at one chain
};

// Room for `connections` sources. 0 or -errno.
int stream_limit_init(struct stream_limit *l, uint32_t connections);
void stream_limit_fini(struct stream_limit *l);

// Counts one connection more, unless its source has `most` already.
bool stream_limit_take(struct stream_limit *l, const struct tp_ip *client, uint32_t most);
void stream_limit_give(struct stream_limit *l, const struct tp_ip *client);
