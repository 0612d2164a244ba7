// SPDX-License-Identifier: BSD-3-Clause
#include "common/privilege/filter.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

#include "common/base/log.h"
#include "common/privilege/sanitized.h"

#define BINARY_TREE 2 // of SCMP_FLTATR_CTL_OPTIMIZE: workers pay for a filter in each call

static int add_part(scmp_filter_ctx ctx, const struct tp_filter_part *part)
{
	for (size_t i = 0; i < part->n; i++) {
		const struct tp_filter_rule *r = &part->rules[i];
		// Upper halves of arguments that the kernel reads as int are nobody's business.
		const struct scmp_arg_cmp equals =
			SCMP_CMP(r->argument, SCMP_CMP_MASKED_EQ, UINT32_MAX, r->value);
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, r->call, r->compared ? 1 : 0,
			r->compared ? &equals : NULL);

		// -EDOM: a call that this architecture does not have.
		if (rc < 0 && rc != -EDOM)
			return rc;
	}
	return 0;
}

static int build(scmp_filter_ctx ctx, const struct tp_filter *filter, uint32_t otherwise)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, otherwise);

	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
	if (rc == 0)
		rc = add_part(ctx, &filter->shared);
	return rc == 0 ? add_part(ctx, &filter->own) : rc;
}

int tp_filter_load(const struct tp_filter *filter, enum tp_filter_mode mode)
{
	uint32_t otherwise = mode == TP_FILTER_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	int rc = -ENOMEM;

	if (mode == TP_FILTER_OFF || TP_SANITIZED) {
		tp_warning("no filter of system calls: %s",
			TP_SANITIZED ? "built with a sanitizer" : "privileges.seccomp is off");
		return 0;
	}
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	if (ctx) {
		rc = build(ctx, filter, otherwise);
		if (rc == 0)
			rc = seccomp_load(ctx);
		seccomp_release(ctx);
	}
	if (rc < 0)
		tp_error("the filter of system calls cannot be loaded: %s (privileges.seccomp off "
			 "starts without)",
			strerror(-rc));
	else if (mode == TP_FILTER_LOG)
		tp_warning("system calls are filtered by the log only (privileges.seccomp is log): "
			   "see the kernel's log for type=1326");
	return rc;
}
