"""Clients of a simulated device: a conversation for each, until the device is switched off."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

logger = logging.getLogger(__name__)

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one client until it leaves (`OSError`, `EOFError`) or makes no sense (`ValueError`)."""


@asynccontextmanager
async def serve_clients(
    talk: Talk, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve as long as the context lasts; gives the port. Raises `OSError`."""
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this as one
        talks.add(task)
        task.add_done_callback(talks.discard)
        try:
            await talk(reader, writer)
        except (OSError, EOFError):
            pass  # the client has gone
        except asyncio.CancelledError:
            pass  # the device is switched off; asyncio would log it as a failure
        except ValueError as error:
            logger.info("connection closed: %s", error)
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, host, port, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for each in talks:
            each.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
