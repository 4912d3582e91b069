"""Settings of a folder with CSV or JSON files, and what their columns mean."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.sources.folder.settings import FolderSettings
from edge.sources.settings import (
    NOK_WORDS,
    OK_WORDS,
    CharacteristicName,
    Limit,
    TextEncoding,
    Words,
)

Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class MeasuredColumn(BaseModel):
    """A characteristic that has a column of its own."""

    model_config = ConfigDict(extra="forbid")

    name: CharacteristicName = Field(title="Name of the characteristic")
    column: Column = Field(title="Column with its value, or with a word for ok or not ok")
    unit: str = Field(default="", max_length=40, title="Unit, such as Nm")
    lower: Limit | None = Field(default=None, title="Lower limit, in that unit")
    upper: Limit | None = Field(default=None, title="Upper limit, in that unit")
    nominal: Limit | None = Field(default=None, title="Nominal value, in that unit")


class ColumnSettings(BaseModel):
    """Which column says what. In JSON a dot leads into an object: part.serial."""

    model_config = ConfigDict(extra="forbid")

    serial: Column | None = Field(default=None, title="Serial or code of the part")
    time: Column | None = Field(
        default=None, title="When it was measured; without it, when the file was written"
    )
    characteristic: Column | None = Field(
        default=None, title="Name of the characteristic, where each has a row of its own"
    )
    value: Column | None = Field(default=None, title="Value, where each has a row of its own")
    lower: Column | None = Field(default=None, title="Lower limit")
    upper: Column | None = Field(default=None, title="Upper limit")
    nominal: Column | None = Field(default=None, title="Nominal value")
    unit: Column | None = Field(default=None, title="Unit")
    verdict: Column | None = Field(default=None, title="Word for ok or not ok")
    tool: Column | None = Field(default=None, title="Tool or gauge")
    programme: Column | None = Field(default=None, title="Programme or plan")
    operator: Column | None = Field(default=None, title="Operator")


class DropSettings(FolderSettings):
    """A folder with CSV or JSON files."""

    kind: Literal["drop"] = Field(title="Kind of source")
    files: str = Field(
        default="*.csv",
        min_length=1,
        max_length=200,
        title="Names of its files: *.csv, line3_*.json, …; JSON if they end in json or jsonl",
    )
    encoding: TextEncoding = Field(
        default="utf-8",
        title="Encoding of the files: utf-8, cp1252, gbk, …; a byte order mark counts more",
    )
    delimiter: Literal["auto", "comma", "semicolon", "tab"] = Field(
        default="auto", title="What divides columns of CSV; auto: what the first line has most of"
    )
    columns: ColumnSettings = Field(title="Which column says what; the first line names them")
    measured: Annotated[list[MeasuredColumn], Field(max_length=500)] = Field(
        default=[], title="Characteristics that have a column of their own: a row is a part"
    )
    time_format: str | None = Field(
        default=None,
        min_length=2,
        title="Form of the times, such as %d/%m/%Y %H.%M",
        description="Not needed for 2026-11-29T06:00:00, 29.11.2026 06:00 and 11/29/2026 6:00.",
    )
    ok_words: Words = Field(
        default=[*OK_WORDS],
        title="Words for ok, in whatever case",
    )
    nok_words: Words = Field(
        default=[*NOK_WORDS],
        title="Words for not ok, in whatever case",
    )

    @model_validator(mode="after")
    def _one_shape(self) -> DropSettings:
        if (self.columns.characteristic is None) == (not self.measured):
            raise ValueError(
                "give columns.characteristic where each characteristic has a row of its own, or "
                "measured where each has a column: one of them"
            )
        if self.columns.characteristic and not (self.columns.value or self.columns.verdict):
            raise ValueError("columns.characteristic goes with columns.value or columns.verdict")
        return self
