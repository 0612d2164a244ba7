// SPDX-License-Identifier: BSD-3-Clause
// Alone in its file: what handles packets and requests needs no more of the configuration's code.
#include "config/conf.h"

bool conf_discovery_find(const struct conf_discovery families[2], const struct tp_addr *listener,
	struct conf_discovery_place *out)
{
	for (uint8_t i = 0; i < 8; i++) {
		const struct conf_discovery *of = &families[i >> 2];
		uint8_t address = i >> 1 & 1, port = i & 1;

		if (of->address[address].family == TP_FAMILY_NONE ||
			!tp_ip_equal(&of->address[address], &listener->ip) ||
			of->port[port] != listener->port)
			continue;
		*out = (struct conf_discovery_place){.of = of, .address = address, .port = port};
		return true;
	}
	return false;
}
