"""Why a command of the plant is not carried out."""

from __future__ import annotations


class UnknownError(LookupError):
    """The plant, control point, order or call does not exist for this tenant; the text names it."""


class RefusedError(ValueError):
    """It cannot be done as things stand; the text says how they stand and what is possible.
    Nothing was changed."""
