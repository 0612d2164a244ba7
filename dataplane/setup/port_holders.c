// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/port_holders.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"

#define HOLDERS_NAMED 8 // sockets named one by one, the rest is counted

// The kernel prints each 32-bit word of an address as a number of the host's byte order.
static int held_address(const char *text, int family, struct tp_ip *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	size_t words = family == 4 ? 1 : 4;

	memset(out, 0, sizeof(*out));
	if (strlen(text) != words * 8)
		return -EINVAL;
	for (size_t i = 0; i < words; i++) {
		uint32_t word;
		if (sscanf(text + i * 8, "%8x", &word) != 1)
			return -EINVAL;
		memcpy(out->bytes + i * 4, &word, 4);
	}
	out->family = (uint8_t)family;
	if (family == 6 && memcmp(out->bytes, mapped, sizeof(mapped)) == 0) {
		struct tp_ip v4 = {.family = TP_FAMILY_IPV4};
		memcpy(v4.bytes, out->bytes + 12, 4);
		*out = v4;
	}
	return 0;
}

int dp_held_parse(const char *line, int family, struct dp_held *out)
{
	char address[33];
	unsigned int port;
	unsigned long long inode;

	memset(out, 0, sizeof(*out));
	// sl: local remote state tx:rx tr:when retransmits uid timeout inode
	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*s %*s %*s %*s %*s %*s %*s %llu", address,
		    &port, &inode) != 3)
		return -EINVAL;
	out->at.port = (uint16_t)port;
	out->inode = inode;
	return held_address(address, family, &out->at.ip);
}

bool dp_held_covers(const struct dp_held *held, const struct tp_ip *ip)
{
	static const struct tp_ip any4 = {.family = TP_FAMILY_IPV4};
	static const struct tp_ip any6 = {.family = TP_FAMILY_IPV6};

	// [::] receives IPv4 as well, unless the socket says IPV6_V6ONLY, which nobody shows us.
	return tp_ip_equal(&held->at.ip, ip) || tp_ip_equal(&held->at.ip, &any6) ||
	       (tp_ip_equal(&held->at.ip, &any4) && ip->family == TP_FAMILY_IPV4);
}

static bool holders_pid_has(const char *pid, const char *wanted)
{
	char path[300], target[64];
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	DIR *dir = opendir(path);
	if (!dir)
		return false;
	for (struct dirent *e; !found && (e = readdir(dir));) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	closedir(dir);
	return found;
}

// "coturn (process 123)", or "a program" when /proc does not tell.
static void holders_name(uint64_t inode, char *out, size_t size)
{
	char wanted[40], path[300], name[32] = "?";
	DIR *proc = opendir("/proc");

	snprintf(out, size, "a program");
	snprintf(wanted, sizeof(wanted), "socket:[%llu]", (unsigned long long)inode);
	if (!proc)
		return;
	for (struct dirent *e; (e = readdir(proc));) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !holders_pid_has(e->d_name, wanted))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		FILE *f = fopen(path, "re");
		if (f) {
			if (fscanf(f, "%31[^\n]", name) != 1)
				name[0] = '?';
			fclose(f);
		}
		snprintf(out, size, "%s (process %d)", name, atoi(e->d_name));
		break;
	}
	closedir(proc);
}

static bool holders_at_listener(const struct conf *conf, const struct dp_held *held)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		if ((l->transports & (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)) &&
			l->port == held->at.port && dp_held_covers(held, &l->address))
			return true;
	}
	return false;
}

static bool holders_in_range(const struct conf *conf, const struct dp_held *held)
{
	if (held->at.port < conf->relay.port_min || held->at.port > conf->relay.port_max)
		return false;
	for (size_t i = 0; i < conf->relay.n_addresses; i++) {
		const struct conf_relay *r = &conf->relay.addresses[i];
		if (tp_ip_in_prefix(&held->at.ip, &r->address, r->prefix_bits) ||
			dp_held_covers(held, &r->address))
			return true;
	}
	return false;
}

struct holders_found {
	unsigned int listeners, range;
};

static void holders_line(
	const struct conf *conf, const char *line, int family, struct holders_found *found)
{
	char who[96], at[TP_ADDR_STRLEN];
	struct dp_held held;

	if (dp_held_parse(line, family, &held) < 0)
		return;
	if (holders_at_listener(conf, &held)) {
		holders_name(held.inode, who, sizeof(who));
		tp_error("%s already holds UDP %s, where a listener of this config stands: stop it "
			 "or "
			 "choose another port",
			who, tp_addr_format(&held.at, at));
		found->listeners++;
	} else if (holders_in_range(conf, &held) && ++found->range <= HOLDERS_NAMED) {
		holders_name(held.inode, who, sizeof(who));
		tp_warning(
			"%s holds UDP %s inside relay.port_range: from now on it receives nothing "
			"that comes in by a port of this config",
			who, tp_addr_format(&held.at, at));
	}
}

int dp_port_holders_check(const struct conf *conf)
{
	static const struct {
		const char *path;
		int family;
	} tables[] = {{"/proc/net/udp", 4}, {"/proc/net/udp6", 6}};
	struct holders_found found = {0};
	char *line = NULL;
	size_t size = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		FILE *f = fopen(tables[i].path, "re");
		if (!f)
			continue;
		while (getline(&line, &size, f) > 0)
			holders_line(conf, line, tables[i].family, &found);
		fclose(f);
	}
	free(line);
	if (found.range > HOLDERS_NAMED)
		tp_warning("%u more sockets inside relay.port_range (ss -ulpn)",
			found.range - HOLDERS_NAMED);
	return found.listeners ? -EADDRINUSE : 0;
}
