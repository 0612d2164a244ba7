// SPDX-License-Identifier: BSD-3-Clause
// What a loaded configuration needs before clients are judged by it: OpaqueString (RFC 8265) of
// realms, user names and passwords, and keys in the place of passwords.
#pragma once

#include <stdio.h>

#include "config/conf.h"

// Brings the users of `conf` into the form in which they are compared: names are prepared, each
// password is replaced by its two keys and cleansed. A realm must be written as it is prepared,
// because the dataplane sends it as it is written. Problems are printed as conf_load prints them.
// 0, -EINVAL after at least one problem, -ENOMEM, -EIO, -ENOTSUP of the crypto (printed too).
int ctl_auth_prepare(struct conf *conf, FILE *errors);
