// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/bpf.h>
#include <seccomp.h>

#include "common/privilege/filter.h"
#include "common/privilege/sanitized.h"

static bool same_rule(const struct tp_filter_rule *a, const struct tp_filter_rule *b)
{
	if (a->call != b->call)
		return false;
	// Beside a rule that allows all of a call, one that compares says nothing.
	return !a->compared || !b->compared || a->argument != b->argument || a->value == b->value;
}

static const struct tp_filter_rule *rule_at(const struct tp_filter *f, size_t i)
{
	return i < f->shared.n ? &f->shared.rules[i] : &f->own.rules[i - f->shared.n];
}

static void no_call_twice(const struct tp_filter *f)
{
	size_t n = f->shared.n + f->own.n;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (same_rule(rule_at(f, i), rule_at(f, k)))
				fail_msg("%s stands twice",
					seccomp_syscall_resolve_num_arch(
						SCMP_ARCH_NATIVE, rule_at(f, i)->call));
}

static void test_no_call_stands_twice(void **state)
{
	const struct tp_filter dataplane = tp_filter_dataplane(), control = tp_filter_control(),
			       stream = tp_filter_stream();

	no_call_twice(&dataplane);
	no_call_twice(&control);
	no_call_twice(&stream);
}

static bool allows(const struct tp_filter *f, int call)
{
	for (size_t i = 0; i < f->shared.n + f->own.n; i++)
		if (rule_at(f, i)->call == call)
			return true;
	return false;
}

static void test_what_no_daemon_may_do(void **state)
{
	static const int never[] = {SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv),
		SCMP_SYS(process_vm_writev), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(unshare),
		SCMP_SYS(setns), SCMP_SYS(init_module), SCMP_SYS(finit_module),
		SCMP_SYS(kexec_load), SCMP_SYS(reboot), SCMP_SYS(chroot), SCMP_SYS(pivot_root),
		SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(perf_event_open),
		SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(personality),
		SCMP_SYS(iopl), SCMP_SYS(open_by_handle_at), SCMP_SYS(settimeofday),
		SCMP_SYS(chmod)};
	static const int not_dataplane[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(clone),
		SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(kill),
		SCMP_SYS(setresuid), SCMP_SYS(capset)};
	const struct tp_filter dataplane = tp_filter_dataplane(), control = tp_filter_control();

	for (size_t i = 0; i < sizeof(never) / sizeof(*never); i++)
		assert_false(allows(&dataplane, never[i]) || allows(&control, never[i]));
	for (size_t i = 0; i < sizeof(not_dataplane) / sizeof(*not_dataplane); i++)
		assert_false(allows(&dataplane, not_dataplane[i]));
	assert_false(allows(&control, SCMP_SYS(bpf)));
}

// In a child that loads a filter as a daemon does: how it ends. The call comes from a thread that
// was there before the filter.
struct attempt {
	long call, argument;
	pthread_barrier_t loaded;
};

static void *make_call(void *arg)
{
	struct attempt *a = arg;

	pthread_barrier_wait(&a->loaded);
	syscall(a->call, a->argument, 0, 0);
	return NULL;
}

static int attempt(const struct tp_filter *f, enum tp_filter_mode mode, long call, long argument)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct attempt a = {.call = call, .argument = argument};
		pthread_t thread;

		// No core file for each of them.
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
		if (pthread_barrier_init(&a.loaded, NULL, 2) != 0 ||
			pthread_create(&thread, NULL, make_call, &a) != 0 ||
			prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || tp_filter_load(f, mode) < 0)
			_exit(2);
		pthread_barrier_wait(&a.loaded);
		pthread_join(thread, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void assert_killed(const struct tp_filter *f, long call, long argument)
{
	int status = attempt(f, TP_FILTER_KILL, call, argument);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void assert_lives(const struct tp_filter *f, enum tp_filter_mode mode, long call, long arg)
{
	int status = attempt(f, mode, call, arg);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_a_forbidden_call_ends_the_process(void **state)
{
	const struct tp_filter dataplane = tp_filter_dataplane(), control = tp_filter_control();

	if (TP_SANITIZED)
		skip();
	assert_killed(&dataplane, SYS_ptrace, 0xffff);
	assert_killed(&dataplane, SYS_execve, 0);
	assert_killed(&control, SYS_ptrace, 0xffff);
	assert_killed(&control, SYS_bpf, BPF_MAP_LOOKUP_ELEM);
	// By what an argument says.
	assert_killed(&dataplane, SYS_bpf, BPF_PROG_LOAD);
	assert_killed(&dataplane, SYS_socket, AF_PACKET);
	assert_killed(&control, SYS_socket, AF_PACKET);
}

static void test_an_allowed_call_is_answered(void **state)
{
	const struct tp_filter dataplane = tp_filter_dataplane(), control = tp_filter_control();

	assert_lives(&dataplane, TP_FILTER_KILL, SYS_bpf, BPF_MAP_LOOKUP_ELEM);
	// The kernel reads an int: the upper half is no way around, and no reason to die.
	assert_lives(&dataplane, TP_FILTER_KILL, SYS_bpf, BPF_MAP_LOOKUP_ELEM | 1L << 32);
	assert_lives(&dataplane, TP_FILTER_KILL, SYS_socket, AF_NETLINK);
	assert_lives(&control, TP_FILTER_KILL, SYS_execve, 0);
	assert_lives(&control, TP_FILTER_KILL, SYS_seccomp, 0xff);
}

static void test_log_and_off_end_nothing(void **state)
{
	const struct tp_filter f = tp_filter_dataplane();

	assert_lives(&f, TP_FILTER_LOG, SYS_personality, 0xffffffff);
	assert_lives(&f, TP_FILTER_OFF, SYS_personality, 0xffffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_call_stands_twice),
		cmocka_unit_test(test_what_no_daemon_may_do),
		cmocka_unit_test(test_a_forbidden_call_ends_the_process),
		cmocka_unit_test(test_an_allowed_call_is_answered),
		cmocka_unit_test(test_log_and_off_end_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
