"""A minimal OpenID provider over real HTTP: discovery, keys, code flow with PKCE, RS256 tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.fixtures.http_server import served

CLIENT = "lineside"


@dataclass
class Provider:
    """The provider and whoever sits before its sign-in page."""

    url: str = ""
    user: dict[str, Any] = field(
        default_factory=lambda: {"sub": "u1", "email": "ann@example.org", "groups": ["planners"]}
    )
    key: RSAKey = field(default_factory=lambda: _key("k1"))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key_requests: int = 0

    def roll_key(self) -> None:
        """Sign with another key from now on."""
        self.key = _key(f"k{secrets.token_hex(2)}")

    def token(self, **changed: Any) -> str:
        """A token for the user; `changed` claims replace the right ones."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, **self.user}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, {**claims, **changed}, self.key)


def _key(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@contextmanager
def provider() -> Iterator[Provider]:
    """A running provider."""
    state = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            if path == "/.well-known/openid-configuration":
                self._json(
                    {
                        "issuer": state.url,
                        "authorization_endpoint": f"{state.url}/authorize",
                        "token_endpoint": f"{state.url}/token",
                        "jwks_uri": f"{state.url}/keys",
                    }
                )
            elif path == "/keys":
                state.key_requests += 1
                self._json({"keys": [state.key.as_dict(private=False)]})
            elif path == "/authorize":
                code = secrets.token_hex(8)
                state.codes[code] = {name: values[0] for name, values in query.items()}
                back = {"code": code, "state": query["state"][0]}
                self.send_response(303)
                self.send_header("Location", f"{query['redirect_uri'][0]}?{urlencode(back)}")
                self.end_headers()

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            form = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
            asked = state.codes.pop(form["code"], None)
            digest = hashlib.sha256(form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if asked is None or asked["code_challenge"] != challenge:
                self._json({"error": "invalid_grant"}, 400)
            else:
                self._json({"id_token": state.token(nonce=asked["nonce"])})

        def _json(self, value: Any, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    with served(server):
        yield state
