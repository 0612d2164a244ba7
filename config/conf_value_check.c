// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_value_check.h"

#include <ctype.h>
#include <string.h>

#include "common/base/addr.h"

void conf_check_printable(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value);

	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f) {
			conf_problem(context->report, context->path, "has a control character");
			return;
		}
	}
}

// RFC 8489 section 14.9: the inside of RFC 3261's realm-value. What it lets stand behind a
// backslash only is not needed in a name.
void conf_check_realm(struct conf_check_context *context)
{
	conf_check_printable(context);
	if (strpbrk(json_string_value(context->value), "\"\\"))
		conf_problem(context->report, context->path,
			"has a quotation mark or a backslash, which a realm cannot have");
}

// Speaks of no character: the value is a secret.
void conf_check_hex(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value);

	if (text[strspn(text, "0123456789abcdefABCDEF")] != '\0')
		conf_problem(context->report, context->path,
			"has characters other than hexadecimal digits");
}

void conf_check_user(struct conf_check_context *context)
{
	if (json_object_get(context->value, "key_sha256") &&
		!json_object_get(context->value, "key"))
		conf_problem(context->report, context->path,
			"\"key_sha256\" has its place beside \"key\"");
}

void conf_check_word(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value);

	for (const char *c = text; *c; c++) {
		if (!isascii(*c) || (!isalnum((unsigned char)*c) && !strchr(".-_", *c))) {
			conf_problem(context->report, context->path,
				"\"%s\" has characters other than letters, digits, dot, dash and "
				"underscore",
				text);
			return;
		}
	}
}

void conf_check_interface(struct conf_check_context *context)
{
	const char *name = json_string_value(context->value);
	bool good = strcmp(name, ".") != 0 && strcmp(name, "..") != 0;

	for (const char *c = name; *c && good; c++)
		good = isascii(*c) && isgraph((unsigned char)*c) && *c != '/' && *c != ':';
	if (!good)
		conf_problem(context->report, context->path,
			"\"%s\" cannot be the name of an interface", name);
}

void conf_check_absolute_path(struct conf_check_context *context)
{
	const char *path = json_string_value(context->value);

	conf_check_printable(context);
	if (path[0] != '/')
		conf_problem(
			context->report, context->path, "\"%s\" is not an absolute path", path);
}

void conf_check_port(struct conf_check_context *context)
{
	const json_t *mode_value = json_object_get(context->value, "mode");
	const char *mode = mode_value ? json_string_value(mode_value) : "af_xdp";
	bool bench = mode && strcmp(mode, "bench") == 0;
	const char *needs = bench ? "vdev" : "interface";

	if (!mode || (!bench && strcmp(mode, "af_xdp") != 0))
		return; // reported already
	if (!json_object_get(context->value, needs))
		conf_problem(context->report, context->path, "\"%s\" is required in mode \"%s\"",
			needs, mode);
	if (!bench && json_object_get(context->value, "vdev"))
		conf_problem(context->report, context->path,
			"\"vdev\" has no place in mode \"%s\"", mode);
}

void conf_check_nat_discovery(struct conf_check_context *context)
{
	if (!json_object_get(context->value, "alternate_address") &&
		!json_object_get(context->value, "alternate_address6"))
		conf_problem(context->report, context->path,
			"needs \"alternate_address\" or \"alternate_address6\"");
}

// What kind of address no host can be reached by, or NULL.
static const char *address_kind(const struct tp_ip *ip)
{
	static const uint8_t zero[16] = {0}, loopback6[16] = {[15] = 1},
			     mapped[12] = {[10] = 0xff, 0xff};
	const uint8_t *b = ip->bytes;

	if (ip->family == TP_FAMILY_IPV4) {
		if (b[0] == 127)
			return "a loopback address";
		if (b[0] == 0)
			return memcmp(b, zero, 4) == 0 ? "the unspecified address" : "in 0.0.0.0/8";
		if (b[0] == 169 && b[1] == 254)
			return "a link-local address";
		if (b[0] >= 224 && b[0] < 240)
			return "a multicast address";
		if ((b[0] & b[1] & b[2] & b[3]) == 0xff)
			return "the broadcast address";
		return NULL;
	}
	if (memcmp(b, zero, 16) == 0)
		return "the unspecified address";
	if (memcmp(b, loopback6, 16) == 0)
		return "a loopback address";
	if (b[0] == 0xfe && (b[1] & 0xc0) == 0x80)
		return "a link-local address";
	if (b[0] == 0xff)
		return "a multicast address";
	return memcmp(b, mapped, 12) == 0 ? "IPv4 in an IPv6 form; write it as IPv4" : NULL;
}

void conf_check_unicast(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value), *kind;
	struct tp_ip ip;

	if (tp_ip_parse(text, &ip) == 0 && (kind = address_kind(&ip)) != NULL)
		conf_problem(context->report, context->path, "%s is %s", text, kind);
}

// Both ends, so that no prefix slips in around a single bad address.
void conf_check_unicast_prefix(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value), *kind;
	struct tp_ip first, last;
	uint8_t bits;

	if (tp_prefix_parse(text, &first, &bits) != 0)
		return;
	last = first;
	for (size_t bit = bits; bit < tp_ip_length(&last) * 8; bit++)
		last.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	kind = address_kind(&first);
	if (!kind)
		kind = address_kind(&last);
	if (kind)
		conf_problem(context->report, context->path, "%s holds what is %s", text, kind);
}

void conf_check_no_multicast(struct conf_check_context *context)
{
	const char *text = json_string_value(context->value), *kind;
	struct tp_ip ip;

	if (tp_ip_parse(text, &ip) == 0 && (kind = address_kind(&ip)) != NULL &&
		strcmp(kind, "a multicast address") == 0)
		conf_problem(context->report, context->path, "%s is %s", text, kind);
}
