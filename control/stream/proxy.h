// SPDX-License-Identifier: BSD-3-Clause
// The header of the PROXY protocol, versions 1 and 2, by which a proxy says whose connection it
// passes on (HAProxy's proxy-protocol.txt). Pure: no socket, no clock.
#pragma once

#include "common/base/addr.h"

// Longer headers of version 2 are refused. Their senders know addresses and some TLVs: certificate
// names, identifiers of networks.
#define STREAM_PROXY_MOST 2048

enum stream_proxy_result {
	STREAM_PROXY_MORE,  // it goes on
	STREAM_PROXY_WHOLE, // it ends after `bytes`
	STREAM_PROXY_WRONG, // it is none
};

struct stream_proxy {
	struct tp_addr client; // family none: the proxy speaks for itself, or names no IP address
	uint32_t bytes;        // of the header
};

// Looks at the n bytes that are there. Only WHOLE fills `out`. The client's address is one that a
// client can have, an IPv4-mapped one as IPv4; TLVs are skipped.
enum stream_proxy_result stream_proxy_read(
	const uint8_t *bytes, size_t n, struct stream_proxy *out);
