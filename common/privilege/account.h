// SPDX-License-Identifier: BSD-3-Clause
// Who a daemon runs as: chosen from the configuration, from who started it, and from the users that
// this machine has.
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#define TP_ACCOUNT_USUAL "turnpike" // taken when it exists and nothing else is asked for
#define TP_ACCOUNT_NAME  64
#define TP_ACCOUNT_TEXT  320

struct tp_account {
	uid_t uid;
	gid_t gid;
	bool change; // not who the process is now
	char user[TP_ACCOUNT_NAME], group[TP_ACCOUNT_NAME];
};

struct tp_account_wish {
	const char *user, *group; // of the configuration; NULL: not given
	const char *usual;        // TP_ACCOUNT_USUAL
	uid_t started_as;
	gid_t started_in;
};

// Only root can become somebody else: whoever else starts a daemon stays as it is. Root becomes
// `user`, or else `usual` where it exists, or else stays; in `group`, or else the user's own one.
// `why` is empty, or a sentence that the log should have: with 0 of something that the operator may
// not expect, with an error of what is wrong. 0, -ENOENT for a name that this machine does not
// have, or -errno of the look-up. Before the filter is loaded, since it reads the user database.
int tp_account_choose(
	const struct tp_account_wish *wish, struct tp_account *out, char why[TP_ACCOUNT_TEXT]);

// "user turnpike (990), group turnpike (989)" of this process, for messages. Returns `out`.
char *tp_account_self(char out[TP_ACCOUNT_TEXT]);
