"""What a browser holds after a sign-in: a signed cookie, good for a working day."""

from __future__ import annotations

import time
from typing import Any, cast

import psycopg
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from hub.identity.caller import ROLES, Caller, Role

COOKIE = "lineside_session"
SIGN_IN_COOKIE = "lineside_sign_in"
SESSION_S = 10 * 3600
SIGN_IN_S = 600

_SHARED = """
INSERT INTO hub_secret (name, value)
VALUES ('sessions', gen_random_uuid()::text || gen_random_uuid()::text)
ON CONFLICT (name) DO UPDATE SET value = hub_secret.value RETURNING value
"""


class Sessions:
    """Signs and reads cookies with a secret that all hubs of one database share."""

    def __init__(self, secret: str) -> None:
        self._key = OctKey.import_key(secret)

    @classmethod
    def of(cls, connection: psycopg.Connection) -> Sessions:
        """With the database's secret, drawn at first use."""
        row = connection.execute(_SHARED).fetchone()
        return cls(str(row[0]) if row else "")

    def issue(self, caller: Caller) -> str:
        """The cookie of a user that has signed in."""
        said = {"tenant": caller.tenant, "actor": caller.actor, "roles": sorted(caller.roles)}
        return self.sign(said, SESSION_S)

    def caller(self, cookie: str) -> Caller | None:
        """Whose cookie this is; None if it is not ours, or past."""
        claims = self.read(cookie)
        if claims is None or "tenant" not in claims:
            return None
        roles = frozenset(cast(Role, role) for role in claims["roles"] if role in ROLES)
        return Caller(str(claims["tenant"]), str(claims["actor"]), roles)

    def sign(self, claims: dict[str, Any], lives_s: int) -> str:
        """Claims that only we can have written, for so long."""
        return jwt.encode(
            {"alg": "HS256"}, {**claims, "exp": int(time.time()) + lives_s}, self._key
        )

    def read(self, cookie: str) -> dict[str, Any] | None:
        """What `sign` was given; None if it is not ours, or past."""
        try:
            claims = jwt.decode(cookie, self._key, algorithms=["HS256"]).claims
            jwt.JWTClaimsRegistry(exp={"essential": True}).validate(claims)
        except (JoseError, ValueError):
            return None
        return claims
