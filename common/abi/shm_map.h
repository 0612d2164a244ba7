// SPDX-License-Identifier: BSD-3-Clause
// Sealed shared memory and the messages that carry its descriptors (SCM_RIGHTS).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tp_shm {
	void *base;
	size_t bytes;
	int fd;
};

// Creates a memfd of this size, zeroed, sealed against SHRINK, GROW and further seals, mapped
// shared. Pages are allocated on first touch. 0 or -errno. The caller owns `out`.
int tp_shm_create(const char *name, size_t bytes, struct tp_shm *out);

// Maps a descriptor received from a peer. Refused unless its size is at least `bytes` and SHRINK is
// sealed (an unsealed one lets the peer kill us with SIGBUS): -EPERM unsealed, -EINVAL too small.
// Takes ownership of fd on success only.
int tp_shm_open(int fd, size_t bytes, struct tp_shm *out);

void tp_shm_close(struct tp_shm *shm);

// Sends one SOCK_SEQPACKET message with descriptors. 0 or -errno (-EAGAIN on a full socket).
int tp_message_send(int sock, const void *message, size_t bytes, const int *fds, size_t n_fds);

// Receives one message. Returns its length, 0 at the end of the connection, -errno; -EMSGSIZE when
// it was truncated (message or descriptors; received descriptors are then closed). Descriptors
// received are the caller's, O_CLOEXEC.
ssize_t tp_message_receive(
	int sock, void *buffer, size_t capacity, int *fds, size_t max_fds, size_t *n_fds);
