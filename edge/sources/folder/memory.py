"""Which contents were taken already: kept in the journal, with the results that came of them."""

from __future__ import annotations

import json

MOST = 500
"""Contents that are remembered. An older one that comes back is read again, but counts nothing
twice: the hub knows its results by their keys."""
_CHARACTERS = 20
"""Of a SHA-256 in hexadecimal."""


class Memory:
    """What was taken and what was refused, the latest last."""

    def __init__(self, text: str) -> None:
        """`text` is what `text` gave, or empty."""
        self._known: dict[str, bool] = dict(json.loads(text or "[]"))

    def taken(self, sha256: str) -> bool:
        """Whether its results are in the journal."""
        return self._known.get(sha256[:_CHARACTERS], False)

    def refused(self, sha256: str) -> bool:
        """Whether the journal has a gap for it."""
        return not self._known.get(sha256[:_CHARACTERS], True)

    def note(self, sha256: str, *, taken: bool) -> None:
        """It was taken, or refused."""
        self._known.pop(sha256[:_CHARACTERS], None)
        self._known[sha256[:_CHARACTERS]] = taken
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def text(self) -> str:
        """For the journal's bookmark."""
        return json.dumps(list(self._known.items()), separators=(",", ":"))
