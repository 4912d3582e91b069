"""Work in a process of its own, whose libraries would stay in the agent's memory for good."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

_LONGEST_ASK_S = 300.0
"""A server may say for ever that it is about to answer."""


async def ask_apart(module: str, *arguments: str | Path) -> bytes:
    """`run_apart` for a question to a server. Raises `TimeoutError` if no answer comes."""
    try:
        async with asyncio.timeout(_LONGEST_ASK_S):
            return await run_apart(module, *arguments)
    except TimeoutError:
        raise TimeoutError(f"no answer within {_LONGEST_ASK_S:g} s") from None


async def run_apart(module: str, *arguments: str | Path) -> bytes:
    """What `python -m module arguments` prints. If who waits is cancelled, it is killed."""
    process = await asyncio.create_subprocess_exec(
        *command(module, *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        answer, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    return answer


def command(module: str, *arguments: str | Path) -> list[str]:
    """Of this interpreter, and nothing of the folder it is started in (-P)."""
    return [sys.executable, "-P", "-m", module, *map(str, arguments)]
