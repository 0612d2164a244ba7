// SPDX-License-Identifier: BSD-3-Clause
#include "bench/load/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/ipv4.h"
#include "bench/load/load.h"
#include "common/base/bytes.h"
#include "common/wire/ipudp.h"
#include "load_bpf.h"

#define FRAMES     (LOAD_XDP_RX + LOAD_XDP_TX)
#define UMEM_BYTES ((size_t)FRAMES * LOAD_XDP_BYTES)

// ---- where

// Index of the interface that has the address; 0: none has.
static unsigned int interface_of(const struct tp_ip *ip)
{
	struct ifaddrs *all, *i;
	unsigned int index = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (i = all; i && index == 0; i = i->ifa_next) {
		struct tp_addr a;

		if (i->ifa_addr &&
			(i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6) &&
			tp_addr_from_sockaddr((const struct sockaddr_storage *)i->ifa_addr, &a) ==
				0 &&
			tp_ip_equal(&a.ip, ip))
			index = if_nametoindex(i->ifa_name);
	}
	freeifaddrs(all);
	return index;
}

// ---- the program

static int map_fd(const struct load_xdp *x, const char *name)
{
	return bpf_object__find_map_fd_by_name(x->object, name);
}

static int attach(struct load_xdp *x, unsigned int interface, const struct load_want *want)
{
	const uint32_t zero = 0;
	struct bpf_program *program;
	int rc;

	x->object = bpf_object__open_mem(load_bpf_object, sizeof(load_bpf_object), NULL);
	if (!x->object)
		return -errno;
	rc = bpf_object__load(x->object);
	if (rc == 0)
		rc = bpf_map_update_elem(map_fd(x, "load_want"), &zero, want, BPF_ANY);
	if (rc == 0)
		rc = bpf_map_update_elem(map_fd(x, "load_xsk"), &zero, &x->fd, BPF_ANY);
	program = bpf_object__find_program_by_name(x->object, "load_xdp");
	if (rc < 0 || !program)
		return rc < 0 ? rc : -ENOENT;
	// A link, so that the end of the process takes it off.
	x->link = bpf_program__attach_xdp(program, (int)interface);
	return x->link ? 0 : -errno;
}

bool load_xdp_has_way(struct load_xdp *x)
{
	static const uint8_t none[6];
	const uint32_t zero = 0;

	return bpf_map_lookup_elem(map_fd(x, "load_way"), &zero, &x->way) == 0 &&
	       memcmp(x->way.there, none, sizeof(none)) != 0;
}

// ---- memory that the kernel shares

static int map_ring(const struct load_xdp *x, struct load_ring *ring, off_t page_offset,
	const struct xdp_ring_offset *at, size_t entries_bytes)
{
	ring->bytes = at->desc + entries_bytes;
	ring->mapping = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		x->fd, page_offset);
	if (ring->mapping == MAP_FAILED) {
		ring->mapping = NULL;
		return -errno;
	}
	ring->producer = (uint32_t *)((uint8_t *)ring->mapping + at->producer);
	ring->consumer = (uint32_t *)((uint8_t *)ring->mapping + at->consumer);
	ring->entries = (uint8_t *)ring->mapping + at->desc;
	return 0;
}

static int map_rings(struct load_xdp *x)
{
	struct xdp_mmap_offsets at;
	socklen_t length = sizeof(at);
	int rc;

	x->fill.mask = x->rx.mask = LOAD_XDP_RX - 1;
	x->completion.mask = x->tx.mask = LOAD_XDP_TX - 1;
	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length) < 0)
		return -errno;
	rc = map_ring(x, &x->fill, (off_t)XDP_UMEM_PGOFF_FILL_RING, &at.fr,
		LOAD_XDP_RX * sizeof(uint64_t));
	if (rc == 0)
		rc = map_ring(x, &x->completion, (off_t)XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr,
			LOAD_XDP_TX * sizeof(uint64_t));
	if (rc == 0)
		rc = map_ring(x, &x->rx, XDP_PGOFF_RX_RING, &at.rx,
			LOAD_XDP_RX * sizeof(struct xdp_desc));
	if (rc == 0)
		rc = map_ring(x, &x->tx, XDP_PGOFF_TX_RING, &at.tx,
			LOAD_XDP_TX * sizeof(struct xdp_desc));
	return rc;
}

