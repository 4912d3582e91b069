"""The page of a station that is entered by hand, and what comes of what is sent from it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from html import escape
from http import HTTPStatus

from edge.board.frame import Say, dialogs, document, saying, sign_in_dialog
from edge.board.guard import Session
from edge.board.words import word
from edge.http import JSON, Answer, refuse
from edge.sources.manual.config import ManualCharacteristic
from edge.sources.manual.station import LONGEST_REASON, Entry, EntryError, Recorded, Station
from edge.status.words import Language

_VALUE = "value-"
_SERIAL_FIELDS = ("serial", "code")


class Entries:
    """The stations of one gateway that people speak for."""

    def __init__(self, stations: Mapping[str, Station]) -> None:
        self._stations = stations

    @property
    def names(self) -> list[str]:
        """Of the stations."""
        return sorted(self._stations)

    def page(self, name: str, language: Language, session: Session | None, pin: bool) -> str:
        """A station's form. Raises `KeyError` for a name that there is not."""
        station, say = self._stations[name], saying(language)
        settings = station.settings
        fields = "".join(
            _field(n, described, say) for n, described in enumerate(settings.characteristics)
        )
        reasons = "".join(
            f'<button type="button" class="quiet" data-reason="{escape(reason)}">'
            f"{escape(reason)}</button>"
            for reason in settings.reasons
        )
        recent = "".join(
            f'<li class="{done.verdict}">{escape(_row(at, done, language))}</li>'
            for at, done in station.recent
        )
        form = (
            '<form id="entry" autocomplete="off" novalidate>'
            f'<label class="field wide"><span>{say("entry.serial")}</span>'
            f'<input name="serial" maxlength="128" spellcheck="false"></label>{fields}'
            f'<div class="field wide" id="why" hidden><label for="reason">{say("entry.reason")}'
            f'</label><input id="reason" name="reason" maxlength="{LONGEST_REASON}">'
            f'<div class="choice">{reasons}</div></div>'
            f'<button class="good">{say("entry.record")}</button></form>'
        )
        return document(
            name,
            language,
            kind="entry",
            data={
                "station": name,
                "token": session.token if session else "",
                "ticket": _ticket(),
            },
            heading=f"<h1>{escape(name)}<small>{say('stations')}</small></h1>",
            name=session.name if session else None,
            inside=f'<main>{form}<section><p id="outcome" role="status" aria-live="assertive"></p>'
            f'<h2>{say("entry.recent")}</h2><ol id="recent">{recent}</ol></section></main>'
            f"{dialogs([sign_in_dialog(say, pin=pin)], say)}",
        )

    async def record(self, fields: Mapping[str, str], operator: str, language: Language) -> Answer:
        """Take a form. Raises `JournalError`."""
        station = self._stations.get(fields.get("station", ""))
        if station is None:
            return refuse(HTTPStatus.NOT_FOUND)
        values = {
            int(key[len(_VALUE) :]): text
            for key, text in fields.items()
            if key.startswith(_VALUE) and key[len(_VALUE) :].isdecimal() and len(key) < 10
        }
        entry = Entry(
            fields.get("ticket", ""),
            fields.get("serial", ""),
            values,
            fields.get("reason", ""),
            operator,
        )
        try:
            done = await station.record(entry)
        except EntryError as error:
            return _refused(error, station, language)
        code = "did.recorded.again" if done.again else f"did.recorded.{done.verdict}"
        detail = ", ".join(done.failed) or done.serial or ""
        told = {"verdict": done.verdict, "ticket": _ticket()}
        if not done.again:
            told["row"] = _row(station.recent[0][0], done, language)
        return _answer(HTTPStatus.OK, code, detail, language, told)


def _field(n: int, described: ManualCharacteristic, say: Say) -> str:
    name = escape(described.name)
    optional = f" <small>{say('entry.optional')}</small>" if described.optional else ""
    if described.check:
        choices = "".join(
            f'<label><input type="radio" name="{_VALUE}{n}" value="{value}">'
            f"<span>{say(key)}</span></label>"
            for value, key in (("ok", "entry.ok"), ("nok", "nok"))
        )
        return (
            f'<fieldset class="field"><legend>{name}{optional}</legend>'
            f'<div class="choice">{choices}</div></fieldset>'
        )
    limits = "".join(
        f' data-{key}="{limit!r}"'
        for key, limit in (("lower", described.lower), ("upper", described.upper))
        if limit is not None
    )
    return (
        f'<label class="field"><span>{name}{optional}</span>'
        f'<input name="{_VALUE}{n}" inputmode="decimal" maxlength="40"{limits}>'
        f"<small>{escape(_limits(described))}</small></label>"
    )


def _limits(described: ManualCharacteristic) -> str:
    lower = "" if described.lower is None else f"{described.lower:.10g}"
    upper = "" if described.upper is None else f"{described.upper:.10g}"
    between = f"{lower} … {upper}" if lower and upper else f"≥ {lower}" if lower else ""
    if upper and not lower:
        between = f"≤ {upper}"
    return f"{between} {described.unit}".strip()


def _row(at: datetime, done: Recorded, language: Language) -> str:
    """An entry in one line."""
    words = {"ok": "entry.ok", "nok": "nok", "unknown": "entry.unknown"}
    parts = (f"{at.astimezone():%H:%M:%S}", done.serial or "–", word(words[done.verdict], language))
    return " · ".join((*parts, ", ".join(done.failed)) if done.failed else parts)


def _refused(error: EntryError, station: Station, language: Language) -> Answer:
    names = [described.name for described in station.settings.characteristics]
    told = {}
    if error.code in _SERIAL_FIELDS:
        told["field"] = "serial"
    elif error.code == "reason":
        told["field"] = "reason"
    elif error.detail in names:
        told["field"] = f"{_VALUE}{names.index(error.detail)}"
    if error.code == "sent":
        told["ticket"] = _ticket()
    status = {"sent": HTTPStatus.CONFLICT, "waits": HTTPStatus.SERVICE_UNAVAILABLE}.get(
        error.code, HTTPStatus.UNPROCESSABLE_ENTITY
    )
    return _answer(status, f"no.{error.code}", error.detail, language, told)


def _answer(
    status: HTTPStatus, code: str, detail: str, language: Language, told: Mapping[str, str]
) -> Answer:
    text = word(code, language).replace("{}", detail)
    body = {"code": code, "text": text, **told}
    return Answer(status, JSON, json.dumps(body, ensure_ascii=False).encode())


def _ticket() -> str:
    return secrets.token_urlsafe(16)
