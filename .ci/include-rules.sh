#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Checks who includes whom, as CONTRIBUTING.md says. Prints file:line of what is not allowed and
# exits 1; tests may include anything.
set -eu
cd "${1:-$(dirname "$0")/..}"

find common config bpf dataplane control keeper bench -name '*.[ch]' -o -name '*.def' | LC_ALL=C sort |
	xargs awk '
# Folders that a file of `folder` may name in #include "...". The first prefix that fits decides.
function own_allowed(file) {
	if (file ~ /^common\/base\//) return "^common/base/"
	if (file ~ /^common\/wire\//) return "^common/(base|wire)/"
	if (file ~ /^common\//) return "^common/"
	if (file ~ /^config\//) return "^(common|config)/"
	if (file ~ /^bpf\//) return "^(common|bpf)/"
	if (file ~ /^dataplane\/setup\//) return "^(common|config|dataplane|bpf)/"
	if (file ~ /^dataplane\//) return "^(common|config|dataplane)/"
	if (file ~ /^control\/alloc\//) return "^(common|control/alloc)/"
	if (file ~ /^control\//) return "^(common|config|control)/"
	if (file ~ /^keeper\//) return "^(common|config|keeper)/"
	if (file ~ /^bench\/load\/xdp\.h$/) return "^(common|bench|bpf)/"
	return "^(common|config|dataplane|control|bench)/" # bench
}

# Where a library may be used: prefix of its headers, and of the files.
function library_allowed(header, file) {
	if (header ~ /^rte_/) return file ~ /^(dataplane|bench)\//
	if (header ~ /^bpf\/bpf_(helpers|endian|core_read|tracing)\.h$/ && file ~ /^bpf\//) return 1
	if (header ~ /^(bpf|xdp)\//) return file ~ /^(dataplane\/setup\/|bench\/load\/xdp\.c$)/
	if (header ~ /^seccomp/) return file ~ /^common\/privilege\//
	if (header ~ /^libmnl\//) return file ~ /^dataplane\//
	if (header ~ /^(unistr|uninorm|unictype|unigbrk)\.h$/) return file ~ /^control\/auth\//
	if (header ~ /^openssl\//) return file ~ /^(control\/(auth|stream)|bench\/stream)\//
	if (header ~ /^jansson/) return file ~ /^(config|control\/api|control\/cli|bench)\//
	if (header ~ /^event(2\/|\.h)/) return file ~ /^control\// && file !~ /^control\/alloc\//
	return 1
}

function bad(why) {
	printf "%s:%d: %s: %s\n", FILENAME, FNR, $0, why
	failed = 1
}

function exists(path,   line, found) {
	found = (getline line < path) >= 0
	close(path)
	return found
}

# A header without a folder is a generated one.
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	folder = FILENAME
	sub(/[^\/]*$/, "", folder)
	if (part[2] !~ /\//) {
		if (exists(folder part[2]))
			bad("paths start at the top")
	} else if (part[2] !~ own_allowed(FILENAME)) {
		bad("not from here")
	} else if (!exists(part[2])) {
		bad("no such file, paths start at the top")
	}
}
/^[ \t]*#[ \t]*include[ \t]*</ {
	split($0, part, /[<>]/)
	if (!library_allowed(part[2], FILENAME))
		bad("library not used here")
}
END { exit failed }
' || exit 1
