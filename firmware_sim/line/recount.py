"""What a killed PLC still knew and had not counted: its memory is saved before its ledger is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from firmware_sim.line.clock import now_us
from firmware_sim.line.ledger import CallDecision, Entry, Result, read_ledger
from firmware_sim.line.state import LineState


def uncounted(ledger: Path, state: LineState) -> Iterator[Entry]:
    """Entries that the state implies and the ledger lacks, to be added before the PLC goes on.
    Only the last decision and the results not acknowledged can be so. Raises `LedgerError`."""
    entries = list(read_ledger(ledger, samples=False))
    decided = {
        (entry.key, entry.command, entry.revision)
        for entry in entries
        if isinstance(entry, CallDecision)
    }
    counted = {entry.no for entry in entries if isinstance(entry, Result)}
    echo = state.echo
    if echo.key and (echo.key, echo.command, echo.revision) not in decided:
        yield CallDecision(
            *(echo.key, echo.accepted, echo.repeated, echo.reason, now_us()),
            *(echo.command, echo.revision),
        )
    yield from (result for result in state.results if result.no not in counted)
