#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The quickstart on a fresh Debian 12: a chroot made by debootstrap, without any of our packages.
#   sudo tests/chroot.sh [DIRECTORY]     keeps and reuses DIRECTORY; without one, a temporary tree
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" -eq 0 ] || { echo "$0: needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -q -y --no-install-recommends debootstrap

if [ $# -gt 0 ]; then
	root=$1
else
	root=$(mktemp -d /var/tmp/turnpike-chroot-XXXXXX)
fi
mounts=()
finish() {
	local i
	[ ! -x "$root/src/config/quickstart.sh" ] || chroot "$root" /src/config/quickstart.sh --down || true
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		umount -l "${mounts[i]}"
	done
	[ $# -gt 0 ] || rm -rf --one-file-system "$root"
}
trap 'finish ${1:+keep}' EXIT
trap 'exit 130' INT TERM

[ -e "$root/etc/debian_version" ] || debootstrap --variant=minbase bookworm "$root" >/dev/null
# ip-netns(8) wants its root to be a mount point.
mount --bind "$root" "$root"
mount --make-private "$root"
mounts+=("$root")
cp /etc/resolv.conf "$root/etc/resolv.conf"
mkdir -p "$root/src"
git -C "$top" archive HEAD | tar -x -C "$root/src"

bind() {
	mkdir -p "$root$1"
	mount "${@:2}" "$root$1"
	mounts+=("$root$1")
}
bind /proc -t proc proc
bind /sys -t sysfs sysfs
bind /dev --rbind /dev
mount --make-rslave "$root/dev"
bind /run -t tmpfs tmpfs

chroot "$root" /src/config/quickstart.sh
chroot "$root" /src/config/quickstart.sh --down
echo "The quickstart works on a fresh Debian 12."
