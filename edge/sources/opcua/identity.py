"""Who this gateway is to a server: its own certificate, and the user it logs in as.

The certificate is that of an OPC UA application (OPC 10000-6, 6.2.2); it is made on first use and
never written over. How a user is proven depends on what the endpoint accepts (OPC 10000-4, 7.40).
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asyncua import ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.sources.opcua.certificates import (
    CertificateError,
    describe,
    read_certificates,
    read_key,
    uris,
)
from edge.sources.opcua.config import OpcUaSettings, SecuritySettings

WARN_BEFORE = timedelta(days=30)
"""How long before a certificate expires it is said."""
_KEY_BITS = 3072
"""All three policies want 2048 to 4096."""
_VALID = timedelta(days=5 * 365)

_making = threading.Lock()
"""Sources may share a certificate, and each makes it if it is not there."""

_PASSWORD_POLICIES = (
    security_policies.SecurityPolicyAes256Sha256RsaPss.URI,
    security_policies.SecurityPolicyBasic256Sha256.URI,
    security_policies.SecurityPolicyAes128Sha256RsaOaep.URI,
    security_policies.SecurityPolicyBasic256.URI,  # signs with SHA-1, but encrypts as the second
)
"""Under which a password is sent encrypted, best first. Not Basic128Rsa15, which can be undone."""
_SIGNATURE_POLICIES = _PASSWORD_POLICIES[:3]
_NONE = security_policies.SecurityPolicyNone.URI

_KINDS = {
    ua.UserTokenType.Anonymous: "anonymous users",
    ua.UserTokenType.UserName: "user name and password",
    ua.UserTokenType.Certificate: "user certificates",
    ua.UserTokenType.IssuedToken: "tokens of an authorization service",
}


class IdentityRefusedError(ConnectionError):
    """The endpoint does not take the user as set, or not safely; the text says what it takes."""


@dataclass(frozen=True)
class Application:
    """This gateway as an OPC UA application."""

    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]
    """Those between the certificate and its authority, as far as the file has them."""
    key: rsa.RSAPrivateKey
    uri: str
    """As its certificate says it: servers compare the two."""


@dataclass(frozen=True)
class UserCertificate:
    """A user that is proven by a key."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


def own_application(settings: SecuritySettings) -> Application:
    """Read this gateway's certificate and key, and make them if there are none.

    Where only the key is there, the certificate is made for it. Raises `CertificateError`.
    """
    with _making:
        _make_missing(settings.certificate_file, settings.key_file)
    certificate, *issuers = read_certificates(settings.certificate_file)
    key = read_key(settings.key_file)
    _check_pair(certificate, key, settings.certificate_file, settings.key_file)
    named = uris(certificate)
    if not named:
        raise CertificateError(
            f"{settings.certificate_file} names no application URI, which servers compare; "
            "make it anew with a URI among its alternative names"
        )
    return Application(certificate, tuple(issuers), key, named[0])


def own_user(settings: OpcUaSettings) -> UserCertificate | None:
    """Read the user's certificate and key, if there shall be one. Raises `CertificateError`."""
    if settings.user_certificate_file is None or settings.user_key_file is None:
        return None
    certificate = read_certificates(settings.user_certificate_file)[0]
    key = read_key(settings.user_key_file)
    _check_pair(certificate, key, settings.user_certificate_file, settings.user_key_file)
    return UserCertificate(certificate, key)


def expiry_notice(certificate: x509.Certificate, now: datetime) -> str | None:
    """What to say of a certificate that has expired or soon will; None if it will not soon."""
    ends = certificate.not_valid_after_utc
    if now < ends - WARN_BEFORE:
        return None
    if now > ends:
        return f"has expired on {ends:%Y-%m-%d}: {describe(certificate)}"
    days = (ends - now).days
    return f"expires in {days} days, on {ends:%Y-%m-%d}: {describe(certificate)}"


