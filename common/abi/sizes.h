// SPDX-License-Identifier: BSD-3-Clause
// The size table of the greeting (tp_hello.sizes), the same code on both sides of the socket.
#pragma once

#include <string.h>

#include "common/abi/abi.h"
#include "common/abi/cmd.h"
#include "common/abi/punt.h"
#include "common/abi/record.h"
#include "common/abi/stats.h"
#include "common/abi/stream.h"

static inline void tp_sizes_fill(uint32_t out[TP_SIZES])
{
	memset(out, 0, TP_SIZES * sizeof(out[0]));
	out[TP_SIZE_CMD] = sizeof(struct tp_cmd);
	out[TP_SIZE_ACK] = sizeof(struct tp_ack);
	out[TP_SIZE_PUNT] = sizeof(struct tp_punt);
	out[TP_SIZE_INJECT] = sizeof(struct tp_inject);
	out[TP_SIZE_REGION_HEADER] = sizeof(struct tp_region_header);
	out[TP_SIZE_ALLOC_RECORD] = sizeof(struct tp_alloc_record);
	out[TP_SIZE_PEER_RECORD] = sizeof(struct tp_peer_record);
	out[TP_SIZE_NAME_RECORD] = sizeof(struct tp_name_record);
	out[TP_SIZE_STATUS] = sizeof(struct tp_status_reply);
	out[TP_SIZE_STREAM_SLOT] = sizeof(struct tp_stream_slot);
	out[TP_SIZE_STREAM_NOTE] = sizeof(struct tp_stream_note);
}
