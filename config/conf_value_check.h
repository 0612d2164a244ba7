// SPDX-License-Identifier: BSD-3-Clause
// Checks of single values, named by the schema table. Each is called with a value that has the
// right type and length, and reports what else is wrong with it.
#pragma once

#include <jansson.h>

#include "config/conf_report.h"

struct conf_check_context {
	struct conf_report *report;
	const char *path; // of the value
	const json_t *value;
};

void conf_check_printable(struct conf_check_context *context); // no control characters
void conf_check_realm(struct conf_check_context *context);     // RFC 8489 section 14.9
void conf_check_hex(struct conf_check_context *context);       // hexadecimal digits only
void conf_check_word(struct conf_check_context *context);      // letters, digits, . - _
void conf_check_interface(struct conf_check_context *context); // what the kernel takes as a name
void conf_check_absolute_path(struct conf_check_context *context);
void conf_check_port(struct conf_check_context *context); // element of "ports": keys fit the mode
void conf_check_nat_discovery(struct conf_check_context *context); // one alternate address at least

// Element of "auth.users": key_sha256 stands beside key.
void conf_check_user(struct conf_check_context *context);

// Addresses: what a host can have and be reached by from elsewhere.
void conf_check_unicast(struct conf_check_context *context);
void conf_check_unicast_prefix(struct conf_check_context *context);
void conf_check_no_multicast(struct conf_check_context *context);
