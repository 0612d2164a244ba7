// SPDX-License-Identifier: BSD-3-Clause
// What all daemons ask of the kernel at work and while they stop.
#include <sys/socket.h>

#include "common/privilege/filter_rules.h"

// clang-format off
static const struct tp_filter_rule rules[] = {
	// Memory: malloc, rings mapped at an attachment, DPDK giving pages back.
	ALLOW(brk), ALLOW(mmap), ALLOW(munmap), ALLOW(mremap), ALLOW(madvise), ALLOW(mprotect), ALLOW(mlock), ALLOW(munlock),
	ALLOW(memfd_create), ALLOW(ftruncate), ALLOW(membarrier),
	// What of it is resident, for `turnpikectl memory`.
	ALLOW(mincore),
	// Locks and threads as glibc has them, their end included.
	ALLOW(futex), ALLOW(set_robust_list), ALLOW(rseq), ALLOW(gettid), ALLOW(exit), ALLOW(exit_group), ALLOW(restart_syscall),
	ALLOW(sched_yield), ALLOW(sched_getaffinity), ALLOW(sched_setaffinity), ALLOW(getcpu),
	// Signals: SIGTERM, SIGHUP; abort() and assert(), so that they end as SIGABRT and not as SIGSYS.
	ALLOW(rt_sigaction), ALLOW(rt_sigprocmask), ALLOW(rt_sigreturn), ALLOW(sigaltstack), ALLOW(signalfd4), ALLOW(tgkill),
	ALLOW(getpid), ALLOW(getppid),
	// Time. Clocks are read without a system call where the machine has a good one.
	ALLOW(clock_gettime), ALLOW(clock_getres), ALLOW(gettimeofday), ALLOW(time), ALLOW(clock_nanosleep), ALLOW(nanosleep),
	ALLOW(timerfd_create), ALLOW(timerfd_settime), ALLOW(timerfd_gettime),
	// Waiting.
	ALLOW(poll), ALLOW(ppoll), ALLOW(select), ALLOW(pselect6),
	ALLOW(epoll_create1), ALLOW(epoll_ctl), ALLOW(epoll_wait), ALLOW(epoll_pwait), ALLOW(eventfd2), ALLOW(pipe2),
	// Descriptors.
	ALLOW(read), ALLOW(readv), ALLOW(preadv2), ALLOW(pread64), ALLOW(write), ALLOW(writev), ALLOW(pwrite64), ALLOW(lseek), ALLOW(close), ALLOW(fcntl),
	ALLOW(dup), ALLOW(dup3), ALLOW(fstat), ALLOW(newfstatat), ALLOW(statx), ALLOW(fsync), ALLOW(flock),
	// Files: logs' time zone, the run directory, /proc, the configuration.
	ALLOW(openat), ALLOW(open), ALLOW(stat), ALLOW(lstat), ALLOW(access), ALLOW(faccessat), ALLOW(faccessat2), ALLOW(readlink), ALLOW(readlinkat),
	ALLOW(getdents64), ALLOW(unlink), ALLOW(unlinkat), ALLOW(rename), ALLOW(renameat), ALLOW(renameat2), ALLOW(umask), ALLOW(getcwd),
	// Sockets to each other, to turnpikectl, to the service manager and to the kernel's tables.
	ALLOW_IF(socket, 0, AF_UNIX), ALLOW_IF(socket, 0, AF_NETLINK), ALLOW_IF(socket, 0, AF_INET), ALLOW_IF(socket, 0, AF_INET6),
	ALLOW(socketpair), ALLOW(bind), ALLOW(listen), ALLOW(accept4), ALLOW(connect), ALLOW(shutdown),
	ALLOW(getsockname), ALLOW(getpeername), ALLOW(getsockopt), ALLOW(setsockopt),
	ALLOW(sendto), ALLOW(recvfrom), ALLOW(sendmsg), ALLOW(recvmsg), ALLOW(sendmmsg), ALLOW(recvmmsg), ALLOW(ioctl),
	// Random bytes; who we are, for messages; how much of everything, for statistics.
	ALLOW(getrandom), ALLOW(getuid), ALLOW(geteuid), ALLOW(getgid), ALLOW(getegid), ALLOW(uname), ALLOW(sysinfo),
	ALLOW(getrusage), ALLOW(prlimit64), ALLOW(getrlimit),
};
// clang-format on

struct tp_filter_part tp_filter_shared(void)
{
	return (struct tp_filter_part)PART(rules);
}
