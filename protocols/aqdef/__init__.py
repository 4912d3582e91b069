"""Q-DAS ASCII transfer format (AQDEF): files of measuring rooms and stations, read and written."""

from protocols.aqdef.model import AqdefError, Characteristic, Content, Value
from protocols.aqdef.read import MAX_BYTES, read
from protocols.aqdef.write import write

__all__ = ["MAX_BYTES", "AqdefError", "Characteristic", "Content", "Value", "read", "write"]
