"""How gateways come to their certificates, keep and lose them.

A token is good for one key: asked again with the same key, while it lasts, it gives the same
certificate, so that an answer which was lost does not cost a journey to the PC.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import psycopg
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from hub.fleet.authority import Authority, RequestError, key_hash, read_request
from hub.identity import audit
from protocols.enrolment import Token

MOST_A_DAY = 20
"""Certificates of one gateway in 24 hours: whoever has its key could else fill the table."""

_MAKE = """
INSERT INTO enrolment_token (id, owner, gateway, secret_hash, made_by, expires_at)
VALUES (%s, %s, %s, %s, %s, now() + %s)
RETURNING expires_at
"""
_FORGET = "DELETE FROM enrolment_token WHERE gateway = %s AND used_at IS NULL"
_GIVEN = """
SELECT t.secret_hash, t.expires_at > now(), t.public_key, g.id, g.owner, g.group_id, g.node_id
FROM enrolment_token t JOIN gateway g ON g.id = t.gateway WHERE t.id = %s FOR UPDATE OF t, g
"""
_USE = "UPDATE enrolment_token SET used_at = now(), public_key = %s WHERE id = %s"
_LET_IN = "UPDATE gateway SET shut_out_at = NULL WHERE id = %s"
_ADD = """
INSERT INTO gateway_certificate (serial, owner, gateway, public_key, pem, how, not_after)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_OF_KEY = """
SELECT pem, serial, not_after FROM gateway_certificate
WHERE gateway = %s AND public_key = %s AND revoked_at IS NULL AND not_after > now()
ORDER BY issued_at DESC LIMIT 1
"""
_LATELY = """
SELECT count(*) FROM gateway_certificate
WHERE gateway = %s AND issued_at > now() - interval '24 h'
"""
_FIND_CERTIFICATE = """
SELECT c.public_key, c.revoked_at IS NOT NULL OR g.shut_out_at IS NOT NULL, c.not_after > now(),
    g.id, g.owner, g.group_id, g.node_id
FROM gateway_certificate c JOIN gateway g ON g.id = c.gateway WHERE c.serial = %s FOR UPDATE OF g
"""
_REVOKE = """
UPDATE gateway_certificate SET revoked_at = now() WHERE gateway = %s AND revoked_at IS NULL
RETURNING serial
"""
_SHUT_OUT = "UPDATE gateway SET shut_out_at = coalesce(shut_out_at, now()) WHERE id = %s"
_REVOKED = """
SELECT serial, revoked_at FROM gateway_certificate
WHERE revoked_at IS NOT NULL AND not_after > now() ORDER BY revoked_at, serial
"""


class RefusedError(Exception):
    """No certificate is given; the text says why, and what to do."""


class TooManyError(Exception):
    """The gateway has had too many certificates of late."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a gateway gets."""

    group: str
    node: str
    certificate: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """A gateway that is registered."""

    id: int
    owner: str
    group: str
    node: str

    def __str__(self) -> str:
        return f"{self.group}/{self.node}"


def make_token(
    connection: psycopg.Connection,
    gateway: int,
    owner: str,
    authority: str,
    good_for: timedelta,
    made_by: str,
) -> tuple[Token, datetime]:
    """A token for a gateway by its id, and when it expires. One that is not used yet goes.
    `authority` is the fingerprint of the hub's."""
    token = Token(secrets.token_hex(6), secrets.token_hex(16), authority)
    connection.execute(_FORGET, (gateway,))
    row = connection.execute(
        _MAKE, (token.id, owner, gateway, token.hashed(), made_by, good_for)
    ).fetchone()
    assert row is not None  # noqa: S101 - an INSERT that returns always has a row
    return token, row[0]


def enrol(
    connection: psycopg.Connection,
    authority: Authority,
    token: Token,
    request_pem: str,
    days: float,
) -> Enrolled:
    """The certificate that a token is good for. Raises `RefusedError`, `RequestError`."""
    row = connection.execute(_GIVEN, (token.id,)).fetchone()
    if row is None or not hmac.compare_digest(bytes(row[0]), token.hashed()):
        raise RefusedError("no such token; ask for a new one (lineside-hub gateways add)")
    _, good, used_for, *which = row
    gateway = Known(*which)
    if not good:
        raise RefusedError("the token has expired; ask for a new one (lineside-hub gateways add)")
    request = read_request(request_pem)
    key = key_hash(request)
    if used_for is not None:
        before = _of_key(connection, gateway, key) if bytes(used_for) == key else None
        if before is None:
            raise RefusedError(
                "the token has been used; ask for a new one (lineside-hub gateways add), and find "
                "out who used it if you did not"
            )
        return before
    connection.execute(_USE, (key, token.id))
    connection.execute(_LET_IN, (gateway.id,))
    return _issue(connection, authority, gateway, request, "enrolled", days)


