"""Gets a gateway's certificate from an authority by EST, with user and password or by the one in
use. What comes must be for this gateway's key and name, and lead to whom the file trusts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from edge.identity.est import Est, NotYetError
from edge.identity.files import Enrolment, IdentityFiles
from edge.identity.https import AskError
from edge.identity.keys import (
    check_clock,
    check_later,
    check_times,
    gateway_name,
    key_pem,
    next_key,
    pem_of,
    renewal_time,
    request_for,
)
from edge.identity.settings import EstSettings
from protocols.mqtt.rights import gateway_user

_LONGEST_WAIT_S = 600.0
"""That somebody at the command line waits for a decision."""


def enrol(
    files: IdentityFiles,
    settings: EstSettings,
    who: tuple[str, str],
    user: str,
    password: str,
    waits: Callable[[float], None],
) -> Enrolment:
    """The first certificate of gateway `who` (group, node). `waits` is told of each time, in
    seconds, that the authority wants to pass before it is asked again.

    Raises `AskError`, `OSError`, `ValueError`.
    """
    if ":" in user or not (user + password).isprintable():
        raise ValueError("a user has no colon, and neither user nor password a control character")
    subject = gateway_name(*who)
    est = Est(settings)
    intermediate = est.authority()
    check_clock(est.clock_told, est.url)  # before the password, which may be good once
    files.make_folder()
    key = next_key(files)
    request = request_for(key, subject)
    left_s = _LONGEST_WAIT_S
    while True:
        try:
            given = est.enrol(request, user, password)
            break
        except NotYetError as error:
            left_s -= error.wait_s
            if left_s < 0:
                raise AskError(
                    f"{est.url} has not decided yet, and wants to be asked again in "
                    f"{error.wait_s:.0f} s: run this once more then, the key is kept for it"
                ) from None
            waits(error.wait_s)
            time.sleep(error.wait_s)
    proof, enrolment = _checked(settings, key, (*given, *intermediate), who)
    files.keep(proof, enrolment)
    return enrolment


def renew(files: IdentityFiles, before: Enrolment, settings: EstSettings) -> Enrolment:
    """The next certificate, kept beside the one in force: it is for the agent to try it before it
    takes its place. Raises `AskError`, `NotYetError`, `OSError`, `ValueError`."""
    proof = files.proof.read_bytes()
    certificate = x509.load_pem_x509_certificate(proof)
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise AskError(
            f"the certificate has expired, and {settings.url} renews by one that is good: enrol "
            "with a new password of its operator (lineside-edge enrol)"
        )
    est = Est(settings)
    intermediate = est.authority()
    key = next_key(files)
    # Name and alternative names must be those of the certificate in use (RFC 7030, 4.2.2).
    request = request_for(key, certificate.subject, _names(certificate))
    given = est.renew(request, files.proof)
    who = before.group, before.node
    made, enrolment = _checked(settings, key, (*given, *intermediate), who)
    check_later(certificate, made, settings.url)
    files.stage(made, enrolment)
    return enrolment


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _checked(
    settings: EstSettings,
    key: ec.EllipticCurvePrivateKey,
    given: Sequence[x509.Certificate],
    who: tuple[str, str],
) -> tuple[str, Enrolment]:
    """Key, certificate and those between it and the root (PEM), and what is to be known of it."""
    url = settings.url
    own = next((each for each in given if _is_of(each, key)), None)
    if own is None:
        raise AskError(f"{url} gave a certificate for another key")
    try:
        named = [each.value for each in own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    except (TypeError, ValueError) as error:
        raise AskError(f"{url} gave a certificate whose name cannot be read: {error}") from None
    user = gateway_user(*who)
    if named != [user]:
        raise AskError(
            f"{url} gave a certificate for {' and '.join(map(repr, named)) or 'nobody'}, this is "
            f"{user!r}: brokers know a gateway by its common name; correct `gateway:` in the file, "
            "or have the authority keep the name that is asked for"
        )
    check_times(own, url)
    chain = _chain(settings, own, given)
    pem = "".join(pem_of(each) for each in chain)
    return key_pem(key) + pem, Enrolment(None, *who, own.not_valid_after_utc, renewal_time(own))


def _is_of(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _chain(
    settings: EstSettings, own: x509.Certificate, given: Sequence[x509.Certificate]
) -> list[x509.Certificate]:
    """From a certificate up to one that is trusted, without a root. Raises `AskError`."""
    try:
        trusted = x509.load_pem_x509_certificates(settings.ca_file.read_bytes())
    except ValueError as error:
        raise AskError(f"{settings.ca_file}: no certificates (PEM): {error}") from None
    # A plant's authority is none of the web's: it need not follow the rules of browsers' forum.
    signs = ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, Criticality.AGNOSTIC, _signs
    )
    proves = ExtensionPolicy.permit_all().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _proves
    )
    verifier = (
        PolicyBuilder()
        .store(Store(trusted))
        .time(max(datetime.now(UTC), own.not_valid_before_utc))
        .extension_policies(ca_policy=signs, ee_policy=proves)
        .build_client_verifier()
    )
    try:
        chain = verifier.verify(own, [each for each in given if each != own]).chain
    except VerificationError as error:
        raise AskError(
            f"{settings.url} gave a certificate that does not lead to one of {settings.ca_file}: "
            f"{error}"
        ) from None
    # Whoever trusts the root alone wants to see those in between, also one that is trusted here.
    return [each for each in chain if each.issuer != each.subject]


def _signs(_: Policy, _certificate: x509.Certificate, told: x509.BasicConstraints) -> None:
    if not told.ca:
        raise ValueError("it is signed by what is no authority")


def _proves(_: Policy, _certificate: x509.Certificate, told: x509.ExtendedKeyUsage | None) -> None:
    fit = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if told is not None and fit.isdisjoint(told):
        raise ValueError("it is not meant for TLS clients (extended key usage)")
