"""A gateway's certificate is renewed by the agent, with overlap, over a real hub and broker."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.store import Database
from tests.fixtures.mosquitto import let_in
from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Command, Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens

_DAYS = "LINESIDE_HUB_CA__GATEWAY_DAYS"


@pytest.fixture
def short_lived(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Certificates that are good for so long; before the site begins."""
    lasts: timedelta = request.param
    monkeypatch.setenv(_DAYS, f"{lasts / timedelta(days=1):.6f}")


def enrolled(site: Site, tmp_path: Path, token: Tokens) -> Gateway:
    gateway = Gateway.make(tmp_path / "pc", site.port)
    done = gateway.enrol(site.hub, token())
    assert done.returncode == 0, done.stderr
    return gateway


def make_due(gateway: Gateway) -> None:
    """As if two thirds of its certificate's time were over."""
    about = gateway.identity / "enrolment.json"
    told = json.loads(about.read_text())
    past = datetime.now(UTC) - timedelta(days=1000)
    about.write_text(json.dumps(told | {"renew_at": past.isoformat()}))


def ended_at(gateway: Gateway) -> datetime:
    told = json.loads((gateway.identity / "enrolment.json").read_text())
    return datetime.fromisoformat(told["not_after"])


def renewals(gateway: Gateway) -> int:
    return int(gateway.status().get("identity", {}).get("renewals", 0))


def problem(gateway: Gateway) -> dict[str, Any]:
    found = [p for p in gateway.status().get("problems", []) if p["part"] == "certificate"]
    return found[0] if found else {"kind": "", "detail": ""}


@pytest.mark.parametrize("short_lived", [timedelta(minutes=15)], indirect=True)
def test_renewed_with_overlap_and_refused_once_revoked(
    short_lived: None,
    whole_site: Site,
    command: Command,
    database: Database,
    tmp_path: Path,
    token: Tokens,
) -> None:
    gateway = enrolled(whole_site, tmp_path, token)
    proof = gateway.identity / "gateway.pem"
    first = proof.read_bytes()
    old = tmp_path / "old.pem"
    shutil.copy(proof, old)
    make_due(gateway)
    whole_site.process.stop()
    agent = gateway.agent()
    agent.start()
    try:
        # The next one has come, but no broker has let it in: the one in force stays.
        eventually(lambda: "not let in yet" in problem(gateway)["detail"], "the next one", 120)
        assert problem(gateway)["kind"] == "certificate_ends"
        assert proof.read_bytes() == first
        assert (gateway.identity / "next.pem").stat().st_mode & 0o777 == 0o600
        whole_site.process.start()
        eventually(lambda: renewals(gateway) == 1, "the renewal", 120)
        second = proof.read_bytes()
        assert second != first
        left = {path.name for path in gateway.identity.iterdir()}
        assert left == {"gateway.pem", "ca.pem", "enrolment.json"}
        assert let_in(gateway.settings(old))
        eventually(gateway.reaches_hub, "the hub by the new one", 120)
        eventually(lambda: problem(gateway)["kind"] == "", "that all is well", 120)
        with database.connect("ingest") as connection:
            given = connection.execute(
                "SELECT how, revoked_at FROM gateway_certificate ORDER BY issued_at"
            ).fetchall()
        assert given == [("enrolled", None), ("renewed", None)]
        assert command("gateways", "revoke", "seatworks/gw-seat").exit_code == 0
        agent.stop()
        make_due(gateway)
        agent.start()
        eventually(lambda: "is revoked" in problem(gateway)["detail"], "the refusal", 120)
        assert proof.read_bytes() == second
        assert agent.log.read_text().count("is revoked") == 1
    finally:
        agent.stop()


@pytest.mark.parametrize("short_lived", [timedelta(seconds=12)], indirect=True)
def test_an_expired_certificate_opens_nothing(
    short_lived: None, site: Site, tmp_path: Path, token: Tokens
) -> None:
    gateway = enrolled(site, tmp_path, token)
    # Good to the end of that second; and the second that C's time() says is a few ms behind.
    over = ended_at(gateway) + timedelta(seconds=1.5)
    eventually(lambda: datetime.now(UTC) > over, "its end", 120)
    assert not let_in(gateway.settings())
    agent = gateway.agent()
    agent.start()
    try:
        eventually(lambda: "has expired" in problem(gateway)["detail"], "the refusal", 120)
        assert problem(gateway)["kind"] == "certificate_ended"
        said = gateway.run("doctor").stdout
    finally:
        agent.stop()
    assert "failed  certificate: " in said, said
    assert "lineside-edge enrol" in said


def test_the_hub_tells_until_when_gateways_are_certified(
    site: Site, command: Command, database: Database, tmp_path: Path, token: Tokens
) -> None:
    from hub.monitoring.health import Workers
    from hub.monitoring.metrics import registry_of

    gateway = enrolled(site, tmp_path, token)
    name = "lineside_hub_gateway_certificate_not_after_time_seconds"
    labels = {"group": "seatworks", "node": "gw-seat"}

    def told() -> float | None:
        return registry_of(database, Workers({}), None).get_sample_value(name, labels)

    assert told() == pytest.approx(ended_at(gateway).timestamp(), abs=1.0)
    assert command("gateways", "revoke", "seatworks/gw-seat").exit_code == 0
    assert told() is None
