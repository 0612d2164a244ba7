// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/pcap/pcap.h"
#include "bench/text.h"
#include "control/api/numbering_json.h"

static const char usage[] =
	"usage: turnpike-bench pcap --numbering FILE --direction up|down --out FILE [options]\n"
	"  --numbering FILE         what `turnpikectl --json provision` printed\n"
	"  --direction up|down      ChannelData of clients, or datagrams of peers\n"
	"  --choice CHOICE          of flows: round-robin (default), uniform, zipf or "
	"zipf:EXPONENT\n"
	"  --size BYTES|webrtc      of frames, 64 to 1518, FCS included; or a mix of 152, 222, "
	"1250\n"
	"                           (64)\n"
	"  --flows N                the first N flows of the numbering (all)\n"
	"  --frames N               (as many as flows)\n"
	"  --source-mac MAC         of the generator (02:00:00:00:00:01)\n"
	"  --destination-mac MAC    of the relay's port (02:00:00:00:00:02)\n"
	"  --seed N                 of what is drawn (1)\n"
	"Prints one JSON object. Exit 0, 1 failed, 2 usage.\n";

// A second of a video call, each way: 50 frames of audio, 140 of video, 10 of feedback.
static const uint16_t webrtc[] = {222, 1250, 1250, 1250, 222, 1250, 1250, 1250, 222, 1250, 1250,
	1250, 222, 1250, 1250, 1250, 222, 1250, 1250, 152};

enum {
	O_NUMBERING = 1,
	O_DIRECTION,
	O_CHOICE,
	O_SIZE,
	O_FLOWS,
	O_FRAMES,
	O_SM,
	O_DM,
	O_SEED,
	O_OUT
};

static const struct option flags[] = {
	{"numbering", required_argument, NULL, O_NUMBERING},
	{"direction", required_argument, NULL, O_DIRECTION},
	{"choice", required_argument, NULL, O_CHOICE},
	{"size", required_argument, NULL, O_SIZE},
	{"flows", required_argument, NULL, O_FLOWS},
	{"frames", required_argument, NULL, O_FRAMES},
	{"source-mac", required_argument, NULL, O_SM},
	{"destination-mac", required_argument, NULL, O_DM},
	{"seed", required_argument, NULL, O_SEED},
	{"out", required_argument, NULL, O_OUT},
	{0},
};

struct arguments {
	struct pcap_options o;
	const char *numbering, *direction, *size;
};

static bool read_mac(const char *text, uint8_t mac[6])
{
	unsigned int v[6];
	char more;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		    &more) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

static bool read_choice(const char *text, struct pcap_options *o)
{
	char *end;

	if (strcmp(text, "round-robin") == 0)
		o->choice = PCAP_ROUND_ROBIN;
	else if (strcmp(text, "uniform") == 0)
		o->choice = PCAP_UNIFORM;
	else if (strncmp(text, "zipf", 4) == 0)
		o->choice = PCAP_ZIPF;
	else
		return false;
	if (o->choice != PCAP_ZIPF || text[4] == '\0')
		return true;
	o->exponent = strtod(text + 5, &end);
	return text[4] == ':' && text[5] && !*end && o->exponent > 0 && o->exponent <= 10;
}

static bool read_size(const char *text, struct pcap_options *o)
{
	uint64_t size;

	if (strcmp(text, "webrtc") == 0) {
		o->n_sizes = sizeof(webrtc) / sizeof(webrtc[0]);
		memcpy(o->size, webrtc, sizeof(webrtc));
		return true;
	}
	if (!bench_number64(text, PCAP_SIZE_MIN, PCAP_SIZE_MAX, &size))
		return false;
	o->n_sizes = 1;
	o->size[0] = (uint16_t)size;
	return true;
}

static bool read_direction(const char *text, struct pcap_options *o)
{
	o->down = strcmp(text, "down") == 0;
	return o->down || strcmp(text, "up") == 0;
}

