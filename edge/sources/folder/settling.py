"""Which files are complete: those that have not changed for a while, by this PC's own clock."""

from __future__ import annotations

from collections.abc import Iterable

from edge.sources.folder.files import Entry


class Settling:
    """The files of a folder from look to look."""

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[Entry, float] = {}

    def complete(self, entries: Iterable[Entry], now: float) -> list[Entry]:
        """Those that were there as they are now for `settle_s`, and at two looks at least; the
        oldest first. An empty file is never complete: some make it before they write it. `now` is
        of a clock that does not step."""
        before, self._since = self._since, {}
        ready = []
        for entry in entries:
            since = before.get(entry)
            self._since[entry] = now if since is None else since
            if since is not None and now - since >= self._settle_s and entry.size:
                ready.append(entry)
        return sorted(ready, key=lambda entry: (entry.mtime_ns, entry.name))
