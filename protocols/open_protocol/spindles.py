"""A tightening of several spindles at once, as MID 0101 (multi-spindle result) tells it, after the
"Open Protocol Specification", release 2.8.0, chapter 5. Fields 01 to 17 are of all, 18 has 18
characters for each spindle; from revision 4 on a field comes behind, from 5 on two. The limits are
those of all.

A press system uses the fields for force and stroke, in revisions that are not asked for here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from protocols.open_protocol.fields import TIME_WIDTH, DataError, Field, Kind, Layout, Value
from protocols.open_protocol.frames import Message
from protocols.open_protocol.tightening import (
    STATUSES,
    TIGHTENING,
    VERDICTS,
    Measured,
    Tightening,
    limits,
    number_of,
)

RESULT, NEWEST = 101, 5
LAST_SYNC_ID = 65_535
"""The highest sync tightening id."""
_H, _T = Kind.HUNDREDTHS, Kind.TEXT
OF_ALL = Layout(
    (
        Field("spindles", 2),
        Field("vin", 25, _T),
        Field("job", 2),
        Field("programme", 3),
        Field("batch_size", 4),
        Field("batch_counter", 4),
        Field("batch_status", 1),
        Field("torque_min", 6, _H),
        Field("torque_max", 6, _H),
        Field("torque_target", 6, _H),
        Field("angle_min", 5),
        Field("angle_max", 5),
        Field("angle_target", 5),
        Field("programme_changed_at", TIME_WIDTH, Kind.TIME),
        Field("at", TIME_WIDTH, Kind.TIME),
        Field("sync_id", 5),
        Field("sync_status", 1),
    )
)
EACH = Layout(
    (
        Field("number", 2),
        Field("channel", 2),
        Field("status", 1),
        Field("torque_status", 1),
        Field("torque", 6, _H),
        Field("angle_status", 1),
        Field("angle", 5),
    ),
    numbered=False,
)
_BEHIND = (Field("system_subtype", 3), Field("job_sequence", 5))
_GROUP = b"18"


def read_spindles(
    message: Message, encoding: str = "latin-1"
) -> tuple[dict[str, Value], list[dict[str, Value]]]:
    """What is said of all, and of each spindle. Raises `DataError`."""
    of_all = OF_ALL.read(message, encoding)
    count = number_of(of_all, "spindles")
    if count is None or count < 0:
        raise DataError(f"MID {message.mid:04}: it says of no number of spindles")
    at, width = OF_ALL.width, EACH.width
    data = message.data
    if data[at : at + 2] != _GROUP:
        raise DataError(f"MID {message.mid:04}: spindles: {data[at : at + 2]!r} in place of 18")
    at += 2
    each = []
    for _ in range(count):
        part = Message(message.mid, data[at : at + width], message.revision)
        each.append(EACH.read(part, encoding))
        at += width
    behind = Message(message.mid, data[at:], message.revision)
    return of_all | _behind(message.revision).read(behind, encoding), each


def make_spindles(
    of_all: Mapping[str, Value],
    each: Sequence[Mapping[str, Value]],
    revision: int = 1,
    *,
    encoding: str = "latin-1",
) -> Message:
    """MID 0101 that says this. Raises `ValueError`."""
    behind = {field.name for field in _BEHIND}
    first = {name: value for name, value in of_all.items() if name not in behind}
    data = OF_ALL.write({**first, "spindles": len(each)}, encoding) + _GROUP
    data += b"".join(EACH.write(spindle, encoding) for spindle in each)
    last = {name: value for name, value in of_all.items() if name in behind}
    return Message(RESULT, data + _behind(revision).write(last, encoding), revision)


def read_together(
    message: Message, torque_unit: str = "Nm", encoding: str = "latin-1"
) -> Tightening:
    """The tightening of all spindles, with the values of each. Raises `DataError`."""
    said, each = read_spindles(message, encoding)
    sync_id = number_of(said, "sync_id")
    if sync_id is None:
        raise DataError(f"MID {message.mid:04}: there is no sync tightening id")
    at, vin = said["at"], said["vin"]
    return Tightening(
        sync_id,
        TIGHTENING,
        VERDICTS.get(number_of(said, "sync_status"), "unknown"),
        at if isinstance(at, datetime) else None,
        (vin,) if isinstance(vin, str) and vin.strip() else (),
        cell=None,
        channel=None,
        tool=None,
        programme=number_of(said, "programme"),
        programme_name=None,
        job=number_of(said, "job") or None,
        measured=tuple(
            measured
            for number, spindle in zip(_numbers(each), each, strict=True)
            for measured in _measured(said, spindle, number, torque_unit)
        ),
        together=True,
    )


def _numbers(each: Sequence[Mapping[str, Value]]) -> Sequence[int]:
    """What tells the spindles apart: their numbers, or their places if those do not."""
    numbers = [number_of(spindle, "number") or 0 for spindle in each]
    distinct = all(numbers) and len({*numbers}) == len(numbers)
    return numbers if distinct else range(1, len(each) + 1)


def _measured(
    said: Mapping[str, Value], spindle: Mapping[str, Value], number: int, torque_unit: str
) -> Iterator[Measured]:
    name = f"Spindle {number}"
    status = VERDICTS.get(number_of(spindle, "status"), "unknown")
    yield Measured(name, None, None, None, None, "", status)
    for field, unit in (("torque", torque_unit), ("angle", "deg")):
        value, target = spindle[field], said[f"{field}_target"]
        if not isinstance(value, int | float):
            continue
        yield Measured(
            f"{name} {field}",
            float(value),
            *limits(said[f"{field}_min"], said[f"{field}_max"]),
            float(target) if isinstance(target, int | float) and target else None,
            unit,
            STATUSES.get(number_of(spindle, f"{field}_status"), "unknown"),
        )


def _behind(revision: int) -> Layout:
    return Layout(_BEHIND[: max(0, min(revision, NEWEST) - 3)], first=19)
