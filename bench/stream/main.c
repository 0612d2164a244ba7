// SPDX-License-Identifier: BSD-3-Clause
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "bench/stream/streams.h"
#include "bench/text.h"

static const char usage[] =
	"usage: turnpike-bench stream relay|handshakes|idle|alone --server ADDRESS "
	"--client-address A "
	"--peer-address B [options]\n"
	"  relay                  media of clients, each with one allocation and one channel\n"
	"  handshakes             TLS connections that open and close\n"
	"  idle                   TLS connections that stay, for the memory they cost\n"
	"  alone                  handshakes of OpenSSL in memory; needs no address\n"
	"  --server-port N        port of the server (5349)\n"
	"  --transport tcp|tls    (tls)\n"
	"  --client-namespace NS  network namespace of the clients' sockets (here)\n"
	"  --peer-namespace NS    network namespace of the peer's socket (here)\n"
	"  --user U --password P  long-term credentials (u, p)\n"
	"  --clients N            clients (100)\n"
	"  --direction up|down|both\n"
	"  --rate PPS             datagrams a second, each client, each direction; 0: as fast as "
	"they arrive (50)\n"
	"  --window N             with rate 0: datagrams under way (2048)\n"
	"  --payload BYTES        application data a datagram, 24 to 1400 (172)\n"
	"  --duration S           seconds of traffic (10)\n"
	"  --deaf N               clients that stop reading when they are bound (0)\n"
	"  --handshakes N         how many (2000)\n"
	"  --resume               handshakes by the ticket of the first\n"
	"  --server-pid PID       of the server, for its CPU time and memory; several times\n"
	"  --ready-file FILE      created when traffic begins\n"
	"Prints one JSON object. Exit 0: nothing lost, wrong or closed; 1 otherwise; 2 usage.\n";

enum {
	O_SERVER = 1,
	O_PORT,
	O_TRANSPORT,
	O_CA,
	O_PA,
	O_CN,
	O_PN,
	O_USER,
	O_PASSWORD,
	O_CLIENTS,
	O_DIRECTION,
	O_RATE,
	O_WINDOW,
	O_PAYLOAD,
	O_DURATION,
	O_DEAF,
	O_HANDSHAKES,
	O_RESUME,
	O_PID,
	O_READY,
};

static const struct option flags[] = {
	{"server", required_argument, NULL, O_SERVER},
	{"server-port", required_argument, NULL, O_PORT},
	{"transport", required_argument, NULL, O_TRANSPORT},
	{"client-address", required_argument, NULL, O_CA},
	{"peer-address", required_argument, NULL, O_PA},
	{"client-namespace", required_argument, NULL, O_CN},
	{"peer-namespace", required_argument, NULL, O_PN},
	{"user", required_argument, NULL, O_USER},
	{"password", required_argument, NULL, O_PASSWORD},
	{"clients", required_argument, NULL, O_CLIENTS},
	{"direction", required_argument, NULL, O_DIRECTION},
	{"rate", required_argument, NULL, O_RATE},
	{"window", required_argument, NULL, O_WINDOW},
	{"payload", required_argument, NULL, O_PAYLOAD},
	{"duration", required_argument, NULL, O_DURATION},
	{"deaf", required_argument, NULL, O_DEAF},
	{"handshakes", required_argument, NULL, O_HANDSHAKES},
	{"resume", no_argument, NULL, O_RESUME},
	{"server-pid", required_argument, NULL, O_PID},
	{"ready-file", required_argument, NULL, O_READY},
	{0},
};

static bool set_port(struct streams_options *o, const char *value)
{
	uint32_t port;

	if (!bench_number(value, 1, 65535, &port))
		return false;
	o->server.port = (uint16_t)port;
	return true;
}

static bool set_transport(struct streams_options *o, const char *value)
{
	o->tls = strcmp(value, "tls") == 0;
	return o->tls || strcmp(value, "tcp") == 0;
}

static bool set_direction(struct streams_options *o, const char *value)
{
	bool both = strcmp(value, "both") == 0;

	o->up = both || strcmp(value, "up") == 0;
	o->down = both || strcmp(value, "down") == 0;
	return o->up || o->down;
}

static bool add_pid(struct streams_options *o, const char *value)
{
	uint32_t pid;

	if (o->n_pids == STREAMS_PIDS || !bench_number(value, 1, INT32_MAX, &pid))
		return false;
	o->pids[o->n_pids++] = (int)pid;
	return true;
}

static bool set_number(struct streams_options *o, int flag, const char *value)
{
	const struct {
		uint32_t least, most, *out;
	} numbers[] = {
		[O_CLIENTS] = {1, 60000, &o->clients},
		[O_RATE] = {0, 100000, &o->rate_pps},
		[O_WINDOW] = {1, 1000000, &o->window},
		[O_PAYLOAD] = {STREAMS_PAYLOAD_LEAST, STREAMS_PAYLOAD_MOST, &o->payload_bytes},
		[O_DURATION] = {1, 86400, &o->duration_s},
		[O_DEAF] = {0, 60000, &o->deaf},
		[O_HANDSHAKES] = {1, 10000000, &o->handshakes},
	};

	return numbers[flag].out &&
	       bench_number(value, numbers[flag].least, numbers[flag].most, numbers[flag].out);
}

static bool option_set(struct streams_options *o, int flag, const char *value)
{
	switch (flag) {
	case O_SERVER:
		return tp_ip_parse(value, &o->server.ip) == 0;
	case O_PORT:
		return set_port(o, value);
	case O_TRANSPORT:
		return set_transport(o, value);
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
	case O_DIRECTION:
		return set_direction(o, value);
	case O_RESUME:
		o->resume = true;
		return true;
	case O_PID:
		return add_pid(o, value);
	case O_READY:
		o->ready_file = value;
		return true;
	default:
		return set_number(o, flag, value);
	}
}

static bool set_mode(struct streams_options *o, const char *name)
{
	static const char *const names[] = {
		[STREAMS_RELAY] = "relay",
		[STREAMS_HANDSHAKES] = "handshakes",
		[STREAMS_IDLE] = "idle",
		[STREAMS_ALONE] = "alone",
	};

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		o->mode = (enum streams_mode)i;
		return true;
	}
	return false;
}

static bool complete(const struct streams_options *o)
{
	if (o->mode == STREAMS_ALONE)
		return true;
	return o->server.ip.family && o->client_address.family && o->peer_address.family &&
	       o->server.ip.family == o->client_address.family && o->deaf <= o->clients &&
	       (o->tls || o->mode != STREAMS_HANDSHAKES);
}

int streams_main(int argc, char **argv)
{
	struct streams_options o = {
		.user = "u",
		.password = "p",
		.server.port = 5349,
		.tls = true,
		.up = true,
		.down = true,
		.clients = 100,
		.rate_pps = 50,
		.window = 2048,
		.payload_bytes = 172,
		.duration_s = 10,
		.handshakes = 2000,
	};
	bool good = argc > 1 && set_mode(&o, argv[1]);
	int flag;

	optind = 2;
	while (good && (flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
		good = flag != '?' && option_set(&o, flag, optarg);
		if (!good && flag != '?')
			fprintf(stderr, "turnpike-bench: '%s' does not fit this option\n", optarg);
	}
	if (!good || optind != argc || !complete(&o)) {
		fputs(usage, stderr);
		return 2;
	}
	return streams_run(&o);
}
