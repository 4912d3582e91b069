from array import array
from collections.abc import Sequence
from typing import Any

from protocols.sparkplug.codec import Metric
from protocols.sparkplug.samples import Samples
from protocols.sparkplug.values import Limits

def encode_samples(
    seq: int,
    timestamp_ms: int,
    epoch_alias: int,
    epoch: int,
    offset_alias: int,
    offset: int,
    aliases: array[int],
    times_ms: array[int],
    datatypes: bytes,
    numbers: array[float],
    others: dict[int, Any],
    qualities: array[int] | None,
    historical: bool,
    notes: Sequence[Metric] = (),
) -> bytes: ...
def decode_samples(data: bytes, limits: Limits = ...) -> Samples: ...
