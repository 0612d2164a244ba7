// SPDX-License-Identifier: BSD-3-Clause
// RUN_DIRECTORY/keeper.json: what turnpikectl says of the keeper and of restarts, also while both
// daemons are dead. Written anew at each change, under another name first.
#pragma once

#include "keeper/keeper.h"

// Failure is logged once, and nothing else depends on it.
void keeper_told_write(struct keeper *k);
// At the end: nobody looks after the daemons any more.
void keeper_told_remove(const struct keeper *k);
