"""One MQTT connection on the asyncio loop, from CONNECT to its end; the next one is the caller's.

paho's own loop runs nowhere: its socket is watched by asyncio, so that a message costs no change of
thread. Only the blocking connect (name look-up, TCP, TLS) happens in a worker thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt

from protocols.mqtt.broker import BrokerSettings, Will, make_client, send_at_once

_CONNECT_S = 10.0
_CLOSE_S = 2.0
_MISC_S = 1.0
INBOX_LIMIT = 1000
INBOX_BYTES = 8 * 1024 * 1024
"""Messages that wait to be read, and what they weigh; what comes on top is dropped, and the streams
ask for it again."""


class LinkError(OSError):
    """The connection could not be made, or has ended; the text says why."""


class Message(NamedTuple):
    """One received message."""

    topic: str
    payload: bytes
    retain: bool


class Link:
    """A connection to the broker.

    Use: `connect`, `subscribe`, then `receive` and `publish` until a `LinkError` says that it has
    ended, and `close` in any case. Making one raises `LinkError` if the settings name a file that
    cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        client_id: str,
        *,
        clean_session: bool,
        will: Will | None = None,
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        try:
            self._client = make_client(
                settings,
                client_id,
                clean_session=clean_session,
                will=will,
                largest_packet=INBOX_BYTES,
            )
        except OSError as error:  # a password or certificate that cannot be read
            files = (settings.ca_file, settings.cert_file, settings.key_file)
            named = error.filename or ", ".join(str(file) for file in files if file is not None)
            reason = f"{named}: {error.strerror or error}"
            raise LinkError(f"{self._place()}: {reason}") from error
        self._inbox: deque[Message] = deque()
        self._inbox_bytes = 0
        self._wake = asyncio.Event()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._subscribed: dict[int, asyncio.Future[None]] = {}
        self._ended: str | None = None
        self._end = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self.dropped = 0
        self.opened = False
        """Whether the server was reached, so that a CONNECT with the will may have come to it."""
        client = self._client
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write

    async def connect(self) -> None:
        """Connect and wait for the broker's consent. Raises `LinkError`."""
        settings = self._settings
        try:
            async with asyncio.timeout(_CONNECT_S):
                await asyncio.to_thread(
                    self._client.connect, settings.host, settings.port, settings.keepalive_s
                )
                await self._connected
        except TimeoutError:
            raise LinkError(f"{self._place()}: no answer within {_CONNECT_S:g} s") from None
        except LinkError:
            raise
        except OSError as error:
            raise LinkError(f"{self._place()}: {error.strerror or error}") from error

    async def subscribe(self, topics: Sequence[tuple[str, int]]) -> None:
        """Subscribe to (topic filter, QoS) pairs and wait until all are granted."""
        self._check_open()
        code, mid = self._client.subscribe(list(topics))
        if code != mqtt.MQTT_ERR_SUCCESS or mid is None:
            raise LinkError(f"{self._place()}: {mqtt.error_string(code)}")
        granted = self._subscribed[mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(_CONNECT_S):
                await granted
        except TimeoutError:
            raise LinkError(f"{self._place()}: no answer to a subscription") from None
        finally:
            self._subscribed.pop(mid, None)

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        """Hand one message to the connection; whether it arrives is the stream's business."""
        self._check_open()
        self._client.publish(topic, payload, qos)

    async def receive(self, timeout_s: float | None) -> Message | None:
        """The next message; None after `timeout_s`, or at once after a `nudge`."""
        if not self._inbox:
            self._check_open()
            if timeout_s is None or timeout_s > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout_s):
                        await self._wake.wait()
            self._wake.clear()
            if not self._inbox:
                self._check_open()
                return None
        message = self._inbox.popleft()
        self._inbox_bytes -= len(message.payload)
        return message

    def nudge(self) -> None:
        """Make `receive` return: there is something to send."""
        self._wake.set()

    async def close(self) -> None:
        """Say goodbye (the broker then keeps the will to itself) and let go of the socket."""
        if self._ended is None and self._client.is_connected():
            self._client.disconnect()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_S):
                    await self._end.wait()
        self.abort()

    def abort(self) -> None:
        """Drop the connection without a word, as a cut cable would."""
        self._finish("closed")
        sock = self._client.socket()
        if sock is not None:
            self._on_socket_close(self._client, None, sock)
            with contextlib.suppress(OSError):
                sock.close()

    def _place(self) -> str:
        return f"broker {self._settings.place}"

    def _check_open(self) -> None:
        if self._ended is not None:
            raise LinkError(f"{self._place()}: {self._ended}")

    def _finish(self, reason: str) -> None:
        if self._ended is not None:
            return
        self._ended = reason
        if self._timer is not None:
            self._timer.cancel()
        error = LinkError(f"{self._place()}: {reason}")
        for future in (self._connected, *self._subscribed.values()):
            if not future.done():
                future.set_exception(error)
                future.exception()  # read, so that an unawaited one does not complain
        self._wake.set()
        self._end.set()

    def _keep_alive(self) -> None:
        """Ping, and notice the broker that does not answer to it."""
        if self._client.loop_misc() == mqtt.MQTT_ERR_SUCCESS and self._ended is None:
            self._timer = self._loop.call_later(_MISC_S, self._keep_alive)

    def _read(self, sock: Any) -> None:
        self._client.loop_read()
        # Decrypted bytes do not make a socket readable, so what TLS holds already is read now.
        while isinstance(sock, ssl.SSLSocket) and sock.fileno() >= 0 and sock.pending():
            if self._client.loop_read() != mqtt.MQTT_ERR_SUCCESS:
                break

    # paho's callbacks. They run on the loop's thread, since the loop calls paho; only the opening
    # of the socket and the first write come from the thread that connects.

    def _on_socket_open(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        self.opened = True
        send_at_once(sock)
        self._loop.call_soon_threadsafe(self._watch, sock)

    def _on_register_write(self, client: mqtt.Client, _data: Any, sock: Any) -> None:
        if threading.get_ident() == self._thread:
            self._write_when_possible(client, sock)
        else:
            self._loop.call_soon_threadsafe(self._write_when_possible, client, sock)

    def _on_unregister_write(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_writer(sock)

    def _on_socket_close(self, _client: mqtt.Client, _data: Any, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._loop.remove_reader(sock)
            self._loop.remove_writer(sock)

    def _watch(self, sock: socket.socket) -> None:
        if self._ended is not None:  # given up while the connect was under way
            sock.close()
        elif sock.fileno() >= 0:
            self._loop.add_reader(sock, self._read, sock)
            self._keep_alive()

    def _write_when_possible(self, client: mqtt.Client, sock: socket.socket) -> None:
        if self._ended is None and sock.fileno() >= 0:
            self._loop.add_writer(sock, client.loop_write)

    def _on_connect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._finish(f"connection refused: {reason}")
        elif not self._connected.done():
            self._connected.set_result(None)

    def _on_disconnect(
        self, _client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any
    ) -> None:
        self._finish(f"connection ended: {reason}")

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, mid: int, reasons: Any, _properties: Any
    ) -> None:
        granted = self._subscribed.get(mid)
        if granted is None or granted.done():
            return
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            granted.set_exception(LinkError(f"{self._place()}: subscription refused: {refused[0]}"))
        else:
            granted.set_result(None)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        size = self._inbox_bytes + len(message.payload)
        if len(self._inbox) >= INBOX_LIMIT or size > INBOX_BYTES:
            self.dropped += 1
            return
        self._inbox_bytes = size
        self._inbox.append(Message(message.topic, bytes(message.payload), message.retain))
        self._wake.set()
