// SPDX-License-Identifier: BSD-3-Clause
// What stun_attr.def and stun_err.def say, as functions.
#include "common/wire/stun_table.h"

#include "common/wire/stun_write.h"

bool stun_attr_length_ok(const struct stun_attr *a)
{
	size_t length = a->length; // wide, so that a limit of 65535 is an ordinary comparison

	switch (a->type) {
#define STUN_ATTR(name, text, value, min, max, multiple, understood, rfc)                          \
	case value:                                                                                \
		return length + 1 > min && length <= max && length % multiple == 0;
#include "common/wire/stun_attr.def"
#undef STUN_ATTR
	default:
		return true;
	}
}

bool stun_attr_understood(uint16_t type)
{
	switch (type) {
#define STUN_ATTR(name, text, value, min, max, multiple, understood, rfc)                          \
	case value:                                                                                \
		return understood;
#include "common/wire/stun_attr.def"
#undef STUN_ATTR
	default:
		return false;
	}
}

const char *stun_attr_name(uint16_t type)
{
	switch (type) {
#define STUN_ATTR(name, text, value, min, max, multiple, understood, rfc)                          \
	case value:                                                                                \
		return text;
#include "common/wire/stun_attr.def"
#undef STUN_ATTR
	default:
		return NULL;
	}
}

const char *stun_reason(enum stun_err code)
{
	switch (code) {
	case STUN_OK:
		return "OK";
#define STUN_ERR(name, code, reason)                                                               \
	case STUN_ERR_##name:                                                                      \
		return reason;
#include "common/wire/stun_err.def"
#undef STUN_ERR
	}
	return "Unknown Error";
}

const char *stun_method_name(uint16_t method)
{
	switch (method) {
	case STUN_BINDING:
		return "Binding";
	case STUN_ALLOCATE:
		return "Allocate";
	case STUN_REFRESH:
		return "Refresh";
	case STUN_SEND:
		return "Send";
	case STUN_DATA:
		return "Data";
	case STUN_CREATE_PERMISSION:
		return "CreatePermission";
	case STUN_CHANNEL_BIND:
		return "ChannelBind";
	case STUN_CONNECT:
		return "Connect";
	case STUN_CONNECTION_BIND:
		return "ConnectionBind";
	case STUN_CONNECTION_ATTEMPT:
		return "ConnectionAttempt";
	default:
		return NULL;
	}
}
