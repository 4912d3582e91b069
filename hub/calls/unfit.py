"""Why a record of the event stream cannot be stored."""

from __future__ import annotations


class UnfitError(Exception):
    """A record that cannot be stored as an event; the text says why. It goes into quarantine."""
