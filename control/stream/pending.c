// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/pending.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"

#define ID_AT    8
#define ID_BYTES 12

struct stream_request *stream_request_new(const uint8_t *bytes, size_t length, uint64_t received_ns)
{
	struct stream_request *r = malloc(sizeof(*r) + length);

	if (!r)
		return NULL;
	*r = (struct stream_request){.received_ns = received_ns, .length = (uint32_t)length};
	memcpy(r->bytes, bytes, length);
	return r;
}

bool stream_request_is_answered(const struct stream_request *r)
{
	return r->length >= STUN_HEADER_BYTES && stun_type_class(tp_rd16(r->bytes)) == STUN_REQUEST;
}

void stream_pending_append(struct stream_pending *p, struct stream_request *r)
{
	r->next = NULL;
	if (p->tail)
		p->tail->next = r;
	else
		p->head = r;
	p->tail = r;
	p->count++;
	p->bytes += r->length;
}

struct stream_request *stream_pending_take(struct stream_pending *p)
{
	struct stream_request *r = p->head;

	if (!r)
		return NULL;
	p->head = r->next;
	if (!p->head)
		p->tail = NULL;
	p->count--;
	p->bytes -= r->length;
	return r;
}

void stream_pending_put_back(struct stream_pending *p, struct stream_pending *earlier)
{
	if (!earlier->head)
		return;
	earlier->tail->next = p->head;
	p->head = earlier->head;
	if (!p->tail)
		p->tail = earlier->tail;
	p->count += earlier->count;
	p->bytes += earlier->bytes;
	*earlier = (struct stream_pending){0};
}

bool stream_pending_answered(struct stream_pending *p, const uint8_t *transaction_id)
{
	struct stream_request *before = NULL, *r = p->head;

	while (r && memcmp(r->bytes + ID_AT, transaction_id, ID_BYTES) != 0) {
		before = r;
		r = r->next;
	}
	if (!r)
		return false;
	if (before)
		before->next = r->next;
	else
		p->head = r->next;
	if (p->tail == r)
		p->tail = before;
	p->count--;
	p->bytes -= r->length;
	free(r);
	return true;
}

uint32_t stream_pending_expire(struct stream_pending *p, uint64_t ns)
{
	uint32_t n = 0;

	for (; p->head && p->head->received_ns < ns; n++)
		free(stream_pending_take(p));
	return n;
}
