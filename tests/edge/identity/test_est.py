"""A certificate by EST, over TLS with a real server: what is taken, what is refused, and why."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.config import load
from edge.doctor import certificate
from edge.identity.est import Est, wait_s
from edge.identity.files import IdentityFiles
from edge.identity.https import AskError, Server
from edge.identity.keeper import Keeper, RenewalError
from edge.identity.keys import gateway_name, key_pem, pem_of, request_for
from edge.identity.settings import EstSettings
from edge.proposals.ask import ask as ask_for_proposals
from edge.status.figures import IdentityFigures
from tests.edge.cli.invoke import invoke
from tests.fixtures.certificates import make_identity
from tests.fixtures.est_server import USER, EstServer, Reply, Seen, replies

SECRET = "one-time-4711"


class Pc:
    """A gateway's PC whose file names an authority."""

    def __init__(self, folder: Path, est: EstServer) -> None:
        folder.mkdir()
        self.config = folder / "edge.yaml"
        self.config.write_text(
            "version: 1\ngateway: {group: seatworks, node: gw-seat}\ndata_dir: data\n"
            "broker:\n  host: localhost\n  port: 8883\n"
            f"identity:\n  est:\n    url: {est.url}\n    label: {est.label}\n"
            f"    ca_file: {est.trust}\n"
        )
        self.password = folder / "password"
        self.files = IdentityFiles.of(folder / "data")

    def enrol(self, password: str = SECRET) -> tuple[int, str]:
        self.password.write_text(f"{password}\n")
        code, said = invoke("enrol", *self.arguments)
        assert not password or password not in said
        return code, " ".join(said.split())

    @property
    def arguments(self) -> list[str | Path]:
        return ["--config", self.config, "--user", USER, "--password-file", self.password]

    @property
    def renewal(self) -> list[str | Path]:
        """The agent's command for it."""
        est = load(self.config).identity.est
        told = est.model_dump_json() if est is not None else "null"
        return [sys.executable, "-m", "edge.identity", self.config.parent / "data", told]

    def renew(self) -> str:
        """Ask for the next one as the agent does; why not, or nothing."""
        process = subprocess.run(
            self.renewal,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert not process.stderr
        return process.stdout

    def keeper(self) -> Keeper:
        """The agent's, with no broker to try."""

        async def connect_anew() -> None:
            raise AssertionError

        est = load(self.config).identity.est
        return Keeper(
            self.files, IdentityFigures(), list, lambda: est, "lineside-renewal", connect_anew
        )

    def change(self, old: str, new: str) -> None:
        text = self.config.read_text()
        assert old in text
        self.config.write_text(text.replace(old, new))

    def certificates(self, path: Path | None = None) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates((path or self.files.proof).read_bytes())


@pytest.fixture
def est(tmp_path: Path) -> Iterator[EstServer]:
    with closing(EstServer(tmp_path / "est")) as server, server.running():
        yield server


@pytest.fixture
def pc(tmp_path: Path, est: EstServer) -> Pc:
    est.one_time(SECRET)
    return Pc(tmp_path / "pc", est)


def test_a_gateway_gets_its_certificate_for_a_password_that_is_good_once(
    pc: Pc, est: EstServer
) -> None:
    code, said = pc.enrol()
    assert (code, "seatworks/gw-seat has a certificate until" in said) == (0, True), said
    own, between = pc.certificates()
    assert own.subject == gateway_name("seatworks", "gw-seat")
    assert between == est.issuer.certificate
    key = serialization.load_pem_private_key(pc.files.proof.read_bytes(), None)
    assert own.public_key() == key.public_key()
    modes = {path.name: path.stat().st_mode & 0o777 for path in pc.files.folder.iterdir()}
    assert modes == {"gateway.pem": 0o600, "enrolment.json": 0o644}
    text = pc.config.read_text()
    assert f"  ca_file: {est.trust}\n" in text
    assert "  cert_file: data/identity/gateway.pem\n" in text
    held = pc.files.enrolment()
    assert held is not None
    assert held.hub is None
    assert datetime.now(UTC) < held.renew_at < held.not_after
    # The one in force stays if another attempt is refused.
    before = pc.files.proof.read_bytes()
    code, said = pc.enrol()
    assert (code, "ask the authority's operator for another" in said) == (1, True), said
    assert pc.files.proof.read_bytes() == before


def test_those_between_go_along_where_they_are_trusted_too(pc: Pc, est: EstServer) -> None:
    pc.change(str(est.trust), str(est.chain))
    assert pc.enrol()[0] == 0
    assert pc.certificates()[1:] == [est.issuer.certificate]


def test_a_broker_whose_authority_the_file_names_keeps_it(pc: Pc, est: EstServer) -> None:
    pc.change("broker:\n", f"broker:\n  ca_file: {est.folder / 'broker-root.pem'}\n")
    assert pc.enrol()[0] == 0
    assert f"  ca_file: {est.folder / 'broker-root.pem'}\n" in pc.config.read_text()


def test_what_init_wrote_for_a_broker_without_certificates_is_not_in_its_way(
    pc: Pc, est: EstServer
) -> None:
    plain = "  port: 1883\n  tls: false\n"
    pc.change("  port: 8883\n", f"{plain}  username: gw-seat\n  password_file: broker.password\n")
    assert pc.enrol()[0] == 0
    broker_now = load(pc.config).broker
    assert (broker_now.tls, broker_now.port) == (True, 8883)
    assert (broker_now.username, broker_now.password_file) == (None, None)


def test_the_next_one_is_got_by_the_one_in_force_and_names_the_same(pc: Pc, est: EstServer) -> None:
    est.more_names = ((NameOID.ORGANIZATION_NAME, "Seat Works"),)
    assert pc.enrol()[0] == 0
    before = pc.files.proof.read_bytes()
    assert pc.renew() == "{}"
    (renewal,) = est.asked("simplereenroll")
    assert renewal.secured
    assert pc.files.proof.read_bytes() == before
    (own, _), (following, _) = pc.certificates(), pc.certificates(pc.files.next_proof)
    assert own.subject.rfc4514_string() == "CN=seatworks/gw-seat,O=Seat Works"
    assert following.subject == own.subject
    assert following.public_key() != own.public_key()
    assert pc.files.next_proof.stat().st_mode & 0o777 == 0o600


def foreign_key(seen: Seen, est: EstServer) -> x509.Certificate:
    other = ec.generate_private_key(ec.SECP256R1())
    return est.issue(request_for(other, gateway_name("seatworks", "gw-seat")))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("another's name", "gave a certificate for 'trimworks/gw-trim', this is"),
        ("a second name", "gave a certificate for 'hub' and 'seatworks/gw-seat', this is"),
        ("another's key", "gave a certificate for another key"),
        ("expired", "is this machine's clock right?"),
        ("another's authority", "does not lead to one of"),
        ("its signer is no authority", "does not lead to one of"),
        ("for servers", "it is not meant for TLS clients"),
    ],
)
def test_a_certificate_that_is_not_what_was_asked_for_is_refused(
    pc: Pc, est: EstServer, wrong: str, why: str
) -> None:
    def answer(seen: Seen) -> Reply:
        request = seen.request
        assert request is not None
        match wrong:
            case "another's name":
                made = est.issue(request, subject=gateway_name("trimworks", "gw-trim"))
            case "a second name":
                names = [x509.NameAttribute(NameOID.COMMON_NAME, "hub"), *request.subject]
                made = est.issue(request, subject=x509.Name(names))
            case "another's key":
                made = foreign_key(seen, est)
            case "expired":
                made = est.issue(request, ends=timedelta(hours=-1))
            case "another's authority":
                stranger = make_identity("Plant gateways", authority=True, curve=True)
                made = est.issue(request, issuer=stranger)
            case "its signer is no authority":
                signer = make_identity("somebody", issuer=est.issuer, curve=True)
                return Reply.of(est.issue(request, issuer=signer), signer.certificate)
            case _:
                made = est.issue(request, purpose=ExtendedKeyUsageOID.SERVER_AUTH)
        return Reply.of(made)

    before = pc.config.read_text()
    est.script.append(answer)
    code, said = pc.enrol()
    assert (code, why in said) == (1, True), said
    assert [path.name for path in pc.files.folder.iterdir()] == ["next.key"]
    assert pc.config.read_text() == before


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (Reply(body=b"<html>sign in</html>", kind="text/html"), "it answers with text/html"),
        (Reply(kind="te\x1b[1mxt/html"), "it answers with te?[1mxt/html"),
        (Reply(body=b"%%%"), "its answer has no certificates"),
        (Reply(body=b"AAAA"), "its answer has no certificates"),
        (Reply(body=b"MAsGCSqGSIb3DQEHAg=="), "its answer has no certificates"),
        (Reply(body=b"A" * 100_000), "its answer is too long"),
        (Reply(HTTPStatus.FOUND, headers={"Location": "https://x/"}), "elsewhere: https://x/"),
        (Reply(HTTPStatus.BAD_REQUEST, b"no\x1b[1m\nway", "text/plain"), "(400): no?[1m way"),
        (Reply(HTTPStatus.UNAUTHORIZED, b"no proof", "text/plain"), "(401): no proof; one"),
        (Reply(headers={"X": "x" * 70_000}), "cannot be asked: got more than 65536 bytes"),
    ],
)
def test_what_is_no_answer_is_refused(pc: Pc, est: EstServer, reply: Reply, why: str) -> None:
    est.script.extend(replies(reply))
    code, said = pc.enrol()
    assert (code, why in said) == (1, True), said


