"""A camera that runs: `/snapshot.jpg` gives a frame, `/stream.mjpg` frames without end."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from firmware_sim.camera.frames import Frames
from firmware_sim.camera.settings import HttpCameraSettings
from firmware_sim.device.faults import Manners
from firmware_sim.device.listening import serve_clients

_BOUNDARY = "frame--of--it"
_REALM = "camera 1号"
_FIELD = re.compile(r'(\w+)="?([^",]*)"?')


@dataclass(frozen=True, slots=True)
class RunningHttpCamera:
    """A camera that is on."""

    endpoint: str
    """Address of its pictures."""
    stream: str
    """Address of its stream."""
    port: int
    frames: Frames
    manners: Manners


@asynccontextmanager
async def run_http_camera(
    settings: HttpCameraSettings, tls: ssl.SSLContext | None = None
) -> AsyncIterator[RunningHttpCamera]:
    """Run a camera for as long as the context lasts. Raises `OSError` if the port is taken."""
    manners = Manners()
    frames = Frames(settings.width, settings.height)
    camera = _Camera(settings, frames, manners)
    async with serve_clients(camera.talk, settings.host, settings.port, tls) as port:
        place = f"{'http' if tls is None else 'https'}://{settings.host}:{port}"
        yield RunningHttpCamera(
            f"{place}/snapshot.jpg", f"{place}/stream.mjpg", port, frames, manners
        )


class _Camera:
    def __init__(self, settings: HttpCameraSettings, frames: Frames, manners: Manners) -> None:
        self._settings = settings
        self._frames = frames
        self._manners = manners
        self._nonce = secrets.token_hex(8)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        method, path, _ = line.split(" ", 2)
        headers = {n.lower(): v.strip() for n, _, v in (each.partition(":") for each in rest)}
        if not self._may_see(method, path, headers.get("authorization", "")):
            await self._say(writer, "401 Unauthorized", f"WWW-Authenticate: {self._challenge()}")
        elif path == "/snapshot.jpg":
            frame = self._frames.next()
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(frame)}"
            await self._say(writer, "200 OK", head, frame)
        elif path == "/stream.mjpg":
            await self._stream(writer)
        else:
            await self._say(writer, "404 Not Found", "Content-Length: 0")

    async def _stream(self, writer: asyncio.StreamWriter) -> None:
        kind = f"multipart/x-mixed-replace; boundary={_BOUNDARY}"
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode())
        while True:
            frame = self._frames.next()
            length = f"Content-Length: {len(frame)}\r\n" if self._settings.lengths else ""
            head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\n{length}\r\n"
            said = await self._manners.spoil(head.encode() + frame + b"\r\n")
            if said is None:
                return
            writer.write(said)
            await writer.drain()
            await asyncio.sleep(1 / self._settings.fps)

    async def _say(
        self, writer: asyncio.StreamWriter, status: str, headers: str, body: bytes = b""
    ) -> None:
        head = f"HTTP/1.1 {status}\r\n{headers}\r\nConnection: close\r\n\r\n"
        said = await self._manners.spoil(head.encode() + body)
        if said is None:
            return
        writer.write(said)
        await writer.drain()
        if self._manners.now.answer in ("silent", "partial"):
            await asyncio.Event().wait()  # it holds the connection, and says no more

    def _challenge(self) -> str:
        if self._settings.log_in == "basic":
            return f'Basic realm="{_REALM}"\r\nContent-Length: 0'
        return (
            f'Digest realm="{_REALM}", nonce="{self._nonce}", algorithm=SHA-256, qop="auth"\r\n'
            "Content-Length: 0"
        )

    def _may_see(self, method: str, path: str, said: str) -> bool:
        settings = self._settings
        if settings.log_in == "none":
            return True
        scheme, _, text = said.partition(" ")
        if settings.log_in == "basic":
            wanted = base64.b64encode(f"{settings.user}:{settings.password}".encode()).decode()
            return scheme == "Basic" and text == wanted
        fields = dict(_FIELD.findall(text))

        def hashed(text: str) -> str:
            return hashlib.sha256(text.encode()).hexdigest()

        secret = hashed(f"{settings.user}:{_REALM}:{settings.password}")
        middle = ":".join(fields.get(name, "") for name in ("nonce", "nc", "cnonce", "qop"))
        wanted = hashed(f"{secret}:{middle}:{hashed(f'{method}:{path}')}")
        return fields.get("nonce") == self._nonce and fields.get("response") == wanted
