"""Names of tags that are found."""

from __future__ import annotations

from edge.config.cross_checks import RESERVED

_LONGEST = 190


def free_name(wanted: str, names: set[str]) -> str:
    """A name for a tag that is not among `names`, and is put there."""
    base = (f"PLC/{wanted}" if wanted.startswith(RESERVED) else wanted).strip()[:_LONGEST]
    name, number = base, 2
    while name in names:
        name, number = f"{base} ({number})", number + 1
    names.add(name)
    return name
