"""Keys that are made here and never leave, requests for certificates of them, and what is kept of
an answer.

A key is on disk before anything is asked, and the same key makes the same request, byte for byte:
an answer which was lost, or comes later, is asked for again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from edge.identity.files import IdentityFiles
from edge.identity.https import AskError
from protocols.mqtt.rights import gateway_user

_RENEW_AFTER = 2 / 3
"""Of a certificate's time: the rest is for an authority or a line that is away."""
_SKEW = timedelta(minutes=5)
"""How far this machine's clock may be behind the authority's."""


def next_key(files: IdentityFiles) -> ec.EllipticCurvePrivateKey:
    """That of an attempt which has not ended, or a new one."""
    try:
        return read_key(files.next_key.read_bytes())
    except (FileNotFoundError, ValueError):
        key = ec.generate_private_key(ec.SECP256R1())
        files.write(files.next_key, key_pem(key), 0o600)
        return key


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises `ValueError`."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the key is none that enrolling makes")
    return key


def gateway_name(group: str, node: str) -> x509.Name:
    """The subject of a gateway's certificate, if nobody adds to it. Raises `ValueError`."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, gateway_user(group, node))])


def request_for(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    names: x509.SubjectAlternativeName | None = None,
) -> x509.CertificateSigningRequest:
    """A request (PKCS #10). Signed as RFC 6979 has it, so that it is always the same."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256(), ecdsa_deterministic=True)


def check_times(certificate: x509.Certificate, url: str) -> None:
    """Whether a certificate is good now. Raises `AskError`."""
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not starts - _SKEW <= datetime.now(UTC) < ends:
        raise AskError(
            f"{url} gave a certificate that is good from {starts:%Y-%m-%d %H:%M} to "
            f"{ends:%Y-%m-%d %H:%M} UTC: is this machine's clock right?"
        )


def check_later(before: x509.Certificate, pem: str, url: str) -> None:
    """Whether the next certificate (PEM) does not end just when the one before does: taken, one
    would follow the other ever faster, and nobody be told until the end. Raises `AskError`."""
    after = x509.load_pem_x509_certificate(pem.encode())
    ends = after.not_valid_after_utc
    if (
        before.not_valid_after_utc == ends
        and before.not_valid_before_utc < after.not_valid_before_utc
    ):
        raise AskError(
            f"{url} gives none that ends later than the one in use, {ends:%Y-%m-%d %H:%M} UTC: "
            "does the authority end then itself? Ask its operator"
        )


def check_clock(told: datetime | None, url: str) -> None:
    """Whether a certificate that an authority gives now would be good here. Raises `AskError`."""
    if told is not None and told - datetime.now(UTC) > _SKEW:
        raise AskError(
            f"this machine's clock is behind: {url} has {told:%Y-%m-%d %H:%M} UTC. Set it first; "
            "a certificate given now would not be good yet"
        )


def renewal_time(certificate: x509.Certificate) -> datetime:
    """When the next one is to be asked for."""
    now = datetime.now(UTC)
    return now + (certificate.not_valid_after_utc - now) * _RENEW_AFTER


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Not encrypted: for a file that this user alone may read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def pem_of(signed: x509.Certificate | x509.CertificateSigningRequest) -> str:
    """A certificate or a request, as text."""
    return signed.public_bytes(serialization.Encoding.PEM).decode()