static bool option_set(struct arguments *a, int flag, const char *value)
{
	struct pcap_options *o = &a->o;

	switch (flag) {
	case O_NUMBERING:
		a->numbering = value;
		return true;
	case O_DIRECTION:
		a->direction = value;
		return read_direction(value, o);
	case O_CHOICE:
		return read_choice(value, o);
	case O_SIZE:
		a->size = value;
		return read_size(value, o);
	case O_FLOWS:
		return bench_number64(value, 1, UINT32_MAX, &o->flows);
	case O_FRAMES:
		return bench_number64(value, 1, UINT32_MAX, &o->frames);
	case O_SM:
		return read_mac(value, o->source_mac);
	case O_DM:
		return read_mac(value, o->destination_mac);
	case O_SEED:
		return bench_number64(value, 0, UINT64_MAX, &o->seed);
	case O_OUT:
		o->out = value;
		return true;
	default:
		return false;
	}
}

// The document of `provision` itself, or only its `numbering`.
static int load_numbering(const char *path, struct ctl_numbering *out)
{
	json_error_t error;
	json_t *document = json_load_file(path, 0, &error), *inner;
	int rc;

	if (!document) {
		fprintf(stderr, "turnpike-bench: %s: %s\n", path, error.text);
		return -EINVAL;
	}
	inner = json_object_get(document, "numbering");
	rc = ctl_numbering_from_json(inner ? inner : document, out);
	if (rc)
		fprintf(stderr, "turnpike-bench: %s: no numbering of synthetic allocations\n",
			path);
	json_decref(document);
	return rc;
}

static void tell(const struct arguments *a)
{
	const struct pcap_options *o = &a->o;
	uint64_t bytes = 0;

	for (unsigned int i = 0; i < o->n_sizes; i++)
		bytes += o->size[i];
	printf("{\"direction\": \"%s\", \"flows\": %llu, \"frames\": %llu, \"size\": \"%s\", "
	       "\"mean_frame_bytes\": %.1f}\n",
		a->direction, (unsigned long long)o->flows, (unsigned long long)o->frames, a->size,
		(double)bytes / o->n_sizes);
	if (o->down && o->size[0] > PCAP_SIZE_MAX - 4)
		fputs("turnpike-bench: the relay adds four bytes to these: its MTU must be 1504\n",
			stderr);
}

static int run(struct arguments *a)
{
	struct pcap_options *o = &a->o;
	int rc = load_numbering(a->numbering, &o->numbering);

	if (rc)
		return 1;
	if (o->flows == 0)
		o->flows = ctl_numbering_flows(&o->numbering);
	if (o->flows > ctl_numbering_flows(&o->numbering)) {
		fprintf(stderr, "turnpike-bench: the numbering has %llu flows\n",
			(unsigned long long)ctl_numbering_flows(&o->numbering));
		return 1;
	}
	if (o->frames == 0)
		o->frames = o->flows;
	rc = pcap_write(o);
	if (rc) {
		fprintf(stderr, "turnpike-bench: %s: %s\n", o->out, strerror(-rc));
		return 1;
	}
	tell(a);
	return 0;
}

int pcap_main(int argc, char **argv)
{
	struct arguments a = {.size = "64",
		.o = {.seed = 1,
			.exponent = 1,
			.n_sizes = 1,
			.size = {PCAP_SIZE_MIN},
			.source_mac = {2, 0, 0, 0, 0, 1},
			.destination_mac = {2, 0, 0, 0, 0, 2}}};
	int flag;

	while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (flag == '?' || !option_set(&a, flag, optarg)) {
			if (flag != '?')
				fprintf(stderr, "turnpike-bench: '%s' does not fit this option\n",
					optarg);
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc || !a.numbering || !a.direction || !a.o.out) {
		fputs(usage, stderr);
		return 2;
	}
	return run(&a);
}
