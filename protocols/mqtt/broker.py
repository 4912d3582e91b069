"""How to reach the broker: settings, and a client configured from them but not connected."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from protocols.mqtt.bounded import LARGEST_PACKET, BoundedClient

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class BrokerSettings(BaseModel):
    """Where the broker is and how this client proves itself. TLS is the default; plain TCP is for
    loopback only, since it would send the password in the clear."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(default="localhost", title="Host name or address of the MQTT broker")
    port: int = Field(default=8883, ge=1, le=65535, title="TCP port")
    tls: bool = Field(default=True, title="Use TLS; may be off only on loopback")
    ca_file: Path | None = Field(default=None, title="CA certificate (PEM); system trust if absent")
    cert_file: Path | None = Field(default=None, title="Client certificate (PEM)")
    key_file: Path | None = Field(default=None, title="Key of the client certificate (PEM)")
    username: str | None = Field(default=None, title="User name")
    password: SecretStr | None = Field(default=None, title="Password; better kept in a file")
    password_file: Path | None = Field(default=None, title="File whose first line is the password")
    keepalive_s: int = Field(default=15, ge=5, le=600, title="MQTT keep-alive in seconds")

    @model_validator(mode="after")
    def _plain_only_on_loopback(self) -> BrokerSettings:
        if not self.tls and self.host not in LOOPBACK:
            raise ValueError(
                f"tls: false is allowed only on loopback, not for {self.host!r}; "
                "set tls: true and give ca_file if the broker has a private CA"
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        secrets = [secret for secret in (self.password, self.password_file) if secret is not None]
        if len(secrets) > 1:
            raise ValueError("give password or password_file, not both")
        if secrets and self.username is None:
            raise ValueError("a password needs a username")
        return self

    @property
    def place(self) -> str:
        """`host:port`, for messages and figures."""
        return f"{self.host}:{self.port}"

    def secret(self) -> str | None:
        """The password, read now. Raises `OSError` if its file cannot be read."""
        if self.password_file is not None:
            return (self.password_file.read_text().splitlines() or [""])[0]
        return self.password.get_secret_value() if self.password is not None else None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says for a client that vanished."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


def make_client(
    settings: BrokerSettings,
    client_id: str,
    *,
    clean_session: bool | None,
    will: Will | None = None,
    largest_packet: int = LARGEST_PACKET,
    version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311,
) -> BoundedClient:
    """An MQTT client, configured but not connected: the caller connects and runs its loop.

    `clean_session` False asks the broker to keep subscriptions and queued QoS 1 messages; version 5
    has no such thing: give None. Messages of more than `largest_packet` bytes are passed over
    (`protocols.mqtt.bounded`). paho's own offline queue is bounded, and nothing relies on it:
    streams send again what was lost.
    """
    client = BoundedClient(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=clean_session,
        protocol=version,
        largest_packet=largest_packet,
    )
    client.on_socket_open = lambda _client, _data, sock: send_at_once(sock)
    client.max_queued_messages_set(1000)
    client.reconnect_delay_set(min_delay=1, max_delay=30)
    if settings.username is not None:
        client.username_pw_set(settings.username, settings.secret())
    if settings.tls:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client


def send_at_once(sock: Any) -> None:
    """Turn Nagle's algorithm off on a connection's socket (plain or TLS).

    A message behind an acknowledgement of QoS 1 would else wait for the peer's delayed TCP
    acknowledgement: 40 ms on Linux, each way. To be called by whoever sets `on_socket_open` anew.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