def renew(
    connection: psycopg.Connection,
    authority: Authority,
    certificate_pem: str,
    request_pem: str,
    signature: bytes,
    days: float,
) -> Enrolled:
    """A certificate for the new key of a gateway that proves to have the one in use.

    `signature` is of the request (DER), by the key in use, with SHA-256. Raises `RefusedError`,
    `RequestError`, `TooManyError`.
    """
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError as error:
        raise RequestError(f"not a certificate (PEM): {error}") from None
    gateway = proven(connection, authority, certificate)
    request = read_request(request_pem)
    der = request.public_bytes(serialization.Encoding.DER)
    if not signed(certificate, signature, der):
        raise RefusedError("the request is not signed by the key of the certificate in use")
    before = _of_key(connection, gateway, key_hash(request))
    if before is not None:
        return before
    lately = connection.execute(_LATELY, (gateway.id,)).fetchone()
    if lately is not None and lately[0] >= MOST_A_DAY:
        raise TooManyError(f"{gateway} has had {lately[0]} certificates within a day")
    return _issue(connection, authority, gateway, request, "renewed", days)


def proven(
    connection: psycopg.Connection, authority: Authority, certificate: x509.Certificate
) -> Known:
    """The gateway whose certificate this is, if it is good. That somebody has its key is another
    question. Raises `RefusedError`."""
    if not authority.issued(certificate):
        raise RefusedError("the certificate is none of this hub's authority; enrol with a token")
    serial = f"{certificate.serial_number:x}"
    row = connection.execute(_FIND_CERTIFICATE, (serial,)).fetchone()
    if row is None or bytes(row[0]) != key_hash(certificate):
        raise RefusedError("the certificate is no gateway's here; enrol with a token")
    _, revoked, good, *which = row
    gateway = Known(*which)
    if revoked:
        raise RefusedError(f"the certificate of {gateway} is revoked; enrol with a new token")
    if not good:
        raise RefusedError(f"the certificate of {gateway} has expired; enrol with a new token")
    return gateway


def revoke(connection: psycopg.Connection, gateway: int) -> int:
    """Shut a gateway out: all its certificates and open tokens. Returns how many certificates."""
    connection.execute(_FORGET, (gateway,))
    connection.execute(_SHUT_OUT, (gateway,))
    return len(connection.execute(_REVOKE, (gateway,)).fetchall())


def let_in(connection: psycopg.Connection, gateway: int) -> None:
    """Undo `revoke`, for a gateway whose certificates another authority gives and revokes. A token
    of the hub's that is not used yet goes."""
    connection.execute(_FORGET, (gateway,))
    connection.execute(_LET_IN, (gateway,))


def revoked(connection: psycopg.Connection) -> Sequence[tuple[str, datetime]]:
    """Serial numbers that a broker must refuse though they have not expired, and since when."""
    return [(serial, at) for serial, at in connection.execute(_REVOKED)]


def _issue(
    connection: psycopg.Connection,
    authority: Authority,
    gateway: Known,
    request: x509.CertificateSigningRequest,
    how: str,
    days: float,
) -> Enrolled:
    made = authority.sign_gateway(request, gateway.group, gateway.node, days)
    connection.execute(
        _ADD,
        (
            *(made.serial, gateway.owner, gateway.id, key_hash(request)),
            *(made.pem, how, made.not_after),
        ),
    )
    what = f"certificate {made.serial} {how}, good until {made.not_after:%Y-%m-%d}"
    audit.note(connection, gateway.owner, f"gateway {gateway}", "api", what)
    return Enrolled(gateway.group, gateway.node, made.pem, made.not_after)


def _of_key(connection: psycopg.Connection, gateway: Known, key: bytes) -> Enrolled | None:
    row = connection.execute(_OF_KEY, (gateway.id, key)).fetchone()
    return Enrolled(gateway.group, gateway.node, row[0], row[2]) if row else None


def signed(certificate: x509.Certificate, signature: bytes, data: bytes) -> bool:
    """Whether a signature is by a certificate's key."""
    key = certificate.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True
