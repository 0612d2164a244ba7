// SPDX-License-Identifier: BSD-3-Clause
// Doubly linked lists whose links lie in what they link. A link that is in no list points to
// nothing.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct stream_link {
	struct stream_link *next, *previous;
};

// The list itself: a ring that its head is part of.
struct stream_list {
	struct stream_link head;
};

#define STREAM_OF(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

static inline void stream_list_init(struct stream_list *list)
{
	list->head.next = list->head.previous = &list->head;
}

static inline bool stream_linked(const struct stream_link *link)
{
	return link->next != NULL;
}

// NULL when empty.
static inline struct stream_link *stream_list_first(struct stream_list *list)
{
	return list->head.next == &list->head ? NULL : list->head.next;
}

// To the end; one that is in a list stays where it is.
static inline void stream_list_add(struct stream_list *list, struct stream_link *link)
{
	if (stream_linked(link))
		return;
	link->next = &list->head;
	link->previous = list->head.previous;
	link->previous->next = link;
	list->head.previous = link;
}

static inline void stream_list_remove(struct stream_link *link)
{
	if (!stream_linked(link))
		return;
	link->next->previous = link->previous;
	link->previous->next = link->next;
	*link = (struct stream_link){0};
}

// Takes all of `from`; `to` is empty afterwards but for these.
static inline void stream_list_take(struct stream_list *from, struct stream_list *to)
{
	stream_list_init(to);
	if (!stream_list_first(from))
		return;
	to->head = from->head;
	to->head.next->previous = to->head.previous->next = &to->head;
	stream_list_init(from);
}
