"""Templates to HTML: everything is escaped; times, names and colours come ready to be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined

from hub.api.dock_models import ExceptionView
from hub.calls.exception_kinds import exception_kinds
from hub.sequencing.plot.colours import palette
from hub.web.words import Language, fields, sources, words
from protocols.jis.net import Axis, status_net

_SHOWN = 4
"""Cars or calls named in one line; of more their number is told."""


def _seconds(value: float) -> str:
    """Minutes and seconds, or hours and minutes: -2:30, 1 h 05."""
    sign, rest = ("−" if value < 0 else ""), abs(int(value))
    if rest >= 3600:
        return f"{sign}{rest // 3600} h {rest % 3600 // 60:02d}"
    return f"{sign}{rest // 60}:{rest % 60:02d}"


def _number(value: float | None, unit: str = "") -> str:
    if value is None:
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{text} {unit}".strip()


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value * 100:.1f} %"


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _path(*parts: object) -> str:
    """A page of the tower."""
    return "/tower/" + "/".join(quote(str(part), safe="") for part in parts)


def subject_path(exception: ExceptionView) -> str | None:
    """The page of what an exception is about."""
    detail, line = exception.detail, exception.line
    about = exception_kinds().kind(exception.kind).about
    if about == "call":
        return _path("calls", *exception.subject.split("/")[1:])
    if about == "car":
        return _path("cars", exception.subject.split("/")[1])
    if line and "shipment" in detail and about == "shipment":
        return _path("shipments", line, detail["shipment"])
    if line and "rack" in detail:
        return _path("racks", line, detail["rack"])
    return _path("lines", line) if line else None


def _summary(exception: ExceptionView) -> str:
    """What it is about, in one line."""
    detail = exception.detail
    parts = [str(detail[name]) for name in ("gateway", "shipment", "rack") if name in detail]
    if "slot" in detail:
        parts.append(f"№ {detail['slot']}")
    if exception_kinds().kind(exception.kind).about == "call":
        parts.insert(0, " ".join(exception.subject.split("/")[2:4]))
    elif not parts:
        parts.append(exception.subject.partition("/")[2])
    for name in ("cars", "calls"):
        if isinstance(detail.get(name), list):
            parts.append(_few([str(each).split("/")[-3:][0] for each in detail[name]]))
        elif isinstance(detail.get(name), int):
            parts.append(f"× {detail[name]}")
    if "slack_s" in detail:
        parts.append(_seconds(detail["slack_s"]))
    return " · ".join(parts)


def _few(names: Iterable[str]) -> str:
    found = list(dict.fromkeys(names))
    more = f" +{len(found) - _SHOWN}" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("hub.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "seconds": _seconds, "number": _number, "share": _share, "iso": _iso,
        "summary": _summary, "few": _few,
    }  # fmt: skip
    made.globals |= {"path": _path, "subject_path": subject_path}
    return made


_TEMPLATES = _environment()


def render(template: str, language: Language, colours: Iterable[str] = (), **values: Any) -> str:
    """A template in a language. `colours`: of bodies, each drawn in one of its own."""
    chosen = palette(colours)
    return _TEMPLATES.get_template(f"{template}.jinja").render(
        w=words(language),
        lang=language,
        paint=lambda colour: chosen.get(colour, "#83878c"),
        status=_status(language),
        fields=fields(language),
        sources=sources(language),
        happened=_happened(language),
        meaning=_meaning(language),
        t=lambda thing: thing.title_zh if language == "zh" else thing.title,
        decisions=exception_kinds().decisions,
        modes=exception_kinds().modes,
        kinds=exception_kinds().kinds,
        **values,
    )


def _status(language: Language) -> Callable[[Axis, str], str]:
    known: Mapping[tuple[str, str], str] = {
        (s.axis, s.id): s.title_zh if language == "zh" else s.id.replace("_", " ")
        for s in status_net().statuses
    }
    return lambda axis, name: known.get((axis, name), name)


def _happened(language: Language) -> Callable[[str], str]:
    """What an event of the net is called."""
    known = {move.event: move.title_zh for move in status_net().transitions}
    return lambda event: (known.get(event) if language == "zh" else "") or event.replace("_", " ")


def _meaning(language: Language) -> Callable[[str], str]:
    """What a pair of statuses means, as exceptions tell it in English."""
    known = {s.text: s.text_zh for s in status_net().situations}
    return lambda text: known.get(text, text) if language == "zh" else text
