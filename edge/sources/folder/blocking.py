"""Calls that a share may hold up for as long as it likes, without holding up anything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")
_running: dict[str, threading.Thread] = {}
"""The last call of each device. It may outlive the source that made it."""
_LOOK_S = 0.05


async def in_thread(device: str, work: Callable[[], _T], within_s: float) -> _T:
    """What `work` returns or raises; `TimeoutError` if that takes longer.

    A call that hangs in the system cannot be ended: its thread stays, and no other is made for
    this device until it comes back. Neither keeps the process from ending.
    """
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    try:
        async with asyncio.timeout(within_s):
            before = _running.get(device)
            while before is not None and before.is_alive():  # noqa: ASYNC110 - a thread has no event
                await asyncio.sleep(_LOOK_S)
            thread = threading.Thread(target=run, name=f"folder {device}", daemon=True)
            _running[device] = thread
            thread.start()
            return await asyncio.wrap_future(future)
    except TimeoutError:
        raise TimeoutError(f"the folder does not answer within {within_s:g} s") from None
