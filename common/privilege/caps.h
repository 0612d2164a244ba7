// SPDX-License-Identifier: BSD-3-Clause
// Capabilities of the calling thread as bit masks: TP_CAP(CAP_NET_RAW) | ... Without libcap.
// Threads made later inherit what this one has, so all of this comes before the first of them.
#pragma once

#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>

#define TP_CAP(capability) (UINT64_C(1) << (capability))
#define TP_CAPS_TEXT       1024

struct tp_caps {
	uint64_t effective, permitted, inheritable;
};

// 0 or -errno.
int tp_caps_read(struct tp_caps *out);

// Effective and permitted become those of `keep` that are permitted now; inheritable and ambient
// those of them that are in `pass_on`, which programs executed later have, too. 0 or -errno.
int tp_caps_limit(uint64_t keep, uint64_t pass_on);

// What tp_caps_limit makes of `have`.
struct tp_caps tp_caps_limited(const struct tp_caps *have, uint64_t keep, uint64_t pass_on);

// Empties the bounding set `but` for these, so that no program executed later gains others. Takes
// CAP_SETPCAP: -EPERM without it, and without it a set that is empty already is no error. 0 or
// -errno.
int tp_caps_clear_bounding(uint64_t but);

// "NET_ADMIN NET_RAW", "none"; a capability that has no name here as its number. Returns `out`.
char *tp_caps_format(uint64_t set, char out[TP_CAPS_TEXT]);
