"""The board as HTML: a shell, and sections that are sent anew when they change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from urllib.parse import quote

from edge.board.colours import swatch
from edge.board.frame import Say, dialogs, document, saying, sign_in_dialog
from edge.calls.view import LineView, Question, ShownCall, ShownSlot, ShownTruck
from edge.status.words import Language
from protocols.jis.messages import Demand

NEXT = 7
"""Calls shown after the first."""
_ETAS = (10, 15, 30, 60, 120, 240)


@dataclass(frozen=True, slots=True)
class Connections:
    """What the board hangs on. None: well; else since when not."""

    hub_away: datetime | None
    plc_away: datetime | None
    pending: int
    """Events that the hub has not committed."""


def shell(
    line: str, language: Language, sections: dict[str, str], name: str | None, token: str, pin: bool
) -> str:
    """The whole page. `name`: of the person who is signed in."""
    say = saying(language)
    body = "".join(f'<section id="{key}">{html}</section>' for key, html in sections.items())
    plant, _, its_name = line.partition("/")
    return document(
        line,
        language,
        kind="board",
        data={"line": line, "token": token},
        heading=f"<h1>{escape(its_name)}<small>{escape(plant)}</small></h1>"
        '<div id="status-here"></div>',
        beside='<time id="clock"></time>',
        name=name,
        inside=f'<div id="dead" hidden><b data-text="{say("board.away")}"></b>'
        f"<span>{say('board.away_hint')}</span></div><main>{body}</main>{_dialogs(say, pin)}",
    )


def chooser(lines: Sequence[str], stations: Sequence[str], language: Language) -> str:
    """The page that leads to the boards of several lines, and to stations that are entered."""
    say = saying(language)
    boards = "".join(
        f'<li><a href="/line/{escape(line)}">{escape(line.replace("/", " · "))}</a></li>'
        for line in lines
    )
    entries = "".join(
        f'<li><a href="/entry/{escape(quote(name))}">{escape(name)}</a></li>' for name in stations
    )
    lists = "".join(
        f"<h1>{say(title)}</h1><ul>{links}</ul>"
        for title, links in (("lines", boards), ("stations", entries))
        if links
    )
    return (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{say('title')}</title>"
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/board.css"></head>'
        f'<body class="chooser">{lists}</body></html>'
    )


def render(shown: LineView, connections: Connections, language: Language) -> dict[str, str]:
    """The sections by their id, in the order in which they stand."""
    say = saying(language)
    build = [call for call in shown.calls if call.wish == "build"]
    open_calls = [c for c in build if c.part not in ("packed", "parked", "loaded", "inspected")]
    at_work = next((call for call in open_calls if call.at_work), None)
    first = at_work or next(iter(open_calls), None)
    rest = [call for call in open_calls if call is not first]
    return {
        "status": _status(shown, connections, say),
        "ask": _questions(shown.questions, say),
        "now": _now(first, at_work is not None, shown.demand, say),
        "next": _next(rest, shown, say),
        "rack": _rack(shown, say),
        "trucks": _trucks(shown, say),
    }


def _status(shown: LineView, connections: Connections, say: Say) -> str:
    hub, plc = connections.hub_away, connections.plc_away
    alarms = "".join(
        f'<p class="alarm" data-kind="{kind}"><b>{say(f"{kind}.away", _clock(since))}</b>'
        f"<span>{say(f'{kind}.away_hint')}</span></p>"
        for kind, since in (("hub", hub), ("plc", plc))
        if since is not None
    )
    if shown.stopped:
        alarms += f'<p class="alarm still"><b>{say("stopped")}</b></p>'
    pending = f" · {say('pending', connections.pending)}" if connections.pending else ""
    pills = (
        f'<span class="pill {"bad" if hub else "good"}">{say("hub.well")}{pending}</span>'
        f'<span class="pill {"bad" if plc else "good"}">{say("plc.well")}</span>'
        f'<span class="pill mode-{escape(shown.mode)}" title="{escape(shown.mode_reason)}">'
        f"{say(f'mode.{shown.mode}')}</span>"
    )
    return f'<div class="pills">{pills}</div>{alarms}'


def _questions(questions: Sequence[Question], say: Say) -> str:
    if not questions:
        return ""
    items = "".join(_question(question, say) for question in questions[:6])
    return f"<h2>{say('questions')} <b>{len(questions)}</b></h2><ul>{items}</ul>"


def _question(question: Question, say: Say) -> str:
    call = question.call
    rows = "".join(
        f"<dt>{say(f'field.{name}')}</dt><dd><s>{escape(old)}</s> → <b>{escape(new)}</b></dd>"
        for name, (old, new) in question.changed.items()
    )
    if question.kind == "unclear":
        common = {"verb": "unclear", "key": call.key, "version": call.version}
        buttons = _press(say("taken"), "good", common | {"taken": "true"})
        buttons += _press(say("not_taken"), "plain", common | {"taken": "false"})
    else:
        common = {"verb": "answer", "key": call.key, "revision": question.revision}
        buttons = _press(say("confirm"), "good", common | {"yes": "true"})
        buttons += _press(say("refuse"), "bad", common | {"yes": "false"})
    reason = f"<p>{escape(question.reason)}</p>" if question.reason else ""
    return (
        f'<li data-key="{escape(call.key)}"><div><b class="seq">{call.sequence_no}</b>'
        f"<strong>{say(f'ask.{question.kind}')}</strong>"
        f"<small>{escape(call.part_group)} · {say('car')} {escape(call.production_no)} · "
        f"{say(f'part.{call.part}')}</small>{reason}<dl>{rows}</dl></div>"
        f'<div class="buttons">{buttons}</div></li>'
    )


def _now(call: ShownCall | None, at_work: bool, demand: int, say: Say) -> str:
    if call is None:
        ahead = f"<p>{say('ahead', demand)}</p>" if demand else ""
        return (
            f'<div class="idle"><h2>{say("nothing")}</h2><p>{say("nothing_hint")}</p>{ahead}</div>'
        )
    state = call.part if call.part != "received" else "received"
    badge = "" if call.revision == 1 else f' <em class="badge">{say("changed")}</em>'
    express = f' <em class="badge express">{say("express")}</em>' if call.express else ""
    quantity = f" × {call.quantity}" if call.quantity != 1 else ""
    eta = "" if call.eta is None else f" · {_clock(call.eta)}"
    serial = f" · {say('serial')} {escape(call.serial)}" if call.serial else ""
    note = f'<p class="note">{escape(call.note)}</p>' if call.note else ""
    return (
        f"<h2>{say('now' if at_work else 'first')}{express}{badge}</h2>"
        f'<article data-key="{escape(call.key)}" data-part="{escape(call.part)}">'
        f'<div class="seq"><small>{say("seq")}</small><b>{call.sequence_no}</b></div>'
        f'<div class="what">{_swatch(call.colour, 100)}'
        f'<div><p class="group">{escape(call.part_group)}{quantity}</p>'
        f'<p class="part">{escape(call.part_no)}</p>'
        f'<p class="colour">{escape(call.colour)}</p></div></div>'
        f'<div class="where"><p><small>{say("rack")}</small><b>{escape(call.rack)}</b></p>'
        f"<p><small>{say('slot')}</small><b>{call.slot}</b></p></div>"
        f"{_countdown(call, say)}"
        f'<p class="state part-{escape(state)}">{say(f"part.{state}")}{eta}{serial}</p>{note}'
        f'<div class="buttons">{_part_buttons(call, say)}</div></article>'
    )


def _part_buttons(call: ShownCall, say: Say) -> str:
    buttons = ""
    if call.serial and call.part in ("produced", "inspected", "packed", "parked"):
        buttons += _nok(call, say)
    if call.part == "missing":
        values = {"verb": "supplied", "key": call.key, "version": call.version}
        buttons += _press(say("supplied"), "good", values)
    elif call.part in ("received", "accepted", "started", "rework"):
        buttons += (
            f'<button class="warn" data-dialog="missing" data-key="{escape(call.key)}" '
            f'data-version="{call.version}" data-title="{call.sequence_no} · '
            f'{escape(call.part_no)}">{say("missing")}</button>'
        )
    return buttons


def _nok(call: ShownCall, say: Say) -> str:
    return (
        f'<button class="bad" data-dialog="nok" data-key="{escape(call.key)}" '
        f'data-serial="{escape(call.serial or "")}" data-title="{call.sequence_no} · '
        f'{escape(call.serial or "")}">{say("nok")}</button>'
    )


def _next(rest: Sequence[ShownCall], shown: LineView, say: Say) -> str:
    halted = [call for call in shown.calls if call.wish != "build" and call.part != "parked"]
    rows = "".join(_row(call, say) for call in rest[:NEXT])
    rows += "".join(_row(call, say) for call in halted[:3])
    rows += "".join(_foreseen(demand, say) for demand in shown.ahead)
    notes = [say("more", len(rest))] if rest else []
    if shown.demand:
        notes.append(say("ahead", shown.demand))
    foot = f'<span class="foot">{" · ".join(notes)}</span>' if notes else ""
    return f"<h2>{say('next')}{foot}</h2><ol>{rows}</ol>"


def _row(call: ShownCall, say: Say) -> str:
    marks = ""
    if call.wish != "build":
        marks += f'<em class="badge stop">{say(f"wish.{call.wish}")}</em>'
    if call.express:
        marks += f'<em class="badge express">{say("express")}</em>'
    if call.revision > 1:
        marks += f'<em class="badge">{say("changed")}</em>'
    if call.part in ("unclear", "refused", "missing", "rework"):
        marks += f'<em class="badge stop">{say(f"part.{call.part}")}</em>'
    return (
        f'<li data-key="{escape(call.key)}"{"" if call.wish == "build" else " class=halted"}>'
        f'<b class="seq">{call.sequence_no}</b>{_swatch(call.colour, 40)}'
        f'<span class="part"><b>{escape(call.part_no)}</b><small>{escape(call.part_group)}</small>'
        f'</span><span class="marks">{marks}</span>'
        f'<span class="place">{escape(call.rack)} · <b>{call.slot}</b></span>'
        f"{_countdown(call, say)}</li>"
    )


def _foreseen(demand: Demand, say: Say) -> str:
    """What the preview names: it is not called yet, and may still change."""
    mark = "blocked" if demand.blocked else "foreseen"
    place = f"{say('place')} <b>{demand.place}</b>" if demand.place is not None else ""
    when = ""
    if demand.required_at is not None:
        when = f"<b>{_clock(demand.required_at)}</b>"
    elif demand.day is not None:
        when = f"<b>{demand.day:%m-%d}</b>"
    return (
        f'<li class="foreseen" data-car="{escape(demand.production_no)}"><b class="seq">–</b>'
        f"{_swatch(demand.colour, 40)}"
        f'<span class="part"><b>{escape(demand.part_no)}</b>'
        f"<small>{escape(demand.part_group)} · {say('car')} {escape(demand.production_no)}</small>"
        f'</span><span class="marks"><em class="badge">{say(mark)}</em></span>'
        f'<span class="place">{place}</span><div class="when">{when}</div></li>'
    )


def _countdown(call: ShownCall, say: Say) -> str:
    at_ms = int(call.required_at.timestamp() * 1000)
    return (
        f'<div class="due" data-at="{at_ms}" data-late="{say("late_by")}" '
        f'data-in="{say("needed_in")}"><small>{say("needed_in")}</small><b></b>'
        f"<small>{say('needed_at')} {_clock(call.required_at)}</small></div>"
    )


def _rack(shown: LineView, say: Say) -> str:
    if shown.rack is None:
        return f"<h2>{say('no_rack')}</h2>"
    slots = "".join(_slot(slot, say) for slot in shown.slots)
    filled = sum(slot.state == "filled" for slot in shown.slots)
    wanted = sum(slot.state != "empty" and slot.state != "held" for slot in shown.slots)
    ready = filled == wanted and filled > 0
    scan = ",".join(str(s.slot) for s in shown.slots if s.state not in ("empty", "held"))
    button = (
        f'<button class="good" data-dialog="scan" data-rack="{escape(shown.rack)}" '
        f'data-slots="{scan}" data-title="{escape(shown.rack)}">{say("close_rack")}</button>'
        if ready and shown.rack not in shown.closed
        else ""
    )
    columns = 6 if len(shown.slots) > 12 else 4 if len(shown.slots) > 6 else 3
    return (
        f"<h2>{say('rack_being')} <b>{escape(shown.rack)}</b> "
        f'<span class="count">{filled}/{wanted}</span></h2>'
        f'<ol class="slots columns-{columns}">{slots}</ol>{button}'
    )


def _slot(slot: ShownSlot, say: Say) -> str:
    call = slot.call
    inside = "" if call is None else f"{_swatch(call.colour, 30)}<b>{call.sequence_no}</b>"
    part = "" if call is None else f"<small>{escape(call.part_no)}</small>"
    press = ""
    if call is not None and call.serial and slot.state in ("filled", "wrong"):
        press = (
            f' data-dialog="nok" data-key="{escape(call.key)}" data-serial="{escape(call.serial)}"'
            f' data-title="{call.sequence_no} · {escape(call.serial)}" tabindex="0" role="button"'
        )
    return (
        f'<li class="{slot.state}" data-slot="{slot.slot}"{press}><i>{slot.slot}</i>'
        f"<span>{inside}</span>{part}<em>{say(f'slot.{slot.state}')}</em></li>"
    )


def _trucks(shown: LineView, say: Say) -> str:
    html = ""
    if shown.closed:
        names, values = escape(", ".join(shown.closed)), escape(",".join(shown.closed))
        html += (
            f"<p><small>{say('closed_racks')}</small> <b>{names}</b>"
            f'<button class="good" data-dialog="depart" data-racks="{values}"'
            f' data-content="{escape(shown.content)}" data-title="{names}">'
            f"{say('depart')}</button></p>"
        )
    html += "".join(_truck(truck, say) for truck in shown.trucks)
    return f"<h2>{say('trucks')}</h2>{html}" if html else ""


def _truck(truck: ShownTruck, say: Say) -> str:
    eta = "" if truck.eta is None else f" · {say('arrives')} <b>{_clock(truck.eta)}</b>"
    return (
        f'<p class="truck"><b>{escape(truck.shipment)}</b>{eta}'
        f" <small>{escape(', '.join(truck.racks))}</small>"
        f'<button class="quiet" data-dialog="delay" data-shipment="{escape(truck.shipment)}"'
        f' data-title="{escape(truck.shipment)}">{say("delay")}</button></p>'
    )


def _press(label: str, kind: str, values: dict[str, Any]) -> str:
    data = "".join(f' data-{name}="{escape(str(value))}"' for name, value in values.items())
    return f'<button class="{kind}" data-press{data}>{label}</button>'


def _swatch(colour: str, size: int) -> str:
    return (
        f'<svg class="swatch" viewBox="0 0 {size} {size}" role="img" aria-label="{escape(colour)}">'
        f'<rect width="{size}" height="{size}" rx="{size // 6}" fill="{swatch(colour)}"/></svg>'
    )


def _clock(at: datetime) -> str:
    """An instant as the clock on the wall shows it."""
    return f"{at.astimezone():%H:%M}"


def _dialogs(say: Say, pin: bool) -> str:
    minutes = "".join(
        f'<label><input type="radio" name="minutes" value="{m}"{" checked" if m == 30 else ""}>'
        f"<span>{say('minutes', m)}</span></label>"
        for m in _ETAS
    )
    then = "".join(
        f'<button class="{kind}" name="then" value="{value}">{say(f"nok.{value}")}</button>'
        for value, kind in (("rebuild", "good"), ("scrap", "bad"), ("stock", "plain"))
    )
    reason = f'<input name="reason" maxlength="300" placeholder="{say("reason")}">'
    send = f'<button class="good">{say("send")}</button>'
    eta = f"<fieldset><legend>{say('missing_eta')}</legend>{minutes}</fieldset>"
    vehicle = f'<input name="vehicle" maxlength="64" placeholder="{say("vehicle")}">'
    return dialogs(
        (
            ("nok", "nok", "nok_title", f'{reason}<div class="choices">{then}</div>'),
            ("missing", "missing", "missing_title", eta + reason + send),
            ("scan", "close_rack", "scan_title", f'<div class="scans"></div>{send}'),
            ("depart", "depart", "depart_title", eta + vehicle + send),
            ("delay", "delay", "delay_title", eta + reason + send),
            sign_in_dialog(say, pin=pin),
        ),
        say,
    )
