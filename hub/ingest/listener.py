"""What one of several workers hears: births and deaths of all groups, and its own groups' data."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import paho.mqtt.client as mqtt
from paho.mqtt.reasoncodes import ReasonCode

from hub.ingest.inbox import Connected, Heard, Inbox, Joined, Message
from hub.ingest.reach import Command, OnAllBrokers, Reach
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug.topics import NAMESPACE

_LIVES = [f"{NAMESPACE}/+/{kind}" for kind in ("NBIRTH/+", "NDEATH/+", "DBIRTH/+/+", "DDEATH/+/+")]


def _data_of(group: str) -> list[str]:
    return [f"{NAMESPACE}/{group}/NDATA/+", f"{NAMESPACE}/{group}/DDATA/+/+"]


class Listener:
    """One connection to one broker; it says nothing of the host's state."""

    def __init__(self, broker: BrokerSettings, client_id: str, inbox: Inbox) -> None:
        self._broker = broker
        self._inbox = inbox
        self._groups: set[str] = set()
        self._asked: dict[int, Joined | Heard] = {}
        """What it means that the message of this id is acknowledged."""
        self._lock = threading.Lock()
        self._reach = Reach(broker)
        self._nothing = f"{NAMESPACE}/+/NDEATH/{client_id}"
        self._client = make_client(broker, client_id, clean_session=True)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = lambda *_: self._reach.lost("cannot be reached")
        self._client.on_disconnect = self._disconnected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._arrived
        self._client.direct = self._take

    def start(self) -> None:
        """Connect, and connect again whenever the connection is lost; returns at once."""
        self._client.connect_async(self._broker.host, self._broker.port, self._broker.keepalive_s)
        self._client.loop_start()

    def stop(self) -> None:
        """Leave. The inbox must be closed or still be taken."""
        self._client.disconnect()
        self._client.loop_stop()

    def join(self, group: str) -> None:
        """Listen to a group's data; `Joined` is put in front of what comes when all of it does."""
        with self._lock:
            self._groups.add(group)
            if self._client.is_connected():
                self._ask(group)

    def leave(self, group: str) -> None:
        """No longer listen to a group's data."""
        with self._lock:
            self._groups.discard(group)
            if self._client.is_connected():
                self._client.unsubscribe(_data_of(group))

    def ask_heard(self) -> None:
        """Have `Heard` put behind all that the broker has for us by now: the acknowledgement of a
        subscription comes behind it. Of one by which nothing comes, since any other would bring
        again what is retained."""
        with self._lock:
            if self._client.is_connected():
                self._subscribe([self._nothing], Heard(self._broker.place, time.monotonic()))

    @property
    def connected(self) -> bool:
        """Whether the broker has us."""
        return self._client.is_connected()

    def command(self, commands: Sequence[Command]) -> None:
        """Send NCMDs. Lost if there is no connection: whoever waits for one asks again."""
        if self._client.is_connected():
            self._client.publish_together(commands)

    def _ask(self, group: str) -> None:
        self._subscribe(_data_of(group), Joined(group))

    def _subscribe(self, topics: Sequence[str], then: Joined | Heard) -> None:
        _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if mid is not None:
            self._asked[mid] = then

    def _connected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._reach.lost(f"refuses us: {reason}")
            return
        self._reach.connected()
        self._inbox.put(Connected())
        with self._lock:
            self._asked.clear()
            self._subscribe(_LIVES, Heard(self._broker.place, time.monotonic()))
            for group in self._groups:
                self._ask(group)

    def _disconnected(
        self,
        _client: mqtt.Client,
        _userdata: object,
        _flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        _properties: object,
    ) -> None:
        if reason.is_failure:
            self._reach.lost(f"is gone: {reason}")

    def _subscribed(self, _client: mqtt.Client, _userdata: object, mid: int, *_: object) -> None:
        with self._lock:
            then = self._asked.pop(mid, None)
        if then is not None:
            self._inbox.put(then)

    def _arrived(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._take(message.topic, bytes(message.payload))

    def _take(self, topic: str, payload: bytes) -> None:
        self._inbox.put(Message(topic, payload))


class Listeners(OnAllBrokers[Listener]):
    """A listener on every broker."""

    def __init__(self, brokers: Sequence[BrokerSettings], client_id: str, inbox: Inbox) -> None:
        super().__init__([Listener(broker, client_id, inbox) for broker in brokers])
        self._places = frozenset(broker.place for broker in brokers)

    def join(self, group: str) -> None:
        """Listen to a group's data on all."""
        for listener in self._all:
            listener.join(group)

    def ask_heard(self) -> None:
        """Have each put `Heard` behind all that its broker has for us by now."""
        for listener in self._all:
            listener.ask_heard()

    @property
    def places(self) -> frozenset[str]:
        """The brokers."""
        return self._places

    def leave(self, group: str) -> None:
        """No longer listen to a group's data."""
        for listener in self._all:
            listener.leave(group)
