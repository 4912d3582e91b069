"""What can go wrong with a journal that its caller must know of."""

from __future__ import annotations


class JournalError(Exception):
    """The journal cannot go on. Restart the agent: it sets a damaged file aside and begins anew."""


class JournalClosedError(JournalError):
    """The journal was closed before this append was durable: the samples are not stored."""


class DirectoryInUseError(JournalError):
    """Another running agent holds this data directory."""


class DamagedError(Exception):
    """SQLite cannot read the file, or it is not a journal of ours."""
