// SPDX-License-Identifier: BSD-3-Clause
// What the kernel says about links, neighbours and routes: events, answers and dumps. The socket's
// calls are wrapped; datagrams come from the input. Afterwards an empty dump takes all of it away
// again, so that inputs do not depend on each other.
#include <errno.h>

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include "dataplane/net/socket.h"
#include "dataplane/net/tables.h"
#include "tests/fuzz/eal.h"
#include "tests/unit/dataplane/net/messages.h"

#define WAN  7
#define LAN  9
#define VLAN 12

#define ANSWERED 0xa5 // where it stands next in the script, a question goes out
#define UP       (IFF_UP | IFF_RUNNING)

ssize_t __wrap_sendto(int fd, const void *bytes, size_t length, int flags,
	const struct sockaddr *to, socklen_t to_length);
ssize_t __wrap_recvfrom(int fd, void *buffer, size_t capacity, int flags, struct sockaddr *from,
	socklen_t *from_length);

static struct {
	struct conf conf;
	struct dp dp;
	struct net_tables t;
	struct net_socket socket;
	struct fuzz_script script;
	uint32_t applied; // messages
} f;

ssize_t __wrap_sendto(int fd, const void *bytes, size_t length, int flags,
	const struct sockaddr *to, socklen_t to_length)
{
	const struct nlmsghdr *request = bytes;

	FUZZ_CHECK(length == request->nlmsg_len && length >= sizeof(*request));
	if (fuzz_u8(&f.script) != 0xff)
		return (ssize_t)length;
	errno = fuzz_u8(&f.script) & 1 && fuzz_left(&f.script) > 0 ? EINTR : ENOBUFS;
	return -1;
}

// A datagram: who sent it and how long it is (two bytes), then its bytes.
ssize_t __wrap_recvfrom(int fd, void *buffer, size_t capacity, int flags, struct sockaddr *from,
	socklen_t *from_length)
{
	if (fuzz_left(&f.script) == 0) {
		errno = EAGAIN;
		return -1;
	}
	uint16_t word = fuzz_u16(&f.script);
	((struct sockaddr_nl *)from)->nl_pid = word >> 12 == 1; // not the kernel's
	if (word >> 12 == 2) {
		errno = word & 1 ? EINTR : ENOBUFS;
		return -1;
	}
	if (word >> 12 == 3)
		return (ssize_t)capacity + 1; // truncated
	return (ssize_t)fuzz_take(&f.script, buffer, RTE_MIN((size_t)(word & 0xfff), capacity));
}

static void apply(void *context, const struct nlmsghdr *message)
{
	f.applied++;
	dp_net_tables_apply(&f.t, message);
}

// As the mirror's, over a buffer of its own, where the script says so; an answer here raises no
// further question.
static void ask(void *context, enum net_wish wish, uint32_t ifindex, const struct tp_ip *ip)
{
	static char buffer[NET_RECEIVE_BYTES];
	static bool asking;
	struct net_socket socket = {.fd = -1, .buffer = buffer};

	if (asking || fuzz_left(&f.script) == 0 || *f.script.at != ANSWERED)
		return;
	f.script.at++;
	asking = true;
	if (wish == NET_WISH_DROP)
		dp_net_ask_drop(&socket, ifindex, ip);
	else if (dp_net_ask_keep(&socket, ifindex, ip) == 0)
		dp_net_ask_state(&socket, ifindex, ip, apply, NULL);
	asking = false;
}

static void fini(void)
{
	dp_net_tables_fini(&f.t);
	dp_net_socket_close(&f.socket);
	dp_locals_destroy(f.dp.locals);
	free(f.dp.next_hops);
}

static void announce_links(void)
{
	struct message m;

	dp_net_tables_apply(&f.t, link_message(&m, RTM_NEWLINK, WAN, UP, 1500, 0, 0));
	dp_net_tables_apply(&f.t, link_message(&m, RTM_NEWLINK, LAN, UP, 9000, 0, 0));
	dp_net_tables_apply(&f.t, link_message(&m, RTM_NEWLINK, VLAN, UP, 1496, 100, WAN));
}

// The tables tell what they take of the process, whatever is in them.
static void measure(void)
{
	struct tp_memory memory = {
		.part_bytes = {[TP_MEMORY_dpdk] = UINT32_MAX, [TP_MEMORY_heap] = UINT32_MAX}};

	dp_net_routes_memory(&f.t, &memory);
	dp_net_hops_memory(&f.t, &memory);
	FUZZ_CHECK(memory.part_bytes[TP_MEMORY_routes] > 0);
}

