"""What the values of an event are to a result. No network here."""

from __future__ import annotations

import math
import re
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


def number(found: Any) -> float | None:
    """A number that a result can have."""
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    plain = float(found) if abs(found) < 2**1023 else math.inf
    return plain if math.isfinite(plain) else None


def text(found: Any) -> str | None:
    """A text, or a whole number as one."""
    if isinstance(found, bool) or not isinstance(found, (str, int)):
        return None
    return str(found) or None


def short(found: Any, most: int = 100) -> str | None:
    """A text as results carry it."""
    said = text(found)
    return (_CONTROLS.sub(" ", said)[:most].strip() or None) if said is not None else None


def shown(found: Any) -> str:
    """For people."""
    return "not there" if found is None else f"{str(found)[:40]!r}"
