"""The drop folder: a watched folder whose files are CSV or JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.drop.config import DropSettings
from edge.sources.drop.rows import Mapping
from edge.sources.drop.table import Row, TableError, csv_rows, json_rows
from edge.sources.folder.files import Taken, shown
from edge.sources.folder.source import FolderSource, RefusedError
from edge.status import SourceFigures
from protocols.inspection import Result
from protocols.text import EncodingError, decode


class DropReader:
    """Reads files as tables."""

    def __init__(self, settings: DropSettings) -> None:
        self._settings = settings
        self._mapping = Mapping(settings)

    def wants(self, name: str) -> bool:
        """Whether it goes by the names of the settings."""
        return fnmatchcase(name.casefold(), self._settings.files.casefold())

    def together(self, names: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
        """Each by itself."""
        return [(name,) for name in names], []

    def read(self, taken: Sequence[Taken], sha256: str) -> list[Result]:
        """What a file says. Raises `RefusedError`."""
        (file,) = taken
        at = max(file.at, datetime(1970, 1, 2, tzinfo=UTC))
        named: dict[str, None] = {}
        try:
            rows = self._rows(file, named)
            found, problems = self._mapping.results(
                rows, sha256=sha256, otherwise=min(at, datetime(2199, 1, 1, tzinfo=UTC))
            )
            if not problems and named:
                self._mapping.check(list(named))
        except (TableError, EncodingError) as error:
            found, problems = [], [(error.line, str(error))]
        if problems:
            raise RefusedError([f"{shown(file.name)}:{line}: {what}" for line, what in problems])
        return found

    def _rows(self, file: Taken, named: dict[str, None]) -> Iterable[Row]:
        """The rows. Of JSON, whose first line does not tell them, names are noted as they come."""
        text = decode(file.data, self._settings.encoding)
        if file.name.lower().endswith((".json", ".jsonl")):
            return _noting(json_rows(text), named)
        columns, rows = csv_rows(text, self._settings.delimiter)
        self._mapping.check(columns)
        return rows


def _noting(rows: Iterable[Row], named: dict[str, None]) -> Iterator[Row]:
    for row in rows:
        named.update(dict.fromkeys(row.cells))
        yield row


class DropSource(FolderSource):
    """Takes CSV and JSON files."""

    def __init__(
        self,
        settings: DropSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        super().__init__(settings, DropReader(settings), journal, listener, figures)
