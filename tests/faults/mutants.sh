#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Takes one mechanism after the other out of a copy of the sources and runs the campaign, which must fail: what it
# does not notice it does not test. The last line is "N passed, N failed".
#
#   tests/faults/mutants.sh [NAME ...]
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
work=${TMPDIR:-/tmp}/turnpike-mutants.$$
mkdir "$work"
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
names=("$@")

# mutant NAME FILE SED: what is taken out, and how.
mutant() {
	local name=$1 file=$2 change=$3 out
	[ "${#names[@]}" -eq 0 ] || [[ " ${names[*]} " == *" $name "* ]] || return 0
	cp "$top/$file" "$work/tree/$file"
	sed -i -E "$change" "$work/tree/$file"
	if cmp -s "$top/$file" "$work/tree/$file"; then
		echo "FAIL $name: nothing was changed in $file"
		failed=$((failed + 1))
		return 0
	fi
	meson compile -C "$work/tree/build" campaign >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
	if out=$("$work/tree/build/tests/faults/campaign" --seed 1 --scenarios 1000 2>&1); then
		echo "FAIL $name: the campaign does not notice"
		failed=$((failed + 1))
	else
		echo "$name: $(grep -E '^FAIL|^nobody|not in points.def' <<<"$out" | head -n 1)"
		passed=$((passed + 1))
	fi
	cp "$top/$file" "$work/tree/$file"
}

mkdir "$work/tree"
(cd "$top" && git ls-files -z | xargs -0 cp --parents -t "$work/tree")
meson setup "$work/tree/build" "$work/tree" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

mutant sequence control/alloc/record_write.h 's/(memory_order_acquire\)) & 1;/\1 \& 0;/'
mutant journal control/alloc/journal.c 's/!\(now & 1\) \|\| now != \(old_sequence \| 1\)/true/'
mutant roll-back control/alloc/change.c 's/while \(change->steps > 0\)/while (false)/'
mutant refresh-roll-back control/alloc/family.c 's/= old_deadline_ns\[i\];/+= 0;/'
mutant resting control/alloc/allocation.c 's/now\.now_ns \+ s->policy\.port_rest_s \* TP_NS_PER_S\)/0)/'
mutant memory control/alloc/adopt.c 's/return -ENOMEM;/{ drop_alloc(s, index, CTL_ADOPT_NO_PLACE, now, report); return 0; }/'
mutant order-of-answers control/dpcmd/commands.c 's/ \|\| ack->sequence != q->acknowledged \+ 1//'
mutant sweep dataplane/cmd/sync.c 's/^\t\tdp_alloc_drop\(a, alloc, false\);//'
mutant ids control/alloc/allocate.c 's/next_uid\+\+/next_uid/'
mutant carried control/alloc/move.c 's/to->allocs\[i\]\.carried = to->allocs\[i\]\.snapshot;/(void)0;/'
mutant layout common/abi/region.c 's/bool known = r->layout == TP_ALLOC_LAYOUT_BEFORE \|\|/bool known = false &&/'
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
