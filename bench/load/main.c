// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/load.h"

static const char usage[] =
	"usage: turnpike-bench load --server ADDRESS --client-address A --peer-address B "
	"[options]\n"
	"  --server-port N        port of the server (3478)\n"
	"  --client-namespace NS  network namespace of the clients' sockets (here)\n"
	"  --peer-namespace NS    network namespace of the peer's socket (here)\n"
	"  --user U --password P  long-term credentials (u, p)\n"
	"  --clients N            clients, each with one allocation and one channel (100)\n"
	"  --rate PPS             datagrams a second, each client, each way (50)\n"
	"  --payload BYTES        application data a datagram, 24 to 1400 (172)\n"
	"  --duration S           seconds of numbered traffic (10)\n"
	"  --refresh S            seconds between refreshes of allocation and channel (0: none)\n"
	"  --until-silence S      then refresh once more and send on until every flow has stopped, "
	"at most S\n"
	"  --ready-file FILE      created when all channels are bound\n"
	"  --progress FILE        totals so far, a line of JSON ten times a second\n"
	"  --json FILE            result\n"
	"Exit 0: nothing lost, damaged or refused; 1 otherwise; 2 usage.\n";

enum {
	O_SERVER = 1,
	O_PORT,
	O_CA,
	O_PA,
	O_CN,
	O_PN,
	O_USER,
	O_PASSWORD,
	O_CLIENTS,
	O_RATE,
	O_PAYLOAD,
	O_DURATION,
	O_REFRESH,
	O_SILENCE,
	O_READY,
	O_PROGRESS,
	O_JSON
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
	{"clients", required_argument, NULL, O_CLIENTS},
	{"rate", required_argument, NULL, O_RATE},
	{"payload", required_argument, NULL, O_PAYLOAD},
	{"duration", required_argument, NULL, O_DURATION},
	{"refresh", required_argument, NULL, O_REFRESH},
	{"until-silence", required_argument, NULL, O_SILENCE},
	{"ready-file", required_argument, NULL, O_READY},
	{"progress", required_argument, NULL, O_PROGRESS},
	{"json", required_argument, NULL, O_JSON},
	{0},
};

static bool number(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || v < least || v > most)
		return false;
	*out = (uint32_t)v;
	return true;
}

static bool option_set(struct load_options *o, int flag, const char *value)
{
	uint32_t port;

	switch (flag) {
	case O_SERVER:
		return tp_ip_parse(value, &o->server.ip) == 0;
	case O_PORT:
		if (!number(value, 1, 65535, &port))
			return false;
		o->server.port = (uint16_t)port;
		return true;
	case O_CA:
		return tp_ip_parse(value, &o->client_address) == 0;
	case O_PA:
		return tp_ip_parse(value, &o->peer_address) == 0;
	case O_CN:
		o->client_namespace = value;
		return true;
	case O_PN:
		o->peer_namespace = value;
		return true;
	case O_USER:
		o->user = value;
		return strlen(value) <= 200;
	case O_PASSWORD:
		o->password = value;
		return true;
	case O_CLIENTS:
		return number(value, 1, 60000, &o->clients);
	case O_RATE:
		return number(value, 1, 100000, &o->rate_pps);
	case O_PAYLOAD:
		return number(value, LOAD_NUMBER_BYTES, 1400, &o->payload_bytes);
	case O_DURATION:
		return number(value, 1, 86400, &o->duration_s);
	case O_REFRESH:
		return number(value, 0, 3600, &o->refresh_every_s);
	case O_SILENCE:
		o->until_silence = true;
		return number(value, 1, 3600, &o->silence_limit_s);
	case O_READY:
		o->ready_file = value;
		return true;
	case O_PROGRESS:
		o->progress = value;
		return true;
	case O_JSON:
		o->json = value;
		return true;
	default:
		return false;
	}
}

int load_main(int argc, char **argv)
{
	struct load_options o = {
		.user = "u",
		.password = "p",
		.server.port = 3478,
		.clients = 100,
		.rate_pps = 50,
		.payload_bytes = 172,
		.duration_s = 10,
	};
	int flag;

	while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		if (flag == '?' || !option_set(&o, flag, optarg)) {
			if (flag != '?')
				fprintf(stderr, "turnpike-bench: '%s' does not fit this option\n",
					optarg);
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc || !o.server.ip.family || !o.client_address.family ||
		!o.peer_address.family || o.server.ip.family != o.client_address.family) {
		fputs(usage, stderr);
		return 2;
	}
	return load_run(&o);
}
