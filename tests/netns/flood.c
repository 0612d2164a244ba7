// SPDX-License-Identifier: BSD-3-Clause
// A flood from forged sources, for the tests of budgets and overload: each frame comes from another
// network, PREFIXES of them in turn. Its kind changes with each frame.
//
//   flood IFACE DESTINATION-MAC ADDRESS PORT PREFIXES SECONDS FRAMES-A-SECOND [KINDS [LEAST
//   [SOURCE-ADDRESS SOURCE-PORT]]]
//
// ADDRESS and PORT: the listener's. 0 frames a second: as fast as the interface takes them. KINDS:
// letters (flood_frame.h), "abmr" by default. LEAST frames are sent, however long that takes, but
// two minutes at most. SOURCE: the one address and port that is forged. Prints one line of JSON:
// frames sent, seconds it took.
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "common/base/clock.h"
#include "tests/netns/flood_frame.h"

#define BATCH   32
#define MOST_NS (120 * TP_NS_PER_S)

struct flood {
	int fd;
	struct flood_target target;
	const char *kinds;
	size_t n_kinds;
	uint64_t next, least;
	uint8_t out[BATCH][FLOOD_FRAME_BYTES];
};

static int send_batch(struct flood *flood)
{
	struct mmsghdr message[BATCH] = {0};
	struct iovec iov[BATCH];
	int done = 0;

	for (int i = 0; i < BATCH; i++) {
		uint64_t n = flood->next++;
		size_t length = flood_frame(
			&flood->target, flood->kinds[n % flood->n_kinds], n, flood->out[i]);
		iov[i] = (struct iovec){flood->out[i], length};
		message[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while (done < BATCH) {
		int n = sendmmsg(flood->fd, message + done, (unsigned int)(BATCH - done), 0);
		if (n < 0 && errno != ENOBUFS && errno != EINTR)
			return -errno;
		done += n > 0 ? n : 0;
	}
	return 0;
}

static void run(struct flood *flood, double seconds, uint64_t rate)
{
	uint64_t begin_ns = tp_now_ns(), end_ns = begin_ns + (uint64_t)(seconds * 1e9);
	int rc = 0;

	while (rc == 0 && (tp_now_ns() < end_ns || flood->next < flood->least) &&
		tp_now_ns() - begin_ns < MOST_NS) {
		uint64_t due_ns = rate ? begin_ns + flood->next * TP_NS_PER_S / rate : 0;
		struct timespec due = {.tv_sec = (time_t)(due_ns / TP_NS_PER_S),
			.tv_nsec = (long)(due_ns % TP_NS_PER_S)};
		if (due_ns > tp_now_ns())
			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		rc = send_batch(flood);
	}
	if (rc)
		fprintf(stderr, "flood: %s\n", strerror(-rc));
	printf("{\"frames\": %llu, \"seconds\": %.3f}\n", (unsigned long long)flood->next,
		(double)(tp_now_ns() - begin_ns) / 1e9);
}

static int parse(struct flood *flood, int argc, char *argv[])
{
	struct flood_target *t = &flood->target;
	uint8_t *mac = t->mac;

	if (argc < 8 || argc == 11 ||
		sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
			&mac[4], &mac[5]) != 6 ||
		tp_ip_parse(argv[3], &t->listener.ip) < 0)
		return -EINVAL;
	t->listener.port = (uint16_t)atoi(argv[4]);
	t->prefixes = (uint32_t)strtoul(argv[5], NULL, 10);
	flood->kinds = argc > 8 ? argv[8] : "abmr";
	flood->n_kinds = strlen(flood->kinds);
	flood->least = argc > 9 ? strtoull(argv[9], NULL, 10) : 0;
	if (argc > 11) {
		if (tp_ip_parse(argv[10], &t->source.ip) < 0)
			return -EINVAL;
		t->source.port = (uint16_t)atoi(argv[11]);
	}
	return t->prefixes && flood->n_kinds && strspn(flood->kinds, FLOOD_KINDS) == flood->n_kinds
		       ? 0
		       : -EINVAL;
}

int main(int argc, char *argv[])
{
	static struct flood flood;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};

	if (parse(&flood, argc, argv) < 0) {
		fprintf(stderr, "usage: flood IFACE MAC ADDRESS PORT PREFIXES SECONDS RATE [KINDS "
				"[LEAST [SOURCE-ADDRESS SOURCE-PORT]]]\n");
		return 2;
	}
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	flood.fd = socket(AF_PACKET, SOCK_RAW, 0);
	// Straight to the driver, which drops what is too much.
	setsockopt(flood.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &(int){1}, sizeof(int));
	if (flood.fd < 0 || bind(flood.fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("flood");
		return 1;
	}
	run(&flood, strtod(argv[6], NULL), strtoull(argv[7], NULL, 10));
	close(flood.fd);
	return 0;
}