def test_a_server_of_another_authority_never_hears_the_password(
    pc: Pc, est: EstServer, tmp_path: Path
) -> None:
    stranger, _ = make_identity("Plant root", authority=True, curve=True).write(tmp_path, "other")
    pc.change(str(est.trust), str(stranger))
    code, said = pc.enrol()
    assert (code, "its certificate is none of those in" in said) == (1, True), said
    assert est.seen == []


def test_a_clock_that_is_behind_costs_no_password(pc: Pc, est: EstServer) -> None:
    est.ahead_s = 3600
    code, said = pc.enrol()
    assert (code, "this machine's clock is behind" in said) == (1, True), said
    assert est.asked("simpleenroll") == []
    est.ahead_s = 0
    assert pc.enrol()[0] == 0


def test_a_server_that_is_not_good_now_asks_for_the_clock(pc: Pc, est: EstServer) -> None:
    with closing(EstServer(est.folder / "old", server_days=-0.5)) as old, old.running():
        pc.change(est.url, old.url)
        pc.change(str(est.trust), str(old.trust))
        code, said = pc.enrol()
    assert (code, "is this machine's clock right?" in said) == (1, True), said


def test_an_ipv6_address_needs_no_port() -> None:
    server = Server("https://[::ffff:127.0.0.1]", "the password", "nobody")
    with pytest.raises(AskError, match="cannot be asked"):
        server.ask(ssl.create_default_context(), "GET", "/", None, {})


