"""Manual entry: a station without electronics, whose results people type on a page."""

from edge.sources.manual.config import ManualCharacteristic, ManualSettings

__all__ = ["ManualCharacteristic", "ManualSettings"]
