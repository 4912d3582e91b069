"""Results as CSV or JSON in a watched folder, columns as the configuration maps them."""

from edge.sources.drop.config import DropSettings

__all__ = ["DropSettings"]
