"""Which permission each route wants: reading for what only reads, else by the route's subject."""

from __future__ import annotations

from collections.abc import Sequence

from hub.identity.caller import Permission

READING = frozenset({"GET", "HEAD", "OPTIONS"})

BY_TAG: dict[str, Permission] = {
    "keys": "administer",
    "webhooks": "administer",
    "proposals": "administer",
    "audit": "audit",
    "sequence": "sequence",
    "searches": "sequence",
    "days": "sequence",
    "lanes": "sequence",
    "exceptions": "decide",
    "modes": "decide",
    "edi": "decide",
    "pictures": "decide",
}
"""What a change of these wants, in place of `operate`; what suppliers do too is `decide`."""
_GUARDED_READING = frozenset({"keys", "webhooks", "audit"})


def permission_for(method: str, tags: Sequence[str]) -> Permission:
    """What a route of these tags wants of who calls it by this method."""
    special = next((tag for tag in tags if tag in BY_TAG), None)
    if method in READING and special not in _GUARDED_READING:
        return "read"
    return BY_TAG[special] if special else "operate"