static void open_once(void)
{
	if (f.dp.n_ports > 0)
		return;
	fuzz_eal();
	f.conf.limits.routes = 64;
	f.dp.conf = &f.conf;
	f.conf.listeners[0] = (struct conf_listener){.address = tp_ip4(0xc6120002), .port = 3478};
	f.conf.n_listeners = 1;
	f.dp.locals = dp_locals_create(&f.conf, SOCKET_ID_ANY);
	f.dp.next_hops = aligned_alloc(64, DP_NEXT_HOP_MAX * sizeof(*f.dp.next_hops));
	FUZZ_CHECK(f.dp.locals && f.dp.next_hops);
	FUZZ_CHECK(dp_net_socket_open(&f.socket, (const int[]){RTNLGRP_LINK, 0}, true) == 0);
	memset(f.dp.next_hops, 0, DP_NEXT_HOP_MAX * sizeof(*f.dp.next_hops));
	f.dp.n_ports = 2;
	f.dp.ports[0].routes_ifindex = WAN;
	f.dp.ports[1].routes_ifindex = LAN;
	FUZZ_CHECK(dp_net_tables_init(&f.t, &f.dp, (struct net_asker){.ask = ask}) == 0);
	announce_links();
	measure();
	atexit(fini);
}

// The three links are as they were announced: no need to walk all next hops for each again.
static bool links_untouched(void)
{
	static const struct net_link announced[] = {{WAN, 0, UINT16_MAX, 1500, 1, 0, 0},
		{LAN, 1, UINT16_MAX, 9000, 1, 0, 0}, {VLAN, 0, 100, 1496, 1, 0, 0}};

	for (size_t i = 0; i < RTE_DIM(announced); i++) {
		const struct net_link *want = &announced[i];
		int slot = dp_net_link_find(&f.t, want->ifindex);
		struct net_link *have = &f.t.links[slot < 0 ? 0 : slot];
		if (slot < 0 || have->port != want->port || have->vlan != want->vlan ||
			have->mtu != want->mtu || have->up != want->up)
			return false;
		have->seen = f.t.epoch;
	}
	return true;
}

// Everything is looked at in the way of the workers, then gone but for the three links.
static void end(void)
{
	static const uint8_t probe[] = {198, 18, 0, 9};
	struct tp_ip ip = {.family = TP_FAMILY_IPV4};

	memcpy(ip.bytes, probe, sizeof(probe));
	for (int i = 0; i < 3; i++) {
		uint16_t value = dp_net_route_lookup(&f.t, &ip);
		FUZZ_CHECK(value < DP_NEXT_HOP_MAX ||
			   (value >= NET_ON_LINK && value < NET_ON_LINK + NET_LINKS_MAX));
		ip.family = i == 0 ? TP_FAMILY_IPV6 : TP_FAMILY_NONE;
	}
	f.script.at = f.script.end;
	dp_net_tables_dump_begin(&f.t);
	if (!links_untouched())
		announce_links();
	dp_net_tables_dump_end(&f.t, true);
	FUZZ_CHECK(f.t.routes.count == 0 && f.t.hops.held == 0 && f.t.hops.idle == 0);
	FUZZ_CHECK(f.t.hops.free_count == DP_NEXT_HOP_MAX - 1);
	for (uint32_t i = 0; i < f.t.n_links; i++) {
		uint32_t ifindex = f.t.links[i].ifindex;
		FUZZ_CHECK(ifindex == 0 || ifindex == WAN || ifindex == LAN || ifindex == VLAN);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	alignas(struct nlmsghdr) char request[64] = {0};
	struct nlmsghdr *message = mnl_nlmsg_put_header(request);

	open_once();
	f.script = fuzz_script(data, size);
	f.socket.sequence = 0;
	f.applied = 0;
	for (int i = 0; i < 64 && fuzz_left(&f.script) > 0; i++) {
		switch (fuzz_u8(&f.script) & 7) {
		case 0:
			dp_net_socket_request(&f.socket, message, apply, NULL);
			break;
		case 1:
			dp_net_tables_dump_begin(&f.t);
			dp_net_tables_dump_end(&f.t, dp_net_socket_dump(&f.socket, RTM_GETROUTE,
							     AF_INET, apply, NULL) == 0);
			break;
		case 2:
			dp_net_hops_tick(&f.t, fuzz_u8(&f.script));
			FUZZ_CHECK(dp_net_hops_unresolved(&f.t) <= f.t.hops.held);
			break;
		default:
			dp_net_socket_events(&f.socket, 1, apply, NULL);
		}
	}
	if (f.applied > 0)
		fuzz_canary(data + size);
	end();
}
