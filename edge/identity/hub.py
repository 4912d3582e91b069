"""Asks the hub's API for certificates, over TLS that trusts the hub's own authority."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any
from urllib.parse import SplitResult, urlsplit

from protocols.enrolment import AUTHORITY_PATH, LARGEST_PEM, fingerprint
from protocols.mqtt.broker import LOOPBACK

_TIMEOUT_S = 30.0
_LARGEST_ANSWER = 4 * LARGEST_PEM


class HubError(Exception):
    """The hub cannot be asked, or says no; the text says why and what to do."""


class Hub:
    """The API of one hub. What it answers is bounded; no answer leads elsewhere."""

    def __init__(self, url: str) -> None:
        """Raises `HubError` for an address that is none, or would send the token in the clear."""
        try:
            self._place: SplitResult = urlsplit(url)
            port = self._place.port
        except ValueError as error:
            raise HubError(f"{url!r} is no address: {error}") from None
        host = self._place.hostname
        if self._place.scheme not in ("http", "https") or not host or self._place.username:
            raise HubError(f"{url!r} is no address: write https://hub.example.org")
        if self._place.scheme == "http" and host not in LOOPBACK:
            raise HubError(f"{url} would send the token in the clear: write https://")
        self._host = host
        self._port = port
        self.url = url.rstrip("/")

    def authority(self, wanted: str) -> str:
        """The hub's authority (PEM), proven by its fingerprint. Raises `HubError`.

        This first contact believes nobody: nothing that is a secret is said in it.
        """
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        pem = self._ask(context, "GET", AUTHORITY_PATH, None)
        try:
            found = fingerprint(pem)
        except ValueError:
            raise HubError(f"{self.url} is no hub: it tells of no authority") from None
        if found != wanted:
            raise HubError(
                f"{self.url} is not the hub that the token is from: its authority has the "
                f"fingerprint {found}, the token wants {wanted}. Somebody may be in between"
            )
        return pem

    def post(self, authority: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        """Ask, over TLS with a server whose certificate is of that authority, or of one that this
        machine trusts. Raises `HubError`."""
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=authority)
        answer = self._ask(context, "POST", path, json.dumps(body))
        try:
            told = json.loads(answer)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise HubError(f"{self.url} is no hub: its answer is no JSON object")
        return told

    def _ask(self, context: ssl.SSLContext, method: str, path: str, body: str | None) -> str:
        if self._place.scheme == "https":
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_S, context=context
            )
        else:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        headers = {"Accept": "application/json, */*"} | (
            {"Content-Type": "application/json"} if body is not None else {}
        )
        try:
            connection.request(method, f"{self._place.path.rstrip('/')}{path}", body, headers)
            response = connection.getresponse()
            text = response.read(_LARGEST_ANSWER + 1)
        except ssl.SSLCertVerificationError as error:
            raise HubError(
                f"{self.url}: its certificate is none of the hub's authority nor of one that this "
                f"machine trusts ({error.verify_message})"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            raise HubError(f"{self.url} cannot be asked: {error}") from None
        finally:
            connection.close()
        if len(text) > _LARGEST_ANSWER:
            raise HubError(f"{self.url} is no hub: its answer is too long")
        shown = text.decode(errors="replace")
        if response.status != http.client.OK:
            raise HubError(f"{self.url} says no ({response.status}): {_detail(shown)}")
        return shown


def _detail(answer: str) -> str:
    try:
        return str(json.loads(answer)["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer[:200]
