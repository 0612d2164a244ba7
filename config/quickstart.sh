#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# From a fresh Debian 12 to a real TURN client's media crossing the dataplane.
#
#   sudo config/quickstart.sh                    lab of network namespaces, relay, a real client through it
#   sudo config/quickstart.sh --down             ends what it started, in the lab or on an interface
#   sudo config/quickstart.sh --interface IF     runs the relay on a real interface instead
#   sudo config/quickstart.sh --interface IF --dry-run    prints what would be steered, changes nothing
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=$top/build
run_directory=/run/turnpike
interface='' dry_run=no action=up
relay_ns=tp-relay
packets=200

usage() {
	sed -n '5,8s/^# *//p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--down) action=down ;;
	--interface)
		[ -n "${2:-}" ] || usage
		interface=$2
		shift
		;;
	--dry-run) dry_run=yes ;;
	*) usage ;;
	esac
	shift
done
[ "$dry_run" = no ] || [ -n "$interface" ] || usage

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() {
	echo "$0: $*" >&2
	exit 1
}

[ "$(id -u)" -eq 0 ] || die "needs root (network namespaces, XDP, packages): sudo $0"

# stop NAME: ends the daemon of that name which this script started, and waits for it.
stop() {
	local file=$run_directory/quickstart-$1.pid pid
	[ -s "$file" ] || return 0
	pid=$(cat "$file")
	if [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null || true)" | cut -d' ' -f1)" = "turnpike-$1" ]; then
		kill -TERM "$pid" 2>/dev/null || true
		for _ in $(seq 100); do
			kill -0 "$pid" 2>/dev/null || break
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	fi
	rm -f "$file"
}

down() {
	stop control
	stop dataplane
	rm -f "$run_directory/quickstart.json"
	[ -z "${1:-}" ] || return 0
	"$top/config/lab.sh" down
}

# start NAME COMMAND...: starts a daemon in the background and waits until it says that it is ready.
start() {
	local name=$1 log=$run_directory/$1.log pid
	shift
	"$@" </dev/null >"$log" 2>&1 &
	pid=$!
	echo "$pid" >"$run_directory/quickstart-$name.pid"
	for _ in $(seq 300); do
		grep -q ' ready' "$log" && return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	cat "$log" >&2
	die "turnpike-$name did not start (its log is above)"
}

addresses() { # addresses of the interface that a peer can reach, one a line
	ip -json addr show dev "$interface" scope global | python3 -c '
import json, sys
for link in json.load(sys.stdin):
    for a in link.get("addr_info", []):
        if "local" in a and not a.get("temporary") and not a.get("deprecated"):
            print(a["local"])'
}

interface_config() { # writes the configuration for $interface to standard output
	addresses | python3 -c '
import json, os, secrets, sys
addresses = sys.stdin.read().split()
core = max(os.sched_getaffinity(0))
print(json.dumps({
    "realm": "turnpike",
    "run_directory": sys.argv[2],
    "ports": [{"name": "wan", "mode": "af_xdp", "interface": sys.argv[1], "queues": 1}],
    "workers": {"cores": [core], "idle": "backoff"},
    "listeners": [{"address": a, "port": 3478, "transports": ["udp"]} for a in addresses],
    "relay": {"addresses": [{"address": a} for a in addresses], "port_range": [49152, 65535]},
    "auth": {"users": [{"name": "quickstart", "password": secrets.token_urlsafe(12)}]},
}, indent=2))' "$interface" "$run_directory"
}

dry_run() {
	local list
	list=$(addresses)
	[ -n "$list" ] || die "$interface has no global address"
	echo "On $interface (MTU $(cat "/sys/class/net/$interface/mtu")), the XDP program would take from the kernel:"
	for address in $list; do
		echo "  UDP to $address port 3478 (listener)"
		echo "  UDP to $address ports 49152-65535 (relayed transport addresses), and every fragment of UDP to it"
		echo "  ICMP errors that quote UDP from $address ports 49152-65535"
	done
	echo "untagged or with one 802.1Q tag. All else stays with the kernel: ssh, routing, other services."
	echo "net.ipv4.ip_local_reserved_ports would be extended by 49152-65535 (now: '$(sysctl -n net.ipv4.ip_local_reserved_ports)')."
	echo "Sockets of this host in that range now:"
	ss -Huanp "sport >= :49152" | sed 's/^/  /'
	ip -json link show dev "$interface" | grep -q '"xdp"' &&
		echo "Note: $interface already carries an XDP program; the relay would refuse to replace it unless it is its own."
	echo "Nothing was changed."
}

if [ -n "$interface" ] && [ "$action" = up ]; then
	ip link show dev "$interface" >/dev/null 2>&1 ||
		die "there is no interface '$interface' (ip -brief link lists them)"
fi
if [ "$dry_run" = yes ]; then
	dry_run
	exit 0
fi
if [ "$action" = down ]; then
	down
	echo "The relay and the lab are down."
	exit 0
fi

say "1. Packages"
"$top/config/install-packages.sh"

say "2. Build"
if [ ! -e "$build/build.ninja" ]; then
	rm -rf "$build"
	meson setup "$build" "$top" >"$top/.build.log" 2>&1 || { cat "$top/.build.log" >&2; die "meson setup failed"; }
	rm -f "$top/.build.log"
fi
meson compile -C "$build" turnpike-dataplane turnpike-control turnpikectl turnpike-bench

say "3. Relay"
down "$interface"
mkdir -p "$run_directory"
config=$run_directory/quickstart.json
run=()
if [ -n "$interface" ]; then
	(umask 077 && interface_config >"$config")
else
	"$top/config/lab.sh" up
	run=(ip netns exec "$relay_ns")
	cp "$top/config/examples/lab.json" "$config"
fi
start dataplane "${run[@]}" "$build/dataplane/turnpike-dataplane" -c "$config"
start control "${run[@]}" "$build/control/turnpike-control" -c "$config"
ctl=$build/control/turnpikectl
"$ctl" status

next_commands() {
	say "The relay is running. Next:"
	cat <<EOF
  $ctl status
  $ctl stats
  $ctl allocation list
  tail -f $run_directory/control.log $run_directory/dataplane.log
  sudo $0 --down
EOF
}

if [ -n "$interface" ]; then
	echo "Configuration, with the password made for it: $config"
	next_commands
	exit 0
fi

say "4. A real client: turnutils_uclient relays $packets messages through the relay to turnutils_peer and back"
ip netns exec tp-peer turnutils_peer -L 198.18.0.20 -p 3480 >"$run_directory/peer.log" 2>&1 &
peer_pid=$!
trap 'kill "$peer_pid" 2>/dev/null || true' EXIT
lost=0
for way in channels send; do
	flags=(-n "$packets" -m 2 -l 172 -u u -w p -e 198.18.0.20 -r 3480 -c)
	[ "$way" = channels ] || flags+=(-s)
	output=$(ip netns exec tp-client timeout 120 turnutils_uclient "${flags[@]}" 198.18.0.2 2>&1) ||
		{ echo "$output" >&2; die "turnutils_uclient failed"; }
	echo "$output" | grep -E 'tot_send_msgs|Total lost' | tail -n 2 | sed "s/^/  $way: /"
	echo "$output" | grep -q 'Total lost packets 0 ' || lost=1
done

say "5. What crossed the dataplane"
"$ctl" stats interval=0
[ "$lost" = 0 ] || die "packets were lost"
echo "Sockets in the kernel for relayed addresses: $(ip netns exec "$relay_ns" ss -Hulpn | wc -l) (the dataplane needs none)"
next_commands
