"""What a payload holds besides metrics, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from protocols.sparkplug.codec import Metric


class PayloadError(ValueError):
    """The bytes are not a Sparkplug B payload. `offset` is the byte at which that showed."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(f"byte {offset}: {message}")
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Limits:
    """What a decoder takes before it refuses: together they bound its memory and stack.

    `max_items` counts the metrics of a payload and, apart from them, all that is nested in them:
    rows, cells, columns, properties, parameters, members, and the texts and booleans of arrays.
    """

    max_bytes: int = 4 * 1024 * 1024
    max_items: int = 200_000
    max_depth: int = 16


DEFAULT_LIMITS = Limits()

Scalar: TypeAlias = Union[bool, int, float, str, bytes, None]  # noqa: UP007 - mypy's alias form
Value: TypeAlias = Union[
    Scalar,
    Sequence[int],
    Sequence[float],
    Sequence[bool],
    Sequence[str],
    "DataSet",
    "Template",
]
"""A metric's value. DateTime is milliseconds since 1970 UTC; UUID is text; arrays are lists."""


@dataclass(slots=True)
class DataSet:
    """A table: `types` are `DataType` codes, one per column; a row has one cell per column."""

    columns: list[str]
    types: list[int]
    rows: list[list[Scalar]] = field(default_factory=list)


@dataclass(slots=True)
class Parameter:
    """A parameter of a template: a name, a scalar `DataType` code and a value."""

    name: str
    datatype: int
    value: Scalar = None


@dataclass(slots=True)
class Template:
    """A definition (`is_definition`) or an instance that names its definition (`template_ref`)."""

    version: str | None = None
    metrics: list[Metric] = field(default_factory=list)
    parameters: list[Parameter] = field(default_factory=list)
    template_ref: str | None = None
    is_definition: bool = False


@dataclass(slots=True)
class Property:
    """One property of a metric: a `DataType` code and a value."""

    datatype: int
    value: PropertyValue = None


PropertySet: TypeAlias = dict[str, Property]
PropertyValue: TypeAlias = Union[Scalar, PropertySet, list[PropertySet]]  # noqa: UP007 - as above


@dataclass(slots=True)
class MetaData:
    """What is said about a metric's value, mostly about files in parts."""

    is_multi_part: bool | None = None
    content_type: str | None = None
    size: int | None = None
    seq: int | None = None
    file_name: str | None = None
    file_type: str | None = None
    md5: str | None = None
    description: str | None = None


@dataclass(slots=True)
class Payload:
    """One message: `timestamp` in milliseconds since 1970 UTC, `seq` 0 … 255."""

    timestamp: int | None = None
    metrics: list[Metric] = field(default_factory=list)
    seq: int | None = None
    uuid: str | None = None
    body: bytes | None = None