static int set(const struct load_xdp *x, int option, int value)
{
	return setsockopt(x->fd, SOL_XDP, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int share_memory(struct load_xdp *x)
{
	struct xdp_umem_reg memory = {.len = UMEM_BYTES, .chunk_size = LOAD_XDP_BYTES};
	int rc;

	x->frames = mmap(NULL, UMEM_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->frames == MAP_FAILED) {
		x->frames = NULL;
		return -errno;
	}
	memory.addr = (uintptr_t)x->frames;
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &memory, sizeof(memory)) < 0)
		return -errno;
	rc = set(x, XDP_UMEM_FILL_RING, LOAD_XDP_RX);
	if (rc == 0)
		rc = set(x, XDP_UMEM_COMPLETION_RING, LOAD_XDP_TX);
	if (rc == 0)
		rc = set(x, XDP_RX_RING, LOAD_XDP_RX);
	if (rc == 0)
		rc = set(x, XDP_TX_RING, LOAD_XDP_TX);
	return rc ? rc : map_rings(x);
}

// ---- its life

static int open_here(struct load_xdp *x, const struct load_want *want)
{
	struct sockaddr_xdp sa = {.sxdp_family = AF_XDP, .sxdp_flags = XDP_USE_NEED_WAKEUP};
	int rc;

	sa.sxdp_ifindex = interface_of(&x->here);
	if (sa.sxdp_ifindex == 0)
		return -ENODEV;
	x->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->fd < 0)
		return -errno;
	rc = share_memory(x);
	if (rc)
		return rc;
	if (bind(x->fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	for (uint32_t i = 0; i < LOAD_XDP_RX; i++)
		((uint64_t *)x->fill.entries)[i] = (uint64_t)i * LOAD_XDP_BYTES;
	__atomic_store_n(x->fill.producer, LOAD_XDP_RX, __ATOMIC_RELEASE);
	for (; x->n_free < LOAD_XDP_TX; x->n_free++)
		x->free_tx[x->n_free] = LOAD_XDP_RX + x->n_free;
	return attach(x, sa.sxdp_ifindex, want);
}

int load_xdp_open(struct load_xdp *x, const char *name_space, const struct tp_ip *here,
	const struct tp_ip *server, uint32_t magic, uint16_t offset)
{
	struct load_want want = {
		.magic = magic, .offset = offset, .family = here->family == TP_FAMILY_IPV4 ? 4 : 6};
	int home, rc;

	memcpy(want.address, here->bytes, sizeof(want.address));
	memcpy(want.server, server->bytes, sizeof(want.server));
	*x = (struct load_xdp){.fd = -1, .here = *here};
	rc = load_enter(name_space, &home);
	if (rc)
		return rc;
	rc = open_here(x, &want);
	return load_return(home) < 0 ? -errno : rc;
}

static void unmap(struct load_ring *ring)
{
	if (ring->mapping)
		munmap(ring->mapping, ring->bytes);
}

void load_xdp_close(struct load_xdp *x)
{
	bpf_link__destroy(x->link);
	bpf_object__close(x->object);
	unmap(&x->fill);
	unmap(&x->completion);
	unmap(&x->rx);
	unmap(&x->tx);
	if (x->fd >= 0)
		close(x->fd);
	if (x->frames)
		munmap(x->frames, UMEM_BYTES);
	*x = (struct load_xdp){.fd = -1};
}

// ---- sending

static uint32_t header_bytes(const struct load_xdp *x)
{
	return TP_ETHER_BYTES + TP_UDP_BYTES +
	       (x->here.family == TP_FAMILY_IPV4 ? TP_IPV4_BYTES : TP_IPV6_BYTES);
}

// Frames that have left.
static void reclaim(struct load_xdp *x)
{
	struct load_ring *r = &x->completion;
	uint32_t end = __atomic_load_n(r->producer, __ATOMIC_ACQUIRE), at = *r->consumer;

	for (; at != end; at++)
		x->free_tx[x->n_free++] =
			(uint32_t)(((uint64_t *)r->entries)[at & r->mask] / LOAD_XDP_BYTES);
	__atomic_store_n(r->consumer, at, __ATOMIC_RELEASE);
}

uint8_t *load_xdp_payload(struct load_xdp *x)
{
	if (x->n_free == 0)
		load_xdp_flush(x);
	return x->n_free == 0 ? NULL
			      : x->frames + (size_t)x->free_tx[x->n_free - 1] * LOAD_XDP_BYTES +
					LOAD_XDP_HEADROOM;
}

static void write_ipv6(
	const struct load_xdp *x, uint8_t *ip, const struct tp_addr *to, uint32_t udp)
{
	tp_wr32(ip, UINT32_C(6) << 28);
	tp_wr16(ip + 4, (uint16_t)udp);
	ip[6] = TP_PROTO_UDP;
	ip[7] = BENCH_HOP_LIMIT;
	memcpy(ip + 8, x->here.bytes, 16);
	memcpy(ip + 24, to->ip.bytes, 16);
}

void load_xdp_send(struct load_xdp *x, uint8_t *payload, uint32_t bytes, uint16_t from_port,
	const struct tp_addr *to)
{
	bool ipv4 = x->here.family == TP_FAMILY_IPV4;
	uint8_t *frame = payload - header_bytes(x), *ip = frame + TP_ETHER_BYTES;
	uint8_t *udp = payload - TP_UDP_BYTES;
	uint32_t length = TP_UDP_BYTES + bytes, at = *x->tx.producer, pseudo;
	uint16_t checksum;

	memcpy(frame, x->way.there, 6);
	memcpy(frame + 6, x->way.here, 6);
	tp_wr16(frame + 12, ipv4 ? TP_ETHERTYPE_IPV4 : TP_ETHERTYPE_IPV6);
	if (ipv4)
		bench_write_ipv4(ip, &x->here, &to->ip, (uint16_t)(TP_IPV4_BYTES + length));
	else
		write_ipv6(x, ip, to, length);
	tp_wr16(udp, from_port);
	tp_wr16(udp + 2, to->port);
	tp_wr16(udp + 4, (uint16_t)length);
	memset(udp + 6, 0, 2);
	pseudo = ipv4 ? tp_sum_pseudo4(x->here.bytes, to->ip.bytes, TP_PROTO_UDP, (uint16_t)length)
		      : tp_sum_pseudo6(x->here.bytes, to->ip.bytes, TP_PROTO_UDP, length);
	checksum = tp_checksum_udp((uint64_t)pseudo + tp_sum_bytes(udp, length));
	memcpy(udp + 6, &checksum, sizeof(checksum));
	((struct xdp_desc *)x->tx.entries)[at & x->tx.mask] = (struct xdp_desc){
		.addr = (uint64_t)(frame - x->frames), .len = (uint32_t)(payload + bytes - frame)};
	x->n_free--;
	__atomic_store_n(x->tx.producer, at + 1, __ATOMIC_RELEASE);
}

// The kernel takes so many at a call; what it cannot take now waits for the next flush.
void load_xdp_flush(struct load_xdp *x)
{
	for (uint32_t i = 0; i < LOAD_XDP_TX; i++) {
		if (__atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE) == *x->tx.producer ||
			(sendto(x->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN))
			break;
	}
	reclaim(x);
}

// ---- receiving

void load_xdp_receive(struct load_xdp *x,
	void (*take)(void *context, uint16_t to_port, const uint8_t *payload, uint32_t bytes),
	void *context)
{
	struct load_ring *rx = &x->rx, *fill = &x->fill;
	uint32_t end = __atomic_load_n(rx->producer, __ATOMIC_ACQUIRE), at = *rx->consumer;
	uint32_t filled = *fill->producer;

	for (; at != end; at++) {
		const struct xdp_desc *d = &((struct xdp_desc *)rx->entries)[at & rx->mask];
		struct tp_packet p;

		if (tp_packet_parse(x->frames + d->addr, d->len, &p) == TP_PARSE_OK &&
			p.protocol == TP_PROTO_UDP)
			take(context, be16toh(p.dst_port), x->frames + d->addr + p.payload_offset,
				p.payload_length);
		((uint64_t *)fill->entries)[filled++ & fill->mask] =
			d->addr / LOAD_XDP_BYTES * LOAD_XDP_BYTES;
	}
	__atomic_store_n(rx->consumer, at, __ATOMIC_RELEASE);
	__atomic_store_n(fill->producer, filled, __ATOMIC_RELEASE);
}
