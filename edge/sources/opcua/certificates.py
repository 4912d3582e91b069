"""X.509 certificates and keys as files, and how they are shown to people."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class CertificateError(ConnectionError):
    """A certificate, a key or a list of them is of no use; the text says which, why, and what to
    do."""


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a file (DER, or PEM with one or more). Raises `CertificateError`."""
    content = _read(path, "certificate")
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except ValueError as error:
        raise CertificateError(f"{path} is no certificate (DER or PEM): {error}") from None


def read_key(path: Path) -> rsa.RSAPrivateKey:
    """The RSA key in a file (DER or PEM, without passphrase). Raises `CertificateError`."""
    content = _read(path, "key")
    load = (
        serialization.load_pem_private_key
        if b"-----BEGIN" in content
        else serialization.load_der_private_key
    )
    try:
        key = load(content, None)
    except TypeError:
        raise CertificateError(
            f"{path} is locked by a passphrase, which nobody could enter when the gateway starts; "
            "store it without one and readable by the gateway alone"
        ) from None
    except ValueError:
        raise CertificateError(f"{path} is no private key (PEM or DER)") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CertificateError(f"{path} is no RSA key, and OPC UA's policies want one")
    return key


def read_revocations(path: Path) -> x509.CertificateRevocationList:
    """The revocation list in a file (DER or PEM). Raises `CertificateError`."""
    content = _read(path, "revocation list")
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_crl(content)
        return x509.load_der_x509_crl(content)
    except ValueError as error:
        raise CertificateError(f"{path} is no revocation list (DER or PEM): {error}") from None


def split_chain(content: bytes) -> list[x509.Certificate]:
    """The certificates that stand one after another in what a server sends (OPC 10000-6, 6.2.6).

    Raises `CertificateError`.
    """
    chain = []
    while content:
        length = _der_length(content)
        try:
            certificate = x509.load_der_x509_certificate(content[:length])
            _ = certificate.subject, certificate.issuer  # names are read, and refused, only now
            chain.append(certificate)
        except (ValueError, TypeError, x509.InvalidVersion) as error:
            raise CertificateError(
                f"the server sends a certificate that is none: {error}"
            ) from None
        content = content[length:]
    return chain


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate as tools for PLCs show it: AB:CD:…"""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.sha256(der).digest().hex(":").upper()


def describe(certificate: x509.Certificate) -> str:
    """Subject, issuer, validity and fingerprint in a line."""
    subject = certificate.subject.rfc4514_string()
    issuer = certificate.issuer.rfc4514_string()
    by = "self-signed" if subject == issuer else f"issued by {issuer}"
    return (
        f"{subject} ({by}, valid {certificate.not_valid_before_utc:%Y-%m-%d} to "
        f"{certificate.not_valid_after_utc:%Y-%m-%d}, SHA-256 {fingerprint(certificate)})"
    )


def uris(certificate: x509.Certificate) -> list[str]:
    """The application URIs that it names."""
    names = _alternative_names(certificate)
    return names.get_values_for_type(x509.UniformResourceIdentifier) if names else []


def hosts(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that it names."""
    names = _alternative_names(certificate)
    if names is None:
        return []
    addresses = names.get_values_for_type(x509.IPAddress)
    return [*names.get_values_for_type(x509.DNSName), *map(str, addresses)]


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        ValueError,
    ):
        return None


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"the {what} {path} cannot be read: {error.strerror}") from None


def _der_length(content: bytes) -> int:
    """How many bytes the first ASN.1 value takes; all if that cannot be told."""
    if len(content) < 2 or content[1] < 0x80:
        return len(content) if len(content) < 2 else content[1] + 2
    count = content[1] & 0x7F
    return int.from_bytes(content[2 : 2 + count], "big") + 2 + count
