"""The Sparkplug codec beside raw protobuf (upb): a data message of 100 doubles, both ways.

Each metric has an alias, a time of its own and a value. What is counted begins and ends with plain
Python values: encoding makes the message from them, decoding reads every field back. `encode` is
how the uplink sends data: the values are put into columns, as a source does when it takes them in,
and these into a message (`encode_samples`). `encode, objects` makes a `Metric` each, as births do.
`decode` gives a `Metric` each and is the slower of the two ways to read; `decode, columns` is how
the ingest reads (`decode_samples`).
"""

from __future__ import annotations

import argparse
import random
import sys
from array import array

from google.protobuf import __version__ as protobuf_version
from google.protobuf.internal import api_implementation

from protocols.sparkplug import (
    DataType,
    Metric,
    Payload,
    decode,
    decode_samples,
    encode,
    encode_samples,
)
from tests.benchmarks.report import AtLeast, Goal, Row, interleaved, report
from tests.fixtures.sparkplug_schema import payload_class

METRICS = 100
GOALS: dict[str, Goal] = {
    "encode": AtLeast(5),
    "decode": AtLeast(3),
    "decode, columns": AtLeast(3),
}

_NOW = 1_763_830_000_000
_draw = random.Random(1)
ALIASES = list(range(10, 10 + METRICS))
TIMES = [_NOW + i for i in range(METRICS)]
VALUES = [_draw.uniform(-100, 100) for _ in range(METRICS)]
TYPES: dict[int | str, int] = dict.fromkeys(ALIASES, DataType.Double)

_Payload = payload_class()
_TYPE_CODES = bytes([DataType.Double]) * METRICS


def bare_encode() -> bytes:
    """The message by protobuf."""
    payload = _Payload(timestamp=_NOW, seq=7)
    add = payload.metrics.add
    for alias, time, value in zip(ALIASES, TIMES, VALUES, strict=True):
        add(alias=alias, timestamp=time, double_value=value)
    return bytes(payload.SerializeToString())


def our_encode() -> bytes:
    """The message from metrics."""
    return encode(
        Payload(
            _NOW,
            [
                Metric(alias=alias, timestamp=time, value=value)
                for alias, time, value in zip(ALIASES, TIMES, VALUES, strict=True)
            ],
            7,
        )
    )


def our_encode_columns() -> bytes:
    """A stream record of the same samples, so two metrics more."""
    columns = (array("Q", ALIASES), array("q", TIMES), _TYPE_CODES, array("d", VALUES))
    return encode_samples(7, _NOW, 1, 123, 2, 456, *columns, {}, None, False)


MESSAGE = bare_encode()


def bare_decode() -> None:
    """Every field by protobuf, the value from the field that holds it."""
    for metric in _Payload.FromString(MESSAGE).metrics:
        metric.name  # noqa: B018 - reading is what is measured
        metric.alias  # noqa: B018
        metric.timestamp  # noqa: B018
        metric.datatype  # noqa: B018
        metric.is_historical  # noqa: B018
        metric.double_value  # noqa: B018


def our_decode() -> None:
    """Every field of metrics, their types known from the birth."""
    for metric in decode(MESSAGE, TYPES).metrics:
        metric.name  # noqa: B018
        metric.alias  # noqa: B018
        metric.timestamp  # noqa: B018
        metric.datatype  # noqa: B018
        metric.is_historical  # noqa: B018
        metric.value  # noqa: B018


def our_decode_columns() -> None:
    """Every field of the columns, as Python objects."""
    samples = decode_samples(MESSAGE)
    for _ in zip(
        samples.aliases,
        samples.times,
        samples.fields,
        samples.doubles,
        samples.historical,
        strict=True,
    ):
        pass


def main() -> None:
    """Measure and report; exits with 1 if a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.15, help="per turn")
    arguments = parser.parse_args()
    if api_implementation.Type() != "upb":
        sys.exit("protobuf does not run on upb here: nothing to compare with")
    if encode(decode(MESSAGE)) != MESSAGE or our_encode() != MESSAGE:
        sys.exit("the codecs do not write the same message")
    work = (bare_encode, our_encode, our_encode_columns, bare_decode, our_decode,
            our_decode_columns)  # fmt: skip
    taken = interleaved(
        {run.__name__: run for run in work},
        rounds=arguments.rounds,
        seconds_per_turn=arguments.seconds,
    )
    rate = {name: METRICS / seconds for name, seconds in taken.items()}
    beside = f"protobuf {protobuf_version}, upb; {METRICS} doubles, {len(MESSAGE)} bytes"
    rows = [
        Row("encode", rate["our_encode_columns"], rate["bare_encode"], "metrics/s", beside),
        Row("encode, objects", rate["our_encode"], rate["bare_encode"], "metrics/s"),
        Row("decode", rate["our_decode"], rate["bare_decode"], "metrics/s"),
        Row("decode, columns", rate["our_decode_columns"], rate["bare_decode"], "metrics/s"),
    ]
    if not report("sparkplug", rows, GOALS):
        sys.exit(1)


if __name__ == "__main__":
    main()
