// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench: load on real sockets; one subcommand a folder.
#include <stdio.h>
#include <string.h>

#include "bench/cycles/cycles.h"
#include "bench/fill/fill.h"
#include "bench/load/load.h"
#include "bench/pcap/pcap.h"
#include "bench/stream/streams.h"

static const struct {
	const char *name, *help;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"cycles", "allocations made and ended by real requests, with every refusal", cycles_main},
	{"fill", "allocations as a control leaves them that dies, by the store's own code",
		fill_main},
	{"load", "real TURN clients with numbered datagrams both ways; counts loss", load_main},
	{"pcap", "frames for the synthetic allocations of turnpikectl provision", pcap_main},
	{"stream", "TURN clients over TCP and TLS, and what a server spends on them", streams_main},
};

int main(int argc, char **argv)
{
	const size_t n = sizeof(commands) / sizeof(commands[0]);

	for (size_t i = 0; argc > 1 && i < n; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fputs("usage: turnpike-bench COMMAND [options]\n", stderr);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  %-8s %s\n", commands[i].name, commands[i].help);
	return 2;
}
