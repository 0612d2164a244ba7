// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static const uint8_t addr_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct tp_ip tp_ip4(uint32_t host_order)
{
	return (struct tp_ip){
		.family = TP_FAMILY_IPV4,
		.bytes = {(uint8_t)(host_order >> 24), (uint8_t)(host_order >> 16),
			(uint8_t)(host_order >> 8), (uint8_t)host_order},
	};
}

int tp_ip_parse(const char *text, struct tp_ip *out)
{
	struct tp_ip ip = {0};

	if (inet_pton(AF_INET, text, ip.bytes) == 1) {
		ip.family = TP_FAMILY_IPV4;
	} else {
		memset(&ip, 0, sizeof(ip));
		if (inet_pton(AF_INET6, text, ip.bytes) != 1)
			return -EINVAL;
		ip.family = TP_FAMILY_IPV6;
	}
	*out = ip;
	return 0;
}

// "0" to "128": digits only, no leading zero, so that one prefix has one spelling. -1 otherwise.
static int addr_parse_prefix_length(const char *text)
{
	int value = 0;
	size_t n = 0;

	for (; text[n] >= '0' && text[n] <= '9' && n < 4; n++)
		value = value * 10 + (text[n] - '0');
	if (n == 0 || text[n] != '\0' || n > 3 || (n > 1 && text[0] == '0'))
		return -1;
	return value;
}

static bool addr_host_bits_zero(const struct tp_ip *ip, unsigned int length_bits)
{
	for (unsigned int bit = length_bits; bit < tp_ip_length(ip) * 8; bit++) {
		if (ip->bytes[bit / 8] & 0x80 >> bit % 8)
			return false;
	}
	return true;
}

int tp_prefix_parse(const char *text, struct tp_ip *out, uint8_t *length_bits)
{
	char literal[TP_ADDR_STRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct tp_ip ip;
	int length, most;

	if (n >= sizeof(literal))
		return -EINVAL;
	memcpy(literal, text, n);
	literal[n] = '\0';
	if (tp_ip_parse(literal, &ip) != 0)
		return -EINVAL;
	most = (int)tp_ip_length(&ip) * 8;
	length = slash ? addr_parse_prefix_length(slash + 1) : most;
	if (length < 0)
		return -EINVAL;
	if (length > most || !addr_host_bits_zero(&ip, (unsigned int)length))
		return -ERANGE;
	*out = ip;
	*length_bits = (uint8_t)length;
	return 0;
}

bool tp_ip_in_prefix(const struct tp_ip *ip, const struct tp_ip *prefix, uint8_t length_bits)
{
	size_t whole = length_bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> length_bits % 8);

	if (ip->family != prefix->family || length_bits > tp_ip_length(ip) * 8)
		return false;
	if (memcmp(ip->bytes, prefix->bytes, whole) != 0)
		return false;
	return length_bits % 8 == 0 || ((ip->bytes[whole] ^ prefix->bytes[whole]) & mask) == 0;
}

char *tp_ip_format(const struct tp_ip *ip, char out[TP_ADDR_STRLEN])
{
	const char *done = NULL;

	if (ip->family == TP_FAMILY_IPV4)
		done = inet_ntop(AF_INET, ip->bytes, out, TP_ADDR_STRLEN);
	else if (ip->family == TP_FAMILY_IPV6)
		done = inet_ntop(AF_INET6, ip->bytes, out, TP_ADDR_STRLEN);
	if (!done)
		strcpy(out, "-");
	return out;
}

char *tp_addr_format(const struct tp_addr *addr, char out[TP_ADDR_STRLEN])
{
	char ip[TP_ADDR_STRLEN];

	tp_ip_format(&addr->ip, ip);
	if (tp_ip_length(&addr->ip) == 0)
		strcpy(out, ip);
	else
		// An inet_ntop text has at most 45 characters; the precision tells the compiler.
		snprintf(out, TP_ADDR_STRLEN,
			addr->ip.family == TP_FAMILY_IPV6 ? "[%.45s]:%u" : "%.45s:%u", ip,
			addr->port);
	return out;
}

int tp_addr_from_sockaddr(const struct sockaddr_storage *sa, struct tp_addr *out)
{
	struct tp_addr addr = {0};

	if (sa->ss_family == AF_INET) {
		struct sockaddr_in sin;
		memcpy(&sin, sa, sizeof(sin));
		addr.ip.family = TP_FAMILY_IPV4;
		memcpy(addr.ip.bytes, &sin.sin_addr, 4);
		addr.port = ntohs(sin.sin_port);
	} else if (sa->ss_family == AF_INET6) {
		struct sockaddr_in6 sin6;
		memcpy(&sin6, sa, sizeof(sin6));
		const uint8_t *bytes = sin6.sin6_addr.s6_addr;
		if (memcmp(bytes, addr_mapped_prefix, sizeof(addr_mapped_prefix)) == 0) {
			addr.ip.family = TP_FAMILY_IPV4;
			memcpy(addr.ip.bytes, bytes + sizeof(addr_mapped_prefix), 4);
		} else {
			addr.ip.family = TP_FAMILY_IPV6;
			memcpy(addr.ip.bytes, bytes, 16);
		}
		addr.port = ntohs(sin6.sin6_port);
	} else {
		return -EAFNOSUPPORT;
	}
	*out = addr;
	return 0;
}

size_t tp_addr_to_sockaddr(const struct tp_addr *addr, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (addr->ip.family == TP_FAMILY_IPV4) {
		struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
		memcpy(&sin.sin_addr, addr->ip.bytes, 4);
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	}
	if (addr->ip.family == TP_FAMILY_IPV6) {
		struct sockaddr_in6 sin6 = {
			.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
		memcpy(&sin6.sin6_addr, addr->ip.bytes, 16);
		memcpy(out, &sin6, sizeof(sin6));
		return sizeof(sin6);
	}
	return 0;
}
