"""asyncua's client, with the choices that it leaves to chance or to the server made on purpose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua
from asyncua.crypto import security_policies
from cryptography import x509

from edge.sources.opcua import claimed_arrays
from edge.sources.opcua.config import OpcUaSettings, SecuritySettings
from edge.sources.opcua.identity import Application, choose_token
from edge.sources.opcua.refusals import Attempt

APPLICATION_URI = "urn:lineside:edge"
"""What this gateway calls itself where it shows no certificate."""

_SESSION_MS = 60_000

claimed_arrays.refuse()


class PlcClient(Client):
    """A client for one session with one server; it does not reconnect by itself."""

    def __init__(self, endpoint: str, settings: OpcUaSettings, attempt: Attempt) -> None:
        super().__init__(
            endpoint, timeout=settings.timeout_s, watchdog_intervall=settings.timeout_s
        )
        self.application_uri = APPLICATION_URI
        self.session_timeout = _SESSION_MS
        self.name = self.description = "Lineside gateway"
        self._attempt = attempt
        self._password_readable = settings.send_password_readable

    def secure(
        self, security: SecuritySettings, own: Application, server: x509.Certificate
    ) -> None:
        """Use a secured channel from now on, to that server and no other."""
        policy = getattr(security_policies, f"SecurityPolicy{security.policy}")
        self.application_uri = own.uri
        self.security_policy = policy(
            server,
            own.certificate,
            own.key,
            ua.MessageSecurityMode[security.mode],
            host_cert_chain=own.issuers,
        )
        self.uaclient.set_security(self.security_policy)

    async def open_secure_channel(self, renew: bool = False) -> None:
        """Open or renew the channel, and say why if the server refuses it.

        asyncua takes each answer for the right one, so that a fault is lost in it. And it takes
        the age of a token from the server's clock, which breaks the channel off at a renewal where
        that clock is behind; the token's time is therefore set by ours.
        """
        protocol = self.uaclient.protocol
        if protocol is None:
            raise ConnectionError("connection is not open")
        process = protocol._process_received_message

        def look_first(msg: Any) -> None:
            if (
                isinstance(msg, ua.Message)
                and msg._chunks[0].MessageHeader.MessageType == ua.MessageType.SecureOpen
            ):
                body = msg.body()  # type: ignore[no-untyped-call]
                protocol.check_answer(body, " in response to OpenSecureChannel")
            process(msg)

        protocol._process_received_message = look_first  # type: ignore[method-assign]
        try:
            await super().open_secure_channel(renew)
        finally:
            protocol._process_received_message = process  # type: ignore[method-assign]
        connection = protocol._connection
        waiting = connection.next_security_token
        token = waiting if waiting.TokenId else connection.security_token
        token.CreatedAt = datetime.now(UTC)

    def server_policy(self, token_type: ua.UserTokenType) -> ua.UserTokenPolicy:
        """asyncua takes the first that fits, whatever it would do to a password."""
        return choose_token(
            token_type,
            self._policy_ids,
            self.security_policy,
            password_readable=self._password_readable,
        )

    async def activate_session(self, *args: Any, **kwargs: Any) -> ua.ActivateSessionResult:
        """Note that from now on it is the user who is refused, not the gateway."""
        self._attempt.logging_in = True
        return await super().activate_session(*args, **kwargs)
