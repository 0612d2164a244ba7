// SPDX-License-Identifier: BSD-3-Clause
// Questions to stun_attr.def that only the reader itself asks.
#pragma once

#include "common/wire/stun_read.h"

// In stun_attr.def and implemented.
bool stun_attr_understood(uint16_t type);
