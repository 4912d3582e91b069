"""Which source serves which kind of settings."""

from __future__ import annotations

from collections.abc import Callable

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener, Source
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.source import OpcUaSource
from edge.status import SourceFigures

SourceSettings = OpcUaSettings
"""Settings of any source; each kind has its own model, told apart by `kind`."""

_KINDS: dict[
    str, Callable[[OpcUaSettings, TelemetryJournal, DeviceListener, SourceFigures], Source]
] = {
    "opcua": OpcUaSource,
}


def make_source(
    settings: SourceSettings,
    journal: TelemetryJournal,
    listener: DeviceListener,
    figures: SourceFigures,
) -> Source:
    """The source of one entry of `sources` in the configuration; it writes its `figures`."""
    return _KINDS[settings.kind](settings, journal, listener, figures)
