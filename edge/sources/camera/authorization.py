"""What a camera asks of who reads it: Basic (RFC 7617) and Digest (RFC 7616) authentication."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable

_HASHES = {"": "md5", "MD5": "md5", "MD5-SESS": "md5", "SHA-256": "sha256",
           "SHA-256-SESS": "sha256"}  # fmt: skip
_SCHEME = re.compile(r"(?:^|,)\s*(Basic|Digest)\b", re.IGNORECASE)
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_LONGEST = 4096


class NoSchemeError(ValueError):
    """The camera offers no way to log in that is known here."""


def authorization(
    challenges: Iterable[str],
    method: str,
    target: str,
    user: str,
    password: str,
    cnonce: str | None = None,
) -> str:
    """The header that answers what a camera asked for with 401: Digest where it offers that, the
    password being said only where it offers nothing else. Raises `NoSchemeError`."""
    basic = False
    best: dict[str, str] | None = None
    for scheme, fields in _challenges(challenges):
        if scheme == "basic":
            basic = True
        elif _usable(fields) and (best is None or "256" in fields.get("algorithm", "")):
            best = fields
    if best is not None:
        return _digest(best, method, target, user, password, cnonce or secrets.token_hex(16))
    if basic:
        return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    raise NoSchemeError("it asks for a log-in that is neither Basic nor Digest")


def in_text(header: bytes) -> str:
    """A header that may hold names in whatever encoding: `in_bytes` gives them back as they were,
    since a digest is of bytes."""
    return header.decode(errors="surrogateescape")


def in_bytes(text: str) -> bytes:
    """The other way."""
    return text.encode(errors="surrogateescape")


def _challenges(headers: Iterable[str]) -> Iterable[tuple[str, dict[str, str]]]:
    for header in headers:
        text = header[:_LONGEST]
        starts = list(_SCHEME.finditer(text))
        ends = [start.start() for start in starts[1:]] + [len(text)]
        for start, after in zip(starts, ends, strict=False):
            fields = {
                name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else bare
                for name, quoted, bare in _FIELD.findall(text[start.end() : after])
            }
            yield start[1].lower(), fields


def _usable(fields: dict[str, str]) -> bool:
    known = fields.get("algorithm", "").upper() in _HASHES
    quality = fields.get("qop")
    return known and "nonce" in fields and (quality is None or "auth" in _words(quality))


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",")]


def _digest(
    fields: dict[str, str], method: str, target: str, user: str, password: str, cnonce: str
) -> str:
    algorithm = fields.get("algorithm", "")
    name = _HASHES[algorithm.upper()]

    def hashed(*parts: str) -> str:
        return hashlib.new(name, in_bytes(":".join(parts)), usedforsecurity=False).hexdigest()

    realm, nonce = fields.get("realm", ""), fields["nonce"]
    secret = hashed(user, realm, password)
    if algorithm.upper().endswith("-SESS"):
        secret = hashed(secret, nonce, cnonce)
    what = hashed(method, target)
    said = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
    if "qop" in fields:
        answer = hashed(secret, nonce, "00000001", cnonce, "auth", what)
    else:
        answer = hashed(secret, nonce, what)
    said |= {"response": answer}
    if "opaque" in fields:
        said["opaque"] = fields["opaque"]
    text = ", ".join(f'{key}="{_quoted(value)}"' for key, value in said.items())
    if algorithm:
        text += f", algorithm={algorithm}"
    if "qop" in fields:
        text += f', qop=auth, nc=00000001, cnonce="{cnonce}"'
    return f"Digest {text}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
