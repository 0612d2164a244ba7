// SPDX-License-Identifier: BSD-3-Clause
#include "tests/faults/point.h"

static const struct {
	uint8_t op, step;
} points[] = {
#define POINT(op, step) {FAULT_##op, FAULT_##step},
#include "tests/faults/points.def"
#undef POINT
};

const char *fault_op_name(enum fault_op op)
{
	static const char *const name[] = {[FAULT_NOTHING] = "nothing",
#define X(name) [FAULT_##name] = #name,
		FAULT_OPS(X)
#undef X
	};
	return name[op];
}

const char *fault_step_name(enum fault_step step)
{
	static const char *const name[] = {
#define X(name) [FAULT_##name] = #name,
		FAULT_STEPS(X)
#undef X
	};
	return name[step];
}

size_t fault_points(void)
{
	return sizeof(points) / sizeof(points[0]);
}

void fault_point(size_t index, enum fault_op *op, enum fault_step *step)
{
	*op = points[index].op;
	*step = points[index].step;
}

bool fault_listed(enum fault_op op, enum fault_step step)
{
	for (size_t i = 0; i < fault_points(); i++)
		if (points[i].op == op && points[i].step == step)
			return true;
	return false;
}
