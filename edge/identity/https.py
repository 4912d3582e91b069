"""One question to a server over HTTPS. The answer is bounded in bytes, its body in time too; none
leads elsewhere."""

from __future__ import annotations

import http.client
import ssl
import time
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit

from protocols.enrolment import LARGEST_PEM
from protocols.mqtt.broker import LOOPBACK

_TIMEOUT_S = 30.0
"""For the connection and for each piece of an answer."""
_WHOLE_ANSWER_S = 60.0
_LARGEST_ANSWER = 4 * LARGEST_PEM
_LONGEST_DETAIL = 200
_CUT_OFF = (ssl.SSLError, ConnectionResetError, BrokenPipeError)
"""What is seen of it, by chance one or the other: an alert of TLS, or the end of its connection."""
_NOT_NOW = {9, 10}
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""


class AskError(Exception):
    """A server cannot be asked, or says no; the text says why and what to do. Whatever of it a
    server has said shows without control characters."""

    def __init__(self, text: str) -> None:
        super().__init__("".join(each if each.isprintable() else "?" for each in text))


class CutOffError(AskError):
    """A server ended a connection without an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    headers: Message
    body: bytes

    @property
    def shown(self) -> str:
        """Its beginning, for people."""
        return shown(self.body.decode(errors="replace"))


def shown(text: str) -> str:
    """The beginning of what another says, in one line."""
    return " ".join(text[: 2 * _LONGEST_DETAIL].split())[:_LONGEST_DETAIL]


class Server:
    """Where questions go."""

    def __init__(self, url: str, what: str, trusted: str) -> None:
        """`what` is said to it and `trusted` whom it is believed for, both in words. Raises
        `AskError` for an address that is none, or would send `what` in the clear."""
        try:
            self._place = urlsplit(url)
            port = self._place.port
        except ValueError as error:
            raise AskError(f"{url!r} is no address: {error}") from None
        host = self._place.hostname
        if self._place.scheme not in ("http", "https") or not host or self._place.username:
            raise AskError(f"{url!r} is no address: write https://hub.example.org")
        if self._place.scheme == "http" and host not in LOOPBACK:
            raise AskError(f"{url} would send {what} in the clear: write https://")
        self._host = host
        # Without one http.client takes the end of an IPv6 address for it.
        self._port = port or (443 if self._place.scheme == "https" else 80)
        self._trusted = trusted
        self.url = url.rstrip("/")

    def ask(
        self,
        context: ssl.SSLContext,
        method: str,
        path: str,
        body: bytes | None,
        headers: dict[str, str],
    ) -> Answer:
        """Ask, and read the answer whatever its status. Raises `AskError`."""
        if self._place.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        try:
            connection.request(method, f"{self._place.path.rstrip('/')}{path}", body, headers)
            response = connection.getresponse()
            answered = self._read(response)
        except ssl.SSLCertVerificationError as error:
            if error.verify_code in _NOT_NOW:
                raise AskError(
                    f"{self.url}: its certificate is not good now ({error.verify_message}): is "
                    "this machine's clock right?"
                ) from None
            raise AskError(
                f"{self.url}: its certificate is none of {self._trusted} ({error.verify_message})"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            kind = CutOffError if isinstance(error, _CUT_OFF) else AskError
            raise kind(f"{self.url} cannot be asked: {error}") from None
        finally:
            connection.close()
        return Answer(response.status, response.headers, answered)

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        ends = time.monotonic() + _WHOLE_ANSWER_S
        body = bytearray()
        while piece := response.read1(_LARGEST_ANSWER + 1 - len(body)):
            body += piece
            if len(body) > _LARGEST_ANSWER:
                raise AskError(f"{self.url}: its answer is too long for what was asked")
            if time.monotonic() > ends:
                raise AskError(f"{self.url}: its answer takes too long to come")
        if response.length:
            raise http.client.IncompleteRead(bytes(body), response.length)
        return bytes(body)
