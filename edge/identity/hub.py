"""Asks the hub's API for certificates, over TLS that trusts the hub's own authority."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from edge.identity.https import Answer, AskError, Server
from protocols.enrolment import AUTHORITY_PATH, fingerprint


class Hub:
    """The API of one hub."""

    def __init__(self, url: str) -> None:
        """Raises `AskError` for an address that is none, or would send the token in the clear."""
        trusted = "the hub's authority nor of one that this machine trusts"
        self._server = Server(url, "the token", trusted)
        self.url = self._server.url

    def authority(self, wanted: str) -> str:
        """The hub's authority (PEM), proven by its fingerprint. Raises `AskError`.

        This first contact believes nobody: nothing that is a secret is said in it.
        """
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        pem = self._ask(context, "GET", AUTHORITY_PATH, None)
        try:
            found = fingerprint(pem)
        except ValueError:
            raise AskError(f"{self.url} is no hub: it tells of no authority") from None
        if found != wanted:
            raise AskError(
                f"{self.url} is not the hub that the token is from: its authority has the "
                f"fingerprint {found}, the token wants {wanted}. Somebody may be in between"
            )
        return pem

    def post(self, authority: str, path: str, body: dict[str, str]) -> dict[str, Any]:
        """Ask, over TLS with a server whose certificate is of that authority, or of one that this
        machine trusts. Raises `AskError`."""
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=authority)
        answer = self._ask(context, "POST", path, json.dumps(body).encode())
        try:
            told = json.loads(answer)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            raise AskError(f"{self.url} is no hub: its answer is no JSON object")
        return told

    def _ask(self, context: ssl.SSLContext, method: str, path: str, body: bytes | None) -> str:
        headers = {"Accept": "application/json, */*"} | (
            {"Content-Type": "application/json"} if body is not None else {}
        )
        answer = self._server.ask(context, method, path, body, headers)
        if answer.status != http.client.OK:
            raise AskError(f"{self.url} says no ({answer.status}): {_detail(answer)}")
        return answer.body.decode(errors="replace")


def _detail(answer: Answer) -> str:
    try:
        return str(json.loads(answer.body)["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return answer.shown
