// SPDX-License-Identifier: BSD-3-Clause
// Whether this host has what the configuration names: interfaces, and addresses on them.
#pragma once

#include <stdio.h>

#include "config/conf.h"

// Checks, in the network namespace of the caller, that the interface of every af_xdp port exists,
// and that every listener and relay address is local and reaches a port: it stands on the port's
// interface, on a VLAN on top of it, on the bond or bridge it belongs to, on loopback or a dummy
// interface (also as `ip route add local PREFIX dev lo`). Addresses are not checked when a port is
// a bench port, which has no kernel side. Prints one line a problem, as conf_load. 0, or -EINVAL
// after at least one problem, or -errno when the kernel could not be asked (printed too).
int conf_check_host(const struct conf *conf, FILE *errors);
