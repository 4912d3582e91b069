"""Asks an authority's EST server (Enrollment over Secure Transport, RFC 7030, with RFC 8951).

Of the protocol's operations: the authority's certificates, enrolment by user and password, and
renewal by the certificate in use. Requests carry what a gateway is known by, whatever attributes
(`csrattrs`) a server may wish for.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import warnings
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from edge.identity.https import Answer, AskError, CutOffError, Server, shown
from edge.identity.settings import EstSettings

_ROOT = "/.well-known/est"
_CERTIFICATES = "application/pkcs7-mime"
_REQUEST = "application/pkcs10"
_ANEW = "A new password of the authority's operator helps: lineside-edge enrol"
_WAIT_S, _LEAST_WAIT_S, _MOST_WAIT_S = 30.0, 1.0, 86_400.0
"""What is waited if an answer does not say how long, and the bounds of what it may say."""


class NotYetError(AskError):
    """The authority has not decided yet (202). The same request is to be made again."""

    def __init__(self, url: str, wait_s: float) -> None:
        super().__init__(f"{url} has not decided yet, and wants to be asked again later")
        self.wait_s = wait_s
        """Seconds, not less."""


class Est:
    """An authority at its EST server."""

    def __init__(self, settings: EstSettings) -> None:
        """Raises `AskError`, `OSError`."""
        self._server = Server(settings.url, "the password", f"those in {settings.ca_file}")
        self._trusted = settings.ca_file
        self._root = _ROOT + (f"/{settings.label}" if settings.label else "")
        self.url = settings.url
        self._context = self._believing()
        self.clock_told: datetime | None = None
        """What time it was there when `authority` was last asked, if it said so."""

    def authority(self) -> list[x509.Certificate]:
        """The authority's own certificates. Raises `AskError`."""
        answer = self._ask(self._context, "GET", "/cacerts", None, {})
        if answer.status != HTTPStatus.OK:
            raise AskError(self._refusal(answer, "cacerts"))
        self.clock_told = _moment(answer.headers.get("Date"))
        return certificates(self.url, answer)

    def enrol(
        self, request: x509.CertificateSigningRequest, user: str, password: str
    ) -> list[x509.Certificate]:
        """A first certificate. Raises `AskError`; `NotYetError` if it is to be asked again."""
        told = base64.b64encode(f"{user}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {told}"}
        answer = self._ask(self._context, "POST", "/simpleenroll", request, headers)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise AskError(
                f"{self.url} does not take user {user} with this password ({answer.status}): "
                f"{_said(answer)}; one that is good once may have been used: ask the authority's "
                "operator for another, and whether the server takes HTTP Basic and no more"
            )
        return self._given(answer, "simpleenroll")

    def renew(self, request: x509.CertificateSigningRequest, proof: Path) -> list[x509.Certificate]:
        """The next one, proven by key and certificate in use. Raises `AskError`; `NotYetError` if
        it is to be asked again; `OSError`."""
        context = self._believing()
        context.load_cert_chain(proof)
        try:
            answer = self._ask(context, "POST", "/simplereenroll", request, {})
        except CutOffError as error:
            raise AskError(
                f"{error}; so does a server that does not take a certificate: has this one been "
                f"revoked, does the server know the authority that gave it? {_ANEW}"
            ) from None
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AskError(
                f"{self.url} does not renew by this certificate ({answer.status}): "
                f"{_said(answer)}; has it been revoked, has it expired, may a certificate alone "
                f"renew there? {_ANEW}"
            )
        return self._given(answer, "simplereenroll")

    def _believing(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._trusted)
        except ssl.SSLError as error:
            raise AskError(f"{self._trusted}: no certificates (PEM): {error.reason}") from None
        except OSError as error:
            raise AskError(f"{self._trusted}: {error.strerror}") from None

    def _ask(
        self,
        context: ssl.SSLContext,
        method: str,
        operation: str,
        request: x509.CertificateSigningRequest | None,
        headers: dict[str, str],
    ) -> Answer:
        body = None
        headers = headers | {"Accept": _CERTIFICATES}
        if request is not None:
            body = base64.encodebytes(request.public_bytes(serialization.Encoding.DER))
            headers |= {"Content-Type": _REQUEST, "Content-Transfer-Encoding": "base64"}
        return self._server.ask(context, method, self._root + operation, body, headers)

    def _given(self, answer: Answer, operation: str) -> list[x509.Certificate]:
        if answer.status == HTTPStatus.ACCEPTED:
            raise NotYetError(self.url, wait_s(answer.headers.get("Retry-After")))
        if answer.status != HTTPStatus.OK:
            raise AskError(self._refusal(answer, operation))
        return certificates(self.url, answer)

    def _refusal(self, answer: Answer, operation: str) -> str:
        where = f"{self.url}{self._root}/{operation}"
        said = f"{where} says no ({answer.status}): {answer.shown or 'and no more'}"
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.NO_CONTENT):
            return f"{said}; is it an EST server, and is the label right?"
        if 300 <= answer.status < 400:
            place = shown(str(answer.headers.get("Location")))
            return f"{where} is elsewhere: {place}; correct the url"
        return said


def _said(refusal: Answer) -> str:
    asked = refusal.headers.get("WWW-Authenticate")
    return (f"it asks for {shown(asked)}; " if asked else "") + (refusal.shown or "it says no more")


def certificates(url: str, answer: Answer) -> list[x509.Certificate]:
    """Those of an answer: a PKCS #7 message without content, in base64. Raises `AskError`."""
    kind = answer.headers.get_content_type()
    if kind != _CERTIFICATES:
        raise AskError(f"{url} is no EST server: it answers with {kind}, not {_CERTIFICATES}")
    try:
        der = base64.b64decode(b"".join(answer.body.split()), validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it says when something is BER and not DER
            return pkcs7.load_der_pkcs7_certificates(der)
    except (binascii.Error, ValueError, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise AskError(f"{url} is no EST server: its answer has no certificates: {error}") from None


def wait_s(retry_after: str | None) -> float:
    """Seconds of a Retry-After (RFC 9110, 10.2.3): a number or a date."""
    asked = _WAIT_S
    if retry_after is not None and retry_after.strip().isdecimal():
        asked = float(retry_after)
    elif (at := _moment(retry_after)) is not None:
        asked = (at - datetime.now(UTC)).total_seconds()
    return min(max(asked, _LEAST_WAIT_S), _MOST_WAIT_S)


def _moment(date: str | None) -> datetime | None:
    """What a header says, if it is a date that can be read."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC) if date is not None else None
    except (OverflowError, TypeError, ValueError):
        return None
