// SPDX-License-Identifier: BSD-3-Clause
// Free record indexes, first in first out, so that an index rests as long as possible before reuse.
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/abi/record.h"

struct ctl_free_list {
	uint32_t *next; // by index; TP_INDEX_NONE at the tail
	uint32_t head, tail;
	uint32_t count;
};

static inline int ctl_free_list_init(struct ctl_free_list *list, uint32_t capacity)
{
	*list = (struct ctl_free_list){.head = TP_INDEX_NONE, .tail = TP_INDEX_NONE};
	list->next = calloc(capacity ? capacity : 1, sizeof(*list->next));
	return list->next ? 0 : -ENOMEM;
}

static inline void ctl_free_list_fini(struct ctl_free_list *list)
{
	free(list->next);
}

static inline void ctl_free_list_put(struct ctl_free_list *list, uint32_t index)
{
	list->next[index] = TP_INDEX_NONE;
	if (list->count++ == 0)
		list->head = index;
	else
		list->next[list->tail] = index;
	list->tail = index;
}

// TP_INDEX_NONE when empty.
static inline uint32_t ctl_free_list_take(struct ctl_free_list *list)
{
	if (list->count == 0)
		return TP_INDEX_NONE;
	uint32_t index = list->head;
	list->head = list->next[index];
	list->count--;
	return index;
}
