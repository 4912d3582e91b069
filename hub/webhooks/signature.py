"""Signatures as Standard Webhooks 1.0 has them: HMAC-SHA256 over `id.timestamp.body`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

SECRET_BYTES = 32
PREFIX = "whsec_"


def draw_secret() -> bytes:
    """A new secret."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """A secret as its receiver is told it."""
    return PREFIX + base64.b64encode(secret).decode()


def headers(
    message_id: str, timestamp: int, body: bytes, secrets_known: Iterable[bytes]
) -> dict[str, str]:
    """The three headers. `timestamp` in seconds since 1970; a signature by each secret."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (
        base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        for secret in secrets_known
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
