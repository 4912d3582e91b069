"""A configuration proposed by a real hub to a real gateway: taken, refused, or gone back on."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local.ports import free_port
from edge.proposals.ask import ForgedError, believed
from hub.fleet.authority import Authority
from hub.store import Database
from protocols.proposal import Proposal, signed_proposal
from tests.fixtures.certificates import make_identity
from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Command, Gateway, Site
from tests.hub.fleet.test_enrolment import Tokens

ADDRESS = "seatworks/gw-seat"


def taking(site: Site, tmp_path: Path, token: Tokens, may_change: str, confirm_s: float) -> Gateway:
    gateway = Gateway.make(tmp_path / "pc", site.port)
    with gateway.config.open("a") as file:
        file.write(
            f"hub:\n  proposals:\n    may_change: [{may_change}]\n    every_s: 1\n"
            f"    confirm_s: {confirm_s}\n"
        )
    done = gateway.enrol(site.hub, token())
    assert done.returncode == 0, done.stderr
    return gateway


class Proposing:
    """The hub's operator."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        self._file = folder / "sections.yaml"

    def propose(self, text: str, *options: str) -> None:
        self._file.write_text(text)
        made = self._command("gateways", "propose", ADDRESS, self._file, *options)
        assert made.exit_code == 0, made.output

    def newest(self) -> dict[str, Any]:
        told = self._command("gateways", "proposals", ADDRESS, "--json")
        found: list[dict[str, Any]] = json.loads(told.stdout)
        return found[0]

    def decided(self, text: str, *options: str) -> dict[str, Any]:
        self.propose(text, *options)
        eventually(lambda: self.newest()["decision"], "a decision", 120)
        return self.newest()


@pytest.fixture
def hub(command: Command, tmp_path: Path) -> Proposing:
    return Proposing(command, tmp_path)


def test_a_proposal_is_taken_or_refused_with_its_reason(
    whole_site: Site, hub: Proposing, database: Database, tmp_path: Path, token: Tokens
) -> None:
    gateway = taking(whole_site, tmp_path, token, "journal, uplink", confirm_s=120)
    agent = gateway.agent()
    agent.start()
    try:
        taken = hub.decided("journal:\n  quota_mb: 321\n", "--any-base")
        assert (taken["decision"], taken["reason"]) == ("applied", "")
        text = gateway.config.read_text()
        assert "quota_mb: 321" in text
        assert "# the plant's" in text
        assert gateway.status()["journal"]["quota_bytes"] == 321 * 1024 * 1024
        kept = [path.name for path in gateway.folder.iterdir() if path.name.endswith(".bak")]
        assert len(kept) == 2  # as it was before enrolling, and before the proposal
        for sections, options, why in (
            ("board: {pin: '4711'}\n", [], "board: this gateway does not let the hub change it"),
            ("journal:\n  quota_mb: many\n", ["--any-base"], "journal.quota_mb: "),
            ("journal:\n  quota_mb: 400\n", ["--base", "0123456789abcdef"], "it was made for"),
        ):
            refused = hub.decided(sections, *options)
            assert refused["decision"] == "refused"
            assert why in refused["reason"]
            assert "4711" not in str(refused["sections"])
        assert gateway.config.read_text() == text
        assert not list(gateway.folder.glob(".edge.yaml.*"))
    finally:
        agent.stop()
    with database.connect("ingest") as connection:
        noted = [row[0] for row in connection.execute("SELECT what FROM audit ORDER BY id")]
    assert "proposal 1 applied" in noted
    assert f"gateways propose {ADDRESS} 1" in noted


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
def test_one_that_breaks_the_connection_is_gone_back_on(
    whole_site: Site, hub: Proposing, tmp_path: Path, token: Tokens, killed: bool
) -> None:
    gateway = taking(whole_site, tmp_path, token, "journal, broker", confirm_s=8)
    before = gateway.config.read_text()
    agent = gateway.agent()
    agent.start()
    try:
        eventually(gateway.reaches_hub, "the hub", 120)
        hub.propose(f"broker:\n  port: {free_port()}\n", "--any-base")
        if killed:
            # The trial is noted first, and then the file is there.
            eventually(lambda: gateway.config.read_text() != before, "the trial", 120)
            agent.kill()
            agent.start()
        eventually(lambda: hub.newest()["decision"], "a decision", 120)
        made = hub.newest()
        assert made["decision"] == "rolled_back"
        assert "has not answered" in made["reason"]
        assert gateway.config.read_text() == before
        eventually(gateway.reaches_hub, "the hub again", 120)
    finally:
        agent.stop()


def test_a_proposal_of_somebody_else_is_not_believed(authority: Authority) -> None:
    who, text = ("g", "n"), Proposal("g", "n", 5, None, {"journal": {}}).text()

    def signed(signer: Authority, text: str) -> dict[str, str]:
        signature = base64.b64encode(signer.sign(signed_proposal(text))).decode()
        return {"proposal": text, "signature": signature}

    right = signed(authority, text)
    assert believed(authority.pem, right, who, 4) == Proposal.parse(text)
    assert believed(authority.pem, right, who, 5) is None  # replayed
    other = make_identity("other", authority=True, curve=True)
    key = other.key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    bare = base64.b64encode(authority.sign(text.encode())).decode()
    foreign = base64.b64encode(key.sign(signed_proposal(text), ec.ECDSA(hashes.SHA256()))).decode()
    for answer_, for_whom in (
        ({**right, "proposal": text.replace('"number":5', '"number":6')}, who),
        ({**right, "signature": bare}, who),
        ({**right, "signature": foreign}, who),
        ({**right, "signature": "no base64"}, who),
        (right, ("g", "other")),
    ):
        with pytest.raises(ForgedError):
            believed(authority.pem, answer_, for_whom, 4)
