"""Open a session with a PLC as its settings say, to read it or to hand calls over to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from asyncua import Client, ua
from asyncua.crypto import security_policies

from edge.sources.opcua.config import OpcUaSettings

APPLICATION_URI = "urn:lineside:edge"
"""What this gateway's certificate must name as its URI."""


_SESSION_MS = 60_000


class ConnectFailedError(ConnectionError):
    """No session: the text says why."""


async def connect(settings: OpcUaSettings) -> Client:
    """A connected client; the caller calls `close` on it in the end.

    It does not reconnect by itself. Raises `ConnectFailedError`.
    """
    client = Client(
        settings.endpoint, timeout=settings.timeout_s, watchdog_intervall=settings.timeout_s
    )
    client.application_uri = APPLICATION_URI
    client.session_timeout = _SESSION_MS
    client.name = client.description = "Lineside gateway"
    try:
        async with asyncio.timeout(4 * settings.timeout_s):
            if settings.username is not None:
                client.set_user(settings.username)
                client.set_password(settings.secret() or "")
            await _secure(client, settings)
            await client.connect()
    except TimeoutError:
        raise ConnectFailedError(f"{settings.endpoint} does not answer") from None
    except (OSError, ua.UaError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ConnectFailedError(f"{settings.endpoint}: {reason}") from error
    return client


async def close(client: Client, within_s: float) -> None:
    """End a session, whether or not the PLC still answers."""
    with contextlib.suppress(Exception):  # nothing depends on how a session ends
        async with asyncio.timeout(within_s):
            await client.disconnect()
    client.disconnect_socket()


def node_id(text: str, namespaces: Sequence[str]) -> ua.NodeId:
    """The node id that a setting names, by index (`ns=`) or by URI (`nsu=`).

    `namespaces` is the server's namespace array. Raises `ValueError` if the URI is not in it, or
    the text is no node id.
    """
    if text.startswith("nsu="):
        uri, _, rest = text.removeprefix("nsu=").partition(";")
        if uri not in namespaces:
            raise ValueError(f"the server has no namespace {uri}")
        text = f"ns={namespaces.index(uri)};{rest}"
    try:
        return ua.NodeId.from_string(text)
    except ua.UaError as error:
        raise ValueError(f"{text!r} is not a node id") from error


async def _secure(client: Client, settings: OpcUaSettings) -> None:
    security = settings.security
    if security is None:
        return
    policy = getattr(security_policies, f"SecurityPolicy{security.policy}")
    server_certificate = security.server_certificate_file
    await client.set_security(
        policy,
        certificate=security.certificate_file,
        private_key=security.key_file,
        server_certificate=str(server_certificate) if server_certificate else None,
        mode=ua.MessageSecurityMode[security.mode],
    )
