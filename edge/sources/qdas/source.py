"""The Q-DAS source: a watched folder whose files are in the Q-DAS ASCII transfer format."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from zoneinfo import ZoneInfo

from edge.journal import TelemetryJournal
from edge.sources.base import DeviceListener
from edge.sources.folder.files import Taken, shown
from edge.sources.folder.source import FolderSource, RefusedError
from edge.sources.qdas.config import QdasSettings
from edge.status import SourceFigures
from protocols.aqdef import AqdefError, read
from protocols.aqdef.results import results
from protocols.inspection import Result

_WHOLE, _DESCRIPTION, _VALUES = ".dfq", ".dfd", ".dfx"


class QdasReader:
    """Reads files of this format."""

    def __init__(self, settings: QdasSettings) -> None:
        self._encoding = settings.encoding
        self._zone = UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone)
        self._serial_fields = tuple(settings.serial_fields)
        self._max_bytes = 2 * settings.max_file_mb * 1024 * 1024

    def wants(self, name: str) -> bool:
        """Whether it is one, by its extension."""
        return _extension(name) in (_WHOLE, _DESCRIPTION, _VALUES)

    def together(self, names: Sequence[str]) -> tuple[list[tuple[str, ...]], list[str]]:
        """A DFQ by itself; a DFX with the DFD of its name. The values are put away first: what is
        left after a stop between the two is a description, which says nothing by itself."""
        pairs: dict[str, dict[str, str]] = {}
        groups: list[tuple[str, ...]] = []
        for name in names:
            if _extension(name) == _WHOLE:
                groups.append((name,))
                continue
            halves = pairs.setdefault(PurePath(name).stem.lower(), {})
            halves[_extension(name)] = name
            if len(halves) == 2:
                groups.append((halves[_VALUES], halves[_DESCRIPTION]))
        lonely = [name for halves in pairs.values() if len(halves) == 1 for name in halves.values()]
        return groups, lonely

    def read(self, taken: Sequence[Taken], sha256: str) -> list[Result]:
        """What a DFQ or a pair says. Raises `RefusedError`."""
        ordered = sorted(taken, key=lambda file: _extension(file.name))  # the description first
        named = [(shown(file.name), file.data) for file in ordered]
        at = max(taken[0].at, datetime(1970, 1, 2, tzinfo=UTC))
        try:
            content = read(named, encoding=self._encoding, max_bytes=self._max_bytes)
            return results(
                content,
                sha256=sha256,
                zone=self._zone,
                otherwise=min(at, datetime(2199, 1, 1, tzinfo=UTC)),
                serial_fields=self._serial_fields,
            )
        except AqdefError as error:
            raise RefusedError(error.problems) from error


class QdasSource(FolderSource):
    """Takes Q-DAS files."""

    def __init__(
        self,
        settings: QdasSettings,
        journal: TelemetryJournal,
        listener: DeviceListener,
        figures: SourceFigures,
    ) -> None:
        super().__init__(settings, QdasReader(settings), journal, listener, figures)


def _extension(name: str) -> str:
    return PurePath(name).suffix.lower()
