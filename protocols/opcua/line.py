"""The address space a line PLC offers for just-in-sequence work, and its handshakes.

Namespace `urn:lineside:line:1`, string node ids, all below the folder `Line`:

Hand-over, one call at a time (gateway → PLC):
  `Line.Call.Free`     Boolean   PLC: true while it can take a call
  `Line.Call.Key`, `.PartNo`, `.Colour`, `.Rack` String; `.SequenceNo`, `.Slot`, `.Quantity` Int32
  `Line.Call.Strobe`   UInt32    gateway: changed last, once the fields stand; never 0
  `Line.Echo.Key`      String    PLC: key of the last call it decided on
  `Line.Echo.Accepted` Boolean   PLC: its decision
  `Line.Echo.Reason`   String    PLC: why it refused
  `Line.Echo.Strobe`   UInt32    PLC: the strobe it answers, written last
The PLC keeps the keys it has taken: the same key again is echoed as accepted and not built twice,
and the echo stays readable, so that a gateway that died in between reads it back.

Results, a ring of `RESULT_SLOTS` slots (PLC → gateway), n = 0 … RESULT_SLOTS - 1:
  `Line.Result.{n}.No`      Int64    number of the result in this slot, written last; results are
                                     numbered 1, 2, 3 … without gaps for the life of the PLC
  `Line.Result.{n}.Kind`    String   produced, inspected, packed, shipped
  `Line.Result.{n}.Key`, `.Serial`, `.Verdict`, `.Rack` String; `.Slot` Int32; `.At` DateTime
  `Line.Result.{n}.Ack`     Int64    gateway: the number it has durably stored
A slot is reused only when Ack = No, so that a result is held until the gateway has it. Empty
strings and slot 0 mean "not given". After a PLC reset numbers go on from where they were.
"""

from __future__ import annotations

NAMESPACE = "urn:lineside:line:1"
RESULT_SLOTS = 8

CALL_FIELDS = ("Key", "PartNo", "Colour", "Rack", "SequenceNo", "Slot", "Quantity")
"""Fields of a call, written before its strobe."""
RESULT_FIELDS = ("No", "Kind", "Key", "Serial", "Verdict", "Rack", "Slot", "At")
"""Fields of a result, read in one request."""

CALL_FREE = "Line.Call.Free"
CALL_STROBE = "Line.Call.Strobe"
ECHO_KEY = "Line.Echo.Key"
ECHO_ACCEPTED = "Line.Echo.Accepted"
ECHO_REASON = "Line.Echo.Reason"
ECHO_STROBE = "Line.Echo.Strobe"


def call_field(name: str) -> str:
    """Node identifier of one field of the hand-over."""
    return f"Line.Call.{name}"


def result_field(slot: int, name: str) -> str:
    """Node identifier of one field of a result slot."""
    return f"Line.Result.{slot}.{name}"
