// SPDX-License-Identifier: BSD-3-Clause
// The classic format of libpcap, written in the order of this machine: a header, then a header and
// bytes of each frame. Frames are a microsecond apart.
#include <errno.h>
#include <stdio.h>

#include "bench/pcap/pcap.h"

#define MAGIC    UINT32_C(0xa1b2c3d4) // timestamps in microseconds
#define ETHERNET 1
#define BUFFER   (1 << 20)

struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, network;
};

struct frame_header {
	uint32_t s, us, captured, length;
};

static int put(FILE *out, const void *bytes, size_t length)
{
	return fwrite(bytes, 1, length, out) == length ? 0 : -EIO;
}

static int write_frames(const struct pcap_options *o, FILE *out)
{
	uint8_t frame[PCAP_SIZE_MAX];
	struct pcap_chooser chooser;
	int rc = 0;

	pcap_chooser_init(&chooser, o);
	for (uint64_t i = 0; i < o->frames && rc == 0; i++) {
		uint16_t size = o->size[i % o->n_sizes];
		uint32_t length = (uint32_t)pcap_frame(o, pcap_choose(&chooser), size, frame);
		struct frame_header h = {.s = (uint32_t)(i / 1000000),
			.us = (uint32_t)(i % 1000000),
			.captured = length,
			.length = length};
		rc = put(out, &h, sizeof(h));
		if (rc == 0)
			rc = put(out, frame, length);
	}
	return rc;
}

int pcap_write(const struct pcap_options *o)
{
	const struct file_header h = {
		.magic = MAGIC, .major = 2, .minor = 4, .snaplen = 65535, .network = ETHERNET};
	FILE *out = fopen(o->out, "wbe");
	int rc;

	if (!out)
		return -errno;
	setvbuf(out, NULL, _IOFBF, BUFFER);
	rc = put(out, &h, sizeof(h));
	if (rc == 0)
		rc = write_frames(o, out);
	if (fclose(out) != 0 && rc == 0)
		rc = -errno;
	return rc;
}
