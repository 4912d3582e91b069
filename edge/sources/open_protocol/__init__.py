"""Tightening controllers that speak Open Protocol."""

from edge.sources.open_protocol.config import OpenProtocolSettings

__all__ = ["OpenProtocolSettings"]
