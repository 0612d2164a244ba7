#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Installs what Turnpike needs on Debian 12, and nothing when it is all there.
#   config/install-packages.sh [--test | --browser | --bench]   adds what only the tests use, those with a
#                                                               browser, or bench/run.sh
set -euo pipefail

packages=(
	gcc clang llvm meson ninja-build pkg-config bpftool
	dpdk libdpdk-dev libbpf-dev libxdp-dev libmnl-dev libseccomp-dev libssl-dev libevent-dev libjansson-dev libunistring-dev libcmocka-dev
	linux-libc-dev libc6-dev
	coturn ethtool iproute2 procps kmod python3
)
case ${1:-} in
--test) packages+=(git libclang-rt-14-dev stun-client) ;;
--browser) packages+=(chromium libnss3-tools) ;;
--bench) packages+=(dpdk-dev gnuplot-nox) ;;
esac

missing=()
for package in "${packages[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "missing packages: ${missing[*]}" >&2
	echo "run $0 as root, or: apt-get install --no-install-recommends ${missing[*]}" >&2
	exit 1
fi

# The package starts a TURN server of its own on port 3478; only its clients are wanted here.
if [ -d /run/systemd/system ] && [[ " ${missing[*]} " == *" coturn "* ]]; then
	systemctl mask --quiet coturn.service
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends "${missing[@]}"
