"""A camera's answer over HTTP: one request, its body as it comes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import h11

from edge.sources.camera.authorization import NoSchemeError, authorization, in_bytes, in_text
from edge.sources.camera.config import CameraSettings
from edge.sources.polled.link import LinkError
from protocols.mjpeg import FrameError, Parts, PartsError, boundary_of, size_of

_CHUNK = 65_536
_MOST_HEADERS = 32_768
_METHOD = "GET"


class RefusedError(LinkError):
    """The camera does not let us in; the text says what it wants."""


class _Connection:
    """One connection, for one request."""

    def __init__(
        self, settings: CameraSettings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._settings = settings
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEADERS)

    async def ask(self, credentials: str | None) -> h11.Response:
        """Ask, and read the answer up to its body."""
        place = urlsplit(self._settings.url)
        headers = [
            (b"Host", place.netloc.encode()),
            (b"User-Agent", b"lineside"),
            (b"Accept", b"image/jpeg, multipart/x-mixed-replace"),
            (b"Connection", b"close"),
        ]
        if credentials is not None:
            headers.append((b"Authorization", in_bytes(credentials)))
        request = h11.Request(method=_METHOD, target=target_of(self._settings), headers=headers)
        self._writer.write(self._http.send(request) or b"")
        self._writer.write(self._http.send(h11.EndOfMessage()) or b"")
        await self._writer.drain()
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise LinkError("no HTTP answer")

    async def body(self) -> AsyncIterator[bytes]:
        """What comes, until the camera has said all."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            else:
                return

    async def _next(self) -> object:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise LinkError("the camera closes the connection without an answer")
            else:
                return event

    def close(self) -> None:
        self._writer.close()


class Answer:
    """What a camera gives."""

    def __init__(self, settings: CameraSettings, connection: _Connection, kind: str) -> None:
        self._settings = settings
        self._connection = connection
        self._most = settings.max_frame_kb * 1024
        self.content_type = kind

    def close(self) -> None:
        """It is not wanted any more."""
        self._connection.close()

    async def picture(self) -> bytes:
        """The one picture that it is. Raises `LinkError`."""
        async with _telling(self._settings):
            if boundary_of(self.content_type) is not None:
                raise LinkError("it gives a stream: for clips of it write take: clip")
            data = bytearray()
            async for chunk in self._connection.body():
                data += chunk
                if len(data) > self._most:
                    raise LinkError(
                        f"a picture of more than {self._settings.max_frame_kb} KiB (max_frame_kb)"
                    )
            picture = bytes(data)
            size_of(picture)
            return picture

    async def frames(self, heard: Callable[[], None]) -> AsyncGenerator[bytes, None]:
        """Its frames, as long as they come; each must come within the time-out. `heard` is called
        whenever anything does. Raises `LinkError`."""
        boundary = boundary_of(self.content_type)
        if boundary is None:
            what = self.content_type or "nothing that it names"
            raise LinkError(f"it gives {what}, not a stream: for pictures write take: picture")
        try:
            parts = Parts(boundary, self._most)
        except PartsError as error:
            raise LinkError(str(error)) from None
        chunks = self._connection.body()
        while True:
            found: list[bytes] = []
            async with _telling(self._settings):
                while not found:
                    chunk = await anext(chunks, None)
                    if chunk is None:
                        raise LinkError("the camera ended its stream")
                    found = parts.feed(chunk)
                    heard()
                for frame in found:
                    size_of(frame)
            for frame in found:
                yield frame


@asynccontextmanager
async def opened(settings: CameraSettings) -> AsyncIterator[Answer]:
    """Ask the camera, logging in if it wants that: both within the time-out. Raises `LinkError`."""
    context = tls_of(settings)
    async with _telling(settings):
        answer = await _ask(settings, context)
    try:
        yield answer
    finally:
        answer.close()


async def _ask(settings: CameraSettings, context: ssl.SSLContext | None) -> Answer:
    credentials: str | None = None
    while True:
        connection = await _connect(settings, context)
        try:
            response = await connection.ask(credentials)
            if response.status_code == 401 and credentials is None:
                wanted = [in_text(v) for n, v in response.headers if n == b"www-authenticate"]
                credentials = _log_in(settings, wanted)
                connection.close()
                continue
            headers = {n.decode(): v.decode("latin-1") for n, v in response.headers}
            _check(response.status_code, headers)
        except BaseException:
            connection.close()
            raise
        return Answer(settings, connection, headers.get("content-type", ""))


def target_of(settings: CameraSettings) -> str:
    """What the request names: path and query."""
    place = urlsplit(settings.url)
    return (place.path or "/") + (f"?{place.query}" if place.query else "")


def tls_of(settings: CameraSettings) -> ssl.SSLContext | None:
    """Whom a camera over HTTPS must prove to be. Raises `LinkError` for a file that is none."""
    if urlsplit(settings.url).scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        raise LinkError(f"ca_file {settings.ca_file}: {error.strerror or error}") from None
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _connect(settings: CameraSettings, context: ssl.SSLContext | None) -> _Connection:
    place = urlsplit(settings.url)
    reader, writer = await asyncio.open_connection(
        place.hostname, place.port or (80 if context is None else 443), ssl=context
    )
    return _Connection(settings, reader, writer)


def _log_in(settings: CameraSettings, challenges: list[str]) -> str:
    if settings.username is None:
        raise RefusedError("the camera wants a user: give username and password_file")
    try:
        return authorization(
            challenges, _METHOD, target_of(settings), settings.username, settings.secret()
        )
    except NoSchemeError as error:
        raise RefusedError(str(error)) from None
    except OSError as error:
        raise LinkError(f"password_file: {error.strerror or error}") from None


def _check(status: int, headers: dict[str, str]) -> None:
    if status in (401, 403):
        raise RefusedError(f"the camera refuses user and password, or this address ({status})")
    if 300 <= status < 400:
        where = headers.get("location", "elsewhere").partition("?")[0][:200]
        raise LinkError(f"the camera sends us on to {where!r} ({status}): write that as url")
    if status == 404:
        raise LinkError("the camera has nothing at this address (404): see its manual")
    if status != 200:
        raise LinkError(f"the camera answers with status {status}")


@asynccontextmanager
async def _telling(settings: CameraSettings) -> AsyncIterator[None]:
    """What goes wrong, as a `LinkError` that says so, within the time-out."""
    try:
        async with asyncio.timeout(settings.timeout_s):
            yield
    except TimeoutError:
        raise LinkError(f"no answer within {settings.timeout_s:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise LinkError(
            f"its certificate is not trusted ({error.verify_message}): give it as ca_file"
        ) from None
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        raise LinkError(f"no HTTP answer: {error}") from None
    except (FrameError, PartsError) as error:
        raise LinkError(str(error)) from None
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None)
        raise LinkError(why or str(error) or type(error).__name__) from None
