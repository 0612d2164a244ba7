// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench pcap: frames for the synthetic allocations of `turnpikectl provision`, as a
// generator replays them. The numbering is read from its JSON document; nothing is sent.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "control/alloc/numbering.h"

// Frame sizes as RFC 2544 counts them: from the destination address to the frame check sequence,
// whose four bytes no file holds.
#define PCAP_SIZE_MIN   64
#define PCAP_SIZE_MAX   1518
#define PCAP_FCS_BYTES  4
#define PCAP_SIZE_COUNT 32 // sizes of a mix at most

enum pcap_choice { PCAP_ROUND_ROBIN, PCAP_UNIFORM, PCAP_ZIPF };

struct pcap_options {
	struct ctl_numbering numbering;
	bool down;
	enum pcap_choice choice;
	double exponent; // of Zipf
	uint64_t flows;  // the first ones of the numbering
	uint64_t frames;
	uint64_t seed;
	uint16_t size[PCAP_SIZE_COUNT]; // of frame i: size[i % n_sizes]
	unsigned int n_sizes;
	uint8_t source_mac[6], destination_mac[6];
	const char *out;
};

// choice.c: which flow comes next.
struct pcap_chooser {
	enum pcap_choice choice;
	uint64_t flows, next, random;
	double exponent, h_first, h_last, accept; // of Zipf
};
void pcap_chooser_init(struct pcap_chooser *c, const struct pcap_options *o);
uint64_t pcap_choose(struct pcap_chooser *c);

// frame.c: writes the frame of a flow, without its frame check sequence; returns its length,
// size - PCAP_FCS_BYTES. The UDP checksum is zero, the IPv4 ID too.
size_t pcap_frame(
	const struct pcap_options *o, uint64_t flow, uint16_t size, uint8_t out[PCAP_SIZE_MAX]);

// file.c: all of it. 0 or -errno.
int pcap_write(const struct pcap_options *o);

// main.c's table
int pcap_main(int argc, char **argv);
