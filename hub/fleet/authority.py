"""The certificate authority that signs gateways: the hub's own, or one given by files.

Certificates follow RFC 5280. A gateway's names it twice: as common name, which brokers take for the
user, and as URI, which has room for any name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hub.fleet.settings import Signing
from protocols.enrolment import fingerprint
from protocols.mqtt.rights import gateway_user

_AUTHORITY_YEARS = 10
_SERVER_DAYS = 825
_SKEW = timedelta(hours=1)
"""How far another machine's clock may be behind ours."""
_SMALLEST_RSA_BITS = 2048
_CURVES = ("secp256r1", "secp384r1")

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class AuthorityError(ValueError):
    """The authority cannot be used as it is; the text says why and what to do."""


class RequestError(ValueError):
    """A certificate request that is not signed; the text says why."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that was signed."""

    pem: str
    serial: str
    not_after: datetime


class Authority:
    """Signs. Made by `create` or `load`."""

    def __init__(self, chain: Sequence[x509.Certificate], key: SigningKey) -> None:
        self._chain = chain
        self._key = key

    @property
    def certificate(self) -> x509.Certificate:
        """Its own."""
        return self._chain[0]

    @property
    def pem(self) -> str:
        """What others trust: its certificate, and those above it."""
        return "".join(_pem(each) for each in self._chain)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all of that."""
        return fingerprint(self.pem)

    @classmethod
    def create(cls, cert_file: Path, key_file: Path, name: str) -> Authority:
        """A new one, its key for its owner alone. Raises `FileExistsError`, `OSError`."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        certificate = (
            _builder(subject, subject, key.public_key(), key.public_key())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + timedelta(days=365 * _AUTHORITY_YEARS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        for file in (cert_file, key_file):
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if file.exists():
                raise FileExistsError(f"{file} exists: an authority is never written over")
        write_new(key_file, _key_pem(key), 0o600)
        write_new(cert_file, _pem(certificate), 0o644)
        return cls([certificate], key)

    @classmethod
    def load(cls, signing: Signing) -> Authority:
        """That of the files. Raises `AuthorityError`, which says what is wrong with them."""
        cert_file, key_file = signing.cert_file, signing.key_file
        try:
            chain = x509.load_pem_x509_certificates(cert_file.read_bytes())
            mode = key_file.stat().st_mode
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        except FileNotFoundError as error:
            raise AuthorityError(f"{error.filename} is not there: lineside-hub ca init") from None
        except OSError as error:
            raise AuthorityError(f"{error.filename}: {error.strerror}") from None
        except (ValueError, TypeError) as error:
            raise AuthorityError(f"{cert_file}, {key_file}: no PEM as wanted: {error}") from None
        if stat.S_IMODE(mode) & 0o027:
            raise AuthorityError(f"{key_file} can be read by others: chmod 600")
        if not isinstance(key, SigningKey):
            raise AuthorityError(f"{key_file}: neither an elliptic curve's nor an RSA key")
        if _spki(key.public_key()) != _spki(chain[0].public_key()):
            raise AuthorityError(f"{key_file} is not the key of {cert_file}")
        try:
            signs = chain[0].extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            signs = False
        if not signs:
            raise AuthorityError(f"{cert_file}: its certificate is none of an authority")
        if datetime.now(UTC) > chain[0].not_valid_after_utc:
            raise AuthorityError(f"{cert_file} has expired {chain[0].not_valid_after_utc:%Y-%m-%d}")
        return cls(chain, key)

    def sign_gateway(
        self, request: x509.CertificateSigningRequest, group: str, node: str, days: float
    ) -> Issued:
        """A certificate for a gateway's key, good for TLS clients. Names of the request are
        not taken over. Raises `RequestError`, `ValueError`."""
        user = gateway_user(group, node)
        asked = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if asked and asked[0].value != user:
            raise RequestError(f"the request is for {asked[0].value!r}, the token for {user!r}")
        names = [x509.UniformResourceIdentifier(gateway_uri(group, node))]
        return self._sign(user, request.public_key(), names, ExtendedKeyUsageOID.CLIENT_AUTH, days)

    def make_server(self, names: Sequence[str]) -> tuple[str, str]:
        """Certificate and key of a server, by host names or addresses, PEM both."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self._sign(
            names[0],
            key.public_key(),
            [_host(name) for name in names],
            ExtendedKeyUsageOID.SERVER_AUTH,
            _SERVER_DAYS,
        )
        return issued.pem, _key_pem(key)

    def make_client(self, name: str) -> tuple[str, str]:
        """Certificate and key of a client of the broker that is no gateway, PEM both."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self._sign(
            name, key.public_key(), [], ExtendedKeyUsageOID.CLIENT_AUTH, _SERVER_DAYS
        )
        return issued.pem, _key_pem(key)

    def issued(self, certificate: x509.Certificate) -> bool:
        """Whether this authority has signed it."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True

    def sign(self, data: bytes) -> bytes:
        """Of what is no certificate: the caller sees to it that it can be taken for none."""
        if isinstance(self._key, ec.EllipticCurvePrivateKey):
            return self._key.sign(data, ec.ECDSA(hashes.SHA256()))
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def revocations(self, serials: Iterable[tuple[str, datetime]]) -> str:
        """The list of what is revoked, PEM: serial numbers and since when.

        It is good for as long as the authority: a broker refuses everybody once its list has run
        out, and a line that stands still is the greater harm. What is new comes by a new file.
        """
        now = datetime.now(UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
            .add_extension(_issuer_id(self.certificate.public_key()), critical=False)
        )
        for serial, since in serials:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(int(serial, 16))
                .revocation_date(since)
                .build()
            )
        return _pem(builder.sign(self._key, hashes.SHA256()))

    def lists(self, text: str | None, serials: Iterable[str]) -> bool:
        """Whether a list is ours, and has at least these."""
        try:
            found = x509.load_pem_x509_crl((text or "").encode())
        except ValueError:
            return False
        key = self.certificate.public_key()
        if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
            return False
        return found.is_signature_valid(key) and all(
            found.get_revoked_certificate_by_serial_number(int(serial, 16)) is not None
            for serial in serials
        )

    def _sign(
        self,
        common_name: str,
        public_key: CertificatePublicKeyTypes,
        names: Sequence[x509.GeneralName],
        purpose: x509.ObjectIdentifier,
        days: float,
    ) -> Issued:
        now = datetime.now(UTC)
        ends = min(now + timedelta(days=days), self.certificate.not_valid_after_utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            _builder(subject, self.certificate.subject, public_key, self.certificate.public_key())
            .not_valid_before(now - _SKEW)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(_pem(certificate), f"{certificate.serial_number:x}", ends)


def read_request(pem: str) -> x509.CertificateSigningRequest:
    """A request whose key is fit and whose owner has it. Raises `RequestError`."""
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        valid = request.is_signature_valid
        key = request.public_key()
    except Exception as error:
        raise RequestError(f"not a certificate request (PEM): {error}") from None
    if not valid:
        raise RequestError("the request is not signed by its own key")
    fit = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES
    fit = fit or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _SMALLEST_RSA_BITS)
    if not fit:
        raise RequestError("the key must be P-256, P-384 or RSA of at least 2048 bits")
    return request


def key_hash(holder: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """SHA-256 of its public key."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(_spki(holder.public_key()))
    return digest.finalize()


def gateway_uri(group: str, node: str) -> str:
    """A gateway's name as a certificate has it among the alternative ones."""
    return f"urn:lineside:gateway:{quote(group, safe='')}:{quote(node, safe='')}"


def write_new(path: Path, text: str, mode: int) -> None:
    """A file that was not there before, with its rights from its first byte. Raises `OSError`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)  # whatever the process takes away from new files
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: CertificatePublicKeyTypes,
    issuer_key: CertificatePublicKeyTypes,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_issuer_id(issuer_key), critical=False)
    )


def _issuer_id(key: CertificatePublicKeyTypes) -> x509.AuthorityKeyIdentifier:
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise AuthorityError("an authority's key must be an elliptic curve's or RSA")
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _spki(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(signed: x509.Certificate | x509.CertificateRevocationList) -> str:
    return signed.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: SigningKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
