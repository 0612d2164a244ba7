// SPDX-License-Identifier: BSD-3-Clause
// A flood of requests from forged sources, for the tests of budgets: each frame comes from another
// IPv4 /24, PREFIXES of them in turn, from 11.0.0.0 on. Their kinds change with each frame:
//   first Allocate, Binding, Allocate with made-up credentials, Refresh without any
//
//   flood IFACE DESTINATION-MAC DESTINATION-IP PORT PREFIXES SECONDS FRAMES-A-SECOND [KINDS
//   [LEAST]]
//
// 0 frames a second: as fast as the interface takes them. KINDS: letters of "abmr", all of them by
// default. LEAST frames are sent, however long that takes, but two minutes at most. Prints one line
// of JSON: frames sent, seconds it took.
#include <errno.h>
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/wire/stun_write.h"

#define BATCH        32
#define FRAME_BYTES  400
#define HEADER_BYTES 42 // Ethernet, IPv4, UDP
#define FIRST_PREFIX (UINT32_C(11) << 16)
#define MOST_NS      (120 * TP_NS_PER_S)

struct frame {
	uint8_t bytes[FRAME_BYTES];
	size_t length;
};

struct flood {
	int fd;
	struct frame kind[4];
	unsigned int n_kinds;
	struct frame out[BATCH];
	uint64_t next, least;
	uint32_t prefixes;
};

// The STUN message of a kind, behind the headers.
static size_t write_request(char kind, uint8_t *at)
{
	static const uint8_t transaction[12] = "flood flood", udp[4] = {17}, made_up[20] = {1};
	static const char nonce[] = "obMatJos2gAAAAAAAAAAAAAAAAAAA";
	struct stun_writer w;

	stun_write_begin(&w, at, FRAME_BYTES - HEADER_BYTES, STUN_REQUEST,
		kind == 'b'   ? STUN_BINDING
		: kind == 'r' ? STUN_REFRESH
			      : STUN_ALLOCATE,
		transaction);
	if (kind == 'a' || kind == 'm')
		stun_write_attr(&w, STUN_ATTR_REQUESTED_TRANSPORT, udp, sizeof(udp));
	if (kind == 'm') {
		stun_write_attr(&w, STUN_ATTR_USERNAME, "u", 1);
		stun_write_attr(&w, STUN_ATTR_REALM, "example.org", 11);
		stun_write_attr(&w, STUN_ATTR_NONCE, nonce, sizeof(nonce) - 1);
		stun_write_attr(&w, STUN_ATTR_MESSAGE_INTEGRITY, made_up, sizeof(made_up));
	}
	return (size_t)stun_write_finish(&w);
}

static void make_kind(struct frame *f, char kind, const uint8_t mac[6], uint32_t ip, uint16_t port)
{
	static const uint8_t source_mac[6] = {2, 0, 0, 0, 0, 1};
	uint8_t *b = f->bytes;
	size_t stun = write_request(kind, b + HEADER_BYTES);

	memcpy(b, mac, 6);
	memcpy(b + 6, source_mac, 6);
	tp_wr16(b + 12, 0x0800);
	b[14] = 0x45;
	tp_wr16(b + 16, (uint16_t)(28 + stun));
	b[22] = 64;
	b[23] = IPPROTO_UDP;
	tp_wr32(b + 30, ip);
	tp_wr16(b + 34, 40000);
	tp_wr16(b + 36, port);
	tp_wr16(b + 38, (uint16_t)(8 + stun));
	f->length = HEADER_BYTES + stun;
}

// Source address and IPv4 checksum; the UDP checksum stays zero, which IPv4 allows.
static void forge(struct flood *flood, struct frame *f)
{
	uint64_t n = flood->next++;
	uint32_t sum = 0;

	*f = flood->kind[n % flood->n_kinds];
	tp_wr32(f->bytes + 26, (FIRST_PREFIX + (uint32_t)(n % flood->prefixes)) << 8 | 1);
	for (int i = 14; i < 34; i += 2)
		sum += tp_rd16(f->bytes + i);
	sum = (sum & 0xffff) + (sum >> 16);
	tp_wr16(f->bytes + 24, (uint16_t) ~((sum & 0xffff) + (sum >> 16)));
}

static int send_batch(struct flood *flood)
{
	struct mmsghdr message[BATCH] = {0};
	struct iovec iov[BATCH];
	int done = 0;

	for (int i = 0; i < BATCH; i++) {
		forge(flood, &flood->out[i]);
		iov[i] = (struct iovec){flood->out[i].bytes, flood->out[i].length};
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

int main(int argc, char *argv[])
{
	static struct flood flood;
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0800)};
	const char *kinds = argc > 8 ? argv[8] : "abmr";
	struct in_addr ip;
	uint8_t mac[6];

	if (argc < 8 ||
		sscanf(argv[2], "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &mac[0], &mac[1], &mac[2], &mac[3],
			&mac[4], &mac[5]) != 6 ||
		inet_pton(AF_INET, argv[3], &ip) != 1 || strlen(kinds) > 4 || !kinds[0]) {
		fprintf(stderr,
			"usage: flood IFACE MAC IP PORT PREFIXES SECONDS RATE [KINDS [LEAST]]\n");
		return 2;
	}
	for (const char *k = kinds; *k; k++)
		make_kind(&flood.kind[flood.n_kinds++], *k, mac, ntohl(ip.s_addr),
			(uint16_t)atoi(argv[4]));
	flood.prefixes = (uint32_t)strtoul(argv[5], NULL, 10);
	flood.least = argc > 9 ? strtoull(argv[9], NULL, 10) : 0;
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	flood.fd = socket(AF_PACKET, SOCK_RAW, 0);
	// Straight to the driver, which drops what is too much.
	setsockopt(flood.fd, SOL_PACKET, PACKET_QDISC_BYPASS, &(int){1}, sizeof(int));
	if (!flood.prefixes || flood.fd < 0 ||
		bind(flood.fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		perror("flood");
		return 1;
	}
	run(&flood, strtod(argv[6], NULL), strtoull(argv[7], NULL, 10));
	close(flood.fd);
	return 0;
}
