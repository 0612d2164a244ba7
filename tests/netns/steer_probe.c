// SPDX-License-Identifier: BSD-3-Clause
// The dataplane without its pipeline, for the tests of steering: opens ports as the daemon does,
// sends every UDP frame back where it came from and tells its counters.
//
//   steer_probe RUN_DIRECTORY [-i IFACE]... [-l ADDRESS/PORT]... [-r PREFIX]... [-R MIN-MAX]
//
// Prints "ready"; then "status" on its standard input is answered by one line of JSON, "stop" or
// the end of the input stops it in order.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "common/base/log.h"
#include "dataplane/setup/setup.h"

struct probe {
	struct conf conf;
	struct dp dp;
	uint64_t received;
};

static int usage(void)
{
	fprintf(stderr, "usage: steer_probe RUN_DIRECTORY [-i IFACE] [-l ADDRESS/PORT] [-r PREFIX] "
			"[-R MIN-MAX] [-m MBUFS]\n");
	return 2;
}

static int probe_listener(struct conf *conf, char *text)
{
	struct conf_listener *l = &conf->listeners[conf->n_listeners++];
	char *slash = strchr(text, '/');

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	l->port = (uint16_t)atoi(slash + 1);
	l->transports = CONF_TRANSPORT_UDP;
	return tp_ip_parse(text, &l->address);
}

static int probe_options(struct conf *conf, int argc, char **argv)
{
	int option, rc = 0;

	while (rc == 0 && (option = getopt(argc, argv, "i:l:r:R:m:q:")) != -1) {
		struct conf_port *port = &conf->ports[conf->n_ports];
		struct conf_relay *relay = &conf->relay.addresses[conf->relay.n_addresses];
		switch (option) {
		case 'i':
			snprintf(port->name, sizeof(port->name), "port%zu", conf->n_ports++);
			snprintf(port->interface, sizeof(port->interface), "%s", optarg);
			port->queues = 1;
			break;
		case 'q':
			conf->ports[conf->n_ports - 1].queues = (uint32_t)atoi(optarg);
			break;
		case 'l':
			rc = probe_listener(conf, optarg);
			break;
		case 'r':
			rc = tp_prefix_parse(optarg, &relay->address, &relay->prefix_bits);
			conf->relay.n_addresses++;
			break;
		case 'R':
			rc = sscanf(optarg, "%hu-%hu", &conf->relay.port_min,
				     &conf->relay.port_max) == 2
				     ? 0
				     : -EINVAL;
			break;
		case 'm':
			conf->limits.mbufs = (uint32_t)atoi(optarg);
			break;
		default:
			rc = -EINVAL;
		}
	}
	return rc;
}

// Swaps source and destination on each layer: the checksums hold. Anything but UDP is freed.
static bool probe_turn_round(struct rte_mbuf *m)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), swap[16];
	size_t ip = p[12] == 0x81 ? 18 : 14, address = 4, at = ip + 12, udp = ip + 20;

	if (p[ip] >> 4 == 6) {
		address = 16;
		at = ip + 8;
		udp = ip + 40;
	}
	if (rte_pktmbuf_data_len(m) < udp + 8 || p[address == 4 ? ip + 9 : ip + 6] != 17)
		return false;
	memcpy(swap, p, 6), memcpy(p, p + 6, 6), memcpy(p + 6, swap, 6);
	memcpy(swap, p + at, address);
	memcpy(p + at, p + at + address, address);
	memcpy(p + at + address, swap, address);
	memcpy(swap, p + udp, 2), memcpy(p + udp, p + udp + 2, 2), memcpy(p + udp + 2, swap, 2);
	return true;
}

