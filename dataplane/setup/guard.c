// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/guard.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>

#include "common/base/log.h"
#include "dataplane/setup/tc_filter.h"
#include "guard_bpf.h"

#define GUARD_HANDLE 1

static int guard_reuse(struct bpf_object *object, const char *name, int fd)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map ? bpf_map__reuse_fd(map, fd) : -ENOENT;
}

// Opens and loads the guard over the maps of the port's XDP program.
static int guard_load(const struct dp_bpf_maps *maps, struct bpf_object **out)
{
	struct bpf_object *object =
		bpf_object__open_mem(guard_bpf_object, sizeof(guard_bpf_object), NULL);
	int rc;

	if (!object)
		return -errno;
	if ((rc = guard_reuse(object, TP_STEER_MAP_CONFIG, maps->config)) < 0 ||
		(rc = guard_reuse(object, TP_STEER_MAP_LOCAL4, maps->local4)) < 0 ||
		(rc = guard_reuse(object, TP_STEER_MAP_LOCAL6, maps->local6)) < 0 ||
		(rc = guard_reuse(object, TP_STEER_MAP_LISTENERS, maps->listeners)) < 0 ||
		(rc = guard_reuse(object, TP_STEER_MAP_COUNTS, maps->counts)) < 0 ||
		(rc = bpf_object__load(object)) < 0) {
		bpf_object__close(object);
		return rc;
	}
	*out = object;
	return 0;
}

// Makes the clsact qdisc; one that is there already is used as it is.
static int guard_hook(const struct bpf_tc_hook *hook, uint32_t *qdisc_own)
{
	struct bpf_tc_hook make = *hook;
	// libbpf prints "Exclusivity flag on" for a qdisc that exists, which is nothing to report.
	libbpf_print_fn_t before = libbpf_set_print(NULL);
	int rc = bpf_tc_hook_create(&make);

	libbpf_set_print(before);
	if (rc == 0)
		*qdisc_own = 1;
	return rc == -EEXIST ? 0 : rc;
}

// The place of a guard of ours, or the first priority that no filter uses.
static struct dp_tc_filter guard_place(const struct dp_tc_filters *filters)
{
	struct dp_tc_filter place = {.priority = 1, .handle = GUARD_HANDLE};

	for (uint32_t i = 0; i < filters->n; i++)
		if (filters->filter[i].ours)
			return filters->filter[i];
	for (uint32_t i = 0; i < filters->n; i++) {
		if (filters->filter[i].priority != place.priority)
			continue;
		place.priority++;
		i = UINT32_MAX; // look at all of them again
	}
	return place;
}

static int guard_detach_at(const struct bpf_tc_hook *hook, const struct dp_tc_filter *at)
{
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = at->handle, .priority = at->priority);

	return bpf_tc_detach(hook, &opts);
}

int dp_guard_attach(const char *interface, uint32_t ifindex, const struct dp_bpf_maps *maps,
	uint32_t *qdisc_own)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	struct dp_tc_filters filters;
	struct bpf_object *object = NULL;
	int rc;

	if ((rc = guard_hook(&hook, qdisc_own)) < 0 ||
		(rc = dp_tc_filters_read(ifindex, false, &filters)) < 0 ||
		(rc = guard_load(maps, &object)) < 0)
		goto out;
	struct dp_tc_filter place = guard_place(&filters);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place.handle, .priority = place.priority,
		.prog_fd = bpf_program__fd(bpf_object__next_program(object, NULL)),
		.flags = place.ours ? BPF_TC_F_REPLACE : 0);
	if ((rc = bpf_tc_attach(&hook, &opts)) < 0)
		goto out;
	for (uint32_t i = 0; i < filters.n; i++)
		if (filters.filter[i].ours && (filters.filter[i].priority != place.priority ||
						      filters.filter[i].handle != place.handle))
			guard_detach_at(&hook, &filters.filter[i]);
out:
	bpf_object__close(object); // an attached program lives on
	if (rc < 0)
		tp_error(
			"%s: the tc guard cannot be attached: %s (the kernel needs NET_CLS_BPF and "
			"NET_SCH_INGRESS)",
			interface, strerror(-rc));
	return rc;
}

static int guard_drop_qdisc(uint32_t ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		.attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	struct dp_tc_filters in, out;
	int rc;

	if ((rc = dp_tc_filters_read(ifindex, false, &in)) < 0 ||
		(rc = dp_tc_filters_read(ifindex, true, &out)) < 0)
		return rc;
	return in.n || out.n ? 0 : bpf_tc_hook_destroy(&hook);
}

int dp_guard_detach(uint32_t ifindex, bool qdisc_own)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS);
	struct dp_tc_filters filters;
	int rc = dp_tc_filters_read(ifindex, false, &filters);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < filters.n; i++) {
		int one = filters.filter[i].ours ? guard_detach_at(&hook, &filters.filter[i]) : 0;
		if (one < 0)
			rc = one;
	}
	return rc == 0 && qdisc_own ? guard_drop_qdisc(ifindex) : rc;
}
