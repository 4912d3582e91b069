"""A gateway that an external authority certifies by EST, at a real hub and broker beside others."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from hub.fleet.settings import Signing
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.certificates import make_identity
from tests.fixtures.est_server import USER, EstServer
from tests.fixtures.mosquitto import let_in
from tests.hub.calls.world import eventually
from tests.hub.fleet.site import Command, Gateway, Site, running_site
from tests.hub.fleet.test_enrolment import Tokens
from tests.hub.fleet.test_renewal import make_due, problem

SEAT = "seatworks/gw-seat"
_SETTING = "LINESIDE_HUB_CA__EXTERNAL"


@pytest.fixture
def est(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EstServer]:
    """An authority that the hub knows as the external one; it does not run yet."""
    with closing(EstServer(tmp_path / "est")) as made:
        monkeypatch.setenv(f"{_SETTING}_FILE", str(made.chain))
        monkeypatch.setenv(f"{_SETTING}_CRL_FILE", str(made.revoked()))
        yield made


@pytest.fixture
def site(
    est: EstServer,
    command: Command,
    signing: Signing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Site]:
    with running_site(command, signing, tmp_path, monkeypatch) as site:
        yield site


def gateway_of(est: EstServer, site: Site, folder: Path) -> Gateway:
    """One whose file names the authority, and whom the broker is of."""
    made = Gateway.make(folder, site.port)
    text = made.config.read_text().replace(
        "broker:\n", f"broker:\n  ca_file: {site.broker / 'ca.crt'}\n"
    )
    made.config.write_text(
        f"{text}identity:\n  est:\n    url: {est.url}\n    label: {est.label}\n"
        f"    ca_file: {est.trust}\n"
    )
    return made


def client(site: Site, proof: Path) -> BrokerSettings:
    return BrokerSettings(
        host="localhost",
        port=site.port,
        ca_file=site.broker / "ca.crt",
        cert_file=proof,
        key_file=proof,
    )


def test_enrolled_and_renewed_by_est_at_a_broker_that_others_use_too(
    est: EstServer, site: Site, command: Command, tmp_path: Path, token: Tokens
) -> None:
    with est.running():
        gateway = gateway_of(est, site, tmp_path / "pc")
        password = est.one_time("one-time-4711")
        done = gateway.run("enrol", "--user", USER, "--password-file", "-", given=f"{password}\n")
        assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr
    proof = gateway.identity / "gateway.pem"
    first = tmp_path / "first.pem"
    shutil.copy(proof, first)
    make_due(gateway)
    agent = gateway.agent()
    agent.start()
    try:
        # The authority is away: the one in force goes on.
        eventually(lambda: "cannot be asked" in problem(gateway)["detail"], "the attempt", 120)
        assert problem(gateway)["kind"] == "certificate_ends"
        eventually(gateway.reaches_hub, "the hub by the first one", 120)
        assert proof.read_bytes() == first.read_bytes()
        with est.running():
            eventually(lambda: gateway.status()["identity"]["renewals"] == 1, "the renewal", 120)
        assert proof.read_bytes() != first.read_bytes()
        eventually(gateway.reaches_hub, "the hub by the new one", 120)
        eventually(lambda: problem(gateway)["kind"] == "", "that all is well", 120)
    finally:
        agent.stop()
    said = agent.log.read_text()
    assert (said.count("is not renewed"), said.count("certificate: well again")) == (1, 1), said
    assert password not in said
    # Both are good meanwhile, and so are those of the hub's own authority.
    assert let_in(client(site, proof))
    assert let_in(client(site, first))
    assert let_in(site.settings)
    own = Gateway.make(tmp_path / "own", site.port, node="gw-trim", group="trimworks")
    enrolled = own.enrol(site.hub, token("trimworks/gw-trim"))
    assert enrolled.returncode == 0, enrolled.stderr
    assert let_in(own.settings())
    # A foreign one is not, though it names the same gateway.
    stranger = make_identity("Plant gateways", authority=True, curve=True)
    forged = make_identity(SEAT, issuer=stranger, curve=True, server=False, hosts=())
    certificate, key = forged.write(tmp_path, "forged")
    with_foreign = {"cert_file": certificate, "key_file": key}
    assert not let_in(client(site, proof).model_copy(update=with_foreign))
    # What the authority revokes is refused once the broker has the list.
    est.revoked(x509.load_pem_x509_certificate(first.read_bytes()))
    written = command(
        *("broker", "config", "--for", "mosquitto", "--out", site.broker, "--port", site.port)
    )
    assert (written.exit_code, "wrote crl.pem" in written.output) == (0, True), written.output
    assert site.process.pid is not None
    os.kill(site.process.pid, signal.SIGHUP)
    eventually(lambda: not let_in(client(site, first)), "the revocation", 60)
    assert let_in(client(site, proof))
    assert let_in(own.settings())


def config(command: Command, folder: Path, *how: str) -> tuple[int, str]:
    done = command("broker", "config", "--for", "mosquitto", *(how or ("--out",)), folder)
    return done.exit_code, " ".join(done.output.split())


def test_the_broker_trusts_the_external_authority_alone_where_the_hub_has_none(
    est: EstServer, command: Command, database: object, tmp_path: Path
) -> None:
    folder = tmp_path / "broker"
    code, said = config(command, folder)
    assert (code, "list of what it revoked is good until" in said) == (0, True), said
    assert (folder / "ca.crt").read_bytes() == est.chain.read_bytes()
    assert "crlfile" in (folder / "mosquitto.conf").read_text()


def test_an_external_authority_of_no_use_is_refused_with_what_to_do(
    est: EstServer,
    command: Command,
    signing: Signing,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "broker"
    assert config(command, folder)[0] == 0
    listed = (folder / "crl.pem").read_text()
    assert listed.count("BEGIN X509 CRL") == 2
    assert config(command, folder, "--check")[0] == 0
    monkeypatch.delenv(f"{_SETTING}_CRL_FILE")
    code, said = config(command, folder)
    assert (code, "give LINESIDE_HUB_CA__EXTERNAL_CRL_FILE too" in said) == (1, True), said
    with closing(EstServer(tmp_path / "stranger")) as stranger:
        monkeypatch.setenv(f"{_SETTING}_CRL_FILE", str(stranger.revoked()))
    assert "is not signed by one of the certificates" in config(command, folder)[1]
    monkeypatch.setenv(f"{_SETTING}_CRL_FILE", str(tmp_path / "none.pem"))
    assert "none.pem: No such file" in config(command, folder)[1]
    run_out = est.revoked(ends_days=-0.5)
    monkeypatch.setenv(f"{_SETTING}_CRL_FILE", str(run_out))
    assert "fetch the next one" in config(command, folder)[1]
    monkeypatch.setenv(f"{_SETTING}_CRL_FILE", str(est.revoked()))
    alone, _ = est.issuer.write(tmp_path, "alone")
    monkeypatch.setenv(f"{_SETTING}_FILE", str(alone))
    assert (
        "CN=Plant root, which has signed CN=Plant gateways, is not in it"
        in (config(command, folder)[1])
    )
    another, _ = make_identity("Plant root", authority=True, curve=True).write(tmp_path, "another")
    alone.write_text(alone.read_text() + another.read_text())
    assert "is not in it" in config(command, folder)[1]
    assert (folder / "crl.pem").read_text() == listed


def test_a_gateway_of_the_external_authority_is_registered_without_a_token(
    est: EstServer,
    command: Command,
    database: Database,
    signing: Signing,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "broker"
    added = command("gateways", "add", "seatworks/gw-two", "--owner", "seatworks", "--external")
    assert (added.exit_code, "lse_" in added.output) == (0, False), added.output
    assert command("gateways", "revoke", SEAT).exit_code == 0
    assert config(command, folder)[0] == 0
    rights = (folder / "acl").read_text()
    assert ("user seatworks/gw-two\n" in rights, f"user {SEAT}\n" in rights) == (True, False)
    assert "lse_" in command("gateways", "add", SEAT).output
    assert command("gateways", "add", SEAT, "--external").exit_code == 0
    with database.connect("ingest") as connection:
        assert connection.execute("SELECT id FROM enrolment_token").fetchall() == []
    assert config(command, folder)[0] == 0
    assert f"user {SEAT}\n" in (folder / "acl").read_text()
