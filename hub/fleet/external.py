"""An external authority that certifies gateways itself, by EST or else: what a broker must know
of it. The broker takes the common name for the user's, whoever of those it trusts signed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from hub.fleet.authority import AuthorityError

_LIST_ENDS = "-----END X509 CRL-----"


@dataclass(frozen=True, slots=True)
class ExternalAuthority:
    """Its public side. Made by `load`."""

    pem: str
    """The certificate that signs gateways, and those above it to the root."""
    revocations: str | None
    """What they have revoked, PEM, a list after the other; None if a broker is not told."""
    listed_until: datetime | None
    """When the first of the lists runs out: a broker that still has it then refuses everybody of
    that authority. None if there is no list, or it never does."""

    @classmethod
    def load(cls, cert_file: Path, crl_file: Path | None) -> ExternalAuthority:
        """That of the files. Raises `AuthorityError`, which says what is wrong with them."""
        try:
            chain = x509.load_pem_x509_certificates(cert_file.read_bytes())
            lists = _lists(crl_file.read_text()) if crl_file is not None else []
        except OSError as error:
            raise AuthorityError(f"{error.filename}: {error.strerror}") from None
        except ValueError as error:
            raise AuthorityError(f"{cert_file}, {crl_file}: no PEM as wanted: {error}") from None
        _check_chain(cert_file, chain)
        pem = "".join(each.public_bytes(Encoding.PEM).decode() for each in chain)
        if crl_file is None:
            return cls(pem, None, None)
        until = [_checked_list(crl_file, each, chain) for each in lists]
        if not any(each.issuer == chain[0].subject for each in lists):
            name = chain[0].subject.rfc4514_string()
            raise AuthorityError(f"{crl_file}: there is no list of {name}, which signs gateways")
        text = "".join(each.public_bytes(Encoding.PEM).decode() for each in lists)
        return cls(pem, text, min((each for each in until if each is not None), default=None))


def split_lists(text: str) -> list[str]:
    """Each list of revoked certificates (PEM) of a text that has several."""
    return [f"{each}{_LIST_ENDS}\n".lstrip() for each in text.split(_LIST_ENDS)[:-1]]


def _lists(text: str) -> list[x509.CertificateRevocationList]:
    return [x509.load_pem_x509_crl(each.encode()) for each in split_lists(text)]


def _check_chain(file: Path, chain: list[x509.Certificate]) -> None:
    now = datetime.now(UTC)
    for certificate in chain:
        name, ends = certificate.subject.rfc4514_string(), certificate.not_valid_after_utc
        try:
            signs = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except x509.ExtensionNotFound:
            signs = False
        if not signs:
            raise AuthorityError(f"{file}: {name} is no authority")
        if ends <= now:
            raise AuthorityError(f"{file}: {name} has expired {ends:%Y-%m-%d}")
        if not any(_signed_by(certificate, each) for each in chain):
            above = certificate.issuer.rfc4514_string()
            raise AuthorityError(
                f"{file}: {above}, which has signed {name}, is not in it: a broker wants all, up "
                "to the root"
            )


def _signed_by(certificate: x509.Certificate, above: x509.Certificate) -> bool:
    """A root is signed by itself."""
    try:
        certificate.verify_directly_issued_by(above)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _checked_list(
    file: Path, listed: x509.CertificateRevocationList, chain: list[x509.Certificate]
) -> datetime | None:
    """When it runs out."""
    name = listed.issuer.rfc4514_string()
    keys = [each.public_key() for each in chain if each.subject == listed.issuer]
    if not any(
        isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey))
        and listed.is_signature_valid(key)
        for key in keys
    ):
        raise AuthorityError(f"{file}: a list of {name} is not signed by one of the certificates")
    until = listed.next_update_utc
    if until is not None and until <= datetime.now(UTC):
        raise AuthorityError(
            f"{file}: the list of {name} has run out {until:%Y-%m-%d %H:%M} UTC, and a broker that "
            "has it lets nobody of that authority in: fetch the next one"
        )
    return until
