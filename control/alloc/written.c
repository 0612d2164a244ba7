// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/written.h"

#include <errno.h>
#include <unistd.h>

static uint64_t seek(struct ctl_written *w, uint64_t offset, int whence)
{
	off_t at = lseek(w->fd, (off_t)offset, whence);

	if (at < 0 && errno != ENXIO)
		w->fd = -1;
	return at < 0 ? UINT64_MAX : (uint64_t)at; // nothing comes any more
}

// Two extents, asked for before their records are read: one that lies across the end of the first makes a page
// of what follows, which is still nothing that was written.
static void look(struct ctl_written *w, uint64_t offset)
{
	w->asked = offset;
	w->data = w->hole = w->next = seek(w, offset, SEEK_DATA);
	if (w->data != UINT64_MAX)
		w->hole = w->next = seek(w, w->data, SEEK_HOLE);
	if (w->hole != UINT64_MAX)
		w->next = seek(w, w->hole, SEEK_DATA);
}

void ctl_written_anew(struct ctl_written *w)
{
	w->asked = w->data = w->hole = w->next = 0;
}

bool ctl_written(struct ctl_written *w, uint64_t offset, uint64_t bytes)
{
	uint64_t end = offset + bytes;

	if (w->fd > 0 && (offset < w->asked || offset >= w->next))
		look(w, offset);
	return w->fd <= 0 || (end > w->data && (offset < w->hole || end > w->next));
}
