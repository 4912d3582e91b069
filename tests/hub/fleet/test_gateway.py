"""A gateway's whole way in: a token, its own key, a certificate of the hub, the broker by TLS."""

from __future__ import annotations

import http.server
import json
import ssl
import time
from pathlib import Path
from typing import ClassVar

import pytest

from deploy.local.ports import LOOPBACK
from hub.fleet.authority import Authority
from protocols.enrolment import AUTHORITY_PATH
from tests.fixtures.certificates import make_identity
from tests.fixtures.http_server import served
from tests.fixtures.mosquitto import Client
from tests.hub.fleet.site import Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens


def test_a_gateway_enrols_and_is_heard(site: Site, tmp_path: Path, token: Tokens) -> None:
    gateway = Gateway.make(tmp_path / "pc", site.port)
    given = token()
    done = gateway.enrol(site.hub, given)
    assert done.returncode == 0, done.stderr
    assert given.secret not in done.stdout + done.stderr
    modes = {path.name: path.stat().st_mode & 0o777 for path in gateway.identity.iterdir()}
    assert modes == {"gateway.pem": 0o600, "ca.pem": 0o644, "enrolment.json": 0o644}
    assert gateway.identity.stat().st_mode & 0o777 == 0o700
    text = gateway.config.read_text()
    assert "  # the plant's\n" in text
    assert "  key_file: data/identity/gateway.pem\n" in text
    agent = gateway.agent()
    with Client(site.settings, "listening") as hub:
        assert hub.subscribe("spBv1.0/+/NBIRTH/+") == 1
        # A gateway is born once its hub is there.
        online = json.dumps({"online": True, "timestamp": time.time_ns() // 1_000_000})
        state = hub.mqtt.publish("spBv1.0/STATE/lineside-hub", online, qos=1, retain=True)
        state.wait_for_publish(30)
        agent.start()
        try:
            assert hub.heard.get(timeout=60) == "spBv1.0/seatworks/NBIRTH/gw-seat"
        finally:
            agent.stop()
    assert given.secret not in agent.log.read_text()
    again = gateway.enrol(site.hub, given)
    assert (again.returncode, "has been used" in again.stderr) == (1, True)


def test_a_token_of_another_gateway_changes_nothing(
    site: Site, tmp_path: Path, token: Tokens
) -> None:
    gateway = Gateway.make(tmp_path / "pc", site.port, node="gw-other")
    before = gateway.config.read_text()
    refused = gateway.enrol(site.hub, token())
    assert (refused.returncode, "the token for 'seatworks/gw-seat'" in refused.stderr) == (1, True)
    assert gateway.config.read_text() == before
    assert [path.name for path in gateway.identity.iterdir()] == ["next.key"]


class Impostor(http.server.BaseHTTPRequestHandler):
    """Says that it is the hub: it has the right authority's certificate, which is no secret."""

    told: ClassVar[str] = ""
    posted: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.send_response(200 if self.path == AUTHORITY_PATH else 404)
        self.end_headers()
        self.wfile.write(self.told.encode())

    def do_POST(self) -> None:
        self.posted.append(self.path)

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("tells", ["its own authority", "the hub's authority"])
def test_an_impostor_never_hears_the_token(
    tmp_path: Path, authority: Authority, token: Tokens, tells: str
) -> None:
    own = make_identity("Lineside gateways", authority=True, curve=True)
    certificate, key = make_identity("localhost", issuer=own, curve=True).write(tmp_path, "fake")
    own_pem, _ = own.write(tmp_path, "own")
    Impostor.told = authority.pem if tells == "the hub's authority" else own_pem.read_text()
    Impostor.posted = []
    server = http.server.ThreadingHTTPServer((LOOPBACK, 0), Impostor)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with served(server):
        gateway = Gateway.make(tmp_path / "pc", 8883)
        done = gateway.enrol(f"https://localhost:{server.server_port}", token())
    assert done.returncode == 1
    assert ("in between" in done.stderr) == (tells == "its own authority")
    assert Impostor.posted == []


def test_a_token_never_travels_in_the_clear(tmp_path: Path, token: Tokens) -> None:
    refused = Gateway.make(tmp_path / "pc", 8883).enrol("http://hub.example.org", token())
    assert (refused.returncode, "write https://" in refused.stderr) == (1, True)
