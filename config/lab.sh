#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The lab: a client, a relay and a peer on one switch, each in a network namespace of its own.
# Nothing outside these namespaces is touched.
#
#   config/lab.sh up|down|show      TURNPIKE_LAB names them: PREFIX-client PREFIX-relay PREFIX-peer (default tp)
#
#   PREFIX-client             PREFIX-relay                     PREFIX-peer
#   eth0 198.18.0.10/24       eth0 198.18.0.2/24, .3           eth0 198.18.0.20/24
#        fd00:198:18::10/64        fd00:198:18::2/64, ::3           fd00:198:18::20/64
#        |                    |    198.18.7.0/26 (local)            |
#        +---------------- switch (a bridge in PREFIX-relay) -------+
#
# The relay's default route leads to the client, which stands for the Internet: answers to any source
# find a way out. Both hosts reach 198.18.0.0/15 through the relay.
set -euo pipefail

prefix=${TURNPIKE_LAB:-tp}
client=$prefix-client relay=$prefix-relay peer=$prefix-peer

usage() {
	echo "usage: $0 up|down|show" >&2
	exit 2
}

in_ns() { ip netns exec "$@"; }

down() {
	local ns
	for ns in "$client" "$relay" "$peer"; do
		if [ -e "/run/netns/$ns" ]; then
			ip netns del "$ns"
		fi
	done
}

# host NAMESPACE HOST-NUMBER: an eth0 on the switch that ordinary sockets can use. Offloads are off:
# a frame whose checksum the sender left to "hardware" would be relayed with that checksum missing.
host() {
	local ns=$1 number=$2 port=sw-${1##*-}
	if [ "$ns" = "$relay" ]; then
		ip -n "$relay" link add eth0 type veth peer name "$port"
	else
		ip -n "$relay" link add "$port" type veth peer name eth0 netns "$ns"
	fi
	ip -n "$relay" link set "$port" master switch up
	in_ns "$relay" sysctl -qw "net.ipv6.conf.$port.disable_ipv6=1"
	in_ns "$relay" ethtool -K "$port" tx off tso off gso off gro off >/dev/null
	in_ns "$ns" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
	in_ns "$ns" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
	ip -n "$ns" addr add "198.18.0.$number/24" dev eth0
	ip -n "$ns" addr add "fd00:198:18::$number/64" dev eth0 nodad
	ip -n "$ns" link set eth0 up
}

up() {
	local ns
	down
	trap down ERR
	for ns in "$client" "$relay" "$peer"; do
		ip netns add "$ns"
		ip -n "$ns" link set lo up
	done
	ip -n "$relay" link add switch type bridge stp_state 0 mcast_snooping 0
	in_ns "$relay" sysctl -qw net.ipv6.conf.switch.disable_ipv6=1
	# Where br_netfilter is loaded, every frame of the switch would go through iptables too.
	in_ns "$relay" sysctl -qew net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 \
		net.bridge.bridge-nf-call-arptables=0
	# The relay's addresses are eth0's: the switch would answer ARP for them with its own address.
	ip -n "$relay" link set switch arp off up

	host "$client" 10
	host "$relay" 2
	host "$peer" 20

	ip -n "$relay" addr add 198.18.0.3/24 dev eth0
	ip -n "$relay" addr add fd00:198:18::3/64 dev eth0 nodad
	ip -n "$relay" route add local 198.18.7.0/26 dev lo
	ip -n "$relay" route add default via 198.18.0.10
	ip -n "$relay" route add default via fd00:198:18::10
	for ns in "$client" "$peer"; do
		ip -n "$ns" route add 198.18.0.0/15 via 198.18.0.2
		ip -n "$ns" route add fd00:198:18::/48 via fd00:198:18::2
	done
}

show() {
	local ns
	for ns in "$client" "$relay" "$peer"; do
		echo "== $ns"
		ip -n "$ns" -brief addr
	done
}

[ $# -eq 1 ] || usage
[ "$(id -u)" -eq 0 ] || { echo "$0: needs root for network namespaces" >&2; exit 1; }
case $1 in
up) up ;;
down) down ;;
show) show ;;
*) usage ;;
esac
