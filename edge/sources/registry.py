"""Which source serves which kind of settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Tag

from edge.journal import TelemetryJournal
from edge.pictures import Events, PictureStore
from edge.sources.base import DeviceListener, Source
from edge.sources.begun import PartsBegun
from edge.sources.camera.config import CameraSettings
from edge.sources.drop.config import DropSettings
from edge.sources.manual.config import ManualSettings
from edge.sources.modbus.config import ModbusSettings
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.open_protocol.config import OpenProtocolSettings
from edge.sources.qdas.config import QdasSettings
from edge.sources.s7.config import S7Settings
from edge.status import SourceFigures

SETTINGS: dict[str, type[BaseModel]] = {
    "opcua": OpcUaSettings,
    "s7": S7Settings,
    "modbus": ModbusSettings,
    "qdas": QdasSettings,
    "drop": DropSettings,
    "open_protocol": OpenProtocolSettings,
    "manual": ManualSettings,
    "camera": CameraSettings,
}
"""The model of each kind."""


def kind_of(entry: Any) -> str | None:
    """The kind of an entry of `sources`, which is opcua unless it says otherwise."""
    if isinstance(entry, dict):
        kind = entry.get("kind", "opcua")
        return kind if isinstance(kind, str) else None
    return getattr(entry, "kind", None)


SourceSettings = Annotated[
    Annotated[OpcUaSettings, Tag("opcua")]
    | Annotated[S7Settings, Tag("s7")]
    | Annotated[ModbusSettings, Tag("modbus")]
    | Annotated[QdasSettings, Tag("qdas")]
    | Annotated[DropSettings, Tag("drop")]
    | Annotated[OpenProtocolSettings, Tag("open_protocol")]
    | Annotated[ManualSettings, Tag("manual")]
    | Annotated[CameraSettings, Tag("camera")],
    Discriminator(
        kind_of,
        custom_error_type="unknown_kind",
        custom_error_message=f"kind is none of {', '.join(SETTINGS)}",
    ),
]
"""Settings of any source; each kind has its own model, told apart by `kind`."""


def make_source(
    settings: SourceSettings,
    journal: TelemetryJournal,
    listener: DeviceListener,
    figures: SourceFigures,
    begun: PartsBegun | None = None,
    pictures: tuple[Events, PictureStore] | None = None,
) -> Source:
    """The source of one entry of `sources` in the configuration; it writes its `figures`, and hears
    from `begun` what the lines build. `pictures`, without which there is no camera: what happens,
    and where pictures of it go. A kind's library is loaded with the first source of it."""
    match settings.kind:
        case "opcua":
            from edge.sources.opcua.source import OpcUaSource

            return OpcUaSource(settings, journal, listener, figures)
        case "s7":
            from edge.sources.s7.source import S7Source

            return S7Source(settings, journal, listener, figures)
        case "modbus":
            from edge.sources.modbus.source import ModbusSource

            return ModbusSource(settings, journal, listener, figures)
        case "qdas":
            from edge.sources.qdas.source import QdasSource

            return QdasSource(settings, journal, listener, figures)
        case "drop":
            from edge.sources.drop.source import DropSource

            return DropSource(settings, journal, listener, figures)
        case "open_protocol":
            from edge.sources.open_protocol.source import OpenProtocolSource

            return OpenProtocolSource(settings, journal, listener, figures, begun)
        case "manual":
            from edge.sources.manual.source import ManualSource

            return ManualSource(settings, journal, listener, figures)
        case "camera":
            from edge.sources.camera.source import CameraSource

            if pictures is None:
                raise ValueError("a camera needs a place for its pictures")
            return CameraSource(settings, journal, listener, figures, *pictures)
