#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Fuzzes every target of tests/fuzz/meson.build; the last line is "N passed, N failed".
#
#   tests/fuzz.sh [--minutes N] [TARGET ...]   each target for N minutes (10); passes without a finding
#   tests/fuzz.sh --canary [TARGET ...]        each must find its planted bug from nothing within 60 s
#   tests/fuzz.sh --coverage [TARGET ...]      lines reached by the committed corpus (its replay), at least 95 %
#   --jobs N       targets at the same time (1)
#   --seconds N    in the place of --minutes
#   --work DIR     where logs, findings and new inputs go (build-fuzz/work)
#   --keep         add inputs of the work directory that reach more to the committed corpus
# Needs clang with libFuzzer and llvm-profdata, llvm-cov: Debian's clang, llvm, libclang-rt-14-dev.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
mode=fuzz seconds=600 jobs=1 keep=no work=$top/build-fuzz/work targets=()

usage() {
	sed -n '3,12s/^# *//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--canary) mode=canary ;;
	--coverage) mode=coverage ;;
	--keep) keep=yes ;;
	--minutes | --seconds | --jobs | --work)
		[ $# -ge 2 ] || usage
		case $1 in
		--minutes) seconds=$(($2 * 60)) ;;
		--seconds) seconds=$(($2)) ;;
		--jobs) jobs=$(($2)) ;;
		--work) work=$(realpath -m "$2") ;;
		esac
		shift
		;;
	-*) usage ;;
	*) targets+=("$1") ;;
	esac
	shift
done

export CC=${CC:-clang}
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1

# build DIRECTORY OPTIONS...: the targets, built with them.
build() {
	local dir=$1
	shift
	if ! meson configure "$dir" >/dev/null 2>&1; then
		rm -rf "$dir"
		mkdir -p "$work"
		meson setup "$dir" -Dfuzzers=true -Db_lundef=false "$@" >"$work/build.log" 2>&1 ||
			{ cat "$work/build.log" >&2; exit 1; }
	fi
	meson compile -C "$dir" fuzz-targets >"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
}

# What libFuzzer is told beside the corpus, a line a word.
options() {
	local dict=tests/fuzz/dict/$1.dict
	printf '%s\n' -rss_limit_mb=3000 -timeout=20 -print_final_stats=1 -close_fd_mask=3
	[ ! -f "$dict" ] || printf '%s\n' "-dict=$dict"
}

# last LOG NAME: a figure of libFuzzer's final statistics.
last() { sed -n "s/^stat::$2: *//p" "$1" | tail -n 1; }

fuzz_one() {
	local target=$1 at=$work/$1 exe=build-fuzz/tests/fuzz/fuzz_$1 rc=0 option found coverage
	mapfile -t option < <(options "$target")
	rm -rf "$at/crash" "$at/new"
	mkdir -p "$at/found" "$at/crash" "$at/new"
	nice -n 19 "$exe" "${option[@]}" -max_total_time="$seconds" -artifact_prefix="$at/crash/" "$at/found" \
		"tests/fuzz/corpus/$target" >"$at/log" 2>&1 || rc=$?
	for found in "$at"/crash/*; do
		[ -e "$found" ] || continue
		rc=1
		nice -n 19 "$exe" -minimize_crash=1 -max_total_time=30 -exact_artifact_path="$found.small" "$found" \
			>"$at/minimise.log" 2>&1 || true
	done
	# What this run knows and the committed corpus does not, as few files as that takes.
	cp "tests/fuzz/corpus/$target"/* "$at/new"
	nice -n 19 "$exe" -set_cover_merge=1 -artifact_prefix="$at/merge-" "$at/new" "$at/found" >"$at/merge.log" 2>&1 || true
	[ "$keep" = no ] || cp -n "$at/new"/* "tests/fuzz/corpus/$target"
	coverage=$(tests/fuzz/coverage.py --whole build-fuzz-coverage "$target" "$at/new" "$at/found" | tail -n 1) || true
	printf '%-12s %12s executions %8s/s  %s, %d findings, %d inputs more\n' "$target" \
		"$(last "$at/log" number_of_executed_units)" "$(last "$at/log" average_exec_per_sec)" "${coverage#* }" \
		"$(find "$at/crash" -type f ! -name '*.small' | wc -l)" \
		"$(($(find "$at/new" -type f | wc -l) - $(find "tests/fuzz/corpus/$target" -type f | wc -l)))"
	[ "$rc" -eq 0 ] || { echo "FAIL $target: see $at/log and $at/crash"; return 1; }
}

canary_one() {
	local target=$1 at=$work/canary-$1 rc=0 option start=$SECONDS
	mapfile -t option < <(options "$target")
	rm -rf "$at"
	mkdir -p "$at"
	"build-fuzz-canary/tests/fuzz/fuzz_$target" "${option[@]}" -max_total_time=60 -artifact_prefix="$at/" \
		>"$at/log" 2>&1 || rc=$?
	if [ "$rc" -ne 0 ] && grep -q 'in fuzz_canary' "$at/log"; then
		printf '%-12s found after %d s, %s executions\n' "$target" $((SECONDS - start)) \
			"$(last "$at/log" number_of_executed_units)"
	else
		printf 'FAIL %-12s not found in 60 s (ended with %d), %s executions; see %s\n' "$target" "$rc" \
			"$(last "$at/log" number_of_executed_units)" "$at/log"
		return 1
	fi
}

coverage_one() { tests/fuzz/coverage.py --verbose build-fuzz-coverage "$1" "tests/fuzz/corpus/$1"; }

mkdir -p "$work"
if [ "$mode" = canary ]; then
	dir=build-fuzz-canary
	build "$dir" -Dfuzz_canary=true
else
	dir=build-fuzz-coverage
	build "$dir" -Dfuzz_coverage=true
	[ "$mode" = coverage ] || build build-fuzz
fi
mapfile -t all < <(cut -d' ' -f1 "$dir/tests/fuzz/targets.txt" | sort)
[ "${#targets[@]}" -gt 0 ] || targets=("${all[@]}")
for target in "${targets[@]}"; do
	[[ " ${all[*]} " == *" $target "* ]] || { echo "no target $target; there are: ${all[*]}" >&2; exit 2; }
done

passed=0 failed=0
# Takes a job's end into account.
reap() { if wait -n; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }
running=0
for target in "${targets[@]}"; do
	[ "$running" -lt "$jobs" ] || { reap; running=$((running - 1)); }
	"${mode}_one" "$target" &
	running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
	reap
	running=$((running - 1))
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
