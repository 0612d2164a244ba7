#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# verify.sh UNIT...: what systemd itself says of the units, but for programs that are not installed.
# Exits with 77, a skipped test, where there is no systemd.
set -eu
command -v systemd-analyze >/dev/null || exit 77
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
for unit; do
	sed -E 's#^ExecStart=[^ ]+#ExecStart=/bin/true#' "$unit" >"$directory/$(basename "$unit")"
done
output=$(systemd-analyze verify --man=no "$directory"/*.service 2>&1) || true
# Other units of this machine are not ours.
output=$(echo "$output" | grep turnpike || true)
[ -z "$output" ] || { echo "$output"; exit 1; }
