"""What controllers that are read by address have in common: blocks of bytes, and values in them."""

from protocols.plc.blocks import Block, Item, Space, group
from protocols.plc.kinds import Field, Kind, PlcValue, UnreadableError
from protocols.plc.layout import Layout

__all__ = [
    "Block",
    "Field",
    "Item",
    "Kind",
    "Layout",
    "PlcValue",
    "Space",
    "UnreadableError",
    "group",
]
