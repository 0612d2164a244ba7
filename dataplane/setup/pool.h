// SPDX-License-Identifier: BSD-3-Clause
// Sizes of packet memory, known before the memory is: dp_eal_open decides by them.
#pragma once

#include "config/conf.h"

// Bytes of one mbuf with its mempool header, for the largest MTU among the configured interfaces.
uint32_t dp_pool_object_bytes(const struct conf *conf);
// Fewest mbufs that keep every ring of the configured queues full and leave workers enough.
uint32_t dp_pool_fewest(const struct conf *conf);
