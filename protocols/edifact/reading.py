"""What every reader of content does: collect problems, read headings, dates and parties."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import NoReturn, Protocol

from protocols.edifact.content import Function
from protocols.edifact.elements import SegmentModel
from protocols.edifact.problems import EdifactError, ErrorCode, Problem
from protocols.edifact.profile import Codes, EdiProfile
from protocols.edifact.segments import Bgm, Dtm, Nad
from protocols.edifact.times import read_days, read_time


class _WithParty(Protocol):
    @property
    def nad(self) -> Nad: ...


class ContentReader:
    """Reads on after a problem, so that all are told at once."""

    def __init__(self, profile: EdiProfile, reference: str) -> None:
        self.profile = profile
        self.reference = reference
        """Of the message, for its problems."""
        self.problems: list[Problem] = []

    def wrong(
        self, segment: SegmentModel, reason: str, code: ErrorCode = ErrorCode.INVALID_VALUE
    ) -> None:
        """Note a problem of a segment."""
        self.problems.append(
            Problem(
                reason,
                segment.segment_number or None,
                segment.TAG,
                code=code,
                message=self.reference,
            )
        )

    def missing(self, segment: SegmentModel, what: str) -> None:
        """Note that a field is missing."""
        self.wrong(segment, f"{what} is missing", ErrorCode.MISSING)

    def refuse(self) -> NoReturn:
        """Give up with all problems."""
        raise EdifactError(self.problems)

    def function(
        self, code: str, codes: Codes, segment: SegmentModel, what: str
    ) -> Function | None:
        """The meaning of a code; None if none was sent, or a problem noted."""
        if code and code not in codes:
            known = ", ".join(codes)
            self.wrong(segment, f"{what} {code!r} is not one of this partner; known: {known}")
        return codes.get(code)

    def heading(self, bgm: Bgm, codes: Codes) -> Function | None:
        """The function of the message; its number is there."""
        if not bgm.number:
            self.missing(bgm, "the document number (1004)")
        if not bgm.function:
            self.missing(bgm, "the function (1225)")
        return self.function(bgm.function, codes, bgm, "function (1225)")

    def issued(self, bgm: Bgm, dates: Iterable[Dtm], qualifier: str) -> datetime | None:
        """The date of the document."""
        found = date_of(dates, qualifier)
        if found is None:
            self.missing(bgm, f"the document date (DTM {qualifier})")
        return self.time(found)

    def time(self, dtm: Dtm | None) -> datetime | None:
        """The moment it says."""
        if dtm is None:
            return None
        try:
            return read_time(dtm.text, dtm.form, self.profile.zone)
        except ValueError as error:
            self.wrong(dtm, str(error))
            return None

    def days(self, dtm: Dtm | None) -> tuple[date, date] | None:
        """First and last day it says."""
        if dtm is None:
            return None
        try:
            return read_days(dtm.text, dtm.form)
        except ValueError as error:
            self.wrong(dtm, str(error))
            return None


def date_of(segments: Iterable[Dtm], qualifier: str) -> Dtm | None:
    """The first date of a kind."""
    return next((each for each in segments if each.qualifier == qualifier), None)


def party_of(groups: Iterable[_WithParty], qualifier: str) -> str:
    """The first party of a kind, or nothing."""
    return next((each.nad.party for each in groups if each.nad.qualifier == qualifier), "")
