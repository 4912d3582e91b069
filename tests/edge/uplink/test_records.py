"""What a batch says beside its samples goes out with it, and only where it says something."""

from __future__ import annotations

from array import array

import pytest

from edge.journal import Origin, SampleBatch, SampleClass
from edge.uplink.births import StreamAliases
from edge.uplink.records import samples_payload
from protocols.sparkplug import DataType, decode
from protocols.sparkplug.server_times import unpack_offsets

ALIASES = StreamAliases(11, 12, 13, 14)
AT_US = 1_790_000_000_000_900


def batch(server_us: list[int], origin: Origin = Origin.LIVE) -> SampleBatch:
    return SampleBatch(
        "press",
        SampleClass.NORMAL,
        array("I", [1, 2, 3]),
        array("q", [AT_US] * 3),
        array("d", [1.0, 2.0, 3.0]),
        server_us=array("q", server_us),
        origin=origin,
    )


@pytest.mark.parametrize("historical", [False, True])
@pytest.mark.parametrize(
    ("said", "notes"),
    [
        (batch([]), {}),
        (batch([0, 0, AT_US + 99]), {}),
        (batch([0, AT_US + 100, AT_US - 1_000_000]), {13: [0, 1, -1000]}),
        (batch([], Origin.HISTORY), {14: "history"}),
        (batch([0, 0, AT_US + 100], Origin.HISTORY), {13: [0, 0, 1], 14: "history"}),
    ],
)
def test_notes_of_a_record(
    said: SampleBatch, notes: dict[int, list[int] | str], historical: bool
) -> None:
    payload = samples_payload(
        said, bytes([DataType.Double] * 3), ALIASES, 7, 3, seq=1, now_ms=5, historical=historical
    )
    metrics = decode(payload).metrics
    assert [metric.alias for metric in metrics] == [11, 12, *notes, 1, 2, 3]
    assert {metric.is_historical for metric in metrics} == {historical}
    found: dict[int | None, list[int] | str] = {}
    for metric in metrics[2:-3]:
        assert metric.timestamp == 5
        value = metric.value
        if isinstance(value, bytes):
            found[metric.alias] = list(unpack_offsets(value, 3))
        else:
            assert isinstance(value, str)
            found[metric.alias] = value
    assert found == notes
