# SPDX-License-Identifier: BSD-3-Clause
"""Running the stream processes: proxies before them."""

import harness as h
import turn
from test_stream import Framed, attached, call, echo, end, listed, relay

PROXIED = 3480


def behind_proxy(header, source=None):
    with h.inside("client"):
        sock = h.socket.socket()
    sock.bind((source or h.CLIENT4, 0))
    sock.settimeout(5)
    sock.connect((h.RELAY4, PROXIED))
    sock.sendall(header)
    return turn.Client(Framed(sock), (h.RELAY4, PROXIED))


def show(r, c):
    return r.ctl("allocation", "show", f"relayed={c.relayed[0]}:{c.relayed[1]}")


def test_proxy():
    """The client is whom the proxy names, to itself, to the operator and to a control that comes later."""
    listeners = [{"address": h.RELAY4, "port": 3478, "transports": ["udp", "tcp"]},
                 {"address": h.RELAY4, "port": PROXIED, "transports": ["tcp"], "proxy_protocol": True}]
    with relay(listeners=listeners, streams={"proxy_sources": [h.CLIENT4]}) as r:
        clients = []
        for family, address in (("TCP4", "203.0.113.7"), ("TCP6", "2001:db8::7")):
            c = behind_proxy(f"PROXY {family} {address} {h.RELAY4 if family == 'TCP4' else h.RELAY6} 51000 3478\r\n".encode())
            c.allocate()
            assert c.mapped == (address, 51000), c.mapped
            peer = h.udp("peer", h.PEER4)
            c.permit(h.PEER4)
            c.bind(0x4001, peer.getsockname()[:2])
            echo(c, peer)
            one = show(r, c)
            assert one["client"] == (f"{address}:51000" if family == "TCP4" else f"[{address}]:51000"), one
            assert one["proxied"] is True and one["transport"] == "tcp", one
            clients.append((c, peer))
        plain, peer = call("tcp")
        assert show(r, plain)["proxied"] is False
        r.control.process.kill()
        r.control.process.wait(5)
        r.start_control()
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        assert len(listed(r)) == 3 and [a["proxied"] for a in listed(r)].count(True) == 2
        for c, p in clients + [(plain, peer)]:
            assert c.refresh() == 600
            echo(c, p)
            end(c, p)
