"""Which servers are believed: the trust list of a source.

A server is believed if its certificate is pinned (a file, or a fingerprint), or stands in the trust
list by itself, or was issued by an authority that stands there and has not revoked it. All else is
refused and kept in `rejected/`, from where a person may move it. The folders are read at each
attempt, so that what was moved holds at the next.

What is checked, and what may be left out, follows OPC 10000-4, 6.1.3. Revocation lists are asked
where there are some, also when a newer one is due; without one an authority is believed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID

from edge.sources.opcua.certificates import (
    CertificateError,
    describe,
    fingerprint,
    hosts,
    read_certificates,
    read_revocations,
    uris,
)
from edge.sources.opcua.config import SecuritySettings

_TRUSTED, _ISSUERS, _REVOKED, _REJECTED = "trusted", "issuers", "crl", "rejected"
_REJECTED_KEPT = 50
"""Rejected certificates that are kept, so that nobody fills the disk by showing ever new ones."""
_MAX_ISSUERS = 5


def check_server(
    chain: Sequence[x509.Certificate], uri: str, host: str, settings: SecuritySettings
) -> None:
    """Raise `CertificateError` unless the server that shows `chain` (its own first) is believed.

    `uri` is the application URI it gives itself, `host` what its address calls it.
    """
    if not chain:
        raise CertificateError("the server shows no certificate; give it one")
    certificate = chain[0]
    if settings.trust_any_server:
        return
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey):
        raise CertificateError(
            f"the server's certificate has no RSA key, which its policy wants: "
            f"{describe(certificate)}"
        )
    now = datetime.now(UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if "validity" in settings.tolerate:
        now = min(max(now, begins), ends)
    _check_time(certificate, now)
    if _is_pinned(certificate, settings):
        return  # the one that was meant, whatever it calls itself
    if settings.trust_dir is None:
        raise CertificateError(_not_the_pinned(certificate, settings))
    trust = TrustList(settings.trust_dir)
    trust.check(chain, now)
    _check_names(certificate, uri, host, settings)


class TrustList:
    """The folder of a trust list: `trusted/` has servers and authorities, `issuers/` authorities
    that are needed to get to those, `crl/` revocation lists, `rejected/` what was refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unread: list[str] = []
        """What was wrong with the files that are not certificates."""

    def check(self, chain: Sequence[x509.Certificate], now: datetime) -> None:
        """Raise `CertificateError` unless the first certificate of `chain` is trusted."""
        certificate = chain[0]
        self._prepare()
        trusted = self._certificates(_TRUSTED)
        issuers = self._certificates(_ISSUERS)
        if certificate in trusted:
            signers = [c for c in [*trusted, *issuers] if c.subject == certificate.issuer]
            self._check_revoked([certificate, *signers[:1]])
            return
        try:
            path = _path_to(trusted, certificate, [*chain[1:], *issuers], now)
        except verification.VerificationError:
            raise CertificateError(self._refusal(certificate)) from None
        self._check_revoked(path)

    def _prepare(self) -> None:
        try:
            for name in (_TRUSTED, _ISSUERS, _REVOKED, _REJECTED):
                (self._folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CertificateError(
                f"the trust list {self._folder} cannot be made: {error.strerror}"
            ) from None

    def _certificates(self, name: str) -> list[x509.Certificate]:
        """What can be read; a stray file must not end what works."""
        found = []
        for file in self._files(name):
            try:
                found += read_certificates(file)
            except CertificateError as error:
                self._unread.append(str(error))
        return found

    def _files(self, name: str) -> list[Path]:
        files = (self._folder / name).iterdir()
        return sorted(f for f in files if f.is_file() and not f.name.startswith("."))

    def _check_revoked(self, path: Sequence[x509.Certificate]) -> None:
        """Ask of each certificate the lists of the one that follows it, which issued it."""
        lists = [(file, read_revocations(file)) for file in self._files(_REVOKED)]
        for certificate, issuer in pairwise(path):
            key = issuer.public_key()
            for file, revocations in lists:
                if revocations.issuer != issuer.subject:
                    continue
                if not isinstance(
                    key, (rsa.RSAPublicKey, ec.EllipticCurvePublicKey)
                ) or not revocations.is_signature_valid(key):
                    raise CertificateError(
                        f"{file} is not signed by {issuer.subject.rfc4514_string()}, whose "
                        "revocation list it says it is; get it from there anew, or remove it"
                    )
                serial = certificate.serial_number
                if revocations.get_revoked_certificate_by_serial_number(serial) is not None:
                    raise CertificateError(
                        f"the server's certificate has been revoked by its authority ({file}): "
                        f"{describe(certificate)}; the server needs a new one"
                    )

    def _refusal(self, certificate: x509.Certificate) -> str:
        where = self._keep_rejected(certificate)
        authority = (
            ""
            if certificate.issuer == certificate.subject
            else "; or put the certificate of its authority there, to trust all it has issued"
        )
        return (
            f"the server's certificate is not trusted: {describe(certificate)}. Compare the "
            f"fingerprint with the one that the server itself shows. If they are the same: "
            f"mv '{where}' '{self._folder / _TRUSTED}/'{authority}. The next attempt will see it"
            + "".join(f". Left out: {problem}" for problem in self._unread)
        )

    def _keep_rejected(self, certificate: x509.Certificate) -> Path:
        """Where the certificate now lies among the rejected."""
        folder = self._folder / _REJECTED
        common = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        name = str(common[0].value) if common else "server"
        readable = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-.")[:60] or "server"
        digits = fingerprint(certificate).replace(":", "").lower()
        path = folder / f"{readable}-{digits[:16]}.der"
        if not path.exists():
            try:
                path.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
                # The one just written may be the oldest by a clock that was set back.
                others = [file for file in self._files(_REJECTED) if file != path]
                others.sort(key=lambda file: file.stat().st_mtime)
                for old in others[: 1 - _REJECTED_KEPT]:
                    old.unlink(missing_ok=True)
            except OSError as error:
                raise CertificateError(
                    f"the server's certificate is not trusted: {describe(certificate)}; nor can "
                    f"it be kept in {folder}: {error.strerror}"
                ) from None
        return path


def _path_to(
    anchors: list[x509.Certificate],
    certificate: x509.Certificate,
    between: list[x509.Certificate],
    now: datetime,
) -> list[x509.Certificate]:
    """From a server's certificate to the authority among `anchors` that answers for it.

    Raises `VerificationError` if there is no such path.
    """
    if not anchors:
        raise verification.VerificationError("nobody is trusted")
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store(anchors))
        .time(now)
        .max_chain_depth(_MAX_ISSUERS)
        .extension_policies(
            ca_policy=verification.ExtensionPolicy.permit_all()
            .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
            .may_be_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _must_sign),
            ee_policy=verification.ExtensionPolicy.permit_all().may_be_present(
                x509.ExtendedKeyUsage, verification.Criticality.AGNOSTIC, _must_be_server
            ),
        )
    )
    return policy.build_client_verifier().verify(certificate, between).chain


