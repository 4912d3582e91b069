"""A TCP proxy that can make faults between two programs that know nothing of it."""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable
from types import TracebackType

from firmware_sim.proxy.faults import FaultCommand, FaultName, Faults
from firmware_sim.proxy.link import Link

logger = logging.getLogger(__name__)


class FaultProxy:
    """Listens, and carries each connection to the target. An asynchronous context manager."""

    def __init__(
        self,
        target_host: str,
        target_port: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
    ) -> None:
        """`port` 0 takes a free one, kept over cuts. `seed` decides which chunks drop."""
        self._target = (target_host, target_port)
        self.host = host
        self.port = port
        self.faults = Faults()
        self._chance = random.Random(seed)  # noqa: S311  a simulation
        self._listener: asyncio.Server | None = None
        self._place: socket.socket | None = None
        """Bound to the port and never listening: it keeps others off it while the line is cut."""
        self._changing = asyncio.Lock()
        self._links: dict[asyncio.Task[None], Link] = {}
        self._ends: dict[FaultName, asyncio.Task[None]] = {}

    async def __aenter__(self) -> FaultProxy:
        """Start to listen. Raises `OSError` if the port is taken."""
        self._take_place()
        try:
            await self._listen()
        except OSError:
            self._leave_place()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tasks = [*self._ends.values(), *self._links]
        for task in tasks:
            task.cancel()
        for link in self._links.values():
            link.reset()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stop_listening()
        self._leave_place()

    async def make(
        self, fault: FaultName, value: float | None = None, seconds: float | None = None
    ) -> None:
        """Begin a fault, as `FaultCommand` describes. Raises `ValueError` if the value does not
        fit it, `OSError` if healing finds the port taken by another."""
        await self.obey(FaultCommand(fault=fault, value=value, seconds=seconds))

    async def obey(self, command: FaultCommand) -> None:
        """Begin the fault, and end it after its time. The same fault begun again takes the place of
        the one before."""
        self._forget_ends(command.fault)
        await self._change(command.apply)
        if command.seconds is not None and command.fault != "none":
            end = asyncio.create_task(self._lift_later(command, command.seconds))
            self._ends[command.fault] = end

    def _forget_ends(self, fault: FaultName) -> None:
        for name in [fault] if fault != "none" else list(self._ends):
            end = self._ends.pop(name, None)
            if end is not None:
                end.cancel()

    async def _lift_later(self, command: FaultCommand, seconds: float) -> None:
        await asyncio.sleep(seconds)
        # Out of the books first: healing must not be cancelled half way by the next command.
        del self._ends[command.fault]
        try:
            await self._change(command.lift)
        except OSError as error:
            logger.error("%s cannot be healed: %s", command.fault, error)

    async def _change(self, change: Callable[[Faults], Faults]) -> None:
        async with self._changing:
            before, faults = self.faults, change(self.faults)
            if faults == before:
                return
            if before.cut and not faults.cut:
                await self._listen()
            self.faults = faults
            logger.info("now %s", faults)
            if faults.cut:
                self._stop_listening()
            for task, link in self._links.items():
                if faults.cut or (link.lost_bytes and not faults.half_open):
                    link.reset()
                    task.cancel()

    def _take_place(self) -> None:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            self.host, self.port, type=socket.SOCK_STREAM
        )
        self._place = socket.socket(family, kind)
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._place.bind(address)
        except OSError:
            self._leave_place()
            raise
        self.port = self._place.getsockname()[1]

    def _leave_place(self) -> None:
        if self._place is not None:
            self._place.close()
            self._place = None

    async def _listen(self) -> None:
        self._listener = await asyncio.start_server(
            self._accept, self.host, self.port, reuse_address=True
        )

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link((reader, writer), lambda: self.faults, self._chance)
        task = asyncio.create_task(link.carry(*self._target))
        self._links[task] = link
        task.add_done_callback(self._links.__delitem__)
