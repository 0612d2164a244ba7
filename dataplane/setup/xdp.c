// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/xdp.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/abi/bpf_steer.h"
#include "common/base/log.h"
#include "dataplane/setup/interface.h"
#include "steer_bpf.h"

int dp_xdp_attached(uint32_t ifindex, uint32_t *prog_id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int rc = bpf_xdp_query((int)ifindex, 0, &query);

	*prog_id = 0;
	if (rc < 0)
		return rc;
	*prog_id = query.drv_prog_id   ? query.drv_prog_id
		   : query.skb_prog_id ? query.skb_prog_id
		   : query.hw_prog_id  ? query.hw_prog_id
				       : query.prog_id;
	return 0;
}

// Name of a loaded program; reading it by id takes CAP_SYS_ADMIN. 0 or -errno.
static int xdp_name(uint32_t prog_id, char out[BPF_OBJ_NAME_LEN])
{
	static_assert(DP_XDP_NAME_BYTES == BPF_OBJ_NAME_LEN);
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(prog_id);

	if (fd < 0)
		return fd;
	int rc = bpf_obj_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (rc < 0)
		return rc;
	memcpy(out, info.name, BPF_OBJ_NAME_LEN);
	out[BPF_OBJ_NAME_LEN - 1] = '\0';
	return 0;
}

int dp_xdp_detach(uint32_t ifindex, uint32_t prog_id)
{
	uint32_t attached;
	int rc = dp_xdp_attached(ifindex, &attached);

	if (rc < 0 || !attached || attached != prog_id)
		return rc;
	return bpf_xdp_detach((int)ifindex, 0, NULL);
}

struct dp_xdp_seen dp_xdp_look(uint32_t ifindex)
{
	struct dp_xdp_seen seen = {0};

	if (dp_xdp_attached(ifindex, &seen.id) < 0 || xdp_name(seen.id, seen.name) < 0)
		seen.id = 0;
	return seen;
}

int dp_xdp_remove_stale(const char *interface, uint32_t ifindex, uint32_t recorded_id,
	const struct dp_xdp_seen *seen)
{
	const char *name = "?";
	uint32_t id;
	int rc = dp_xdp_attached(ifindex, &id);

	if (rc < 0) {
		tp_error("%s: cannot ask for its XDP program: %s", interface, strerror(-rc));
		return rc;
	}
	if (!id)
		return 0;
	int named = seen->id == id ? 0 : -EPERM;
	if (named == 0)
		name = seen->name;
	if (id != recorded_id &&
		(named < 0 || strncmp(name, TP_STEER_PREFIX, strlen(TP_STEER_PREFIX)) != 0)) {
		tp_error("%s already has the XDP program '%s' (id %u), which is not ours: detach "
			 "it with "
			 "`ip link set dev %s xdp off` or choose another interface%s",
			interface, name, id, interface,
			named == -EPERM ? " (reading its name takes CAP_SYS_ADMIN)" : "");
		return -EBUSY;
	}
	if ((rc = dp_xdp_detach(ifindex, id)) < 0) {
		tp_error("%s: the XDP program of an earlier run (id %u) cannot be detached: %s",
			interface, id, strerror(-rc));
		return rc;
	}
	tp_notice("%s: replacing the XDP program of an earlier run (id %u)", interface, id);
	return 0;
}

int dp_xdp_object_fd(void)
{
	int fd = memfd_create("tp_steer", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, steer_bpf_object, sizeof(steer_bpf_object)) ==
		(ssize_t)sizeof(steer_bpf_object))
		return fd;
	int rc = errno ? -errno : -EIO;
	close(fd);
	return rc;
}

static int xdp_print(enum libbpf_print_level level, const char *format, va_list ap)
{
	char text[512];

	if (level != LIBBPF_WARN)
		return 0;
	int n = vsnprintf(text, sizeof(text), format, ap);
	text[strcspn(text, "\n")] = '\0';
	tp_error("%s", text);
	return n;
}

static const char *xdp_hint(int rc)
{
	switch (-rc) {
	case EPERM:
	case EACCES:
		return "not permitted: run as root or with the capabilities NET_ADMIN, NET_RAW, "
		       "BPF, PERFMON and IPC_LOCK";
	case ERANGE:
	case EINVAL:
		return "the usual cause is an MTU that is too large for XDP, on this interface or, "
		       "with "
		       "veth, on its peer: at most 3490 (`ip link set dev IFACE mtu 1500`)";
	case EBUSY:
		return "another XDP program came in between (`ip link show`)";
	case EOPNOTSUPP:
		return "the driver or its present settings (LRO, header split) do not allow XDP";
	case ENOMEM:
		return "out of memory, or over the limit of locked memory (`ulimit -l`)";
	default:
		return "see the kernel log";
	}
}

void dp_xdp_explain(const char *interface, uint32_t ifindex, uint32_t mtu)
{
	libbpf_print_fn_t before = libbpf_set_print(xdp_print);
	struct bpf_object *object =
		bpf_object__open_mem(steer_bpf_object, sizeof(steer_bpf_object), NULL);
	int rc = object ? bpf_object__load(object) : -errno;

	if (rc < 0) {
		tp_error("%s: the kernel refuses the steering program: %s; %s", interface,
			strerror(-rc), xdp_hint(rc));
		goto out;
	}
	int fd = bpf_program__fd(bpf_object__next_program(object, NULL));
	rc = bpf_xdp_attach((int)ifindex, fd, XDP_FLAGS_UPDATE_IF_NOEXIST, NULL);
	if (rc < 0) {
		tp_error("%s (MTU %u): the kernel refuses an XDP program: %s; %s", interface, mtu,
			strerror(-rc), xdp_hint(rc));
		goto out;
	}
	bpf_xdp_detach((int)ifindex, 0, NULL);
	tp_error("%s: the XDP program attaches, but no AF_XDP socket opens: is a queue used by "
		 "another "
		 "program (`ss -x --xdp`), or locked memory too small (`ulimit -l`)?",
		interface);
out:
	bpf_object__close(object);
	libbpf_set_print(before);
}
