// SPDX-License-Identifier: BSD-3-Clause
// What a daemon says to its service manager: lines of NAME=VALUE, sd_notify(3). The text is of a
// process that may have been taken over.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEEPER_MESSAGE_BYTES 4096 // a longer one is none
#define KEEPER_NAME_BYTES    64
#define KEEPER_STATUS_BYTES  128

struct keeper_message {
	bool watchdog, ready, stopping;
	bool store, remove;
	bool name_wrong; // of FDNAME: too long, or not plain
	uint32_t main_pid;
	char name[KEEPER_NAME_BYTES];     // FDNAME, "" none; letters, digits, '.', '_', '-'
	char status[KEEPER_STATUS_BYTES]; // STATUS, "" none; printable ASCII, cut
};

// Reads a message; lines that it does not know are left out, of a name that comes twice the last
// one counts. False: no text.
bool keeper_message_read(const char *text, size_t bytes, struct keeper_message *out);