static void probe_echo(struct probe *p)
{
	struct rte_mbuf *burst[DP_BURST];

	for (uint16_t i = 0; i < p->dp.n_ports; i++) {
		for (uint16_t q = 0; q < p->dp.ports[i].queues; q++) {
			uint16_t n = rte_eth_rx_burst(p->dp.ports[i].port_id, q, burst, DP_BURST);
			p->received += n;
			for (uint16_t k = 0; k < n; k++)
				if (!probe_turn_round(burst[k]) ||
					!rte_eth_tx_burst(p->dp.ports[i].port_id, q, &burst[k], 1))
					rte_pktmbuf_free(burst[k]);
		}
	}
}

static void probe_status(struct probe *p)
{
	static struct tp_status_reply s;

	dp_steer_status(&p->dp, &s);
	printf("{\"received\": %lu, \"hugepages\": %d, \"ports\": [", p->received, p->dp.hugepages);
	for (uint16_t i = 0; i < p->dp.n_ports; i++) {
		const struct tp_port_status *t = &s.port[i];
		printf("%s{\"udp_listener\": %lu, \"udp_relay\": %lu, \"fragment\": %lu, \"icmp\": "
		       "%lu, "
		       "\"passed\": %lu, \"dropped\": %lu, \"guard_dropped\": %lu, "
		       "\"xdp_rx_dropped\": %lu, \"xdp_rx_ring_full\": %lu, \"xdp_rx_fill_empty\": "
		       "%lu, \"xdp_tx_invalid\": %lu, \"mtu\": %u}",
			i ? ", " : "", t->steer_udp_listener, t->steer_udp_relay, t->steer_fragment,
			t->steer_icmp, t->steer_passed, t->steer_dropped, t->guard_dropped,
			t->xdp_rx_dropped, t->xdp_rx_ring_full, t->xdp_rx_fill_empty,
			t->xdp_tx_invalid, atomic_load(&p->dp.ports[i].mtu));
	}
	printf("]}\n");
	fflush(stdout);
}

// Sleeps in poll() on the AF_XDP sockets: they must be the right ones for anything to come back.
static void probe_run(struct probe *p)
{
	struct pollfd fds[1 + TP_MAX_PORTS * CONF_MAX_CORES] = {{.fd = 0, .events = POLLIN}};
	nfds_t n = 1;
	char line[16];

	for (uint16_t i = 0; i < p->dp.n_ports; i++)
		for (uint16_t q = 0; q < p->dp.ports[i].queues; q++)
			fds[n++] =
				(struct pollfd){.fd = p->dp.ports[i].queue_fd[q], .events = POLLIN};
	printf("ready\n");
	fflush(stdout);
	while (poll(fds, n, 1000) >= 0) {
		probe_echo(p);
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin) || strcmp(line, "stop\n") == 0)
			return;
		if (strcmp(line, "status\n") == 0)
			probe_status(p);
	}
}

int main(int argc, char **argv)
{
	static struct probe p;
	int rc;

	if (argc < 2)
		return usage();
	setvbuf(stdin, NULL, _IONBF, 0); // poll() must see what stdio has not read
	p.conf.log_level = CONF_LOG_INFO;
	p.conf.run_directory = argv[1];
	p.conf.workers.n_cores = 1;
	p.conf.relay.port_min = 49152;
	p.conf.relay.port_max = 65535;
	p.conf.limits.mbufs = 16384;
	tp_log_init("steer_probe", TP_LOG_INFO);
	if (probe_options(&p.conf, argc - 1, argv + 1) < 0)
		return usage();

	p.dp.conf = &p.conf;
	p.dp.lock_fd = -1;
	if ((rc = dp_privileges_drop(&p.dp)) == 0 && (rc = dp_lock_open(&p.dp)) == 0 &&
		(rc = dp_eal_open(&p.dp)) == 0 && (rc = dp_pool_open(&p.dp)) == 0 &&
		(rc = dp_ports_open(&p.dp)) == 0 && (rc = dp_steer_open(&p.dp)) == 0)
		probe_run(&p);
	dp_steer_close(&p.dp);
	dp_ports_close(&p.dp);
	dp_pool_close(&p.dp);
	dp_eal_close(&p.dp);
	dp_lock_close(&p.dp);
	return rc < 0 ? 1 : 0;
}
