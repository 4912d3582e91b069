"""What the hub knows of each gateway: told by a real agent, kept by a real hub, shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Command, Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens


def listed(command: Command) -> dict[str, dict[str, Any]]:
    done = command("gateways", "list", "--json")
    assert done.exit_code == 0, done.output
    return {each["gateway"]: each for each in json.loads(done.stdout)}


def test_the_hub_keeps_an_inventory(
    whole_site: Site, command: Command, tmp_path: Path, token: Tokens
) -> None:
    gateway = Gateway.make(tmp_path / "pc", whole_site.port)
    assert gateway.enrol(whole_site.hub, token()).returncode == 0
    assert listed(command)["seatworks/gw-seat"]["state"] == "never heard"
    agent = gateway.agent()
    agent.start()
    try:
        eventually(lambda: listed(command)["seatworks/gw-seat"]["version"], "its birth", 60)
        seen = listed(command)["seatworks/gw-seat"]
        assert seen["state"] == "online"
        assert seen["journal_records"] == 0
        assert abs(seen["clock_offset_ms"]) < 3_600_000
        told = json.loads((gateway.identity / "enrolment.json").read_text())
        assert seen["certificate_ends"][:19] == told["not_after"][:19]
        assert seen["heard_at"] is not None
        before = seen["configuration"]
        assert before == gateway.status()["configuration"]
        gateway.config.write_text(gateway.config.read_text() + "journal:\n  quota_mb: 321\n")
        assert gateway.run("reload").returncode == 0
        eventually(
            lambda: listed(command)["seatworks/gw-seat"]["configuration"] not in (None, before),
            "that the hub is told of another configuration",
            60,
        )
    finally:
        agent.stop()
    eventually(lambda: listed(command)["seatworks/gw-seat"]["state"] == "offline", "its death")
    shown = command("gateways", "show", "seatworks/gw-seat").stdout
    assert "Gateway/Journal Bytes" in shown
    assert command("gateways", "revoke", "seatworks/gw-seat").exit_code == 0
    line = next(x for x in command("gateways", "list").stdout.splitlines() if "gw-seat" in x)
    assert "shut out" in line
    missed = command("gateways", "show", "seatworks/gw-seet")
    assert (missed.exit_code, "did you mean seatworks/gw-seat?" in missed.output) == (1, True)
