"""Gets a gateway's certificate, by a token or by the one in use. The key is made here and never
leaves; it is on disk before anything is asked, so that an answer which was lost is asked for again
with the same key."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.identity.files import Enrolment, IdentityFiles
from edge.identity.hub import Hub, HubError
from protocols.enrolment import ENROLMENT_PATH, RENEWAL_PATH, Token
from protocols.mqtt.rights import gateway_user

_RENEW_AFTER = 2 / 3
"""Of a certificate's time: the rest is for a hub or a line that is away."""


def enrol(files: IdentityFiles, hub: Hub, token: Token, group: str, node: str) -> Enrolment:
    """The first certificate, for a token. Raises `HubError`, `OSError`, `ValueError`."""
    authority = hub.authority(token.authority)
    files.make_folder()
    key = _next_key(files)
    body = {"token": str(token), "request": _pem(_request(key, group, node))}
    answer = hub.post(authority, ENROLMENT_PATH, body)
    proof, enrolment = _checked(hub.url, authority, key, answer, (group, node))
    files.keep(proof, authority, enrolment)
    return enrolment


def renew(files: IdentityFiles) -> Enrolment:
    """The next certificate, kept beside the one in force: it is for the agent to try it before it
    takes its place. Raises `HubError`, `OSError`, `ValueError`."""
    before = files.enrolment()
    if before is None:
        raise ValueError(f"{files.folder}: this gateway was never enrolled")
    proof = files.proof.read_bytes()
    old_key = _key(proof)
    certificate = x509.load_pem_x509_certificate(proof)
    authority = files.authority.read_text()
    key = _next_key(files)
    request = _request(key, before.group, before.node)
    signature = old_key.sign(
        request.public_bytes(serialization.Encoding.DER), ec.ECDSA(hashes.SHA256())
    )
    hub = Hub(before.hub)
    answer = hub.post(
        authority,
        RENEWAL_PATH,
        {
            "certificate": _pem(certificate),
            "request": _pem(request),
            "signature": base64.b64encode(signature).decode(),
        },
    )
    made, enrolment = _checked(hub.url, authority, key, answer, (before.group, before.node))
    files.stage(made, enrolment)
    return enrolment


def _checked(
    hub: str,
    authority: str,
    key: ec.EllipticCurvePrivateKey,
    answer: dict[str, Any],
    who: tuple[str, str],
) -> tuple[str, Enrolment]:
    """Key and certificate (PEM), if it is what was asked for, and what is to be known of it."""
    if (answer.get("group"), answer.get("node")) != who:
        raise HubError(
            f"the token is for gateway {answer.get('group')}/{answer.get('node')}, this is "
            f"{who[0]}/{who[1]}: correct `gateway:` in the file, or ask for another token"
        )
    pem = str(answer.get("certificate"))
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
    except (ValueError, TypeError, InvalidSignature):
        raise HubError(f"{hub} gave a certificate that is none of its authority") from None
    if certificate.public_key() != key.public_key():
        raise HubError(f"{hub} gave a certificate for another key")
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now = datetime.now(UTC)
    if not starts <= now < ends:
        raise HubError(
            f"{hub} gave a certificate that is good from {starts:%Y-%m-%d %H:%M} to "
            f"{ends:%Y-%m-%d %H:%M} UTC: is this machine's clock right?"
        )
    renew_at = now + (ends - now) * _RENEW_AFTER
    return _key_pem(key) + pem, Enrolment(hub, *who, not_after=ends, renew_at=renew_at)


def _next_key(files: IdentityFiles) -> ec.EllipticCurvePrivateKey:
    """That of an attempt which has not ended, or a new one."""
    try:
        return _key(files.next_key.read_bytes())
    except (FileNotFoundError, ValueError):
        key = ec.generate_private_key(ec.SECP256R1())
        files.write(files.next_key, _key_pem(key), 0o600)
        return key


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is none that enrolling makes")
    return key


def _request(
    key: ec.EllipticCurvePrivateKey, group: str, node: str
) -> x509.CertificateSigningRequest:
    name = x509.NameAttribute(NameOID.COMMON_NAME, gateway_user(group, node))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([name]))
    return builder.sign(key, hashes.SHA256())


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _pem(signed: x509.Certificate | x509.CertificateSigningRequest) -> str:
    return signed.public_bytes(serialization.Encoding.PEM).decode()
