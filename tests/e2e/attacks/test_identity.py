"""A gateway's identity in the wrong hands."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from protocols.sparkplug.topics import node_topic
from tests.fixtures.mosquitto import Client, let_in, reaching_hub
from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Command, Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens

OWN = node_topic("seatworks", "NDATA", "gw-seat")
OTHERS = [
    node_topic("trimworks", "NDATA", "gw-trim"),
    "lineside/v1/trimworks/gw-trim/events",
    "spBv1.0/STATE/lineside-hub-2",
]


def test_a_stolen_key_and_certificate_open_no_other_supplier_and_end_with_revocation(
    site: Site, command: Command, tmp_path: Path, token: Tokens
) -> None:
    gateway = Gateway.make(tmp_path / "pc", site.port)
    assert gateway.enrol(site.hub, token()).returncode == 0
    stolen = tmp_path / "stolen.pem"
    shutil.copy(gateway.identity / "gateway.pem", stolen)
    thief = gateway.settings(stolen)
    assert reaching_hub(site.settings, thief, [OWN, *OTHERS]) == {OWN}
    with Client(thief, "thief") as standing, Client(site.settings, "hub-ears") as hub:
        assert hub.subscribe("spBv1.0/#") == 1
        assert command("gateways", "revoke", "seatworks/gw-seat").exit_code == 0
        written = command(
            *("broker", "config", "--for", "mosquitto", "--out", site.broker),
            *("--port", site.port),
        )
        assert written.exit_code == 0, written.output
        assert site.process.pid is not None
        os.kill(site.process.pid, signal.SIGHUP)
        eventually(lambda: not let_in(thief), "that the broker refuses it", 60)
        # The connection that stood is not ended by the broker, but may say nothing any more.
        standing.publish(OWN)
        hub.publish("spBv1.0/STATE/lineside-hub")
        assert hub.heard.get(timeout=60) == "spBv1.0/STATE/lineside-hub"


def test_a_stolen_certificate_does_not_enrol_anew_nor_ask_for_proposals_once_revoked(
    site: Site, command: Command, tmp_path: Path, token: Tokens
) -> None:
    from edge.proposals.ask import ask

    gateway = Gateway.make(tmp_path / "pc", site.port)
    with gateway.config.open("a") as file:
        file.write("hub:\n  proposals:\n    every_s: 60\n")
    given = token()
    assert gateway.enrol(site.hub, given).returncode == 0
    assert ask(gateway.config) is None
    assert command("gateways", "revoke", "seatworks/gw-seat").exit_code == 0
    refused = ""
    try:
        ask(gateway.config)
    except Exception as error:
        refused = str(error)
    assert "is revoked" in refused
    again = gateway.enrol(site.hub, given)
    assert (again.returncode, "has been used" in again.stderr) == (1, True)
