"""Open a session with a PLC as its settings say, to read it or to hand calls over to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from edge.sources.opcua.certificates import split_chain
from edge.sources.opcua.client import PlcClient
from edge.sources.opcua.config import OpcUaSettings, SecuritySettings
from edge.sources.opcua.identity import expiry_notice, own_application, own_user
from edge.sources.opcua.redundancy import HEALTHY, NO_DATA, service_level, watch_service
from edge.sources.opcua.refusals import Attempt, NotOfferedError, explain
from edge.sources.opcua.trust import check_server
from edge.status import Condition

logger = logging.getLogger(__name__)


class ConnectFailedError(ConnectionError):
    """No session: the text says why, and what to do."""


class Connector:
    """Makes sessions with one PLC, at the first of its addresses that works and has data.

    It stays with that one until it fails or `watch` ends the session, and then tries the others in
    their order.
    """

    def __init__(self, settings: OpcUaSettings) -> None:
        self._settings = settings
        self._endpoints = [settings.endpoint, *settings.more_endpoints]
        self._at = 0
        source = f"source {settings.device}"
        self._own_expiry = Condition(logger, f"{source}: this gateway's certificate")
        self._server_expiry = Condition(logger, f"{source}: the server's certificate")
        self._unchecked = Condition(logger, source)

    @property
    def endpoint(self) -> str:
        """The address of the last session; the first address before there was one."""
        return self._endpoints[self._at]

    async def connect(self, beat: Callable[[], None] = lambda: None) -> Client:
        """A connected client; the caller calls `close` on it in the end.

        It does not reconnect by itself. `beat` is called before each address, which takes at most
        three times `timeout_s`. Raises `ConnectFailedError`.
        """
        failures = []
        order = [self._at, *(i for i in range(len(self._endpoints)) if i != self._at)]
        for i in order:
            beat()
            try:
                client = await self._open(self._endpoints[i])
            except ConnectFailedError as error:
                failures.append(error)
            else:
                self._at = i
                return client
        if len(failures) == 1:
            raise failures[0]
        raise ConnectFailedError("no server can be used: " + "; ".join(map(str, failures)))

    async def watch(self, client: Client) -> None:
        """Beside a session: end it, by raising, when another of several servers is to be used."""
        if len(self._endpoints) > 1:
            await watch_service(client, self._find_healthy)
        await asyncio.Event().wait()

    async def _find_healthy(self) -> bool:
        """Whether another server is healthy; if so the next session begins with it."""
        for i, endpoint in enumerate(self._endpoints):
            if i == self._at:
                continue
            with contextlib.suppress(ConnectFailedError, OSError):
                client = await self._open(endpoint)
                try:
                    level = await service_level(client)
                finally:
                    await close(client, self._settings.timeout_s)
                if level is not None and level >= HEALTHY:
                    self._at = i
                    return True
        return False

    async def _open(self, endpoint: str) -> Client:
        settings = self._settings
        attempt = Attempt(endpoint, settings)
        client = PlcClient(endpoint, settings, attempt)
        try:
            async with asyncio.timeout(3 * settings.timeout_s):
                await self._prepare(client, attempt)
                await client.connect()
        except BaseException as error:
            client.disconnect_socket()
            if isinstance(error, (OSError, ua.UaError, ValueError, InvalidSignature)):
                why = explain(error, attempt)
                raise ConnectFailedError(f"{endpoint}: {why}") from error
            raise
        if len(self._endpoints) > 1:
            await self._check_service(client, endpoint)
        return client

    async def _check_service(self, client: Client, endpoint: str) -> None:
        """Leave a server that stands by for another one. Raises `ConnectFailedError`."""
        level = None
        with contextlib.suppress(OSError):
            level = await service_level(client)
        if level is not None and level <= NO_DATA:
            await close(client, self._settings.timeout_s)
            raise ConnectFailedError(
                f"{endpoint}: stands by and has no data (service level {level}); it is used when "
                "it says that it has"
            )

    async def _prepare(self, client: PlcClient, attempt: Attempt) -> None:
        """Ask the server what it offers, and secure the channel to come as the settings want."""
        settings = self._settings
        offers = await client.connect_and_get_server_endpoints()
        offer = _choose_offer(offers, settings.security)
        if settings.username is not None:
            client.set_user(settings.username)
            password = await asyncio.to_thread(settings.secret)
            client.set_password(password or "")
        user = await asyncio.to_thread(own_user, settings)
        if user is not None:
            client.user_certificate = user.certificate
            client.user_private_key = user.key
        if settings.security is None:
            return
        own = await asyncio.to_thread(own_application, settings.security)
        attempt.application = own
        chain = split_chain(offer.ServerCertificate or b"")
        uri = str(offer.Server.ApplicationUri)
        host = urlsplit(attempt.endpoint).hostname or ""
        await asyncio.to_thread(check_server, chain, uri, host, settings.security)
        self._tell_expiry(own.certificate, chain[0])
        client.secure(settings.security, own, chain[0])

    def _tell_expiry(self, own: x509.Certificate, server: x509.Certificate) -> None:
        now = datetime.now(UTC)
        for condition, certificate in ((self._own_expiry, own), (self._server_expiry, server)):
            notice = expiry_notice(certificate, now)
            if notice is None:
                condition.recover()
            else:
                condition.fail(notice)
        if self._settings.security is not None and self._settings.security.trust_any_server:
            self._unchecked.fail("any server is believed (trust_any_server); nothing is safe so")


async def connect(settings: OpcUaSettings) -> Client:
    """A client for one session, as from a `Connector`. Raises `ConnectFailedError`."""
    return await Connector(settings).connect()


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


def _choose_offer(
    offers: Sequence[ua.EndpointDescription], security: SecuritySettings | None
) -> ua.EndpointDescription:
    """The endpoint of the wanted policy and mode. Raises `NotOfferedError` if there is none."""
    policy = security_policies.SecurityPolicyNone
    mode = ua.MessageSecurityMode.None_
    if security is not None:
        policy = getattr(security_policies, f"SecurityPolicy{security.policy}")
        mode = ua.MessageSecurityMode[security.mode]
    usable = [o for o in offers if str(o.EndpointUrl).startswith("opc.tcp://")]
    for offer in usable:
        if (str(offer.SecurityPolicyUri), offer.SecurityMode) == (policy.URI, mode):
            return offer
    wanted = _offer_name(policy.URI, mode)
    offered = (
        ", ".join(
            dict.fromkeys(_offer_name(str(o.SecurityPolicyUri), o.SecurityMode) for o in usable)
        )
        or "nothing over opc.tcp"
    )
    raise NotOfferedError(
        f"does not offer {wanted}; it offers {offered}. Set security.policy and security.mode to "
        "one of these, or switch the other on at the server"
    )


def _offer_name(policy_uri: str, mode: ua.MessageSecurityMode) -> str:
    """As the settings write it."""
    if mode == ua.MessageSecurityMode.None_:
        return "an unsecured channel"
    policy = policy_uri.rpartition("#")[2].replace("_", "")
    return f"{policy} with {mode.name}"
