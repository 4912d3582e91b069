"""What a usable net must keep: known names, everything reachable, no dead end but the final ones,
a meaning for each pair that can come about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from protocols.jis.net.model import ANY, START, Axis, Net, Pair

COMMANDS = frozenset({"change", "resequence", "swap", "pull_out", "reinsert", "cancel", "reorder"})
"""What `plant may` can name."""


def problems_of(net: Net) -> list[tuple[int, str]]:
    """(line of the file, what is wrong) of each problem; empty for a usable net."""
    found = list(_names(net))
    if not found:
        found = [*_axis_problems(net, "car"), *_axis_problems(net, "part"), *_situations(net)]
    return found


def reachable_pairs(net: Net) -> set[Pair]:
    """Every pair that events can bring about, in any order of the sources, from a car that is
    forecast, planned, or called at once."""
    starts = (Pair("released", "released"), Pair("forecast", "announced"))
    return _reached(net, {*starts, Pair("planned", "announced")})


def _reached(net: Net, starts: set[Pair]) -> set[Pair]:
    seen: set[Pair] = set()
    waiting = list(starts)
    while waiting:
        pair = waiting.pop()
        if pair not in seen:
            seen.add(pair)
            waiting += _next(net, pair)
    return seen


def _next(net: Net, pair: Pair) -> Iterator[Pair]:
    for event in net.events:
        after = net.after(pair, event)
        if after is None or event in ("call", "announce"):
            continue
        # A car is released in the transaction that writes its calls: both axes move.
        yield Pair("released", "released") if event == "release" else after


def _names(net: Net) -> Iterator[tuple[int, str]]:
    twice = Counter((status.axis, status.id) for status in net.statuses)
    for (axis, name), times in twice.items():
        if times > 1:
            yield 0, f"{axis} status {name} is listed {times} times"
    known = set(twice)
    rows: dict[tuple[str, Axis, str], int] = {}
    for t in net.transitions:
        for status in (t.origin, t.target):
            if status != START and (t.axis, status) not in known:
                yield t.line, f"{t.event}: no {t.axis} status {status}"
        key = (f"{t.event}/{t.source}" if t.event == ANY else t.event, t.axis, t.origin)
        if rows.setdefault(key, t.line) != t.line:
            yield t.line, f"{t.event} from {t.origin} stands in line {rows[key]} already"
    owners: dict[str, tuple[str, Axis]] = {}
    for t in net.transitions:
        if t.event != ANY and owners.setdefault(t.event, (t.source, t.axis)) != (t.source, t.axis):
            yield t.line, f"{t.event} has another source or axis above"
    titles: dict[str, str] = {}
    for t in net.transitions:
        if not t.title_zh or titles.setdefault(t.event, t.title_zh) != t.title_zh:
            yield t.line, f"{t.event} has no Chinese name, or another one above"
    for s in net.situations:
        if not (s.text and s.text_zh):
            yield s.line, "says what it means in one language only"
        for axis, names in (("car", s.cars), ("part", s.parts)):
            for name in sorted(names - {n for a, n in known if a == axis}):
                yield s.line, f"no {axis} status {name}"
        for word in sorted((s.may | s.may_ask) - COMMANDS):
            yield s.line, f"plant may {word}: known are {', '.join(sorted(COMMANDS))}"
        for who in s.acts:
            if who not in ("plant", "supplier"):
                yield s.line, f"who acts {who}: plant or supplier"


def _axis_problems(net: Net, axis: Axis) -> Iterator[tuple[int, str]]:
    onward: dict[str, set[str]] = {}
    for t in net.moves():
        if t.axis == axis and t.target != t.origin:
            onward.setdefault(t.origin, set()).add(t.target)
    reached = _closure(onward, {START})
    finals = {s.id for s in net.statuses if s.axis == axis and s.final}
    for status in net.statuses:
        if status.axis != axis:
            continue
        if status.id not in reached:
            yield 0, f"{axis} status {status.id} cannot be reached"
        if not status.final and not _closure(onward, {status.id}) & finals:
            yield 0, f"{axis} status {status.id} leads to no final one"
        if status.final and onward.get(status.id, set()) - _after_final(axis):
            yield 0, f"{axis} status {status.id} is final and goes on to {onward[status.id]}"


def _after_final(axis: Axis) -> set[str]:
    """A part that ended at the supplier may still turn up at the dock: that is a fact."""
    return (
        {"arrived", "mismatched", "confirmed", "consumed", "rejected", "returned"}
        if axis == "part"
        else set()
    )


def _closure(onward: dict[str, set[str]], start: set[str]) -> set[str]:
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        status = waiting.pop()
        if status not in seen:
            seen.add(status)
            waiting += onward.get(status, ())
    return seen


def _situations(net: Net) -> Iterator[tuple[int, str]]:
    used: set[int] = set()
    pairs = reachable_pairs(net)
    for pair in sorted(pairs):
        try:
            used.add(net.situation(pair).line)
        except KeyError:
            yield 0, f"no situation for car {pair.car}, part {pair.part}, which can come about"
    for s in net.situations:
        if s.line not in used:
            yield s.line, "this row fits no pair that can come about, or stands below another"
    done = {pair for pair in pairs if _is_done(net, pair)}
    for pair in sorted(pairs - done):
        if not _reached(net, {pair}) & done:
            yield 0, f"car {pair.car}, part {pair.part} can never be done"


def _is_done(net: Net, pair: Pair) -> bool:
    try:
        return net.situation(pair).state == "done"
    except KeyError:
        return False
