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
  `Line.Result.{n}.Kind`    String   one of `RESULT_KINDS`
  `Line.Result.{n}.Key`, `.Serial`, `.Verdict`, `.Rack` String; `.Slot` Int32; `.At` DateTime
  `Line.Result.{n}.Ack`     Int64    gateway: the number it has durably stored
A slot is reused only when Ack = No, so that a result is held until the gateway has it. Empty
strings and slot 0 mean "not given". After a PLC reset numbers go on from where they were.

What follows is optional; a PLC without it builds what it is handed over, and a change of a call
that it has taken is refused.

Commands about calls the PLC has taken, there if `Line.Call.Command` is:
  `Line.Call.Command`   String    gateway, with the fields above: one of `COMMANDS`
  `Line.Call.Revision`  Int32     of the content (build, replace) or of the plant's wish (cancel …)
  `Line.Call.Serial`    String    of rework and scrap: the part that is meant
  `Line.Call.Express`   Boolean   to be built before all others
  `Line.Call.KeepSlot`  Boolean   of hold: its slot stays empty, and is given to no other call
  `Line.Echo.Command`   String, `Line.Echo.Revision` Int32: what the echo answers. To a key taken
                        before, build is answered with the revision that the PLC holds
Only build waits for `Free`. Each command may be shown again: what is done already is accepted and
done no second time. hold, resume and cancel say how it is to be; replace with a revision that the
PLC holds, rework or scrap of a serial that is not the call's any more, change nothing.
  replace  other part, colour, quantity, rack, slot or number; refused once it is too late for that
  hold     do not begin it; once begun finish it, then set it aside (result parked)
  resume   as before the hold (result unparked, then packed)
  cancel   results say what came of it: dropped, scrapped or stocked; refused once it has left
  rework   a person found this part not in order: build it anew, without a result of the old one
  scrap    a person has taken this part away: forget the call, without a result
Results say more, there if `Line.Result.0.Shipment` is:
  `Line.Result.{n}.Shipment` String, `.Eta` DateTime (1970: not given), `.Reason` String
Racks are packed and trucks loaded at the line, so the PLC says so where it can: loaded and shipped
name the shipment of each part, then departed (Shipment, Eta; no Key) closes it: from these the
gateway makes the dispatch advice. delayed (Shipment, Eta, Reason) follows a truck that is late.
Where the PLC reports no shipped, a person tells the gateway that the truck has left.
"""

from __future__ import annotations

from typing import Literal, get_args

NAMESPACE = "urn:lineside:line:1"
RESULT_SLOTS = 8

CALL_FIELDS = ("Key", "PartNo", "Colour", "Rack", "SequenceNo", "Slot", "Quantity")
"""Fields of a call, written before its strobe."""
RESULT_FIELDS = ("No", "Kind", "Key", "Serial", "Verdict", "Rack", "Slot", "At")
"""Fields of a result, read in one request."""

Command = Literal["build", "replace", "hold", "resume", "cancel", "rework", "scrap"]
COMMANDS: tuple[Command, ...] = get_args(Command)
COMMAND_FIELDS = ("Command", "Revision", "Serial", "Express", "KeepSlot")
"""Optional fields beside `CALL_FIELDS`."""
RESULT_DETAILS = ("Shipment", "Eta", "Reason")
"""Optional fields beside `RESULT_FIELDS`."""
PART_RESULTS = (
    *("started", "missing", "supplied", "produced", "inspected", "parked", "unparked"),
    *("packed", "unpacked", "loaded", "shipped", "dropped", "scrapped", "stocked"),
)
"""Results about a part: each is an event of that kind."""
TRUCK_RESULTS = ("departed", "delayed")
RESULT_KINDS = PART_RESULTS + TRUCK_RESULTS

CALL_FREE = "Line.Call.Free"
CALL_STROBE = "Line.Call.Strobe"
ECHO_KEY = "Line.Echo.Key"
ECHO_ACCEPTED = "Line.Echo.Accepted"
ECHO_REASON = "Line.Echo.Reason"
ECHO_STROBE = "Line.Echo.Strobe"
CALL_COMMAND = "Line.Call.Command"
ECHO_COMMAND = "Line.Echo.Command"
ECHO_REVISION = "Line.Echo.Revision"


def call_field(name: str) -> str:
    """Node identifier of one field of the hand-over."""
    return f"Line.Call.{name}"


def result_field(slot: int, name: str) -> str:
    """Node identifier of one field of a result slot."""
    return f"Line.Result.{slot}.{name}"
