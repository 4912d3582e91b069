"""One line's PLC: hand-over and results over one OPC UA session of their own."""

from __future__ import annotations

import logging
from collections.abc import Callable

from edge.calls.desk import Desk
from edge.calls.handover import HandOver
from edge.calls.plc import LinePlc
from edge.calls.results import ResultReader
from edge.config.hand_over import HandOverSettings
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import Connector, close
from edge.status import Condition
from edge.status.figures import LineFigures
from edge.supervise import until_one_ends
from protocols.traces import UNTRACED, CallTracer

logger = logging.getLogger(__name__)


class LineSession:
    """Serves one line. `serve` is one OPC UA session; the caller starts the next."""

    def __init__(
        self,
        desk: Desk,
        line: str,
        plc: OpcUaSettings,
        hand_over: HandOverSettings | None = None,
        figures: LineFigures | None = None,
        tracer: CallTracer = UNTRACED,
    ) -> None:
        """`hand_over`: the nodes that take calls, if not those of a line PLC of ours."""
        self._figures = figures or LineFigures()
        self._tracer = tracer
        self._desk = desk
        self._settings = hand_over
        self._line = line
        self._timeout_s = plc.timeout_s
        self._connector = Connector(plc)
        self._patience = Condition(logger, f"line {line}")

    async def serve(self, connected: Callable[[], None]) -> None:
        """Connect and work until the session fails (`OSError`, `ua.UaError`, `PlcError`)."""
        client = await self._connector.connect()
        try:
            plc = await LinePlc.attach(client, self._settings)
            await self._desk.run(self._desk.store.know_commands, self._line, plc.commands)
            hand_over = HandOver(self._desk, plc, self._line, self._patience, self._tracer)
            results = ResultReader(self._desk, plc, self._line)
            await plc.watch(hand_over.ring, results.ring)
            connected()
            self._figures.enter(connected=True)
            works = [hand_over.run(), self._connector.watch(client)]
            if plc.has_results:
                works.append(results.run())
            await until_one_ends(*works)
        finally:
            self._figures.enter(connected=False)
            await close(client, self._timeout_s)
