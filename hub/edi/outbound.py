"""What is told to a partner without a gateway: DELJIT of calls, DELFOR of the demand ahead.

The partner's gateway is one of transport `edi`: what others get by MQTT waits in its stream, and
here it is read. A call counts as acknowledged once its message is written, since a partner by EDI
says no more than that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import psycopg

from hub.calls.publisher import Committed, acknowledge
from hub.edi.log import log_messages, put_file
from hub.edi.partners import Partner, next_reference, partners_of
from protocols.edifact.calls import write_calls
from protocols.edifact.content import (
    CallMessage,
    CallPart,
    CarCall,
    Firmness,
    Forecast,
    ForecastLine,
    ForecastQuantity,
    Function,
)
from protocols.edifact.forecast import write_forecast
from protocols.edifact.interchange import Header, Interchange, Message, write_interchange
from protocols.edifact.profile import FIELDS, EdiProfile
from protocols.jis.messages import CALL_RECORD, Call, CallChange, CallRecord, Instruction, Preview

MOST_RECORDS = 500
"""In one file."""

_STREAMS = """
SELECT s.gateway, s.epoch, s.watermark, s.next_offset
FROM call_stream s JOIN gateway g ON g.id = s.gateway
WHERE g.transport = 'edi' AND g.owner = %s AND g.partner = %s AND NOT s.closed
    AND s.watermark < s.next_offset
ORDER BY s.gateway FOR NO KEY UPDATE OF s
"""
_RECORDS = """
SELECT record_offset, record FROM call_outbox
WHERE gateway = %s AND epoch = %s AND record_offset >= %s
ORDER BY record_offset LIMIT %s
"""
_CALL = """
SELECT record FROM call_outbox
WHERE call = (SELECT id FROM jis_call WHERE plant = %s AND line = %s AND production_no = %s
    AND part_group = %s AND reorder_index = %s)
    AND record ->> 'kind' IN ('call', 'change') AND gateway = %s
ORDER BY revision DESC LIMIT 1
"""
# Whether its car was out of the line when this record was written.
_HELD = """
SELECT record ->> 'kind' = 'hold' FROM call_outbox
WHERE gateway = %s AND epoch = %s AND record_offset < %s AND call = (SELECT call FROM call_outbox
        WHERE gateway = %s AND epoch = %s AND record_offset = %s)
    AND record ->> 'kind' IN ('hold', 'resume', 'cancel')
ORDER BY record_offset DESC LIMIT 1
"""
_DEMAND = """
SELECT part_no, coalesce((required_at AT TIME ZONE %(zone)s)::date, day) AS day,
    car = 'forecast' AS far, sum(quantity) AS quantity
FROM demand WHERE plant = %(plant)s AND line = %(line)s AND car <> 'blocked'
    AND coalesce(required_at::date, day) IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_UNLOADING_POINT = "SELECT unloading_point FROM supplier_line WHERE plant = %s AND id = %s"


class _Said(NamedTuple):
    """A call with what it asks for."""

    function: Function
    call: Call


def export(connection: psycopg.Connection, owner: str, now: datetime) -> list[str]:
    """Write what waits for the tenant's partners by EDI into files; their names.

    `connection` is of the role `lineside_ingest`. Raises `EdifactError` for what a partner has no
    place for; then its stream stays where it is.
    """
    names = []
    for partner in partners_of(connection, owner):
        with connection.transaction():
            names += _export_to(connection, partner, now)
    return names


def _export_to(connection: psycopg.Connection, partner: Partner, now: datetime) -> list[str]:
    messages: list[tuple[Message, str]] = []
    for gateway, epoch, watermark, _ in connection.execute(
        _STREAMS, (partner.partner, partner.owner)
    ).fetchall():
        rows = connection.execute(_RECORDS, (gateway, epoch, watermark, MOST_RECORDS)).fetchall()
        if not rows:
            continue
        records = [CALL_RECORD.validate_python(record) for _, record in rows]
        offsets = [offset for offset, _ in rows]
        said = list(_said(connection, (gateway, epoch), zip(offsets, records, strict=True)))
        messages += _call_messages(partner, said, len(messages))
        lines = {(r.plant, r.line) for r in records if isinstance(r, Preview)}
        messages += _forecasts(connection, partner, sorted(lines), now, len(messages))
        acknowledge(connection, [Committed(gateway, epoch, watermark, rows[-1][0] + 1)])
    if not messages:
        return []
    reference = next_reference(connection, partner)
    zone = partner.codes.zone
    header = Header(
        sender=partner.our_id,
        sender_qualifier=partner.our_qualifier,
        recipient=partner.their_id,
        recipient_qualifier=partner.their_qualifier,
        reference=reference,
        prepared_at=now.astimezone(zone).replace(tzinfo=None),
        charset=partner.codes.charset,
    )
    body = write_interchange(Interchange(header, tuple(message for message, _ in messages)))
    name = f"{partner.partner}-{reference}.edi"
    put_file(connection, partner, name, body)
    log_messages(
        *(connection, partner, "out", reference),
        [(message.kind, message.reference, document) for message, document in messages],
        "sent",
        body,
    )
    return [name]


