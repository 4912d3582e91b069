"""The compiled codec and its plain twin, side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from protocols.sparkplug import Payload, Samples, Template, _codec, _codec_py, _samples, _samples_py


@dataclass(frozen=True)
class Codec:
    """One implementation, all of it."""

    name: str
    Metric: type[Any]
    encode: Callable[[Payload], bytes]
    decode: Callable[..., Payload]
    encode_samples: Callable[..., bytes]
    decode_samples: Callable[..., Samples]

    def own(self, payload: Payload) -> Payload:
        """The same payload made of this codec's metrics."""
        return replace(payload, metrics=[self._own_metric(metric) for metric in payload.metrics])

    def _own_metric(self, metric: Any) -> Any:
        value = metric.value
        if isinstance(value, Template):
            value = replace(value, metrics=[self._own_metric(member) for member in value.metrics])
        return self.Metric(
            metric.name,
            metric.alias,
            metric.timestamp,
            metric.datatype,
            value,
            metric.is_historical,
            metric.is_transient,
            metric.properties,
            metric.metadata,
        )


COMPILED = Codec(
    "compiled",
    _codec.Metric,
    _codec.encode,
    _codec.decode,
    _samples.encode_samples,
    _samples.decode_samples,
)
PLAIN = Codec(
    "plain",
    _codec_py.Metric,
    _codec_py.encode,
    _codec_py.decode,
    _samples_py.encode_samples,
    _samples_py.decode_samples,
)