def choose_token(
    wanted: ua.UserTokenType,
    offered: Sequence[ua.UserTokenPolicy],
    policy: security_policies.SecurityPolicy,
    *,
    password_readable: bool,
) -> ua.UserTokenPolicy:
    """The safest way that an endpoint offers to prove a user, over a channel of `policy`.

    The answer names its security policy. Raises `IdentityRefusedError` if there is none, or only
    one that would show a password (`password_readable` False) or prove nothing.
    """
    candidates: dict[str, ua.UserTokenPolicy] = {}
    for token in offered:
        if token.TokenType == wanted:
            # an empty policy means that of the channel
            uri = str(token.SecurityPolicyUri or policy.URI)
            candidates.setdefault(uri, replace(token, SecurityPolicyUri=ua.String(uri)))
    if not candidates:
        raise IdentityRefusedError(
            f"the endpoint does not take {_KINDS[wanted]}; it takes {_names(offered)}. Set "
            "username, user_certificate_file or neither to suit, or allow it at the server"
        )
    if wanted == ua.UserTokenType.Anonymous:
        return next(iter(candidates.values()))
    known = _PASSWORD_POLICIES if wanted == ua.UserTokenType.UserName else _SIGNATURE_POLICIES
    for uri in (policy.URI, *known):
        if uri in known and uri in candidates:
            return candidates[uri]
    if wanted == ua.UserTokenType.UserName and _NONE in candidates:
        hidden = policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        if hidden or password_readable:
            return candidates[_NONE]
        raise IdentityRefusedError(
            "the endpoint takes the password only unencrypted, and everybody on the network could "
            "read it; set security with mode: SignAndEncrypt, or let the server's endpoint "
            "encrypt it, or send_password_readable: true if that does not matter"
        )
    raise IdentityRefusedError(
        f"the endpoint takes {_KINDS[wanted]} only under {_policy_names(candidates)}, which is "
        "not safe or not known here; allow Basic256Sha256 for users at the server"
    )


def _names(offered: Sequence[ua.UserTokenPolicy]) -> str:
    kinds = dict.fromkeys(_KINDS.get(token.TokenType, "something else") for token in offered)
    return ", ".join(kinds) or "nobody"


def _policy_names(candidates: dict[str, ua.UserTokenPolicy]) -> str:
    return ", ".join(uri.rpartition("#")[2] or uri for uri in candidates)


def _check_pair(
    certificate: x509.Certificate, key: rsa.RSAPrivateKey, file: Path, key_file: Path
) -> None:
    if certificate.public_key() != key.public_key():
        raise CertificateError(f"{key_file} is not the key of {file}; one of them is another's")


def _make_missing(certificate_file: Path, key_file: Path) -> None:
    if certificate_file.exists():
        if not key_file.exists():
            raise CertificateError(
                f"{certificate_file} is there but its key {key_file} is not; restore the key, or "
                "remove the certificate, and both are made anew"
            )
        return
    try:
        if not key_file.exists():
            key = rsa.generate_private_key(65537, _KEY_BITS)
            pem = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            _write_new(key_file, pem, 0o600)
        certificate = _self_signed(read_key(key_file), socket.gethostname())
        encoding = (
            serialization.Encoding.PEM
            if certificate_file.suffix.lower() == ".pem"
            else serialization.Encoding.DER
        )
        _write_new(certificate_file, certificate.public_bytes(encoding), 0o644)
    except OSError as error:
        raise CertificateError(
            f"the gateway's certificate cannot be made: {error.filename}: {error.strerror}"
        ) from None


def _self_signed(key: rsa.RSAPrivateKey, host: str) -> x509.Certificate:
    """As OPC 10000-6, 6.2.2 wants the certificate of a client."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"Lineside gateway on {host}"[:64]),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Lineside"),
        ]
    )
    now = datetime.now(UTC)
    public = key.public_key()
    alternative: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(f"urn:{host}:lineside:edge"),
        x509.DNSName(host),
    ]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # PLC clocks are often behind
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=True,
                data_encipherment=True,
                key_agreement=False,
                key_cert_sign=True,  # of itself
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file whole or not at all, and never over another."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:  # a command of root makes it for the gateway that owns the directory
            owner = path.parent.stat()
            os.chown(partial, owner.st_uid, owner.st_gid)
        with contextlib.suppress(FileExistsError):  # another process was first: its file holds
            os.link(partial, path)
    finally:
        partial.unlink()