def _said(
    connection: psycopg.Connection,
    stream: tuple[int, int],
    records: Iterable[tuple[int, CallRecord]],
) -> Iterable[_Said]:
    """Calls, and what each record asks for. What a partner by EDI is not told is left out: modes of
    the line, and what became of deliveries. `stream`: gateway and epoch; records by offset.

    EDIFACT has no hold: a car that leaves the line is cancelled, and called again, as it is by
    then, if it comes back. What changes in between is told with that.
    """
    for offset, record in records:
        if isinstance(record, Call):
            yield _Said(Function.ORIGINAL, record)
        elif isinstance(record, CallChange):
            held = connection.execute(_HELD, (*stream, offset, *stream, offset)).fetchone()
            if held != (True,):
                yield _Said(Function.CHANGE, record.call)
        elif isinstance(record, Instruction):
            key = record.key
            row = connection.execute(
                _CALL,
                (
                    *(key.plant, key.line, key.production_no, key.part_group),
                    *(key.reorder_index, stream[0]),
                ),
            ).fetchone()
            if row is not None:
                found = CALL_RECORD.validate_python(row[0])
                call = found.call if isinstance(found, CallChange) else found
                function = Function.ORIGINAL if record.kind == "resume" else Function.CANCEL
                if isinstance(call, Call):
                    # A document of its own: said again it is not taken for what it was before.
                    yield _Said(function, call.model_copy(update={"revision": record.revision}))


def _call_messages(
    partner: Partner, said: Sequence[_Said], before: int
) -> list[tuple[Message, str]]:
    """A message for each run of calls of one function, control point and moment, in their order."""
    codes = partner.codes
    made = []
    runs = groupby(said, lambda s: (s.function, s.call.control_point, s.call.called_at))
    for number, ((function, point, called_at), run) in enumerate(runs, before + 1):
        cars: dict[tuple[str, int, str, int], list[Call]] = defaultdict(list)
        for _, call in run:
            place = (call.key.production_no, call.sequence_no, call.rack, call.slot)
            cars[place].append(call)
        first = next(iter(cars.values()))[0]
        document = f"{first.key.line}-{first.call_no}-{first.revision}"[-35:]
        content = CallMessage(
            document_no=document,
            function=function,
            called_at=called_at,
            cars=tuple(_car(codes, calls) for calls in cars.values()),
            **_carried(
                codes,
                "message",
                control_point=point,
                customer=partner.our_id,
                supplier=partner.their_id,
            ),
        )
        message = write_calls(content, codes).as_message(str(number), codes.association)
        made.append((message, document))
    return made


def _car(codes: EdiProfile, calls: Sequence[Call]) -> CarCall:
    call = calls[0]
    return CarCall(
        production_no=call.key.production_no,
        parts=tuple(_part(codes, each) for each in calls),
        **_carried(
            codes,
            "car",
            vin=call.vin or "",
            sequence_no=call.sequence_no,
            line=call.key.line,
            deliver_by=call.required_at,
            unloading_point=call.unloading_point,
            pre_series=call.pre_series,
            rack=call.rack,
            slot=call.slot,
        ),
    )


def _part(codes: EdiProfile, call: Call) -> CallPart:
    again = call.key.reorder_index
    return CallPart(
        part_no=call.part_no,
        quantity=Decimal(call.quantity),
        **_carried(
            codes,
            "part",
            part_group=call.key.part_group,
            reorder_of=f"{call.key.production_no}/{again - 1}"[-35:] if again else "",
        ),
    )


def _carried(codes: EdiProfile, level: str, **fields: Any) -> dict[str, Any]:
    """Those that the partner has a place for."""
    return {
        name: value
        for name, value in fields.items()
        if name in FIELDS[level] and getattr(codes.deljit, name) is not None
    }


def _forecasts(
    connection: psycopg.Connection,
    partner: Partner,
    lines: Sequence[tuple[str, str]],
    now: datetime,
    before: int,
) -> list[tuple[Message, str]]:
    codes = partner.codes
    made = []
    for number, (plant, line) in enumerate(lines, before + 1):
        rows = connection.execute(
            _DEMAND, {"plant": plant, "line": line, "zone": codes.time_zone}
        ).fetchall()
        (point,) = connection.execute(_UNLOADING_POINT, (plant, line)).fetchone() or ("",)
        days = [day for _, day, _, _ in rows]
        document = f"{line}-{now:%Y%m%d%H%M%S}"[-35:]
        forecast = Forecast(
            document_no=document,
            function=Function.REPLACE,
            issued_at=now,
            horizon_start=min(days, default=None),
            horizon_end=max(days, default=None),
            customer=partner.our_id,
            supplier=partner.their_id,
            lines=tuple(
                ForecastLine(
                    part_no=part_no,
                    unloading_point=point,
                    quantities=tuple(_quantity(*each[1:]) for each in group),
                )
                for part_no, group in groupby(rows, lambda row: row[0])
            ),
        )
        message = write_forecast(forecast, codes).as_message(str(number), codes.association)
        made.append((message, document))
    return made


def _quantity(day: date, far: bool, quantity: int) -> ForecastQuantity:
    firmness = Firmness.FORECAST if far else Firmness.PRODUCTION
    return ForecastQuantity(firmness=firmness, quantity=Decimal(quantity), start=day, end=day)