def test_a_wrong_label_or_trust_or_use_says_what_to_do(
    pc: Pc, est: EstServer, tmp_path: Path
) -> None:
    pc.change("label: plant", "label: plnat")
    assert "is the label right?" in pc.enrol()[1]
    pc.change("label: plnat", "label: plant")
    no_certificates = tmp_path / "empty.pem"
    no_certificates.touch()
    pc.change(f"ca_file: {est.trust}", f"ca_file: {no_certificates}")
    assert f"{no_certificates}: no certificates (PEM)" in pc.enrol()[1]
    no_certificates.unlink()
    assert f"{no_certificates}: No such file" in pc.enrol()[1]
    assert "its first line is empty" in pc.enrol("")[1]
    code, said = invoke("enrol", "--config", pc.config, "--hub", "https://hub.example.org")
    assert (code, est.url in said) == (2, True)
    assert invoke("enrol", "--config", pc.config)[0] == 2
    assert est.asked("simpleenroll") == []


def test_a_decision_that_takes_its_time_is_waited_for(pc: Pc, est: EstServer) -> None:
    later = Reply(HTTPStatus.ACCEPTED, headers={"Retry-After": "1"})
    est.script.extend(replies(later, later))
    code, said = pc.enrol()
    assert (code, said.count("has not decided yet; it is asked again in 1 s")) == (0, 2), said
    asked = [each.request for each in est.asked("simpleenroll")]
    assert len({each.public_bytes(serialization.Encoding.DER) for each in asked if each}) == 1


def test_one_that_takes_too_long_is_asked_again_later_with_the_same_request(
    pc: Pc, est: EstServer
) -> None:
    est.script.extend(replies(Reply(HTTPStatus.ACCEPTED, headers={"Retry-After": "3600"})))
    code, said = pc.enrol()
    assert (code, "asked again in 3600 s: run this once more then" in said) == (1, True), said
    assert pc.enrol()[0] == 0
    first, second = (each.request for each in est.asked("simpleenroll"))
    assert first == second


