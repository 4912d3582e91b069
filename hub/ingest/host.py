"""The Sparkplug primary host on the wire: STATE, the subscription, commands to nodes.

It runs paho's thread and puts what arrives into the inbox; it knows nothing of what it carries.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hub.ingest.inbox import Connected, Inbox, Message
from hub.ingest.reach import Command, OnAllBrokers, Reach
from protocols.mqtt.broker import BrokerSettings, Will, make_client
from protocols.sparkplug.session import HostState, StateError
from protocols.sparkplug.topics import host_subscriptions, state_topic

logger = logging.getLogger(__name__)


class Host(Protocol):
    """How the worker speaks to nodes."""

    def command(self, commands: Sequence[Command]) -> None:
        """Send NCMDs. Lost if there is no connection: whoever waits for one asks again."""


class PrimaryHost:
    """One connection to the broker. Edges send only while its STATE says online."""

    def __init__(
        self,
        broker: BrokerSettings,
        host_id: str,
        inbox: Inbox | None,
        *,
        client_id: str | None = None,
        will_delay_s: int = 0,
    ) -> None:
        """Without an inbox it only says STATE. With `will_delay_s` its will is said so long after
        its connection was lost, so that another may have spoken for the host before: MQTT 5."""
        self._broker = broker
        self._inbox = inbox
        self._will_delay_s = will_delay_s
        self._state_topic = state_topic(host_id)
        self._subscriptions = [self._state_topic]
        if inbox is not None:
            self._subscriptions = host_subscriptions(host_id)
        self._born_ms = 0
        self._outdo_ms = 0
        """The next birth must be newer than that."""
        self._leaving = False
        self._told = False
        """Whether this connection has told STATE, which comes before all else; paho's own word for
        it is connected earlier."""
        self._reach = Reach(broker)
        self._client = make_client(
            broker,
            client_id or f"lineside-ingest-{host_id}",
            clean_session=None if will_delay_s else True,
            will=None if will_delay_s else Will(self._state_topic, b"", qos=1, retain=True),
            version=MQTTProtocolVersion.MQTTv5 if will_delay_s else MQTTProtocolVersion.MQTTv311,
        )
        self._client.on_pre_connect = self._before_connect
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._not_connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._arrived
        if not will_delay_s:
            self._client.direct = self._take

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost; returns at once."""
        session = None
        if self._will_delay_s:  # a will outlives its connection only as long as the session does
            session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            session.SessionExpiryInterval = 2 * self._will_delay_s
        self._client.connect_async(
            self._broker.host, self._broker.port, self._broker.keepalive_s, properties=session
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Say that the host is offline, then leave. The inbox must be closed or still be taken."""
        self._leaving = True
        if self._client.is_connected():
            # Edges pass over what is older than the birth, and the clock may have been set back.
            state = HostState(False, max(_now_ms(), self._born_ms))
            said = self._client.publish(self._state_topic, state.dump(), 1, retain=True)
            try:
                said.wait_for_publish(timeout=2)
            except (RuntimeError, ValueError):
                logger.warning("the broker did not hear that the host leaves; its will says so")
        self._client.disconnect()
        self._client.loop_stop()

    def fall_silent(self) -> None:
        """Leave without a word: its will is said if nobody else speaks for the host by then."""
        self._leaving = True
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        self._client.loop_stop()

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        return self._client.is_connected()

    def command(self, commands: Sequence[Command]) -> None:
        """Send NCMDs. Lost if there is no connection: whoever waits for one asks again."""
        if self._told and self._client.is_connected():
            self._client.publish_together(commands)

    def _before_connect(self, client: mqtt.Client, _userdata: object) -> None:
        # Birth and will of one connection bear the same timestamp, and a later one than those of
        # the connection before, so that a will that comes late is known to be old.
        self._told = False
        self._born_ms = max(_now_ms(), self._born_ms + 1, self._outdo_ms + 1)
        delay = None
        if self._will_delay_s:
            delay = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
            delay.WillDelayInterval = self._will_delay_s
        will = HostState(False, self._born_ms).dump()
        client.will_set(self._state_topic, will, qos=1, retain=True, properties=delay)

    def _connected(
        self,
        client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._reach.lost(f"refuses us: {reason}")
            return
        self._reach.connected()
        if self._inbox is not None:
            self._inbox.put(Connected())
        client.subscribe([(topic, 1) for topic in self._subscriptions])
        self._say_online()
        self._told = True

    def _not_connected(self, _client: mqtt.Client, _userdata: object) -> None:
        self._reach.lost("cannot be reached")

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if not self._leaving:
            self._reach.lost(f"is gone: {reason}")

    def _arrived(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._take(message.topic, bytes(message.payload))

    def _take(self, topic: str, payload: bytes) -> None:
        if topic == self._state_topic:
            self._on_own_state(payload)
        elif self._inbox is not None:
            self._inbox.put(Message(topic, payload))

    def _on_own_state(self, payload: bytes) -> None:
        """Another word about ourselves than our birth: say it again, so that it is what the broker
        keeps. That may be an old will, a birth of the connection before that comes late, or another
        host of our id.

        If we are said to be offline later than our birth (that other host has left just now, or our
        clock was set back), edges take it for the truth and our birth for old. Then the connection
        is made anew, with a birth and a will that are newer still.
        """
        try:
            state = HostState.parse(payload)
        except StateError:
            state = HostState(False, 0)
        if self._leaving or (state.online and state.timestamp >= self._born_ms):
            return
        if state.timestamp <= self._born_ms:
            self._say_online()
            return
        logger.warning("another host says that this one is offline; connecting anew")
        self._outdo_ms = state.timestamp
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _say_online(self) -> None:
        self._client.publish(
            self._state_topic, HostState(True, self._born_ms).dump(), qos=1, retain=True
        )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class PrimaryHosts(OnAllBrokers[PrimaryHost]):
    """The host on every broker it is told of; leaving, it says on all that it is offline."""

    def __init__(self, brokers: Sequence[BrokerSettings], host_id: str, inbox: Inbox) -> None:
        super().__init__([PrimaryHost(broker, host_id, inbox) for broker in brokers])
