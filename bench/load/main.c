// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load/load.h"
#include "bench/text.h"

#define SEARCH_REFRESH_S 120   // of permissions that live 300 seconds
#define CLIENTS_MOST     64512 // as many ports as there are from 1024 on

static const char usage[] =
	"usage: turnpike-bench load --server ADDRESS --client-address A --peer-address B "
	"[options]\n"
	"  --server-port N        port of the server (3478)\n"
	"  --client-namespace NS  network namespace of the clients' sockets (here)\n"
	"  --peer-namespace NS    network namespace of the peer's socket (here)\n"
	"  --user U --password P  long-term credentials (u, p)\n"
	"  --test TEST            traffic at one rate (default), search of the rates without and "
	"with "
	"little\n"
	"                         loss, allocations (401, Allocate) or cycles (401, Allocate,\n"
	"                         CreatePermission, ChannelBind, Refresh to 0) a second, or echo: "
	"no\n"
	"                         requests, the uplink to a reflector in place of a server\n"
	"  --clients N            clients, each with one allocation and one channel (100; at most "
	"64512)\n"
	"  --client-port N        of the first client; others have those that follow (0: any)\n"
	"  --at-a-time N          clients that wait for an answer to a request together (64)\n"
	"  --per-second N         allocations and cycles begun a second at most (0: as many as "
	"go)\n"
	"  --direction D          of the traffic: up, down, both (both)\n"
	"  --rate PPS             datagrams a second, each client, each way (50)\n"
	"  --payload BYTES        application data a datagram, 32 to 1400 (172)\n"
	"  --duration S           seconds of numbered traffic (10)\n"
	"  --refresh S            seconds between refreshes of allocation and channel (0: none)\n"
	"  --until-silence S      then refresh once more and send on until every flow has stopped, "
	"at most S\n"
	"  --max-pps N            search: datagrams a second each way at most, of all clients "
	"(100000)\n"
	"  --trial S              search: seconds of each trial (5)\n"
	"  --ndr-loss RATIO       search: what NDR may lose (0)\n"
	"  --pdr-loss RATIO       search: what PDR may lose (0.005)\n"
	"  --ready-file FILE      created when all channels are bound\n"
	"  --progress FILE        totals so far, a line of JSON ten times a second\n"
	"  --json FILE            result\n"
	"  --xdp                  media by AF_XDP, of queue 0 of the interfaces that have the two "
	"addresses\n"
	"A line a second on stderr says how it goes.\n"
	"Exit 0: nothing damaged or refused and, at one rate, nothing lost; 1 otherwise; 2 "
	"usage.\n";

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
	O_CLIENT_PORT,
	O_RATE,
	O_PAYLOAD,
	O_DURATION,
	O_REFRESH,
	O_SILENCE,
	O_READY,
	O_PROGRESS,
	O_JSON,
	O_XDP,
	O_TEST,
	O_AT,
	O_PER_SECOND,
	O_DIRECTION,
	O_MAX,
	O_TRIAL,
	O_NDR,
	O_PDR
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
	{"client-port", required_argument, NULL, O_CLIENT_PORT},
	{"rate", required_argument, NULL, O_RATE},
	{"payload", required_argument, NULL, O_PAYLOAD},
	{"duration", required_argument, NULL, O_DURATION},
	{"refresh", required_argument, NULL, O_REFRESH},
	{"until-silence", required_argument, NULL, O_SILENCE},
	{"ready-file", required_argument, NULL, O_READY},
	{"progress", required_argument, NULL, O_PROGRESS},
	{"json", required_argument, NULL, O_JSON},
	{"xdp", no_argument, NULL, O_XDP},
	{"test", required_argument, NULL, O_TEST},
	{"at-a-time", required_argument, NULL, O_AT},
	{"per-second", required_argument, NULL, O_PER_SECOND},
	{"direction", required_argument, NULL, O_DIRECTION},
	{"max-pps", required_argument, NULL, O_MAX},
	{"trial", required_argument, NULL, O_TRIAL},
	{"ndr-loss", required_argument, NULL, O_NDR},
	{"pdr-loss", required_argument, NULL, O_PDR},
	{0},
};

