"""Tokens, certificates, renewal and revocation, over the API: what is given, what is refused."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from hub.api.settings import ApiSettings
from hub.fleet.authority import Authority, AuthorityError, key_hash, read_request
from hub.fleet.enrolment import MOST_A_DAY
from hub.fleet.settings import Signing
from hub.identity.settings import IdentitySettings, RateSettings
from hub.store import Database
from protocols.enrolment import AUTHORITY_PATH, ENROLMENT_PATH, RENEWAL_PATH, Token, fingerprint
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.fleet.site import Command

SEAT = "seatworks/gw-seat"
Tokens = Callable[..., Token]
Key = ec.EllipticCurvePrivateKey


@pytest.fixture
def hub(database: Database, signing: Signing) -> Iterator[httpx.Client]:
    identity = IdentitySettings(rate=RateSettings(refusals_per_minute=6))
    settings = ApiSettings(token=TOKEN)
    with (
        serving(database, settings, identity=identity, signing=signing) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def request_of(key: Key | rsa.RSAPrivateKey, name: str = SEAT) -> x509.CertificateSigningRequest:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    foreign = x509.SubjectAlternativeName([x509.DNSName("hub.example.org")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.add_extension(foreign, critical=False).sign(key, hashes.SHA256())


def pem(signed: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def ask(hub: httpx.Client, token: object, key: Key, name: str = SEAT) -> httpx.Response:
    body = {"token": str(token), "request": pem(request_of(key, name))}
    return hub.post(ENROLMENT_PATH, json=body)


def enrolled(hub: httpx.Client, tokens: Tokens, key: Key) -> x509.Certificate:
    answer = ask(hub, tokens(), key)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return x509.load_pem_x509_certificate(answer.json()["certificate"].encode())


def renewed(
    hub: httpx.Client, certificate: x509.Certificate, signs: Key, key: Key | None = None
) -> httpx.Response:
    request = request_of(key or new_key())
    der = request.public_bytes(serialization.Encoding.DER)
    body = {
        "certificate": pem(certificate),
        "request": pem(request),
        "signature": base64.b64encode(signs.sign(der, ec.ECDSA(hashes.SHA256()))).decode(),
    }
    return hub.post(RENEWAL_PATH, json=body)


def why(answer: httpx.Response, status: HTTPStatus = HTTPStatus.FORBIDDEN) -> str:
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


def test_a_certificate_names_its_gateway_and_nothing_that_was_asked_for(
    hub: httpx.Client, token: Tokens, authority: Authority
) -> None:
    key = new_key()
    certificate = enrolled(hub, token, key)
    assert certificate.subject.rfc4514_string() == f"CN={SEAT}"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["urn:lineside:gateway:seatworks:gw-seat"]
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(uses) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
    certificate.verify_directly_issued_by(authority.certificate)
    assert certificate.public_key() == key.public_key()


def test_the_authority_is_told_to_everybody_and_is_what_the_token_names(
    hub: httpx.Client, token: Tokens
) -> None:
    assert fingerprint(hub.get(AUTHORITY_PATH).text) == token().authority


def test_a_reused_token_is_refused(hub: httpx.Client, token: Tokens) -> None:
    given, key = token(), new_key()
    first = ask(hub, given, key)
    # The same gateway again, whose answer was lost: the same certificate.
    assert ask(hub, given, key).json() == first.json()
    assert "has been used" in why(ask(hub, given, new_key()))


def test_an_expired_token_is_refused(hub: httpx.Client, token: Tokens, database: Database) -> None:
    given = token()
    with database.connect("ingest") as connection:
        connection.execute("UPDATE enrolment_token SET expires_at = now() - interval '1 s'")
    assert "has expired" in why(ask(hub, given, new_key()))


def test_a_token_that_was_replaced_or_guessed_is_refused(hub: httpx.Client, token: Tokens) -> None:
    old, given = token(), token()
    assert "no such token" in why(ask(hub, old, new_key()))
    guessed = Token(given.id, "0" * 32, given.authority)
    assert "no such token" in why(ask(hub, guessed, new_key()))
    assert ask(hub, given, new_key()).status_code == HTTPStatus.OK


def test_a_request_for_another_gateway_is_refused_and_leaves_the_token_good(
    hub: httpx.Client, token: Tokens
) -> None:
    given = token()
    forged = ask(hub, given, new_key(), name="trimworks/gw-trim")
    assert "the request is for" in why(forged, HTTPStatus.UNPROCESSABLE_ENTITY)
    assert ask(hub, given, new_key()).status_code == HTTPStatus.OK


def test_guessing_has_an_end(hub: httpx.Client, token: Tokens) -> None:
    given = token()
    guessed = Token(given.id, "0" * 32, given.authority)
    said = [ask(hub, guessed, new_key()).status_code for _ in range(7)]
    assert said == [HTTPStatus.FORBIDDEN] * 6 + [HTTPStatus.TOO_MANY_REQUESTS]
    # The right one too, from that address: there is nothing to be found out by its answer.
    assert ask(hub, given, new_key()).status_code == HTTPStatus.TOO_MANY_REQUESTS


@pytest.mark.parametrize("what", ["weak key", "foreign signature", "no request", "no token"])
def test_what_is_no_request_is_refused(hub: httpx.Client, token: Tokens, what: str) -> None:
    request = pem(request_of(new_key()))
    given = str(token())
    match what:
        case "weak key":
            request = pem(request_of(rsa.generate_private_key(65537, 1024)))
        case "foreign signature":
            der = request_of(new_key()).public_bytes(serialization.Encoding.DER)
            broken = base64.b64encode(der[:-8] + bytes(8)).decode()
            request = (
                "-----BEGIN CERTIFICATE REQUEST-----\n"
                f"{broken}\n-----END CERTIFICATE REQUEST-----\n"
            )
        case "no request":
            request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"
        case "no token":
            given = "lse_1"
    answer = hub.post(ENROLMENT_PATH, json={"token": given, "request": request})
    assert "lse_1" not in why(answer, HTTPStatus.UNPROCESSABLE_ENTITY)


def test_a_hub_without_authority_gives_nothing(database: Database, tmp_path: Path) -> None:
    missing = Signing(tmp_path / "ca.crt", tmp_path / "ca.key", 90)
    for signing in (None, missing):
        with (
            serving(database, ApiSettings(), signing=signing) as url,
            httpx.Client(base_url=url, timeout=60) as hub,
        ):
            assert hub.get(AUTHORITY_PATH).status_code == HTTPStatus.NOT_FOUND


def test_a_renewal_is_proven_by_the_certificate_in_use_and_both_stay_good(
    hub: httpx.Client, token: Tokens, authority: Authority
) -> None:
    key, following, third = new_key(), new_key(), new_key()
    certificate = enrolled(hub, token, key)
    answer = renewed(hub, certificate, key, following)
    assert answer.status_code == HTTPStatus.OK, answer.text
    # Asked again since the answer was lost: the same one.
    assert renewed(hub, certificate, key, following).json() == answer.json()
    second = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert second.subject == certificate.subject
    assert second.public_key() == following.public_key()
    for good, signs in ((second, following), (certificate, key)):
        assert renewed(hub, good, signs, third).status_code == HTTPStatus.OK


def test_a_stolen_certificate_without_its_key_renews_nothing(
    hub: httpx.Client, token: Tokens
) -> None:
    certificate = enrolled(hub, token, new_key())
    assert "not signed by the key" in why(renewed(hub, certificate, new_key()))


def test_a_revoked_certificate_renews_nothing_and_a_new_token_lets_the_gateway_in_again(
    hub: httpx.Client, token: Tokens, command: Command
) -> None:
    key = new_key()
    certificate, unused = enrolled(hub, token, key), token()
    done = command("gateways", "revoke", SEAT)
    assert (done.exit_code, "1 certificates revoked" in done.output) == (0, True)
    assert "is revoked" in why(renewed(hub, certificate, key))
    assert "no such token" in why(ask(hub, unused, new_key()))
    again = enrolled(hub, token, fresh := new_key())
    assert renewed(hub, again, fresh).status_code == HTTPStatus.OK
    assert "is revoked" in why(renewed(hub, certificate, key))


def test_an_expired_certificate_renews_nothing(
    hub: httpx.Client, database: Database, authority: Authority
) -> None:
    key = new_key()
    request = read_request(pem(request_of(key)))
    issued = authority.sign_gateway(request, "seatworks", "gw-seat", 0)
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gateway_certificate "
            "(serial, owner, gateway, public_key, pem, how, not_after) "
            "SELECT %s, owner, id, %s, '', 'enrolled', %s FROM gateway WHERE node_id = 'gw-seat'",
            (issued.serial, key_hash(request), issued.not_after),
        )
    certificate = x509.load_pem_x509_certificate(issued.pem.encode())
    assert "has expired" in why(renewed(hub, certificate, key))


def test_a_foreign_certificate_renews_nothing(
    hub: httpx.Client, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority.create(tmp_path / "x.crt", tmp_path / "x.key", "Lineside gateways")
    key = new_key()
    request = read_request(pem(request_of(key)))
    issued = stranger.sign_gateway(request, "seatworks", "gw-seat", 1)
    foreign = x509.load_pem_x509_certificate(issued.pem.encode())
    assert "none of this hub's authority" in why(renewed(hub, foreign, key))
    # Of this authority, but no gateway's.
    made, private = authority.make_client("hub")
    own = serialization.load_pem_private_key(private.encode(), None)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    hubs = x509.load_pem_x509_certificate(made.encode())
    assert "no gateway's here" in why(renewed(hub, hubs, own))


def test_a_gateway_gets_so_many_certificates_a_day(hub: httpx.Client, token: Tokens) -> None:
    key = new_key()
    certificate = enrolled(hub, token, key)
    said = [renewed(hub, certificate, key).status_code for _ in range(MOST_A_DAY)]
    assert said == [HTTPStatus.OK] * (MOST_A_DAY - 1) + [HTTPStatus.TOO_MANY_REQUESTS]


def test_no_secret_is_kept_or_logged(
    hub: httpx.Client, token: Tokens, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = token()
    assert ask(hub, given, new_key()).status_code == HTTPStatus.OK
    ask(hub, given, new_key())
    with database.connect("ingest") as connection:
        kept: list[Any] = []
        for table in ("enrolment_token", "gateway_certificate", "audit"):
            kept += connection.execute(f"SELECT t::text FROM {table} t").fetchall()
    assert len(kept) >= 3
    assert given.secret not in str(kept) + caplog.text + repr(given)


def test_the_authoritys_key_is_for_its_user_alone(command: Command, signing: Signing) -> None:
    assert signing.key_file.stat().st_mode & 0o777 == 0o600
    assert signing.key_file.parent.stat().st_mode & 0o777 == 0o700
    again = command("ca", "init")
    assert (again.exit_code, "never written over" in again.output) == (1, True)
    signing.key_file.chmod(0o644)
    with pytest.raises(AuthorityError, match="read by others"):
        Authority.load(signing)
    shown = command("ca", "show")
    assert (shown.exit_code, "chmod 600" in shown.output) == (1, True)


def test_an_authority_of_ones_own_signs_by_its_files(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = tmp_path / "corporate.crt", tmp_path / "corporate.key"
    made = Authority.create(*files, "Plant CA")
    for name, file in zip(("CERT_FILE", "KEY_FILE"), files, strict=True):
        monkeypatch.setenv(f"LINESIDE_HUB_CA__{name}", str(file))
    shown = command("ca", "show").stdout
    assert "CN=Plant CA" in shown
    assert made.fingerprint in shown


def test_a_gateway_is_registered_for_a_tenant_that_there_is(
    command: Command, signing: Signing
) -> None:
    new = ("gateways", "add", "seatworks/gw-two")
    unknown = command(*new)
    assert "no gateway seatworks/gw-two is registered" in unknown.output
    assert "did you mean seatworks/gw-seat?" in unknown.output
    wrong = command(*new, "--owner", "seatwork")
    assert (wrong.exit_code, "did you mean seatworks?" in wrong.output) == (1, True)
    assert command(*new, "--owner", "seatworks", "--partner", "carmaker").exit_code == 0
    others = command("gateways", "add", SEAT, "--owner", "trimworks")
    assert (others.exit_code, "is seatworks's" in others.output) == (1, True)
    bad = command("gateways", "add", "seatworks/+", "--owner", "seatworks")
    assert bad.exit_code == 1
