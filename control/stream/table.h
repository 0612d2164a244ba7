// SPDX-License-Identifier: BSD-3-Clause
// All connections by number. A number is the index of a place below a generation, so that it comes
// again only after the place was used tens of thousands of times; a place that became free is used
// last.
#pragma once

#include <stdint.h>

struct stream_connection;

struct stream_table {
	struct stream_connection **at; // NULL: free
	uint32_t *number;              // of the last one there
	uint32_t *next_free;
	uint32_t first_free, last_free;
	uint32_t capacity, bits, used;
};

// 0 or -ENOMEM.
int stream_table_init(struct stream_table *t, uint32_t capacity);
void stream_table_fini(struct stream_table *t);

// Gives it a place and a number, never 0. Returns the number; 0: no place is free.
uint32_t stream_table_add(struct stream_table *t, struct stream_connection *c);
void stream_table_remove(struct stream_table *t, uint32_t number);
// NULL when it is not there.
struct stream_connection *stream_table_find(const struct stream_table *t, uint32_t number);
