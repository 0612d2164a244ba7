// SPDX-License-Identifier: BSD-3-Clause
#include "common/privilege/caps.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPS_MAX 64

int tp_caps_read(struct tp_caps *out)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct half[2] = {0};

	if (syscall(SYS_capget, &header, half) < 0)
		return -errno;
	out->effective = half[0].effective | (uint64_t)half[1].effective << 32;
	out->permitted = half[0].permitted | (uint64_t)half[1].permitted << 32;
	out->inheritable = half[0].inheritable | (uint64_t)half[1].inheritable << 32;
	return 0;
}

struct tp_caps tp_caps_limited(const struct tp_caps *have, uint64_t keep, uint64_t pass_on)
{
	uint64_t left = have->permitted & keep;

	return (struct tp_caps){
		.effective = left, .permitted = left, .inheritable = left & pass_on};
}

static int raise_ambient(uint64_t set)
{
	for (unsigned long c = 0; c < CAPS_MAX; c++)
		if ((set & TP_CAP(c)) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0) < 0)
			return -errno;
	return 0;
}

int tp_caps_limit(uint64_t keep, uint64_t pass_on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct tp_caps have;
	int rc = tp_caps_read(&have);

	if (rc < 0)
		return rc;
	const struct tp_caps want = tp_caps_limited(&have, keep, pass_on);
	struct __user_cap_data_struct half[2] = {{.effective = (uint32_t)want.effective,
							 .permitted = (uint32_t)want.permitted,
							 .inheritable = (uint32_t)want.inheritable},
		{.effective = (uint32_t)(want.effective >> 32),
			.permitted = (uint32_t)(want.permitted >> 32),
			.inheritable = (uint32_t)(want.inheritable >> 32)}};
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
		syscall(SYS_capset, &header, half) < 0)
		return -errno;
	return raise_ambient(want.inheritable);
}

int tp_caps_clear_bounding(uint64_t but)
{
	for (unsigned long c = 0; c < CAPS_MAX; c++) {
		int has = prctl(PR_CAPBSET_READ, c, 0, 0, 0);

		if (has < 0) // one more than this kernel's last
			return 0;
		if (has && !(but & TP_CAP(c)) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

char *tp_caps_format(uint64_t set, char out[TP_CAPS_TEXT])
{
	static const char *const names[CAPS_MAX] = {[CAP_NET_ADMIN] = "NET_ADMIN",
		[CAP_NET_RAW] = "NET_RAW",
		[CAP_NET_BIND_SERVICE] = "NET_BIND_SERVICE",
		[CAP_IPC_LOCK] = "IPC_LOCK",
		[CAP_BPF] = "BPF",
		[CAP_PERFMON] = "PERFMON"};
	size_t n = 0;

	snprintf(out, TP_CAPS_TEXT, "none");
	for (unsigned int c = 0; c < CAPS_MAX; c++) {
		if (!(set & TP_CAP(c)))
			continue;
		if (names[c])
			n += (size_t)snprintf(
				out + n, TP_CAPS_TEXT - n, "%s%s", n ? " " : "", names[c]);
		else
			n += (size_t)snprintf(out + n, TP_CAPS_TEXT - n, "%s%u", n ? " " : "", c);
	}
	return out;
}
