// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/memory.h"

#include <errno.h>
#include <string.h>

int ctl_memory_read(const void *message, size_t length_bytes, struct tp_memory_reply *out)
{
	struct tp_message_header header;

	if (length_bytes < sizeof(header))
		return -EPROTO;
	memcpy(&header, message, sizeof(header));
	if (header.magic != TP_ABI_MAGIC || header.major != TP_ABI_MAJOR ||
		header.length_bytes != length_bytes)
		return -EPROTO;
	if (header.type == TP_MSG_REFUSED)
		return -EOPNOTSUPP;
	if (header.type != TP_MSG_MEMORY_REPLY || length_bytes < sizeof(*out))
		return -EPROTO;
	memcpy(out, message, sizeof(*out));
	return out->parts <= TP_MEMORY_PLACES ? 0 : -EPROTO;
}

json_t *ctl_memory_json(const struct tp_memory *memory)
{
	uint64_t left = memory->resident_bytes + memory->hugetlb_bytes, other = 0;
	json_t *parts = json_object();

	for (unsigned int i = 0; i < TP_MEMORY_PLACES; i++) {
		uint64_t bytes = memory->part_bytes[i];
		left -= bytes;
		if (bytes == 0)
			continue;
		if (i == TP_MEMORY_other || i >= TP_MEMORY_PARTS) // of a later version
			other += bytes;
		else
			json_object_set_new(
				parts, tp_memory_part_name(i), json_integer((json_int_t)bytes));
	}
	if (other)
		json_object_set_new(parts, tp_memory_part_name(TP_MEMORY_other),
			json_integer((json_int_t)other));
	return json_pack("{s:I, s:I, s:o, s:I}", "resident_bytes",
		(json_int_t)memory->resident_bytes, "hugetlb_bytes",
		(json_int_t)memory->hugetlb_bytes, "parts", parts, "unexplained_bytes",
		(json_int_t)left);
}
