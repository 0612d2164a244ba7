// SPDX-License-Identifier: BSD-3-Clause
// Where a packet goes next on its way through the burst, and where it ends.
#pragma once

enum dp_verdict {
	DP_VERDICT_LISTENER,    // UDP to a listener, not yet looked into
	DP_VERDICT_CHANNEL,     // ChannelData of a client: channel flow
	DP_VERDICT_STUN,        // STUN of a client: allocation flow
	DP_VERDICT_SEND,        // Send indication: permission flow
	DP_VERDICT_BINDING,     // Binding request that the worker answers
	DP_VERDICT_CHALLENGE,   // Allocate without integrity that the worker answers
	DP_VERDICT_DTLS,        // DTLS of a client, for a stream process
	DP_VERDICT_PEER,        // UDP to a relayed address: channel flow
	DP_VERDICT_DATA,        // the same without a live channel: permission flow
	DP_VERDICT_ICMP,        // ICMP error about a relayed address: permission flow
	DP_VERDICT_FRAGMENT,    // IP fragment
	DP_VERDICT_HAIRPIN,     // to a relayed address of ours: once more as UDP of a peer
	DP_VERDICT_FORWARD,     // decided; wants a next hop
	DP_VERDICT_STREAM,      // decided; to a client behind a stream process
	DP_VERDICT_TELL_SENDER, // cannot go on for dp_packet.reason: an ICMP error, then a drop
	DP_VERDICT_ENCAP,       // has a next hop; wants its headers
	DP_VERDICT_OVERSIZE,    // the same, and leaves as fragments

	// Ends.
	DP_VERDICT_TX,   // complete; to the transmit buffers
	DP_VERDICT_PUNT, // to control
	DP_VERDICT_HELD, // another step owns the mbuf now
	DP_VERDICT_DROP, // counted by dp_packet.reason and freed
};

#define DP_VERDICT_BIT(verdict) (1u << (verdict))
