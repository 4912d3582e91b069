"""Which source serves which kind of settings."""

from __future__ import annotations

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener, Source
from edge.sources.opcua.config import OpcUaSettings
from edge.status import SourceFigures

SourceSettings = OpcUaSettings
"""Settings of any source; each kind has its own model, told apart by `kind`."""


def make_source(
    settings: SourceSettings,
    journal: TelemetryJournal,
    listener: DeviceListener,
    figures: SourceFigures,
) -> Source:
    """The source of one entry of `sources` in the configuration; it writes its `figures`. A kind's
    library is loaded with the first source of the kind."""
    match settings.kind:
        case "opcua":
            from edge.sources.opcua.source import OpcUaSource

            return OpcUaSource(settings, journal, listener, figures)
