#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A campaign of faults (tests/faults/README.md); ends with 1 at the first scenario that fails, with the line that
# replays it and what it did.
#
#   tests/faults/run.sh                    1,000 scenarios from seed 1
#   tests/faults/run.sh --seed N           from this seed
#   tests/faults/run.sh --scenarios N      as many
#   tests/faults/run.sh --minutes N        as many as there are in that time
#   tests/faults/run.sh --long             10,000, from a seed of its own
#   --trace        also tell what happens while all is well
#   --build DIR    of a build that is configured (build)
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
build=build arguments=()

usage() {
	sed -n '3,13s/^# *//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--seed | --scenarios | --minutes | --build)
		[ $# -ge 2 ] || usage
		if [ "$1" = --build ]; then build=$2; else arguments+=("$1" "$2"); fi
		shift
		;;
	--long) arguments+=(--seed 1000000 --scenarios 10000) ;;
	--trace) arguments+=(--trace) ;;
	*) usage ;;
	esac
	shift
done

meson configure "$build" >/dev/null 2>&1 || meson setup "$build" >/dev/null
meson compile -C "$build" campaign >/dev/null || { meson compile -C "$build" campaign; exit 1; }
exec "$build/tests/faults/campaign" "${arguments[@]}"
