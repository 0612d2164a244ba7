// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/bpf_maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_byteorder.h>

#include "common/abi/abi.h"
#include "dataplane/setup/own_fds.h"

#define MAPS_MAX 16 // maps of one program

static_assert(TP_STEER_MAX_LOCALS == TP_MAX_LOCALS && TP_STEER_MAX_LISTENERS == TP_MAX_LISTENERS);

struct maps_search {
	uint32_t prog_id;
	uint32_t map_ids[MAPS_MAX];
	uint32_t n_maps; // 0: program not found yet
	struct dp_bpf_maps *out;
	int rc;
};

static bool maps_is_program(int fd, const char *target, void *arg)
{
	struct maps_search *s = arg;
	struct bpf_prog_info info = {
		.nr_map_ids = MAPS_MAX, .map_ids = (uint64_t)(uintptr_t)s->map_ids};
	uint32_t len = sizeof(info);

	if (!strstr(target, "bpf-prog") || bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ||
		info.id != s->prog_id)
		return true;
	s->n_maps = info.nr_map_ids < MAPS_MAX ? info.nr_map_ids : MAPS_MAX;
	return false;
}

// The kernel cuts names to 15 characters; ours are no longer.
static int *maps_slot(struct dp_bpf_maps *m, const char *name)
{
	return strcmp(name, TP_STEER_MAP_CONFIG) == 0      ? &m->config
	       : strcmp(name, TP_STEER_MAP_LOCAL4) == 0    ? &m->local4
	       : strcmp(name, TP_STEER_MAP_LOCAL6) == 0    ? &m->local6
	       : strcmp(name, TP_STEER_MAP_LISTENERS) == 0 ? &m->listeners
	       : strcmp(name, TP_STEER_MAP_COUNTS) == 0    ? &m->counts
							   : NULL;
}

static bool maps_take(int fd, const char *target, void *arg)
{
	struct maps_search *s = arg;
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);
	int *slot;

	if (!strstr(target, "bpf-map") || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return true;
	for (uint32_t i = 0; i < s->n_maps; i++) {
		if (info.id != s->map_ids[i] || !(slot = maps_slot(s->out, info.name)) ||
			*slot >= 0)
			continue;
		*slot = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (*slot < 0)
			s->rc = -errno;
	}
	return s->rc == 0;
}

int dp_bpf_maps_find(uint32_t prog_id, struct dp_bpf_maps *out)
{
	struct maps_search s = {.prog_id = prog_id, .out = out};
	int rc;

	*out = DP_BPF_MAPS_NONE;
	if ((rc = dp_own_fds_walk(maps_is_program, &s)) < 0)
		return rc;
	if (!s.n_maps)
		return -ENOENT;
	if ((rc = dp_own_fds_walk(maps_take, &s)) < 0 || (rc = s.rc) < 0)
		goto fail;
	if (out->config < 0 || out->local4 < 0 || out->local6 < 0 || out->listeners < 0 ||
		out->counts < 0) {
		rc = -ENOENT;
		goto fail;
	}
	return 0;
fail:
	dp_bpf_maps_close(out);
	return rc;
}

void dp_bpf_maps_close(struct dp_bpf_maps *m)
{
	int *fds[] = {&m->config, &m->local4, &m->local6, &m->listeners, &m->counts};

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

// Bits already there stay: an address may be relay and listener.
static int maps_add_local(const struct dp_bpf_maps *m, const struct tp_ip *ip, uint32_t bits)
{
	int fd = ip->family == TP_FAMILY_IPV4 ? m->local4 : m->local6;
	uint32_t value = 0;

	if (bpf_map_lookup_elem(fd, ip->bytes, &value) < 0)
		value = 0;
	value |= bits;
	return bpf_map_update_elem(fd, ip->bytes, &value, BPF_ANY) < 0 ? -errno : 0;
}

// The address after `ip`, carrying over all bytes of its family.
static void maps_next(struct tp_ip *ip)
{
	for (size_t i = tp_ip_length(ip); i-- > 0;)
		if (++ip->bytes[i])
			break;
}

static int maps_add_relay(const struct dp_bpf_maps *m, const struct conf_relay *r)
{
	struct tp_ip ip = r->address;
	size_t host_bits = tp_ip_length(&ip) * 8 - r->prefix_bits;
	int rc = 0;

	if (host_bits > 12 || (1u << host_bits) > TP_STEER_MAX_LOCALS)
		return -E2BIG;
	for (uint32_t i = 0; i < 1u << host_bits && rc == 0; i++, maps_next(&ip))
		rc = maps_add_local(m, &ip, TP_STEER_LOCAL_RELAY);
	return rc;
}

static int maps_add_listener(const struct dp_bpf_maps *m, const struct conf_listener *l)
{
	struct tp_steer_listener key = {
		.port = rte_cpu_to_be_16(l->port), .family = l->address.family};
	uint32_t value = 1;

	if (!(l->transports & (CONF_TRANSPORT_UDP | CONF_TRANSPORT_DTLS)))
		return 0;
	memcpy(key.address, l->address.bytes, sizeof(key.address));
	if (bpf_map_update_elem(m->listeners, &key, &value, BPF_ANY) < 0)
		return -errno;
	return maps_add_local(m, &l->address, TP_STEER_LOCAL_LISTENER);
}

int dp_bpf_maps_fill(const struct dp_bpf_maps *m, const struct conf *conf)
{
	struct tp_steer_config config = {
		.port_min = conf->relay.port_min, .port_max = conf->relay.port_max};
	uint32_t zero = 0;
	int rc = 0;

	if (bpf_map_update_elem(m->config, &zero, &config, BPF_ANY) < 0)
		return -errno;
	for (size_t i = 0; i < conf->n_listeners && rc == 0; i++)
		rc = maps_add_listener(m, &conf->listeners[i]);
	for (size_t i = 0; i < conf->relay.n_addresses && rc == 0; i++)
		rc = maps_add_relay(m, &conf->relay.addresses[i]);
	return rc;
}

int dp_bpf_maps_read(const struct dp_bpf_maps *m, uint64_t out[TP_STEER_COUNTS])
{
	int cpus = libbpf_num_possible_cpus();
	int rc = 0;

	if (cpus < 0)
		return cpus;
	uint64_t *values = calloc((size_t)cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t key = 0; key < TP_STEER_COUNTS && rc == 0; key++) {
		out[key] = 0;
		if (bpf_map_lookup_elem(m->counts, &key, values) < 0)
			rc = -errno;
		for (int cpu = 0; cpu < cpus && rc == 0; cpu++)
			out[key] += values[cpu];
	}
	free(values);
	return rc;
}
