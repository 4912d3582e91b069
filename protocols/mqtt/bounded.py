"""An MQTT client that holds no more of one message than it is told, and reads ahead.

MQTT 3.1.1 lets a message be 256 MB large, a client has no way to refuse one, and paho 2 puts all of
it together before anybody may look at its length. To end the connection over it would help nobody:
what a broker keeps for a session or as retained comes again with the next. So a message that is too
large is read off the socket in pieces that are dropped; it is acknowledged as its QoS wants, and
never delivered. Streams name or send again what was in it.

paho asks the system four times for each message, and once more whether there is one: more than half
of what a small message costs. So what is there is read at once, and handed on from memory; whole
messages of QoS 0 without paho, if there is a `direct` to take them. What is said to many at a time
(`publish_together`) is sent at once, too.

It rests on insides of paho's (`_sock_recv`, `_in_packet`, `_handle_on_message`, `_packet_queue`),
for which there is no other way in; the tests with real brokers show that they are as they were.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MQTTErrorCode

logger = logging.getLogger(__name__)

LARGEST_PACKET = 16 * 1024 * 1024
"""Bytes. A birth of 100,000 metrics has about half of that."""
_PIECE = 64 * 1024
_PUBLISH, _NOT_RETAIN, _QOS = 0x30, 0xFE, 0x06


class BoundedClient(mqtt.Client):
    """paho's client; of a message of more than `largest_packet` bytes only the topic is kept."""

    def __init__(self, *args: Any, largest_packet: int = LARGEST_PACKET, **more: Any) -> None:
        super().__init__(*args, **more)
        self.direct: Callable[[str, bytes], None] | None = None
        """Takes topic and payload of messages of QoS 0 in place of `on_message`, which still gets
        some: paho costs ten times as much. For MQTT 3.1.1."""
        self._largest_packet = largest_packet
        self._ahead = b""
        self._taken = 0
        """How much of `_ahead` paho has got."""
        self._ahead_of: object = None
        """The socket that `_ahead` was read from."""

    def publish_together(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Messages of QoS 0 by topic and payload, in one piece: paho would wake its thread, and ask
        the system to send, for each. Lost if there is no connection. For MQTT 3.1.1."""
        piece = bytearray()
        for topic, payload in messages:
            head = topic.encode()
            piece.append(_PUBLISH)
            self._pack_remaining_length(piece, 2 + len(head) + len(payload))
            piece += len(head).to_bytes(2, "big") + head + payload
        if piece and self._sock is not None:
            mid = self._mid_generate()
            self._packet_queue(_PUBLISH, piece, mid, 0, mqtt.MQTTMessageInfo(mid))

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """What was read ahead no socket tells of again: all of it is handed on."""
        if self.direct is not None and self._in_packet["command"] == 0:
            self._look_ahead()
            self._hand_on(self.direct)
            if self._ahead and self._taken == len(self._ahead):
                return MQTTErrorCode.MQTT_ERR_SUCCESS
        done = super().loop_read(max_packets)
        while (
            done == MQTTErrorCode.MQTT_ERR_SUCCESS
            and self._taken < len(self._ahead)
            and self._ahead_of is self._sock
        ):
            if self.direct is not None and self._in_packet["command"] == 0:
                self._hand_on(self.direct)
                if self._taken == len(self._ahead):
                    break
            done = super().loop_read(max_packets)
        return done

    def _hand_on(self, direct: Callable[[str, bytes], None]) -> None:
        """Whole messages of QoS 0 at the head of what was read ahead; anything else is paho's."""
        data = self._ahead
        while len(data) - self._taken > 2 and data[self._taken] & _NOT_RETAIN == _PUBLISH:
            head, length, shift = self._taken + 1, 0, 0
            while head < len(data):
                length |= (data[head] & 0x7F) << shift
                head, shift = head + 1, shift + 7
                if data[head - 1] < 0x80 or shift > 21:
                    break
            payload = head + 2 + int.from_bytes(data[head : head + 2], "big")
            after = head + length
            if after > len(data) or payload > after or data[head - 1] >= 0x80:
                return
            try:
                topic = data[head + 2 : payload].decode()
            except UnicodeDecodeError:
                return
            self._taken = after
            direct(topic, data[payload:after])

    def _look_ahead(self) -> None:
        """Read what is there, unless some of it is still to be handed on. Whatever hinders it, paho
        meets it in its turn."""
        if self._ahead_of is not self._sock or self._taken == len(self._ahead):
            with suppress(OSError):
                self._begin_ahead()

    def _begin_ahead(self) -> None:
        self._ahead = b""
        self._taken = 0
        self._ahead_of = self._sock
        self._ahead = super()._sock_recv(_PIECE)

    def _read_ahead(self, bufsize: int) -> bytes:
        if self._ahead_of is not self._sock or self._taken == len(self._ahead):
            if bufsize >= _PIECE:
                self._ahead = b""
                self._taken = 0
                return super()._sock_recv(bufsize)
            self._begin_ahead()
        part = self._ahead[self._taken : self._taken + bufsize]
        self._taken += len(part)
        return part

    def _sock_recv(self, bufsize: int) -> bytes:
        """`bufsize` is what is missing of the packet."""
        if bufsize <= self._largest_packet:
            return self._read_ahead(bufsize)
        packet, head = self._in_packet["packet"], self._in_packet["command"]
        if len(packet) >= 2:  # the topic's length; behind the topic stands what is acknowledged
            topic = int.from_bytes(packet[:2], "big")
            del packet[2 + topic + (2 if head & _QOS else 0) :]
        return self._read_ahead(_PIECE)

    def _handle_on_message(self, message: mqtt.MQTTMessage) -> None:
        try:
            _ = message.topic
        except UnicodeDecodeError:  # whoever asks for it would end the thread of the connection
            logger.warning("a message is passed over: its topic is no UTF-8")
            return
        size = self._in_packet["remaining_length"]
        if size <= self._largest_packet:
            super()._handle_on_message(message)
            return
        logger.warning(
            "a message of %d bytes on %s is passed over: at most %d are taken; whoever sends it "
            "must send less at a time",
            size,
            message.topic,
            self._largest_packet,
        )