def test_the_agent_is_told_how_long_a_decision_takes(pc: Pc, est: EstServer) -> None:
    assert pc.enrol()[0] == 0
    est.script.extend(replies(Reply(HTTPStatus.ACCEPTED, headers={"Retry-After": "90"})))
    said = pc.renew()
    assert '"wait_s": 90.0' in said, said
    assert not pc.files.next_proof.exists()
    assert pc.renew() == "{}"


def test_a_server_that_never_answers_is_given_up(
    pc: Pc, est: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pc.enrol()[0] == 0
    over = threading.Event()

    def wait(_: Seen) -> Reply:
        assert over.wait(100)
        return Reply(HTTPStatus.ACCEPTED)

    monkeypatch.setattr("edge.apart._LONGEST_ASK_S", 1.0)
    est.script.append(wait)
    try:
        with pytest.raises(RenewalError, match="no answer within 1 s"):
            asyncio.run(pc.keeper()._ask())
    finally:
        over.set()


def test_an_authority_that_ends_itself_is_told_of_while_there_is_time(
    pc: Pc, est: EstServer
) -> None:
    est.all_end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    assert pc.enrol()[0] == 0
    given = datetime.now(UTC).replace(microsecond=0)
    while datetime.now(UTC).replace(microsecond=0) <= given:
        time.sleep(0.05)  # one of the same second has the same times
    said = pc.renew()
    assert "gives none that ends later than the one in use" in said, said
    assert not pc.files.next_proof.exists()


def test_who_is_enrolled_anew_waits_for_no_further_attempt(
    pc: Pc, est: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.identity.keeper._LOOK_S", 0.05)

    async def waiting() -> None:
        async with asyncio.timeout(100):
            pausing = asyncio.create_task(pc.keeper()._pause(86_400, pc.files.changed_at()))
            assert (await asyncio.to_thread(pc.enrol))[0] == 0
            await pausing

    asyncio.run(waiting())


@pytest.fixture
def killing(est: EstServer) -> Callable[[list[str | Path]], None]:
    """Runs a command that is killed when its request for a certificate has come."""

    def run(command: list[str | Path]) -> None:
        pids: queue.Queue[int] = queue.Queue()

        def kill(_: Seen) -> Reply:
            os.kill(pids.get(timeout=100), signal.SIGKILL)
            return Reply(HTTPStatus.ACCEPTED)

        est.script.append(kill)
        with subprocess.Popen(command) as process:
            pids.put(process.pid)
            assert process.wait(100) == -signal.SIGKILL

    return run


def test_killed_between_key_and_certificate_it_goes_on_with_the_same_key(
    pc: Pc, est: EstServer, killing: Callable[[list[str | Path]], None]
) -> None:
    pc.password.write_text(SECRET)
    main = "from edge.cli import main; main()"
    killing([sys.executable, "-c", main, "enrol", *pc.arguments])
    assert [path.name for path in pc.files.folder.iterdir()] == ["next.key"]
    assert pc.files.next_key.stat().st_mode & 0o777 == 0o600
    assert pc.enrol()[0] == 0
    first, second = (each.request for each in est.asked("simpleenroll"))
    assert first == second
    assert not pc.files.next_key.exists()
    # A renewal likewise, and the one in force stays.
    before = pc.files.proof.read_bytes()
    killing(pc.renewal)
    assert not pc.files.next_proof.exists()
    assert pc.renew() == "{}"
    first, second = (each.request for each in est.asked("simplereenroll"))
    assert first == second
    assert pc.files.proof.read_bytes() == before


def test_a_renewal_by_who_may_not_says_what_to_do(pc: Pc, est: EstServer) -> None:
    assert pc.enrol()[0] == 0
    est.script.extend(replies(Reply(HTTPStatus.FORBIDDEN, b"blocked", "text/plain")))
    assert "(403): blocked; has it been revoked" in pc.renew()
    asking = Reply(HTTPStatus.UNAUTHORIZED, headers={"WWW-Authenticate": "Basic realm=est"})
    est.script.extend(replies(asking))
    assert "(401): it asks for Basic realm=est; it says no more; has it been" in pc.renew()
    text = pc.config.read_text()
    pc.change(f"    label: {est.label}\n", "    label: other\n")
    assert "is the label right?" in pc.renew()
    pc.config.write_text(text)
    assert pc.renew() == "{}"


def test_a_renewal_that_ends_in_the_handshake_says_what_to_do(tmp_path: Path) -> None:
    with closing(EstServer(tmp_path / "est")) as est:
        est.one_time(SECRET)
        pc = Pc(tmp_path / "pc", est)
        with est.running():
            assert pc.enrol()[0] == 0
        est.crl = est.revoked(pc.certificates()[0])
        with est.running():
            said = pc.renew()
        assert "cannot be asked: " in said, said
        assert "does the server know the authority that gave it? A new password" in said, said
        assert est.asked("simplereenroll") == []


def test_an_answer_that_is_cut_off_is_none(est: EstServer) -> None:
    settings = EstSettings(url=est.url, label=est.label, ca_file=est.trust)
    key = ec.generate_private_key(ec.SECP256R1())
    request = request_for(key, gateway_name("seatworks", "gw-seat"))
    whole = Reply.of(est.root.certificate).body
    cut = Reply(body=whole[:-40], headers={"Content-Length": str(len(whole))})
    est.script.extend(replies(cut))
    with pytest.raises(AskError):
        Est(settings).enrol(request, USER, SECRET)


def test_an_answer_that_takes_too_long_is_none(
    est: EstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.identity.https._WHOLE_ANSWER_S", -1.0)
    settings = EstSettings(url=est.url, label=est.label, ca_file=est.trust)
    with pytest.raises(AskError, match="takes too long to come"):
        Est(settings).authority()


def test_a_wait_is_bounded_whatever_is_said() -> None:
    told = ["5", "0", "-3", "9" * 400, "soon", None, "٣"]
    assert [wait_s(each) for each in told] == [5, 1, 30, 86_400, 30, 30, 3]
    past, future = "Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"
    assert [wait_s(past), wait_s(future)] == [1, 86_400]


def test_doctor_and_check_tell_of_the_authority(pc: Pc, est: EstServer) -> None:
    none, _ = certificate.look(load(pc.config))
    assert (none.verdict, "lineside-edge enrol" in none.remedy) == ("warning", True)
    assert pc.enrol()[0] == 0
    found = [(each.verdict, each.what) for each in certificate.look(load(pc.config))]
    assert [verdict for verdict, _ in found] == ["ok", "ok"]
    assert found[1][1].startswith(f"{est.url}: an EST server")
    text = pc.config.read_text()
    pc.change(f"    label: {est.label}\n", "    label: other\n")
    *_, server = certificate.look(load(pc.config))
    assert (server.verdict, "are the url, label and ca_file" in server.remedy) == ("warning", True)
    # The certificate is of another authority than the file names: it cannot be renewed, or is not.
    pc.config.write_text(text.partition("identity:\n")[0])
    _, odd = certificate.look(load(pc.config))
    assert (odd.verdict, "the file has no identity.est any more" in odd.what) == ("failed", True)
    assert "no `identity: est:` any more" in pc.renew()
    with pc.config.open("a") as file:
        file.write("hub:\n  proposals: {}\n")
    with pytest.raises(AskError, match="only of gateways that it has certified itself"):
        ask_for_proposals(pc.config)
    held = pc.files.enrolment()
    assert held is not None
    pc.files.keep(pc.files.proof.read_text(), replace(held, hub="https://hub.example.org"))
    pc.config.write_text(text)
    _, odd, _ = certificate.look(load(pc.config))
    assert (odd.verdict, "is of the hub" in odd.what) == ("warning", True)
    est.trust.unlink()
    said = " ".join(invoke("check", "--config", pc.config)[1].split())
    assert "identity.est.ca_file: there is no file" in said


def test_an_expired_one_is_not_renewed(pc: Pc, est: EstServer) -> None:
    assert pc.enrol()[0] == 0
    key = serialization.load_pem_private_key(pc.files.proof.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    request = request_for(key, gateway_name("seatworks", "gw-seat"))
    expired = est.issue(request, ends=timedelta(hours=-1))
    pc.files.write(pc.files.proof, key_pem(key) + pem_of(expired), 0o600)
    assert "has expired" in pc.renew()
    (found, _) = certificate.look(load(pc.config))
    assert (found.verdict, est.url in found.remedy) == ("failed", True)
    assert est.asked("simplereenroll") == []
