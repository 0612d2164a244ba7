// SPDX-License-Identifier: BSD-3-Clause
// The frames of a flood, by kind:
//   a  first Allocate             c  ChannelData              f  fragments that become nothing
//   whole b  Binding                    s  Send indication          i  ICMP error about a datagram
//   that m  Allocate with made-up      g  a STUN header in order,     nobody relayed
//      credentials                   noise behind it          p  to the relay range, not the
//      listener
//   r  Refresh without any        d  DTLS ClientHello
//   v  ChannelData on channel 0x4000, which the source may have bound
//   e  DTLS application data, encrypted by nobody
#pragma once

#include "common/base/addr.h"

#define FLOOD_KINDS       "abmrcsgdpfive"
#define FLOOD_FRAME_BYTES 400

struct flood_target {
	uint8_t mac[6];
	struct tp_addr listener; // its address is the relay address too
	uint32_t prefixes;       // of forged sources: IPv4 /24 from 11.0.0.0 on, IPv6 /56
	struct tp_addr source;   // whom to forge instead; family 0: nobody
};

// Writes frame `n` of a flood whose kind is one of FLOOD_KINDS; returns its length in bytes. The
// source changes with each frame, that of fragments with each fourth.
size_t flood_frame(
	const struct flood_target *t, char kind, uint64_t n, uint8_t out[FLOOD_FRAME_BYTES]);
