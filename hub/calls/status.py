"""How a call's status follows from the supplier's events: a table, not code."""

from __future__ import annotations

from protocols.jis.messages import Event

TRANSITIONS: dict[tuple[str, str], tuple[str, ...]] = {
    # (event, verdict)    -> (status after it, statuses it may come in …)
    ("accepted", ""): ("accepted", "released", "received", "unclear"),
    ("refused", ""): ("refused", "released", "received", "unclear"),
    ("unclear", ""): ("unclear", "released", "received"),
    ("produced", ""): ("produced", "released", "received", "accepted", "unclear", "rework"),
    ("inspected", "ok"): ("inspected", "produced"),
    ("inspected", "nok"): ("rework", "produced", "inspected"),
    ("packed", ""): ("packed", "inspected"),
    ("shipped", ""): ("shipped", "packed"),
}
"""An event may outrun the acknowledgement of its call, which travels on another connection; hence
`released` stands wherever `received` does. What is not in the table leaves the status alone: the
event is kept in the call's history all the same."""


def next_status(status: str, event: Event) -> str | None:
    """The status after `event`, or None where the table does not allow it from `status`."""
    to, *allowed = TRANSITIONS.get((event.kind, event.verdict or ""), ("",))
    return to if status in allowed else None
