"""DELJIT and the calls in it, both ways, by the profile of the partner."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from protocols.edifact.carriers import (
    Draft,
    Values,
    car_values,
    message_values,
    part_values,
)
from protocols.edifact.content import CallMessage, CallPart, CarCall, Function
from protocols.edifact.deljit import Deljit, LineGroup, SequenceGroup
from protocols.edifact.elements import SegmentModel
from protocols.edifact.interchange import Message
from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.profile import FIELDS, Codes, EdiProfile, code_for
from protocols.edifact.reading import ContentReader
from protocols.edifact.segments import Dtm, Qty
from protocols.edifact.times import write_time


def read_calls(message: Message, profile: EdiProfile) -> CallMessage:
    """The calls of a DELJIT. Raises `EdifactError` with all that is wrong with it."""
    return _CallReader(Deljit.read(message), profile, message.reference).read()


def write_calls(calls: CallMessage, profile: EdiProfile) -> Deljit:
    """The DELJIT of calls. Raises `EdifactError` for what the partner has no place for."""
    return _CallWriter(calls, profile).write()


class _CallReader(ContentReader):
    def __init__(self, message: Deljit, profile: EdiProfile, reference: str) -> None:
        super().__init__(profile, reference)
        self.message = message
        self.codes = profile.deljit

    def read(self) -> CallMessage:
        levels = {"message": message_values(self.message)}
        bgm = self.message.bgm
        function = self.codes.documents.get(bgm.document)
        if function is None:
            function = self.heading(bgm, self.codes.functions)
        called_at = self._needed_time("called_at", levels)
        cars = tuple(self._car(group, levels) for group in self.message.sequence)
        if self.problems or called_at is None or function is None:
            self.refuse()
        return CallMessage(
            document_no=bgm.number,
            function=function,
            called_at=called_at,
            cars=cars,
            **{name: self._text(name, levels) for name in FIELDS["message"][1:]},
        )

    def _car(self, group: SequenceGroup, levels: Mapping[str, Values]) -> CarCall:
        levels = {**levels, "car": car_values(group)}
        texts = {
            name: self._text(name, levels)
            for name in ("production_no", "vin", "line", "unloading_point", "rack")
        }
        if not texts["production_no"]:
            self._missing("production_no", levels)
        return CarCall(
            **texts,
            sequence_no=self._number("sequence_no", levels, self.codes.no_sequence),
            function=self.function(
                group.seq.status, self.codes.car_functions, group.seq, "status (1245)"
            ),
            deliver_by=self._time("deliver_by", levels),
            pre_series=self._text("pre_series", levels) == self.codes.pre_series_code,
            slot=self._number("slot", levels, ""),
            parts=tuple(self._part(line, levels) for line in group.lines),
        )

    def _part(self, group: LineGroup, levels: Mapping[str, Values]) -> CallPart:
        levels = {**levels, "part": part_values(group)}
        texts = {
            name: self._text(name, levels)
            for name in ("part_no", "part_group", "fitting_point", "reorder_of")
        }
        if not texts["part_no"]:
            self._missing("part_no", levels)
        quantity, unit = Decimal(0), ""
        found = self._find("quantity", levels)
        if found is None:
            self._missing("quantity", levels)
        else:
            quantity = Decimal(found[0])
            unit = found[1].unit if isinstance(found[1], Qty) else ""
        return CallPart(
            **texts,
            quantity=quantity,
            unit=unit,
            function=self.function(
                group.lin.action, self.codes.part_functions, group.lin, "action (1229)"
            ),
        )

    def _find(self, field: str, levels: Mapping[str, Values]) -> tuple[str, SegmentModel] | None:
        carrier = getattr(self.codes, field)
        if carrier is None:
            return None
        values = levels[carrier.level]
        if twice := values.twice(carrier):
            self.wrong(twice, f"{carrier} stands twice, and says different things")
        return values.get(carrier)

    def _text(self, field: str, levels: Mapping[str, Values]) -> str:
        found = self._find(field, levels)
        return found[0] if found else ""

    def _number(self, field: str, levels: Mapping[str, Values], none: str) -> int | None:
        found = self._find(field, levels)
        if not found or found[0] in ("", none):
            return None
        text, segment = found
        if not (text.isascii() and text.isdigit()):
            self.wrong(segment, f"{field}: {text!r} is no whole number", ErrorCode.NOT_NUMERIC)
            return None
        return int(text)

    def _needed_time(self, field: str, levels: Mapping[str, Values]) -> datetime | None:
        if self._find(field, levels) is None:
            self._missing(field, levels)
        return self._time(field, levels)

    def _time(self, field: str, levels: Mapping[str, Values]) -> datetime | None:
        found = self._find(field, levels)
        return self.time(found[1]) if found and isinstance(found[1], Dtm) else None

    def _missing(self, field: str, levels: Mapping[str, Values]) -> None:
        carrier = getattr(self.codes, field)
        self.missing(levels[carrier.level].opening, f"{field} ({carrier})")


class _CallWriter:
    def __init__(self, calls: CallMessage, profile: EdiProfile) -> None:
        self.calls = calls
        self.profile = profile
        self.codes = profile.deljit

    def write(self) -> Deljit:
        calls, codes = self.calls, self.codes
        draft = Draft(f"message {calls.document_no}")
        levels = {"message": draft}
        self._put("called_at", calls.called_at, levels)
        for name in FIELDS["message"][1:]:
            self._put(name, getattr(calls, name), levels)
        cars = [self._car(car, levels) for car in calls.cars]
        document = code_for(calls.function, codes.documents)
        function = code_for(calls.function, codes.functions) or ""
        if document is None and not function:
            raise EdifactError(
                Problem(f"{self.profile.name} has no code for a message to {calls.function}")
            )
        message = draft.message(document or codes.document, function, cars)
        bgm = message.bgm.model_copy(update={"number": calls.document_no})
        return message.model_copy(update={"bgm": bgm})

    def _car(self, car: CarCall, levels: Mapping[str, Draft]) -> SequenceGroup:
        draft = Draft(f"car {car.production_no}")
        levels = {**levels, "car": draft}
        for name in ("production_no", "vin", "line", "deliver_by", "unloading_point", "rack"):
            self._put(name, getattr(car, name), levels)
        self._put("sequence_no", self._sequence(car), levels)
        self._put("slot", "" if car.slot is None else str(car.slot), levels)
        self._put("pre_series", self.codes.pre_series_code if car.pre_series else "", levels)
        lines = [self._part(at, part, levels) for at, part in enumerate(car.parts, start=1)]
        status = self._code(car.function, self.codes.car_functions, draft.what)
        return draft.car(status, self.codes, lines)

    def _part(self, line: int, part: CallPart, levels: Mapping[str, Draft]) -> LineGroup:
        draft = Draft(f"part {part.part_no}")
        levels = {**levels, "part": draft}
        for name in ("part_no", "part_group", "fitting_point", "reorder_of"):
            self._put(name, getattr(part, name), levels)
        self._put("quantity", format(part.quantity, "f"), levels, part.unit)
        return draft.part(
            line, self._code(part.function, self.codes.part_functions, draft.what), self.codes
        )

    def _sequence(self, car: CarCall) -> str:
        if car.sequence_no is None:
            return self.codes.no_sequence
        text = str(car.sequence_no).zfill(self.codes.sequence_digits)
        if text == self.codes.no_sequence or not 0 <= car.sequence_no < 10**10:
            raise EdifactError(
                Problem(f"car {car.production_no}: {text!r} cannot be a sequence number here")
            )
        return text

    def _code(self, function: Function | None, codes: Codes, what: str) -> str:
        if function is None:
            return ""
        code = code_for(function, codes)
        if code is None:
            raise EdifactError(
                Problem(f"{what}: {self.profile.name} has no code for {function} there")
            )
        return code

    def _put(
        self, field: str, value: str | datetime | None, levels: Mapping[str, Draft], form: str = ""
    ) -> None:
        carrier = getattr(self.codes, field)
        if isinstance(value, datetime):
            form = self.profile.time_form
            value = write_time(value, form, self.profile.zone)
        if carrier is not None:
            levels[carrier.level].put(field, carrier, value or "", form)
        elif value:
            raise EdifactError(
                Problem(f"{self.profile.name} has no place for {field}, which is {value!r} here")
            )
