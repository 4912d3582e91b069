"""Users by OpenID Connect: tokens verified against the provider's keys, and browsers' sign-in.

Authorization code flow with PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636). What a user may
do follows from the groups in the token and `OidcSettings.members`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from hub.identity.caller import Caller
from hub.identity.settings import OidcSettings

logger = logging.getLogger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"]
"""Signatures by a provider's own key. Never a shared secret, never none."""
_TIMEOUT_S = 5.0
_MAX_BYTES = 1_000_000
_KEYS_AGE_S = 3600.0
_AGAIN_S = 10.0
"""An unknown key is looked for no more often: anybody can send a token that names one."""
_LEEWAY_S = 30


class SignInError(Exception):
    """A token or a sign-in that is not accepted; the text says why, and holds no secret."""


class ProviderAwayError(Exception):
    """The provider cannot be asked."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that has begun: where the browser goes, and what must come back with it."""

    url: str
    state: str
    nonce: str
    verifier: str


class Oidc:
    """One provider. Its documents are fetched when first needed and kept for an hour."""

    def __init__(self, settings: OidcSettings) -> None:
        """Raises `OSError` if the client's secret cannot be read."""
        self.settings = settings
        self._secret = settings.secret()
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {}
        self._keys: KeySet | None = None
        self._keys_at = float("-inf")

    def caller(self, token: str, nonce: str | None = None) -> Caller:
        """Whom a token speaks for. Raises `SignInError`, `ProviderAwayError`."""
        claims = self._verified(token)
        if nonce is not None and claims.get("nonce") != nonce:
            raise SignInError("the token answers another sign-in")
        groups = claims.get(self.settings.groups_claim, [])
        if isinstance(groups, str):
            groups = [groups]
        found = [self.settings.members[g] for g in groups if g in self.settings.members]
        if not found:
            raise SignInError("none of the user's groups has a meaning at this hub")
        tenants = {membership.tenant for membership in found}
        if len(tenants) > 1:
            raise SignInError(f"the user's groups speak for several tenants: {sorted(tenants)}")
        name = str(claims.get("email") or claims.get("preferred_username") or claims["sub"])
        return Caller(tenants.pop(), f"user {name}", frozenset(m.role for m in found))

    def begin(self, callback: str) -> Begun:
        """Begin a sign-in that comes back to `callback`. Raises `ProviderAwayError`."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = urllib.parse.urlencode(
            {
                "response_type": "code",
                "client_id": self.settings.client_id,
                "redirect_uri": callback,
                "scope": "openid email profile",
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge.rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            }
        )
        endpoint = str(self._discovered()["authorization_endpoint"])
        return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{query}", state, nonce, verifier)

    def finish(self, code: str, callback: str, verifier: str, nonce: str) -> Caller:
        """Exchange a code for the user. Raises `SignInError`, `ProviderAwayError`."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "client_id": self.settings.client_id,
            "code_verifier": verifier,
        }
        if self._secret is not None:
            form["client_secret"] = self._secret
        answer = _fetch(str(self._discovered()["token_endpoint"]), form)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise SignInError("the provider gave no id_token")
        return self.caller(token, nonce)

    def _verified(self, token: str) -> dict[str, Any]:
        try:
            return self._decoded(token, self._key_set(older_than=_KEYS_AGE_S))
        except (JoseError, ValueError):
            # It may be signed by a key that the provider has taken up since.
            fresh = self._key_set(older_than=_AGAIN_S)
        try:
            return self._decoded(token, fresh)
        except (JoseError, ValueError) as error:
            raise SignInError(f"the token is not accepted: {type(error).__name__}") from None

    def _decoded(self, token: str, keys: KeySet) -> dict[str, Any]:
        claims = jwt.decode(token, keys, algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            leeway=_LEEWAY_S,
            iss={"essential": True, "value": self.settings.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            exp={"essential": True},
            sub={"essential": True},
        ).validate(claims)
        return claims

    def _key_set(self, older_than: float) -> KeySet:
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys_at > older_than:
                found = _fetch(str(self._discovered()["jwks_uri"]))
                self._keys = KeySet.import_key_set({"keys": found["keys"]})
                self._keys_at = time.monotonic()
            return self._keys

    def _discovered(self) -> Mapping[str, Any]:
        if not self._document:
            issuer = self.settings.issuer
            found = _fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise ProviderAwayError(f"{issuer} says that it is {found.get('issuer')!r}")
            self._document = found
        return self._document


def _fetch(url: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A JSON object from the provider. Raises `ProviderAwayError`, `SignInError`."""
    data = urllib.parse.urlencode(form).encode() if form is not None else None
    request = urllib.request.Request(url, data, {"Accept": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            found = json.loads(answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        if form is not None and error.code in (400, 401):
            raise SignInError("the provider does not take the sign-in; try again") from None
        raise ProviderAwayError(f"{url}: HTTP {error.code}") from None
    except (OSError, ValueError) as error:
        raise ProviderAwayError(f"{url}: {error}") from None
    if not isinstance(found, dict):
        raise ProviderAwayError(f"{url}: no JSON object")
    return found
