"""The figures an agent reports of itself. Each has one writer, the part that knows it; readers are
the uplink (`Gateway/…` and `Device/…` metrics), the watchdog and the status endpoint.

All of it is written and read in the agent's event loop, without a lock. Counters begin at 0 with
the agent and only grow; what survives a restart is in the journal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Literal

from protocols.traces import TraceFigures

SourceState = Literal["connecting", "online", "late", "offline"]


@dataclass(slots=True, kw_only=True)
class _Alive:
    """A part that shows signs of life."""

    beat_at: float = field(default_factory=time.monotonic)
    """`time.monotonic()` of the last `beat`."""

    def beat(self) -> None:
        """The part's task is at work: it begins an attempt, or comes round again. Without a beat
        for long enough (a source: `silence_s`) it is taken to hang."""
        self.beat_at = time.monotonic()


@dataclass(slots=True)
class SourceFigures(_Alive):
    """One source. Written by the source; `late` and `restarts` by the watchdog."""

    device: str
    state: SourceState = "connecting"
    """connecting: no attempt has ended yet; offline: the last one failed, the next will come."""
    endpoint: str = ""
    """Address in use, without user name and password."""
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the state was entered."""
    reason: str = ""
    """Why it is not online; empty if it is."""
    samples: int = 0
    """Samples durable in the journal."""
    batches: int = 0
    gaps: int = 0
    refused_nodes: int = 0
    """Nodes the server refuses now (not a counter)."""
    overflows: int = 0
    missed_messages: int = 0
    republished: int = 0
    backfilled: int = 0
    """Samples read from the server's history."""
    unread_codes: int = 0
    """Codes of parts that follow none of the forms configured; they are kept as they are."""
    pictures: int = 0
    """Taken of events, and kept here."""
    pictures_missed: int = 0
    """Events of which there is none."""
    pictures_dropped: int = 0
    """Let go for newer ones."""
    reconnects: int = 0
    """Sessions made after the first."""
    restarts: int = 0
    """By the watchdog."""
    last_heard_us: int | None = None
    """Our clock when the server last said anything, µs since 1970."""
    last_sample_us: int | None = None
    """Source time of the newest sample, µs since 1970."""
    clock_offset_ms: float | None = None
    """The server's clock minus ours."""
    publishes_in_flight: int = 0

    def enter(self, state: SourceState, reason: str = "") -> None:
        """Note a state; `since` moves only if it is another one."""
        if state != self.state:
            self.state = state
            self.since = datetime.now(UTC)
        self.reason = reason

    def heard(self) -> None:
        """The server said something, even if only that it lives."""
        self.beat()
        self.last_heard_us = time.time_ns() // 1000


@dataclass(slots=True)
class JournalFigures:
    """The telemetry journal."""

    records: int = 0
    """Records not yet committed by the hub."""
    bytes: int = 0
    """Disk in use."""
    quota_bytes: int = 0
    free_bytes: int = 0
    """Free disk of the file system."""
    evicted: int = 0
    corrupt: int = 0
    expired: int = 0
    full: bool = False
    """Nothing can be written now: sources wait."""
    set_aside: int = 0
    """Damaged files set aside."""
    appended: int = 0
    """Samples."""
    commits: int = 0


@dataclass(slots=True)
class UplinkFigures(_Alive):
    """The Sparkplug edge node's connection."""

    connected: bool = False
    server: str = ""
    """Address in use, `host:port`."""
    host_online: bool = False
    births: int = 0
    sent: int = 0
    resent: int = 0
    backlog: int = 0
    """Records that wait behind the live ones now (not a counter)."""
    drained: int = 0
    """Records of the backlog sent."""
    last_answer: datetime | None = None
    """When the hub last answered."""


@dataclass(slots=True)
class CallFigures(_Alive):
    """The call lane."""

    connected: bool = False
    calls_open: int = 0
    """Calls received and not yet decided by a PLC."""
    events_pending: int = 0
    """Events not yet committed by the hub."""
    repeated: int = 0
    """Call records that had come before; they were answered, and changed nothing."""
    quarantined: int = 0
    """Records that could not be read or used and are kept raw; the log says why."""
    set_aside: int = 0
    """Damaged files set aside."""


@dataclass(slots=True)
class IdentityFigures:
    """The certificate of an enrolled gateway."""

    not_after: datetime | None = None
    """When the one in force ends; None if the gateway was not enrolled."""
    reason: str = ""
    """Why it is not renewed though it is time; empty if it is not time yet."""
    renewals: int = 0


@dataclass(slots=True)
class LineFigures:
    """The session with a line's PLC that takes calls and gives results."""

    connected: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When that was entered."""

    def enter(self, connected: bool) -> None:
        """Note whether there is a session."""
        if connected != self.connected:
            self.connected = connected
            self.since = datetime.now(UTC)


@dataclass(slots=True)
class Figures:
    """Latest state of the agent's parts."""

    version: str = field(default_factory=lambda: version("lineside"))
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    configuration: str = ""
    """Fingerprint of the configuration that runs."""
    journal: JournalFigures = field(default_factory=JournalFigures)
    uplink: UplinkFigures = field(default_factory=UplinkFigures)
    calls: CallFigures = field(default_factory=CallFigures)
    identity: IdentityFigures = field(default_factory=IdentityFigures)
    traces: TraceFigures = field(default_factory=TraceFigures)
    """The one part that another thread writes too."""
    sources: dict[str, SourceFigures] = field(default_factory=dict)
    """By device."""
    lines: dict[str, LineFigures] = field(default_factory=dict)
    """By `plant/line`."""
