"""Too much, too large, too slow: contained, and the others served."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import httpx
import pytest

from hub.api.connections import MOST
from protocols.sparkplug.topics import node_topic
from tests.e2e.attacks.flood import (
    as_many_as,
    deaf_subscriber,
    dropped,
    idle_connections,
    resident_mb,
    storm_of_connections,
)
from tests.fixtures.mosquitto import Client, reaching_hub
from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens
from tests.hub.serving import serve

pytestmark = pytest.mark.slow

CONNECTIONS = 10_000
OWN = node_topic("seatworks", "NDATA", "gw-seat")
CALLS = "lineside/v1/{}/calls"


@pytest.fixture
def gateway(site: Site, tmp_path: Path, token: Tokens) -> Gateway:
    made = Gateway.make(tmp_path / "pc", site.port)
    assert made.enrol(site.hub, token()).returncode == 0
    return made


@pytest.fixture
def plain(configured: None) -> dict[str, str]:
    """Settings of an API without TLS, as behind a reverse proxy."""
    return {**os.environ, "LINESIDE_HUB_API__PORT": "0"}


def test_ten_thousand_connections_to_the_api_give_way_to_who_asks(plain: dict[str, str]) -> None:
    count = as_many_as(CONNECTIONS)
    with serve(plain, "--only", "api") as ready:
        url = ready.removeprefix("ready ").rstrip("/")
        with idle_connections(int(url.rpartition(":")[2]), count) as idle:
            assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
            eventually(lambda: dropped(idle) >= count - MOST, "that it holds no more of them", 120)
            for _ in range(20):
                assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200


def test_ten_thousand_connections_that_begin_no_tls_keep_nobody_from_the_api(
    site: Site,
) -> None:
    trusted = ssl.create_default_context(cafile=site.broker / "ca.crt")
    port = int(site.hub.rpartition(":")[2])
    with idle_connections(port, as_many_as(CONNECTIONS)):
        answer = httpx.get(f"{site.hub}/healthz", timeout=120, verify=trusted)
        assert answer.status_code == 200


def test_ten_thousand_connections_to_the_broker_do_not_silence_who_is_connected(
    site: Site, gateway: Gateway
) -> None:
    with (
        Client(site.settings, "hub-ears") as hub,
        Client(gateway.settings(), "the-gateway") as speaking,
    ):
        assert hub.subscribe("spBv1.0/#") == 1
        with storm_of_connections(site.port, as_many_as(CONNECTIONS)):
            speaking.publish(OWN)
            assert hub.heard.get(timeout=120) == OWN
        assert site.process.running
    assert reaching_hub(site.settings, gateway.settings(), [OWN]) == {OWN}


def test_an_oversized_payload_is_not_carried(site: Site, gateway: Gateway) -> None:
    last = "spBv1.0/STATE/lineside-hub"
    with Client(site.settings, "hub-ears") as hub:
        assert hub.subscribe("spBv1.0/#") == 1
        with Client(gateway.settings(), "the-gateway") as speaking:
            large = speaking.mqtt.publish(OWN, bytes(600_000), qos=1)
            eventually(
                lambda: large.is_published() or not speaking.mqtt.is_connected(),
                "that the broker has dealt with it",
                60,
            )
        with Client(gateway.settings(), "the-gateway-again") as speaking:
            speaking.publish(OWN)
        hub.publish(last)
        assert [hub.heard.get(timeout=60), hub.heard.get(timeout=60)] == [OWN, last]


def test_a_slow_reader_at_the_broker_costs_bounded_memory_and_nobody_else_s_calls(
    site: Site, gateway: Gateway, tmp_path: Path, token: Tokens
) -> None:
    other = Gateway.make(tmp_path / "pc-2", site.port, group="trimworks", node="gw-trim")
    assert other.enrol(site.hub, token("trimworks/gw-trim")).returncode == 0
    own, others = CALLS.format("seatworks/gw-seat"), CALLS.format("trimworks/gw-trim")
    with (
        deaf_subscriber(gateway.settings(), own),
        Client(other.settings(), "the-other") as hearing,
        Client(site.settings, "caller") as hub,
    ):
        assert hearing.subscribe(others) == 1
        for _ in range(2000):  # 120 MB, twice what may be queued for one client
            hub.mqtt.publish(own, bytes(60_000), qos=1).wait_for_publish(60)
        hub.publish(others)
        assert hearing.heard.get(timeout=60) == others
        assert site.process.pid is not None
        assert resident_mb(site.process.pid) < 250


def test_slow_readers_of_the_api_keep_nobody_from_it(plain: dict[str, str]) -> None:
    with serve(plain, "--only", "api") as ready:
        url = ready.removeprefix("ready ").rstrip("/")
        port = int(url.rpartition(":")[2])
        with idle_connections(port, 100) as deaf:
            asked = b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n" * 100
            for each in deaf:
                each.sendall(asked)
            for _ in range(20):
                assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
