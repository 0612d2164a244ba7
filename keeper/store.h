// SPDX-License-Identifier: BSD-3-Clause
// Descriptors kept for a daemon while it does not run.
#pragma once

#include "keeper/message.h"

#define KEEPER_STORE_MAX 4 // today's daemons need one

struct keeper_store {
	struct keeper_kept {
		int fd; // ours
		char name[KEEPER_NAME_BYTES];
	} kept[KEEPER_STORE_MAX];
	unsigned int n;
};

// Keeps `fd`, which becomes ours in any case; the same file under the same name once only. 0;
// -EINVAL: no file; -ENOSPC: full, what was kept stays.
int keeper_store_put(struct keeper_store *s, int fd, const char *name);
// Closes all of that name. How many.
unsigned int keeper_store_remove(struct keeper_store *s, const char *name);
// The names as LISTEN_FDNAMES has them, "" for none.
#define KEEPER_STORE_NAMES_BYTES (KEEPER_STORE_MAX * KEEPER_NAME_BYTES)
void keeper_store_names(const struct keeper_store *s, char out[KEEPER_STORE_NAMES_BYTES]);
void keeper_store_close(struct keeper_store *s);
