"""Results of inspection stations, which come as values of one metric: into a table of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import psycopg
from pydantic import ValidationError

from hub.ingest.registry import Gateway
from hub.ingest.session import Device
from protocols.inspection import RESULT, Result, parse_result
from protocols.refusal import first_problem
from protocols.sparkplug import NO_ALIAS, PayloadError, Samples

_T = TypeVar("_T")
_INSERT = """
INSERT INTO inspection_result (owner, partner, tag, key, serial, characteristic, value, lower,
    upper, nominal, unit, verdict, tool, programme, operator, measured_at, raw_sha256, code,
    reason)
SELECT * FROM unnest(%s::text[], %s::text[], %s::int[], %s::text[], %s::text[], %s::text[],
    %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::text[], %s::text[], %s::text[],
    %s::text[], %s::text[], %s::timestamptz[], %s::bytea[], %s::jsonb[],
    %s::text[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Found:
    """A row of table `inspection_result`."""

    gateway: Gateway
    tag: int
    result: Result


def read(gateway: Gateway, device: Device, samples: Samples) -> Iterator[Found]:
    """The results among the samples of a message. Raises `PayloadError` at one that is none."""
    if device.result_tag is None:
        return
    for result in told(RESULT, parse_result, device, samples):
        yield Found(gateway, device.result_tag, result)


def told(metric: str, parse: Callable[[str], _T], device: Device, samples: Samples) -> Iterator[_T]:
    """What the values of one String metric of a message say. Raises `PayloadError` at one that
    `parse` refuses by a `ValueError`."""
    for index, text in samples.texts.items():
        alias = samples.aliases[index]
        name = samples.names.get(index) if alias == NO_ALIAS else device.aliases.names.get(alias)
        if name != metric:
            continue
        try:
            yield parse(text)
        except ValidationError as error:
            raise PayloadError(0, f"{metric}: {first_problem(error, 'text')}") from None
        except ValueError as error:
            raise PayloadError(0, f"{metric}: {error}") from None


def insert(conn: psycopg.Connection, found: Iterable[Found]) -> None:
    """Store results; those that are stored already are passed over."""
    rows = [
        (
            f.gateway.owner,
            f.gateway.partner,
            f.tag,
            f.result.key,
            f.result.serial,
            f.result.characteristic,
            f.result.value,
            f.result.lower,
            f.result.upper,
            f.result.nominal,
            f.result.unit,
            f.result.verdict,
            f.result.tool,
            f.result.programme,
            f.result.operator,
            f.result.measured_at,
            bytes.fromhex(f.result.raw_sha256),
            None if f.result.code is None else f.result.code.model_dump_json(),
            f.result.reason,
        )
        for f in found
    ]
    if rows:
        conn.execute(_INSERT, [list(column) for column in zip(*rows, strict=True)])
