#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds and tests everything; the last line is "N passed, N failed".
#
#   sudo tests/run.sh              all but what takes longer than its quarter of an hour
#   sudo tests/run.sh --long       also the long suites
#   tests/run.sh --unit            units and corpus replay only: no root, no namespaces
#   sudo tests/run.sh --netns [PATTERN ...]    namespace tests only (tests/netns/run.py --list)
#   sudo tests/run.sh --browser   calls of a headless Chromium, which is installed for it, and nothing else
#   sudo tests/run.sh --sanitize [PATTERN ...] threads under TSan; namespace tests with daemons under ASan and UBSan
#   --no-install                   do not look for missing packages
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
unit=yes netns=yes sanitize=no install=yes packages=--test suite=() long=() patterns=()

while [ $# -gt 0 ]; do
	case $1 in
	--unit) netns=no ;;
	--netns) unit=no ;;
	--sanitize) unit=no netns=no sanitize=yes ;;
	--browser) unit=no suite=(--browser) packages=--browser ;;
	--long) long=(--long) ;;
	--no-install) install=no ;;
	--*)
		sed -n '3,11s/^# *//p' "$0" >&2
		exit 2
		;;
	*) patterns+=("$1") ;;
	esac
	shift
done

passed=0 failed=0
log=$(mktemp)
hugepages=''
finish() {
	rm -f "$log"
	[ -z "$hugepages" ] || sysctl -qw "vm.nr_hugepages=$hugepages"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n=== %s\n' "$*"; }

# check NAME COMMAND...: one step that passes or fails as a whole.
check() {
	local name=$1
	shift
	step "$name"
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAIL $name"
	fi
}

# count COMMAND...: a runner whose own counts are added, from its line "N passed, N failed".
count() {
	local rc=0
	"$@" 2>&1 | tee "$log" || rc=$?
	local line p f
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)
	p=${line%% *} f=$(cut -d' ' -f3 <<<"$line")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
	if [ -z "$line" ] || { [ "$rc" -ne 0 ] && [ "${f:-0}" -eq 0 ]; }; then
		failed=$((failed + 1))
		echo "FAIL: $* ended with $rc"
	fi
}

# configured DIRECTORY OPTIONS...: a build directory that is configured, made anew when it is broken.
configured() {
	local dir=$1
	shift
	if ! meson configure "$dir" >/dev/null 2>&1; then
		rm -rf "$dir"
		meson setup "$dir" "$@" >"$log" 2>&1 || { cat "$log"; return 1; }
	fi
}

# suite DIRECTORY SUITES...: meson tests of a build directory, built first, counted one by one.
meson_suite() {
	local dir=$1 rc=0
	shift
	meson test -C "$dir" --print-errorlogs --num-processes 2 "$@" || rc=$?
	python3 - "$dir/meson-logs/testlog.json" <<'PY'
import json, sys
results = [json.loads(line)["result"] for line in open(sys.argv[1])]
good = sum(r in ("OK", "EXPECTEDFAIL", "SKIP") for r in results)
print(f"{good} passed, {len(results) - good} failed")
PY
	return "$rc"
}

if [ "$install" = yes ]; then
	step "packages"
	config/install-packages.sh "$packages"
fi

if [ "$sanitize" = no ]; then
	step "build"
	configured build -Dwerror=true
	meson compile -C build
fi

if [ "$unit" = yes ]; then
	check "include rules" .ci/include-rules.sh
	check "RFC map" .ci/rfc-map.py
	check "scripts" bash -n config/lab.sh config/quickstart.sh config/install-packages.sh tests/run.sh tests/faults/run.sh tests/faults/mutants.sh .ci/run
	step "units and corpus replay"
	count meson_suite build --suite unit --suite fuzz
	step "campaign of faults"
	count meson_suite build --suite faults
	[ "${#long[@]}" -eq 0 ] || check "long campaign of faults" tests/faults/run.sh --long
	[ "${#long[@]}" -eq 0 ] || check "20 million allocations on a fake clock" build/tests/unit/control/weeks
	step "the same under ASan and UBSan"
	configured build-asan -Db_sanitize=address,undefined -Db_lundef=false
	meson compile -C build-asan
	count env ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		bash -c "$(declare -f meson_suite); meson_suite build-asan --suite unit --suite fuzz --suite faults"
fi

if [ "$netns" = yes ] || [ "$sanitize" = yes ]; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "namespace tests need root: sudo $0 (or --unit)" >&2
		exit 1
	fi
	# Packet memory in hugepages when the machine can spare them; put back afterwards.
	before=$(sysctl -n vm.nr_hugepages)
	if [ "$before" -lt 512 ] && sysctl -qw vm.nr_hugepages=512; then
		hugepages=$before
	fi
fi

if [ "$netns" = yes ]; then
	[ "${#suite[@]}" -gt 0 ] || check "turnpike-stream alone" tests/stream/run.py build/control/turnpike-stream
	[ "${#suite[@]}" -gt 0 ] || check "figures, the short form" bench/run.sh --quick
	step "namespace tests"
	count tests/netns/run.py --jobs=3 "${suite[@]}" "${long[@]}" "${patterns[@]}"
fi

# Of a build with sanitizers only what is run: the rest would take an hour more.
daemons=(turnpike-dataplane turnpike-control turnpike-stream turnpike-keeper turnpikectl turnpike-bench
	steer_probe flood foreign.bpf.o control-minor-1 control-minor-3)

if [ "$sanitize" = yes ]; then
	step "threads under TSan"
	configured build-tsan -Db_sanitize=thread -Db_lundef=false
	count env TSAN_OPTIONS="suppressions=$top/tests/sanitizers/tsan.txt" \
		bash -c "$(declare -f meson_suite); meson_suite build-tsan --suite threads"
	step "daemons under ASan and UBSan"
	configured build-asan -Db_sanitize=address,undefined -Db_lundef=false
	meson compile -C build-asan "${daemons[@]}"
	check "turnpike-stream alone" env ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
		LSAN_OPTIONS="suppressions=$top/tests/sanitizers/lsan.txt:print_suppressions=0" \
		tests/stream/run.py build-asan/control/turnpike-stream
	step "namespace tests with them"
	count env TURNPIKE_BUILD="$top/build-asan" tests/netns/run.py --jobs=3 "${long[@]}" "${patterns[@]}"
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
