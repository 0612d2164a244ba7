// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/freeform.h"

#include <unictype.h>
#include <unigbrk.h>

enum verdict {
	VALID,
	CONTEXT, // valid where its rule says so
	INVALID,
};

// ---- RFC 8264 section 9.6, which is RFC 5892 section 2.6.

static bool between(uint32_t code, uint32_t first, uint32_t last)
{
	return code >= first && code <= last;
}

static bool is_arabic_digit(uint32_t code)
{
	return between(code, 0x0660, 0x0669);
}

static bool is_extended_arabic_digit(uint32_t code)
{
	return between(code, 0x06f0, 0x06f9);
}

static bool is_exception(uint32_t code, enum verdict *out)
{
	switch (code) {
	case 0x00df:
	case 0x03c2:
	case 0x06fd:
	case 0x06fe:
	case 0x0f0b:
	case 0x3007:
		*out = VALID;
		return true;
	case 0x00b7:
	case 0x0375:
	case 0x05f3:
	case 0x05f4:
	case 0x30fb:
		*out = CONTEXT;
		return true;
	case 0x0640:
	case 0x07fa:
	case 0x302e:
	case 0x302f:
	case 0x303b:
		*out = INVALID;
		return true;
	}
	*out = between(code, 0x3031, 0x3035) ? INVALID : CONTEXT;
	return between(code, 0x3031, 0x3035) || is_arabic_digit(code) ||
	       is_extended_arabic_digit(code);
}

// Section 9.9: conjoining jamo.
static bool is_old_hangul(uint32_t code)
{
	int of = uc_graphemeclusterbreak_property(code);
	return of == GBP_L || of == GBP_V || of == GBP_T;
}

// Sections 9.1, 9.10 to 9.15 and 9.18, as general categories. The letters with compatibility
// equivalents (section 9.17) are valid here too, so their mapping need not be known.
static bool has_valid_category(uint32_t code)
{
	return uc_is_general_category_withtable(
		code, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_M | UC_CATEGORY_MASK_N |
			      UC_CATEGORY_MASK_Zs | UC_CATEGORY_MASK_S | UC_CATEGORY_MASK_P);
}

// RFC 8264 section 8, in its order.
static enum verdict judge(uint32_t code)
{
	enum verdict exception;
	if (is_exception(code, &exception))
		return exception;
	if (code > 0x10ffff || uc_is_general_category_withtable(code, UC_CATEGORY_MASK_Cn))
		return INVALID; // unassigned, or no character
	if (between(code, 0x21, 0x7e))
		return VALID;
	if (uc_is_property_join_control(code))
		return CONTEXT;
	if (is_old_hangul(code) || uc_is_property_default_ignorable_code_point(code) ||
		uc_is_property_not_a_character(code))
		return INVALID;
	return has_valid_category(code) ? VALID : INVALID;
}

// ---- RFC 5892 appendix A.

static bool follows_virama(const uint32_t *text, size_t at)
{
	return at > 0 && uc_combining_class(text[at - 1]) == UC_CCC_VR;
}

// A.1: (Joining_Type:{L,D})(Joining_Type:T)* U+200C (Joining_Type:T)*(Joining_Type:{R,D})
static bool breaks_a_joint(const uint32_t *text, size_t count, size_t at)
{
	size_t left = at, right = at + 1;
	while (left > 0 && uc_joining_type(text[left - 1]) == UC_JOINING_TYPE_T)
		left--;
	while (right < count && uc_joining_type(text[right]) == UC_JOINING_TYPE_T)
		right++;
	if (left == 0 || right == count)
		return false;
	int before = uc_joining_type(text[left - 1]), after = uc_joining_type(text[right]);
	return (before == UC_JOINING_TYPE_L || before == UC_JOINING_TYPE_D) &&
	       (after == UC_JOINING_TYPE_R || after == UC_JOINING_TYPE_D);
}

static bool has_script(uint32_t code, const char *name)
{
	return uc_is_script(code, uc_script_byname(name));
}

static bool any(const uint32_t *text, size_t count, bool (*is)(uint32_t code))
{
	for (size_t i = 0; i < count; i++)
		if (is(text[i]))
			return true;
	return false;
}

static bool is_japanese(uint32_t code)
{
	return has_script(code, "Hiragana") || has_script(code, "Katakana") ||
	       has_script(code, "Han");
}

static bool context_ok(const uint32_t *text, size_t count, size_t at)
{
	switch (text[at]) {
	case 0x200c:
		return follows_virama(text, at) || breaks_a_joint(text, count, at);
	case 0x200d:
		return follows_virama(text, at);
	case 0x00b7: // between two l, Catalan
		return at > 0 && text[at - 1] == 0x6c && at + 1 < count && text[at + 1] == 0x6c;
	case 0x0375:
		return at + 1 < count && has_script(text[at + 1], "Greek");
	case 0x05f3:
	case 0x05f4:
		return at > 0 && has_script(text[at - 1], "Hebrew");
	case 0x30fb:
		return any(text, count, is_japanese);
	}
	// Digits of one of the two kinds only.
	return is_arabic_digit(text[at]) ? !any(text, count, is_extended_arabic_digit)
					 : !any(text, count, is_arabic_digit);
}

bool ctl_freeform_ok(const uint32_t *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		enum verdict v = judge(text[i]);
		if (v == INVALID || (v == CONTEXT && !context_ok(text, count, i)))
			return false;
	}
	return true;
}
