"""Who may press the board's buttons: people who gave their name, and the PIN where there is one.

A press must come from the board's own page: by a cookie that no other site's request carries
(SameSite), an Origin that is the board's own, and a token that only its page knows.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie

from pydantic import SecretStr

from edge.http import Request

COOKIE = "lineside-board"
SHIFT_S = 12 * 3600.0
"""A person is signed in for so long."""
MOST_SESSIONS = 200
TRIES = 5
LOCKED_S = 60.0
"""After so many wrong PINs from one address it is not heard for so long."""
_MOST_PEERS = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """A person who is signed in."""

    name: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    began: float = field(default_factory=time.monotonic)


class LockedError(Exception):
    """Too many wrong PINs came from this address."""


class Guard:
    """Keeps who is signed in, in memory: a restarted gateway asks anew."""

    def __init__(self, pin: SecretStr | None) -> None:
        self._pin = pin
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """By address: wrong PINs, and when the last came, monotonic."""

    @property
    def needs_pin(self) -> bool:
        return self._pin is not None

    def sign_in(self, name: str, pin: str, peer: str) -> str | None:
        """The value of the cookie, or None if the PIN is wrong. Raises `LockedError`."""
        wrong, at = self._wrong.get(peer, (0, 0.0))
        if wrong >= TRIES and time.monotonic() - at < LOCKED_S:
            raise LockedError
        if self._pin is not None and not hmac.compare_digest(
            pin.encode(), self._pin.get_secret_value().encode()
        ):
            self._wrong[peer] = (wrong + 1 if wrong < TRIES else 1, time.monotonic())
            self._wrong.move_to_end(peer)
            while len(self._wrong) > _MOST_PEERS:
                self._wrong.popitem(last=False)
            return None
        self._wrong.pop(peer, None)
        cookie = secrets.token_urlsafe(24)
        self._sessions[cookie] = Session(name)
        while len(self._sessions) > MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return cookie

    def sign_out(self, request: Request) -> None:
        """Forget the person who asks."""
        self._sessions.pop(_cookie(request), None)

    def session(self, request: Request) -> Session | None:
        """Who asks, if that person is signed in."""
        session = self._sessions.get(_cookie(request))
        if session is None or time.monotonic() - session.began > SHIFT_S:
            return None
        return session

    @staticmethod
    def from_own_page(request: Request) -> bool:
        """Whether a browser says that the request comes from a page of this very address."""
        host = request.headers.get(b"host", "")
        return bool(host) and request.headers.get(b"origin") == f"http://{host}"

    def may_press(self, request: Request, token: str) -> Session | None:
        """The person who presses a button, or None."""
        session = self.session(request)
        if session is None or not self.from_own_page(request):
            return None
        return session if hmac.compare_digest(token.encode(), session.token.encode()) else None


def _cookie(request: Request) -> str:
    try:
        found = SimpleCookie(request.headers.get(b"cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
