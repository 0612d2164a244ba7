// SPDX-License-Identifier: BSD-3-Clause
// What only control asks of the kernel, and the stream processes that it starts. A filter stays
// over execve(), and so does what it forbids: a new version of control that an old one starts lives
// under the old one's list. So the list has what a start needs as well; none of it gives back a
// privilege that was given up.
#include "common/privilege/filter_rules.h"

// clang-format off
static const struct tp_filter_rule rules[] = {
	// Starting another version of itself, and waiting for it.
	ALLOW(execve), ALLOW(clone), ALLOW(clone3), ALLOW(vfork), ALLOW(wait4), ALLOW(waitid), ALLOW(kill), ALLOW(setsid), ALLOW(dup2),
	ALLOW(pidfd_open), ALLOW(pidfd_send_signal), ALLOW(pidfd_getfd), ALLOW(close_range), ALLOW(pipe),
	// What a process does before its main(), and libcrypto before it is of use.
	ALLOW(arch_prctl), ALLOW(set_tid_address), ALLOW(prctl), ALLOW(readahead), ALLOW(fadvise64), ALLOW(sysfs), ALLOW(statfs), ALLOW(fstatfs),
	ALLOW(getpgrp), ALLOW(getpgid), ALLOW(getsid), ALLOW(epoll_create), ALLOW(eventfd), ALLOW(accept), ALLOW(epoll_pwait2),
	// The stream processes that it starts: waiting for sockets to appear in the run directory. What they have
	// besides, this list or the shared one has for another reason; their own (filter_stream.c) is narrower.
	ALLOW(inotify_init1), ALLOW(inotify_add_watch), ALLOW(inotify_rm_watch),
	// Its lock and run directory.
	ALLOW(mkdir), ALLOW(mkdirat), ALLOW(fchmod), ALLOW(fchown), ALLOW(fchownat), ALLOW(chdir),
	// Giving up privileges once more, and the next filter over this one.
	ALLOW(capget), ALLOW(capset), ALLOW(setgroups), ALLOW(getgroups), ALLOW(setresgid), ALLOW(setresuid), ALLOW(getresuid), ALLOW(getresgid),
	ALLOW(setuid), ALLOW(seccomp),
};
// clang-format on

struct tp_filter tp_filter_control(void)
{
	return (struct tp_filter){.shared = tp_filter_shared(), .own = PART(rules)};
}
