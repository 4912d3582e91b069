"""The order in which servers are tried."""

from __future__ import annotations

from edge.servers import Servers
from protocols.mqtt.broker import BrokerSettings


def servers(*ports: int) -> Servers:
    return Servers([BrokerSettings(port=port) for port in ports])


def test_it_stays_until_told_to_walk_and_the_first_comes_behind_the_last() -> None:
    three = servers(1, 2, 3)
    seen = []
    for _ in range(4):
        seen += [three.current.port, three.current.port]
        three.walk()
    assert seen == [1, 1, 2, 2, 3, 3, 1, 1]
    assert three.several


def test_one_server_is_always_the_one() -> None:
    one = servers(1)
    one.walk()
    assert one.current.port == 1
    assert not one.several
