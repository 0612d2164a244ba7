// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/table.h"

#include <errno.h>
#include <stdlib.h>

#define NO_PLACE UINT32_MAX

int stream_table_init(struct stream_table *t, uint32_t capacity)
{
	*t = (struct stream_table){.capacity = capacity, .last_free = capacity - 1};
	while (UINT32_C(1) << t->bits < capacity)
		t->bits++;
	t->at = calloc(capacity, sizeof(*t->at));
	t->number = calloc(capacity, sizeof(*t->number));
	t->next_free = calloc(capacity, sizeof(*t->next_free));
	if (!t->at || !t->number || !t->next_free) {
		stream_table_fini(t);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < capacity; i++) {
		t->next_free[i] = i + 1 < capacity ? i + 1 : NO_PLACE;
		t->number[i] = i;
	}
	return 0;
}

void stream_table_fini(struct stream_table *t)
{
	free(t->at);
	free(t->number);
	free(t->next_free);
	*t = (struct stream_table){0};
}

static uint32_t index_of(const struct stream_table *t, uint32_t number)
{
	return number & ((UINT32_C(1) << t->bits) - 1);
}

uint32_t stream_table_add(struct stream_table *t, struct stream_connection *c)
{
	uint32_t i = t->first_free;

	if (i == NO_PLACE)
		return 0;
	t->first_free = t->next_free[i];
	t->number[i] += UINT32_C(1) << t->bits;
	if (t->number[i] >> t->bits == 0) // generation 0 would make the number 0
		t->number[i] += UINT32_C(1) << t->bits;
	t->at[i] = c;
	t->used++;
	return t->number[i];
}

void stream_table_remove(struct stream_table *t, uint32_t number)
{
	uint32_t i = index_of(t, number);

	t->at[i] = NULL;
	t->used--;
	t->next_free[i] = NO_PLACE;
	if (t->first_free == NO_PLACE)
		t->first_free = i;
	else
		t->next_free[t->last_free] = i;
	t->last_free = i;
}

struct stream_connection *stream_table_find(const struct stream_table *t, uint32_t number)
{
	uint32_t i = index_of(t, number);

	return i < t->capacity && t->number[i] == number ? t->at[i] : NULL;
}
