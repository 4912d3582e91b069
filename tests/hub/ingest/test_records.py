"""Whatever bytes a gateway sends: counted, never fatal, and never a row that was not meant."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.batch import Batch
from hub.ingest.births import Aliases
from hub.ingest.cursors import Position
from hub.ingest.records import RecordReader, Taken
from hub.ingest.registry import Gateway
from hub.ingest.rows import AliasTable
from hub.ingest.session import Delivery, Device, Session
from protocols.sparkplug import DataType, Metric, Payload, encode
from protocols.sparkplug.session import SeqChecker
from protocols.streams import Cursor

GATEWAY = Gateway(1, "seatworks", None, "seatworks", "gw-seat")
CURSOR = Cursor(7, 3)
NOW_MS = 1_790_000_000_000


def born(delivery: Delivery) -> Session:
    """A node and its device `line` with the tags 10 (Double), 11 (DataSet), 12 (BytesArray)."""
    types: dict[int, int] = {10: DataType.Double, 11: DataType.DataSet, 12: DataType.Bytes}
    aliases = Aliases({1: "Stream/Epoch", 2: "Stream/Offset"}, dict(types.items()))
    table = AliasTable({alias: (alias, code) for alias, code in types.items()}, {})
    device = Device(aliases, {}, table, 1, 2)
    session = Session(GATEWAY, SeqChecker(2.0), Position(CURSOR), delivery, born=True)
    session.aliases = aliases
    session.devices = {"line": device, None: device}
    return session


def metrics() -> st.SearchStrategy[list[Metric]]:
    """Metrics as a confused gateway might send them."""
    number = st.integers(-(2**63), 2**63 - 1)
    chosen = st.builds(
        lambda name, alias, value: Metric(name, alias, NOW_MS, None, value),
        st.sampled_from([None, "Stream/Epoch", "Stream/Offset", "Stream/Gap", "Stream/Lost", "x"]),
        st.sampled_from([1, 2, 10, 11, 12, 13]),
        st.one_of(
            st.sampled_from([7, 3, 4, "{}", '{"cause": "x", "first": 3, "next": 9}', None]),
            number,
            st.text(st.characters(codec="utf-8")),
            st.binary(),
            st.booleans(),
            st.floats(),
        ),
    )
    return st.lists(chosen, max_size=5)


@given(
    st.one_of(st.binary(), st.builds(lambda m: encode(Payload(NOW_MS, m, 3)), metrics())),
    st.sampled_from([Delivery.STREAM, Delivery.STANDARD]),
    st.booleans(),
)
def test_any_payload(payload: bytes, delivery: Delivery, of_device: bool) -> None:
    session, batch = born(delivery), Batch()
    reader = RecordReader(max_ahead=4)
    if of_device:
        taken = reader.device_data(batch, session, "line", payload, 0.0, NOW_MS)
    else:
        taken = reader.node_data(batch, session, payload, 0.0, NOW_MS)
    share = batch.share(session)
    assert share.counts.messages == 1
    assert session.position.cursor is CURSOR
    if taken is Taken.NEEDS_BIRTH or share.counts.refused:
        assert not share.moved
        assert batch.rows.rows == 0
    if delivery is Delivery.STREAM and not share.moved:
        assert (batch.rows.rows, batch.gaps, batch.quarantined) == (0, [], [])
    if share.moved:
        stored = share.counts.records + share.counts.quarantined + len(batch.gaps)
        assert stored > 0


def test_record_that_is_new_moves_the_cursor_once() -> None:
    session, batch = born(Delivery.STREAM), Batch()
    reader = RecordReader(max_ahead=4)
    record = encode(
        Payload(
            NOW_MS,
            [
                Metric(None, 1, NOW_MS, DataType.Int64, 7),
                Metric(None, 2, NOW_MS, DataType.Int64, 3),
                Metric(None, 10, NOW_MS, DataType.Double, 1.5),
            ],
            1,
        )
    )
    for _ in range(2):
        reader.device_data(batch, session, "line", record, 0.0, NOW_MS)
    share = batch.share(session)
    assert share.cursor == Cursor(7, 4)
    assert (share.counts.records, share.counts.samples, share.counts.duplicates) == (1, 1, 1)
    assert batch.rows.rows == 1


def test_arrays_are_json_text_with_words_for_what_json_has_not() -> None:
    session, batch = born(Delivery.STREAM), Batch()
    types: dict[int | str, int] = {10: DataType.DoubleArray, 11: DataType.Int64Array}
    device = replace(session.devices["line"], aliases=Aliases({}, types))
    session.devices["line"] = device
    values: dict[int, list[float] | list[int]] = {
        10: [1.5, math.nan, -math.inf],
        11: [2**63 - 1, -1],
    }
    metrics = [
        Metric(None, 1, NOW_MS, DataType.Int64, 7),
        Metric(None, 2, NOW_MS, DataType.Int64, 3),
        *(Metric(None, alias, NOW_MS, int(types[alias]), v) for alias, v in values.items()),
    ]
    record = encode(Payload(NOW_MS, metrics, 1))
    RecordReader(max_ahead=4).device_data(batch, session, "line", record, 0.0, NOW_MS)
    stored = batch.rows.slice(0, batch.rows.size)
    assert b'[1.5, "NaN", "-Infinity"]' in stored
    assert b"[9223372036854775807, -1]" in stored
