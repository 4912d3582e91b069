"""What the messages with data say, by MID and revision: "Open Protocol Specification", release
2.8.0 (9836 4415 01), Atlas Copco Industrial Technique AB, chapter 5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from protocols.open_protocol.fields import TIME_WIDTH, DataError, Field, Kind, Layout, Value
from protocols.open_protocol.frames import Message

_H, _F, _T, _B = Kind.HUNDREDTHS, Kind.FLAG, Kind.TEXT, Kind.BITS
_NO_FAMILY = 900
"""From this revision on each stands for itself: 998, 999."""


def _time(name: str) -> Field:
    return Field(name, TIME_WIDTH, Kind.TIME)


def _growing(*added: tuple[int, tuple[Field, ...]]) -> dict[int, Layout]:
    """Revisions that each add to the one before."""
    layouts: dict[int, Layout] = {}
    fields: tuple[Field, ...] = ()
    for revision, more in added:
        fields += more
        layouts[revision] = Layout(fields)
    return layouts


def _plain(*fields: Field) -> dict[int, Layout]:
    """One revision whose values have no numbers."""
    return {1: Layout(fields, numbered=False)}


_IDENTIFIERS = tuple(Field(f"identifier_{part}", 25, _T) for part in (2, 3, 4))
_FROM_4_TO_6 = (
    (4, _IDENTIFIERS),
    (5, (Field("customer_error", 4, _T),)),
    (6, (Field("prevail_compensate", 6, _H), Field("error_status_2", 10, _B))),
)
"""What these revisions add to a result, the last one or an old one."""
_WHAT_WAS_DONE = (
    Field("vin", 25, _T),
    Field("job", 4),
    Field("programme", 3),
    Field("strategy", 2),
    Field("strategy_options", 5, _B),
    Field("batch_size", 4),
    Field("batch_counter", 4),
)
_WHERE_AND_WHEN = (
    Field("job_sequence", 5),
    Field("sync_id", 5),
    Field("tool_serial", 14, _T),
    _time("at"),
)
_STATUSES = (
    Field("tightening_status", 1),
    Field("batch_status", 1),
    Field("torque_status", 1),
    Field("angle_status", 1),
    Field("rundown_angle_status", 1),
    Field("current_status", 1),
    Field("selftap_status", 1),
    Field("prevail_torque_status", 1),
    Field("prevail_compensate_status", 1),
    Field("error_status", 10, _B),
)
_TORQUE_ANGLE = (
    Field("torque_min", 6, _H),
    Field("torque_max", 6, _H),
    Field("torque_target", 6, _H),
    Field("torque", 6, _H),
    Field("angle_min", 5),
    Field("angle_max", 5),
    Field("angle_target", 5),
    Field("angle", 5),
)
_CONTROLLER = (
    Field("cell", 4),
    Field("channel", 2),
    Field("controller", 25, _T),
)

_RESULT = {
    1: Layout(
        (
            *_CONTROLLER,
            Field("vin", 25, _T),
            Field("job", 2),
            Field("programme", 3),
            Field("batch_size", 4),
            Field("batch_counter", 4),
            Field("tightening_status", 1),
            Field("torque_status", 1),
            Field("angle_status", 1),
            *_TORQUE_ANGLE,
            _time("at"),
            _time("programme_changed_at"),
            Field("batch_status", 1),
            Field("tightening_id", 10),
        )
    ),
    **_growing(
        (
            2,
            (
                *_CONTROLLER,
                *_WHAT_WAS_DONE,
                *_STATUSES,
                *_TORQUE_ANGLE,
                Field("rundown_angle_min", 5),
                Field("rundown_angle_max", 5),
                Field("rundown_angle", 5),
                Field("current_min", 3),
                Field("current_max", 3),
                Field("current", 3),
                Field("selftap_min", 6, _H),
                Field("selftap_max", 6, _H),
                Field("selftap", 6, _H),
                Field("prevail_torque_min", 6, _H),
                Field("prevail_torque_max", 6, _H),
                Field("prevail_torque", 6, _H),
                Field("tightening_id", 10),
                *_WHERE_AND_WHEN,
                _time("programme_changed_at"),
            ),
        ),
        (
            3,
            (
                Field("programme_name", 25, _T),
                Field("torque_unit", 1),
                Field("result_type", 2),
            ),
        ),
        *_FROM_4_TO_6,
        (7, (Field("compensated_angle", 7, _H), Field("final_angle", 7, _H))),
    ),
    999: Layout(
        (
            Field("vin", 25, _T),
            Field("job", 2),
            Field("programme", 3),
            Field("batch_size", 4),
            Field("batch_counter", 4),
            Field("batch_status", 1),
            Field("tightening_status", 1),
            Field("torque_status", 1),
            Field("angle_status", 1),
            Field("torque", 6, _H),
            Field("angle", 5),
            _time("at"),
            _time("programme_changed_at"),
            Field("tightening_id", 10),
        ),
        numbered=False,
    ),
}
_OLD_RESULT = {
    1: Layout(
        (
            Field("tightening_id", 10),
            Field("vin", 25, _T),
            Field("programme", 3),
            Field("batch_counter", 4),
            Field("tightening_status", 1),
            Field("torque_status", 1),
            Field("angle_status", 1),
            Field("torque", 6, _H),
            Field("angle", 5),
            _time("at"),
            Field("batch_status", 1),
        )
    ),
    **_growing(
        (
            2,
            (
                Field("tightening_id", 10),
                *_WHAT_WAS_DONE,
                *_STATUSES,
                Field("torque", 6, _H),
                Field("angle", 5),
                Field("rundown_angle", 5),
                Field("current", 3),
                Field("selftap", 6, _H),
                Field("prevail_torque", 6, _H),
                *_WHERE_AND_WHEN,
            ),
        ),
        (3, (Field("torque_unit", 1), Field("result_type", 2))),
        *_FROM_4_TO_6,
        (7, (Field("station", 10), Field("station_name", 25, _T))),
    ),
}


def _job(width: int, revision: int) -> Layout:
    fields: tuple[Field, ...] = (
        Field("job", width),
        Field("status", 1),
        Field("batch_mode", 1),
        Field("batch_size", 4),
        Field("batch_counter", 4),
        _time("at"),
    )
    if revision >= 3:
        fields += (Field("step", 3), Field("steps", 3), Field("step_type", 2))
    if revision >= 4:
        fields += (Field("tightening_status", 2),)
    if revision >= 5:
        fields += (Field("job_sequence", 5), Field("vin", 25, _T), *_IDENTIFIERS)
    return Layout(fields)


_ALARM_STATE = (Field("controller_ready", 1, _F), Field("tool_ready", 1, _F), _time("at"))

LAYOUTS: Mapping[int, Mapping[int, Layout]] = {
    2: _growing(
        (1, _CONTROLLER),
        (2, (Field("supplier", 3, _T),)),
        (
            3,
            (
                Field("protocol_version", 19, _T),
                Field("controller_software", 19, _T),
                Field("tool_software", 19, _T),
            ),
        ),
        (4, (Field("rbu_type", 24, _T), Field("controller_serial", 10, _T))),
        (5, (Field("system_type", 3), Field("system_subtype", 3))),
        (
            6,
            (
                Field("sequence_numbers", 1, _F),
                Field("linking", 1, _F),
                Field("station", 10),
                Field("station_name", 25, _T),
                Field("client", 1, _T),
            ),
        ),
        (7, (Field("optional_keep_alive", 1, _F),)),
    ),
    4: {
        1: Layout((Field("about", 4), Field("error", 2)), numbered=False),
        2: Layout((Field("about", 4), Field("error", 3)), numbered=False),
    },
    5: _plain(Field("about", 4)),
    15: {
        1: Layout((Field("programme", 3), _time("changed_at")), numbered=False),
        2: Layout(
            (
                Field("programme", 3),
                Field("programme_name", 25, _T),
                _time("changed_at"),
                Field("direction", 1),
                Field("batch_size", 2),
                *_TORQUE_ANGLE[:3],
                *_TORQUE_ANGLE[4:7],
                Field("first_target", 6, _H),
                Field("start_final_angle", 6, _H),
            )
        ),
    },
    18: _plain(Field("programme", 3)),
    35: {revision: _job(2 if revision == 1 else 4, revision) for revision in range(1, 6)},
    38: {
        1: Layout((Field("job", 2),), numbered=False),
        2: Layout((Field("job", 4),), numbered=False),
    },
    41: _growing(
        (
            1,
            (
                Field("tool_serial", 14, _T),
                Field("tightenings", 10),
                _time("calibrated_at"),
                Field("controller_serial", 10, _T),
            ),
        ),
    ),
    50: _plain(Field("vin", 25, _T)),
    52: {
        1: Layout((Field("vin", 25, _T),), numbered=False, open_ended=True),
        2: Layout((Field("vin", 25, _T), *_IDENTIFIERS)),
    },
    61: _RESULT,
    64: _plain(Field("tightening_id", 10)),
    65: _OLD_RESULT,
    71: {
        1: Layout((Field("error", 4, _T), *_ALARM_STATE)),
        2: Layout((Field("error", 5, _T), *_ALARM_STATE, Field("text", 50, _T))),
    },
    74: {
        1: Layout((Field("error", 4, _T),), numbered=False),
        2: Layout((Field("error", 5, _T),), numbered=False),
    },
    76: {
        1: Layout((Field("active", 1, _F), Field("error", 4, _T), *_ALARM_STATE)),
        2: Layout((Field("active", 1, _F), Field("error", 5, _T), *_ALARM_STATE)),
        3: Layout(
            (Field("active", 1, _F), Field("error", 5, _T), *_ALARM_STATE, Field("tool_health", 1))
        ),
    },
    81: _plain(_time("at")),
    82: _plain(_time("at")),
    9997: _plain(Field("about", 4)),
    9998: _plain(Field("about", 4), Field("error", 4)),
}
"""By MID and revision."""


def newest(mid: int) -> int:
    """The newest revision of a message that is read here, of those that grow from 1."""
    return max(revision for revision in LAYOUTS[mid] if revision < _NO_FAMILY)


def read(message: Message, encoding: str = "latin-1") -> dict[str, Value]:
    """What a message says, by name; of a newer revision what is known of it. Raises `DataError`,
    also for a message that has no layout here."""
    try:
        layout = _layout(message.mid, message.revision)
    except LookupError:
        what = f"MID {message.mid:04} revision {message.revision}"
        raise DataError(f"{what} is not known here") from None
    return layout.read(message, encoding)


def make(
    mid: int,
    values: Mapping[str, Value] = MappingProxyType({}),
    revision: int = 1,
    *,
    encoding: str = "latin-1",
) -> Message:
    """A message that says this. Raises `ValueError`, `LookupError`."""
    data = _layout(mid, revision).write(values, encoding)
    return Message(mid, data, revision)


def programmes(message: Message) -> Iterator[int]:
    """The numbers that MID 0011 (parameter sets) lists."""
    for at in range(3, len(message.data) - 2, 3):
        if (digits := message.data[at : at + 3]).isdigit():
            yield int(digits)


def _layout(mid: int, revision: int) -> Layout:
    by_revision = LAYOUTS[mid]
    if revision not in by_revision and revision < _NO_FAMILY:
        revision = max((known for known in by_revision if known < revision), default=1)
    return by_revision[revision]
