// SPDX-License-Identifier: BSD-3-Clause
// Which table the pipeline's bulk lookup asks. The linker sends its calls here (--wrap), so that
// the product has no branch for it; both variants pay the same one here.
#pragma once

struct rte_hash;

// NULL: our own table.
void bench_switch_to(const struct rte_hash *hash);
