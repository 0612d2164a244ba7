// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/cycles/cycles.h"
#include "bench/text.h"

static const char usage[] =
	"usage: turnpike-bench cycles --server ADDRESS --client-address A --peer-address B "
	"[options]\n"
	"  --server-port N        port of the server (3478)\n"
	"  --client-namespace NS  network namespace of the clients' sockets (here)\n"
	"  --peer-namespace NS    network namespace of the peer's socket (here)\n"
	"  --user U --password P  long-term credentials (u, p)\n"
	"  --quota-user U --quota-password P  somebody whose quota is used up (none)\n"
	"  --cycles N             allocations made and ended (10000)\n"
	"  --at-a-time N          of them (32)\n"
	"Prints one JSON object. Exit 0: every request ended as it should; 1 otherwise; 2 usage.\n";

enum {
	O_SERVER = 1,
	O_PORT,
	O_CA,
	O_PA,
	O_CN,
	O_PN,
	O_USER,
	O_PASSWORD,
	O_QU,
	O_QP,
	O_CYCLES,
	O_AT
};

static const struct option flags[] = {
	{"server", required_argument, NULL, O_SERVER},
	{"server-port", required_argument, NULL, O_PORT},
	{"client-address", required_argument, NULL, O_CA},
	{"peer-address", required_argument, NULL, O_PA},
	{"client-namespace", required_argument, NULL, O_CN},
	{"peer-namespace", required_argument, NULL, O_PN},
	{"user", required_argument, NULL, O_USER},
	{"password", required_argument, NULL, O_PASSWORD},
	{"quota-user", required_argument, NULL, O_QU},
	{"quota-password", required_argument, NULL, O_QP},
	{"cycles", required_argument, NULL, O_CYCLES},
	{"at-a-time", required_argument, NULL, O_AT},
	{0},
};

static bool option_set(struct cycles_options *o, int flag, const char *value)
{
	const char **const texts[] = {[O_CN] = &o->client_namespace,
		[O_PN] = &o->peer_namespace,
		[O_USER] = &o->user,
		[O_PASSWORD] = &o->password,
		[O_QU] = &o->quota_user,
		[O_QP] = &o->quota_password};
	uint64_t n;

	switch (flag) {
	case O_SERVER:
		return tp_ip_parse(value, &o->server.ip) == 0;
	case O_CA:
		return tp_ip_parse(value, &o->client_address) == 0;
	case O_PA:
		return tp_ip_parse(value, &o->peer_address) == 0;
	case O_PORT:
		if (!bench_number64(value, 1, 65535, &n))
			return false;
		o->server.port = (uint16_t)n;
		return true;
	case O_CYCLES:
		return bench_number64(value, 1, UINT64_C(1) << 40, &o->cycles);
	case O_AT:
		if (!bench_number64(value, 1, 4096, &n))
			return false;
		o->at_a_time = (uint32_t)n;
		return true;
	default:
		*texts[flag] = value;
		return strlen(value) <= 200;
	}
}

int cycles_main(int argc, char **argv)
{
	struct cycles_options o = {.server.port = 3478,
		.user = "u",
		.password = "p",
		.quota_password = "",
		.cycles = 10000,
		.at_a_time = 32};
	int flag;

	while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1)
		if (flag == '?' || !option_set(&o, flag, optarg))
			goto wrong;
	if (optind == argc && o.server.ip.family && o.client_address.family &&
		o.peer_address.family)
		return cycles_run(&o);
wrong:
	fputs(usage, stderr);
	return 2;
}
