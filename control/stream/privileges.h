// SPDX-License-Identifier: BSD-3-Clause
// What a stream keeps of what it was started with: NET_BIND_SERVICE until it listens, then nothing.
#pragma once

#include "config/conf.h"

// User and capabilities, descriptors for the configured number of clients. 0 or -errno, logged.
int stream_privileges_drop(struct conf *conf);
// The rest, once it listens. 0 or -errno, logged.
int stream_privileges_filter(const struct conf *conf);