def _must_sign(
    _policy: verification.Policy, _certificate: x509.Certificate, found: x509.KeyUsage | None
) -> None:
    if found is not None and not found.key_cert_sign:
        raise ValueError("may not issue certificates")


def _must_be_server(
    _policy: verification.Policy,
    _certificate: x509.Certificate,
    found: x509.ExtendedKeyUsage | None,
) -> None:
    """Else any device that the authority knows could pass for the server."""
    if found is not None and ExtendedKeyUsageOID.SERVER_AUTH not in found:
        raise ValueError("not the certificate of a server")


def _check_time(certificate: x509.Certificate, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            f"the server's certificate has expired: {describe(certificate)}; give the server a "
            "new one and trust that, or tolerate: [validity]"
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            f"the server's certificate is not yet valid: {describe(certificate)}, and here it is "
            f"{now:%Y-%m-%d %H:%M} UTC; set the clock that is wrong, or tolerate: [validity]"
        )


def _check_names(
    certificate: x509.Certificate, uri: str, host: str, settings: SecuritySettings
) -> None:
    if "uri" not in settings.tolerate and uri not in uris(certificate):
        raise CertificateError(
            f"the server calls itself {uri}, but its certificate is that of "
            f"{', '.join(uris(certificate)) or 'no application URI'}: {describe(certificate)}; "
            "make its certificate anew, or tolerate: [uri]"
        )
    if "host" not in settings.tolerate and not _names_host(certificate, host):
        raise CertificateError(
            f"the server is addressed as {host}, but its certificate is that of "
            f"{', '.join(hosts(certificate)) or 'no host'}: {describe(certificate)}; address it "
            "so, or make its certificate anew, or tolerate: [host]"
        )


def _names_host(certificate: x509.Certificate, host: str) -> bool:
    named = {name.lower().rstrip(".") for name in hosts(certificate)}
    try:
        return str(ip_address(host)) in named
    except ValueError:
        return host.lower().rstrip(".") in named


def _is_pinned(certificate: x509.Certificate, settings: SecuritySettings) -> bool:
    if fingerprint(certificate) in settings.server_fingerprints:
        return True
    file = settings.server_certificate_file
    return file is not None and certificate in read_certificates(file)[:1]


def _not_the_pinned(certificate: x509.Certificate, settings: SecuritySettings) -> str:
    file = settings.server_certificate_file
    pins = [
        *([f"{fingerprint(read_certificates(file)[0])} ({file})"] if file else []),
        *settings.server_fingerprints,
    ]
    return (
        f"the server shows another certificate than the pinned one: {describe(certificate)}, but "
        f"pinned is {', '.join(pins)}. If the server was given a new certificate, compare the "
        "fingerprint with the one that it shows itself, then pin that"
    )
