// SPDX-License-Identifier: BSD-3-Clause
#include <stdio.h>

#include "control/dpcmd/client.h"

void ctl_dataplane_explain_refusal(uint16_t reason, uint32_t detail, char out[CTL_ATTACH_WHY_BYTES])
{
	switch (reason) {
	case TP_REFUSED_MAGIC:
		snprintf(out, CTL_ATTACH_WHY_BYTES, "it does not take us for a Turnpike process");
		break;
	case TP_REFUSED_MAJOR:
		snprintf(out, CTL_ATTACH_WHY_BYTES,
			"it speaks another ABI version than ours (%u.%u): install the same version "
			"of both",
			TP_ABI_MAJOR, TP_ABI_MINOR);
		break;
	case TP_REFUSED_SIZES:
		snprintf(out, CTL_ATTACH_WHY_BYTES,
			"its structures have other sizes than ours (number %u of the table), and "
			"it "
			"cannot convert: install our version of it first",
			detail);
		break;
	case TP_REFUSED_BUSY:
		snprintf(out, CTL_ATTACH_WHY_BYTES, "another control (pid %u) is attached", detail);
		break;
	case TP_REFUSED_MEMORY:
		snprintf(out, CTL_ATTACH_WHY_BYTES, "it has no memory for the shared rings");
		break;
	default:
		snprintf(out, CTL_ATTACH_WHY_BYTES, "reason %u, detail %u", reason, detail);
	}
}