static bool ratio(const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	return *text && !*end && *out >= 0 && *out <= 1;
}

// Index of a word in a list that ends with NULL; -1: not there.
static int word(const char *text, const char *const list[])
{
	for (int i = 0; list[i]; i++)
		if (strcmp(text, list[i]) == 0)
			return i;
	return -1;
}

static bool read_test(const char *text, struct load_options *o)
{
	static const char *const tests[] = {[LOAD_TRAFFIC] = "traffic",
		[LOAD_SEARCH] = "search",
		[LOAD_ALLOCATIONS] = "allocations",
		[LOAD_CYCLES] = "cycles",
		[LOAD_ECHO] = "echo",
		NULL};
	int test = word(text, tests);

	o->test = (enum load_test)test;
	return test >= 0;
}

static bool read_direction(const char *text, struct load_options *o)
{
	static const char *const directions[] = {
		[LOAD_UP - 1] = "up", [LOAD_DOWN - 1] = "down", "both", NULL};
	int direction = word(text, directions);

	o->directions = (uint32_t)(direction + 1);
	return direction >= 0;
}

static bool option_set(struct load_options *o, int flag, const char *value)
{
	uint32_t port;

	switch (flag) {
	case O_SERVER:
		return tp_ip_parse(value, &o->server.ip) == 0;
	case O_PORT:
		if (!bench_number(value, 1, 65535, &port))
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
		return bench_number(value, 1, CLIENTS_MOST, &o->clients);
	case O_CLIENT_PORT:
		return bench_number(value, 0, 65535, &o->client_port);
	case O_RATE:
		return bench_number(value, 1, 100000, &o->rate_pps);
	case O_PAYLOAD:
		return bench_number(value, LOAD_NUMBER_BYTES, 1400, &o->payload_bytes);
	case O_DURATION:
		return bench_number(value, 1, 86400, &o->duration_s);
	case O_REFRESH:
		return bench_number(value, 0, 3600, &o->refresh_every_s);
	case O_SILENCE:
		o->until_silence = true;
		return bench_number(value, 1, 3600, &o->silence_limit_s);
	case O_READY:
		o->ready_file = value;
		return true;
	case O_PROGRESS:
		o->progress = value;
		return true;
	case O_JSON:
		o->json = value;
		return true;
	case O_XDP:
		o->xdp = true;
		return true;
	case O_TEST:
		return read_test(value, o);
	case O_AT:
		return bench_number(value, 1, CLIENTS_MOST, &o->at_a_time);
	case O_PER_SECOND:
		return bench_number(value, 0, 100000, &o->per_second);
	case O_DIRECTION:
		return read_direction(value, o);
	case O_MAX:
		return bench_number(value, 1, 100000000, &o->max_pps);
	case O_TRIAL:
		return bench_number(value, 1, 3600, &o->trial_s);
	case O_NDR:
		return ratio(value, &o->ndr_loss);
	case O_PDR:
		return ratio(value, &o->pdr_loss);
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
		.at_a_time = 64,
		.directions = LOAD_UP | LOAD_DOWN,
		.trial_s = 5,
		.max_pps = 100000,
		.pdr_loss = 0.005,
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
	if (o.test == LOAD_ECHO && (o.refresh_every_s || o.until_silence)) {
		fputs("turnpike-bench: a reflector has nothing to refresh\n", stderr);
		return 2;
	}
	if (o.client_port && (o.test == LOAD_CYCLES || o.client_port + o.clients > 65536)) {
		fputs("turnpike-bench: --client-port: each cycle has another port, or there are "
		      "not as "
		      "many clients' ports from that one on\n",
			stderr);
		return 2;
	}
	if (o.xdp && o.test != LOAD_TRAFFIC && o.test != LOAD_SEARCH) {
		fputs("turnpike-bench: --xdp is for traffic through a server\n", stderr);
		return 2;
	}
	if (o.test == LOAD_ECHO)
		o.directions = LOAD_UP;
	if (o.test == LOAD_SEARCH && o.refresh_every_s == 0)
		o.refresh_every_s = SEARCH_REFRESH_S;
	return load_run(&o);
}
