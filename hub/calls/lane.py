"""What both ends of the call lane run on: a thread between broker and database that outlives either
going away.

Nothing here is durable. Messages that wait in a link when the process ends, or that overflow it,
are lost without harm: the streams send again whatever has not been committed and answered.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from protocols.mqtt.broker import BrokerSettings, make_client

logger = logging.getLogger(__name__)

MAX_WAITING = 2_000
"""Messages a link holds for its lane; beyond that the oldest go: their writer sends them again."""
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses between tries to reach the database; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Received:
    """One MQTT message."""

    topic: str
    payload: bytes


class Link:
    """An MQTT connection with a persistent session, whose messages wait here until they are taken.

    `fileno()` becomes readable when there is something to do: a message, or a new connection.
    """

    def __init__(self, settings: BrokerSettings, client_id: str, subscription: str) -> None:
        self.connects = 0
        """How often a connection was made and the subscription granted."""
        self._name = client_id
        self._where = f"{settings.host}:{settings.port}"
        self._subscription = subscription
        self._waiting: deque[Received] = deque(maxlen=MAX_WAITING)
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._up = False
        self._client = make_client(settings, client_id, clean_session=False)
        self._client.reconnect_delay_set(min_delay=1, max_delay=5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.connect_async(settings.host, settings.port, settings.keepalive_s)

    @property
    def up(self) -> bool:
        """Whether messages can be sent now."""
        return self._up

    def start(self) -> None:
        """Connect, and go on connecting, in a thread of its own."""
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect. The broker keeps the session."""
        self._up = False
        self._client.disconnect()
        self._client.loop_stop()

    def close(self) -> None:
        """Let go of the descriptor, once nobody waits on it any more."""
        os.close(self._wake)

    def fileno(self) -> int:
        return self._wake

    def wake(self) -> None:
        """Make `fileno()` readable."""
        os.eventfd_write(self._wake, 1)

    def take(self) -> list[Received]:
        """All messages that wait, oldest first; makes `fileno()` quiet again."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return taken

    def send(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1; nothing waits for the broker's word on it."""
        if self._up:
            self._client.publish(topic, payload, qos=1)

    def _on_connect(
        self,
        client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            logger.error("%s: the broker at %s refuses us: %s", self._name, self._where, reason)
            return
        client.subscribe(self._subscription, qos=1)

    def _on_subscribe(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            logger.error("%s: may not subscribe to %s", self._name, self._subscription)
            return
        logger.info("%s: connected to the broker at %s", self._name, self._where)
        self._up = True
        self.connects += 1
        self.wake()

    def _on_disconnect(
        self,
        _client: mqtt.Client,
        _userdata: Any,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if self._up:
            logger.warning("%s: lost the broker at %s: %s", self._name, self._where, reason)
        self._up = False

    def _on_publish(
        self,
        client: mqtt.Client,
        _userdata: Any,
        _mid: int,
        _reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        # A broker with Nagle's algorithm on holds the next message to us back until its word on
        # this one is acknowledged, which TCP would put off by 40 ms.
        sock = client.socket()
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _on_message(self, _client: mqtt.Client, _userdata: Any, message: mqtt.MQTTMessage) -> None:
        self._waiting.append(Received(message.topic, bytes(message.payload)))
        self.wake()


class Lane(ABC):
    """A thread that works between one link and the database until it is stopped.

    A session lasts as long as its database connections. What it knows in memory is read anew at the
    start of each, so that a transaction that failed leaves nothing behind.
    """

    def __init__(self, name: str, dsn: str, link: Link) -> None:
        self._name = name
        self._dsn = dsn
        self._link = link
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._link.start()
        self._thread.start()

    def stop(self) -> None:
        """Finish the transaction at hand, then end."""
        self._stopping.set()
        self._link.wake()
        self._thread.join()
        self._link.stop()
        self._link.close()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str | None:
        """What keeps it from its work although it runs."""
        return None if self._link.up else "no connection to a broker"

    @abstractmethod
    def _session(self) -> None:
        """Work until `self._stopping` is set. May raise `psycopg.OperationalError` at any time."""

    def _wait(self, descriptors: Sequence[int], timeout_s: float) -> None:
        """Until the link or one of `descriptors` has something, or the time is over."""
        poll = select.poll()
        for descriptor in (*descriptors, self._link.fileno()):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(0.0, timeout_s) * 1000)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._session()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if time.monotonic() - began > RETRY_S[-1]:
                    failures = 0  # it held for a while, so this is a new trouble
                if failures == 0:
                    text = str(error).strip().partition("\n")[0]
                    logger.warning("%s: the database is away, trying again: %s", self._name, text)
                self._stopping.wait(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
            except Exception:
                # A fault of ours must not end the lane for good, nor go by unseen.
                logger.exception("%s: stopped by an error, beginning anew", self._name)
                self._stopping.wait(RETRY_S[-1])
