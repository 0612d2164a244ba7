// SPDX-License-Identifier: BSD-3-Clause
// The steps of the pipeline. Each looks at the packets of a batch whose verdict names it, and gives
// them the next one; only pipeline.c knows the order. Called by the worker that owns both.
#pragma once

#include "dataplane/path/state.h"

// Ethernet, one 802.1Q tag, IP, UDP -> LISTENER, PEER, ICMP, FRAGMENT or a drop. Expects m,
// stands_for and flags of every packet.
void dp_step_parse(struct dp_worker *w, struct dp_batch *b);
// LISTENER -> CHANNEL, STUN, DTLS or a drop; PEER from port 0 -> DATA; keys of all these and of
// PEER.
void dp_step_classify(struct dp_worker *w, struct dp_batch *b);
// Looks the keys of all packets up whose verdict is in `verdicts` (DP_VERDICT_BIT).
void dp_step_lookup(struct dp_worker *w, struct dp_batch *b, uint32_t verdicts);
// CHANNEL -> FORWARD or HAIRPIN (RFC 8656 section 12.6).
void dp_step_channel_up(struct dp_worker *w, struct dp_batch *b);
// STUN -> SEND with the key of the permission, BINDING, CHALLENGE, PUNT (RFC 8489 section 6.3).
void dp_step_stun(struct dp_worker *w, struct dp_batch *b);
// SEND -> FORWARD or HAIRPIN (RFC 8656 section 11.2).
void dp_step_send(struct dp_worker *w, struct dp_batch *b);
// PEER -> FORWARD, STREAM, or DATA with the key of the permission (RFC 8656 sections 11.3
// and 12.7).
void dp_step_channel_down(struct dp_worker *w, struct dp_batch *b);
// DATA -> FORWARD, STREAM.
void dp_step_data(struct dp_worker *w, struct dp_batch *b);
// HAIRPIN -> PEER with its key.
void dp_step_hairpin(struct dp_worker *w, struct dp_batch *b);
// ICMP (with a key) -> FORWARD, STREAM (RFC 8656 section 11.5): _quote before the lookup, _relay
// after.
void dp_step_icmp_quote(struct dp_worker *w, struct dp_batch *b);
void dp_step_icmp_relay(struct dp_worker *w, struct dp_batch *b);
// BINDING -> FORWARD (RFC 8489 section 7).
void dp_step_binding(struct dp_worker *w, struct dp_batch *b);
// CHALLENGE -> FORWARD, or PUNT when there is no nonce key (RFC 8489 section 9.2.4).
void dp_step_challenge(struct dp_worker *w, struct dp_batch *b);
// DTLS -> HELD: into a stream's ring; FORWARD: a HelloVerifyRequest; or a drop (RFC 6347
// section 4.2.1).
void dp_step_dtls(struct dp_worker *w, struct dp_batch *b);
// FRAGMENT -> HELD; completed datagrams go to w->whole.
void dp_step_reassemble(struct dp_worker *w, struct dp_batch *b);
// FORWARD -> ENCAP, OVERSIZE, TELL_SENDER.
void dp_step_next_hop(struct dp_worker *w, struct dp_batch *b);
// TELL_SENDER -> DROP, and an ICMP error to the sender (RFC 8656 section 13).
void dp_step_tell_sender(struct dp_worker *w, struct dp_batch *b);
// ENCAP -> TX; OVERSIZE stays. Writes prefix, UDP, IP, Ethernet.
void dp_step_encap(struct dp_worker *w, struct dp_batch *b);
// OVERSIZE -> HELD: its fragments go to the transmit buffers.
void dp_step_fragment(struct dp_worker *w, struct dp_batch *b);
// PUNT -> HELD.
void dp_step_punt(struct dp_worker *w, struct dp_batch *b);
// TX to the buffers, DROP counted and freed: the end of every packet.
void dp_step_settle(struct dp_worker *w, struct dp_batch *b);
// The same for the frames of a burst that the lane left, together with those it sent, so that all
// leave in the order in which they came.
void dp_step_settle_merged(
	struct dp_worker *w, struct dp_batch *b, const struct dp_lane *lane);
// STREAM -> HELD: into the stream's ring; or a drop (RFC 8656 section 16).
void dp_step_stream_down(struct dp_worker *w, struct dp_batch *b);
// Appends what a stream process sent to an empty batch, at most a burst: messages as LISTENER,
// datagrams for DTLS clients as FORWARD. Returns how many slots it took.
uint32_t dp_step_stream_up(struct dp_worker *w, struct dp_batch *b, struct dp_stream_link *link);
// Appends what control injected to an empty batch as FORWARD; returns how many slots it took.
uint32_t dp_step_inject(struct dp_worker *w, struct dp_batch *b);
