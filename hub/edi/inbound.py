"""Files that come in: each is taken whole or not at all, and counts once however often it comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psycopg
from pydantic import ValidationError

from hub.edi.called_in import take_calls
from hub.edi.forecast_in import take_forecast
from hub.edi.log import Status, checksum, log_messages, put_file, taken_before
from hub.edi.partners import Partner, find_sender, next_reference
from hub.edi.shipped_in import take_shipment
from hub.edi.taking import Taking
from hub.identity.audit import note
from protocols.edifact.content import CallMessage, Forecast
from protocols.edifact.contrl import acknowledge
from protocols.edifact.interchange import Interchange, Message, read_interchange, write_interchange
from protocols.edifact.messages import read_content
from protocols.edifact.problems import EdifactError, Problem
from protocols.refusal import first_problem

ANSWERS = "CONTRL"


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file."""

    partner: str
    interchange: str
    status: Status
    messages: list[tuple[str, str]]
    """(kind, reference) of each."""
    problems: list[Problem]
    """Why it is refused."""


def import_file(
    connection: psycopg.Connection, data: bytes, now: datetime, bearer: str | None = None
) -> Imported:
    """Take a file, and put the answer to it (CONTRL) among the files that go out.

    `connection` is of the role `lineside_ingest`. `bearer` is the tenant who brings the file, if
    that is known: who gets it, or who sends it. Raises `EdifactError` for what cannot be answered:
    an interchange without a readable envelope, or of a sender that nobody knows, or not by it.
    """
    interchange = read_interchange(data)
    header = interchange.header
    with connection.transaction():
        partner = find_sender(connection, header.sender, header.recipient)
        if partner is None or (bearer and bearer not in (partner.owner, partner.partner)):
            raise EdifactError(
                Problem(
                    f"no partner sends as {header.sender[:40]!r} to {header.recipient[:40]!r}: "
                    "lineside-hub edi profile says whom we know",
                    1,
                    "UNB",
                )
            )
        # Files of one partner take turns, so that the same one given twice at once is known.
        connection.execute(
            "SELECT FROM edi_partner WHERE owner = %s AND partner = %s FOR NO KEY UPDATE",
            (partner.owner, partner.partner),
        )
        known = taken_before(connection, partner, header.reference)
        if known == checksum(data):
            return _noted(connection, partner, interchange, data, "duplicate", [], now)
        if known is not None:
            reused = "another file with this reference was taken before"
            problems = [
                replace(_of(message, reused), place=None) for message in interchange.messages
            ]
            return _noted(connection, partner, interchange, data, "refused", problems, now)
        problems = _take(connection, partner, interchange, now)
        if not problems:
            who = f"edi {partner.partner}"
            note(connection, partner.owner, who, "edi", f"interchange {header.reference}")
        status: Status = "refused" if problems else "taken"
        return _noted(connection, partner, interchange, data, status, problems, now)


def _take(
    connection: psycopg.Connection, partner: Partner, interchange: Interchange, now: datetime
) -> list[Problem]:
    """Carry out a file; its problems, and then nothing of it was carried out."""
    problems: list[Problem] = []
    try:
        with connection.transaction():
            for message in interchange.messages:
                taking = Taking(connection, partner, interchange.header.reference, message, now)
                try:
                    _take_message(taking)
                except EdifactError as error:
                    problems += [replace(p, message=message.reference) for p in error.problems]
                except ValidationError as error:
                    problems.append(_of(message, first_problem(error, "content")))
            if problems:
                raise psycopg.Rollback
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        problems.append(Problem(str(error).partition("\n")[0]))
    wrong = {problem.message for problem in problems}
    if problems:
        untaken = "nothing of this file is taken, since another message of it is refused"
        problems += [_of(m, untaken) for m in interchange.messages if m.reference not in wrong]
    return problems


def _take_message(taking: Taking) -> None:
    if taking.message.kind == ANSWERS:
        return
    content = read_content(taking.message, taking.partner.codes)
    if isinstance(content, CallMessage):
        take_calls(taking, content)
    elif isinstance(content, Forecast):
        take_forecast(taking, content)
    else:
        take_shipment(taking, content)
    taking.refuse_if_wrong()


def _of(message: Message, reason: str) -> Problem:
    return Problem(reason, message.number, "UNH", message=message.reference)


def _noted(
    connection: psycopg.Connection,
    partner: Partner,
    interchange: Interchange,
    data: bytes,
    status: Status,
    problems: list[Problem],
    now: datetime,
) -> Imported:
    """Note the messages, and answer."""
    reference = interchange.header.reference
    messages = [(message.kind, message.reference) for message in interchange.messages]
    log_messages(
        *(connection, partner, "in", reference),
        [(m.kind, m.reference, _document_no(m)) for m in interchange.messages],
        status,
        data,
        [str(problem) for problem in problems],
    )
    if any(kind != ANSWERS for kind, _ in messages):
        _answer(connection, partner, interchange, problems, now)
    return Imported(partner.partner, reference, status, messages, problems)


def _answer(
    connection: psycopg.Connection,
    partner: Partner,
    interchange: Interchange,
    problems: Iterable[Problem],
    now: datetime,
) -> None:
    reference = next_reference(connection, partner)
    local = now.astimezone(partner.codes.zone).replace(tzinfo=None)
    answer = acknowledge(interchange, problems, reference, local)
    body = write_interchange(answer)
    put_file(connection, partner, f"{partner.partner}-{reference}-contrl.edi", body)
    log_messages(connection, partner, "out", reference, [(ANSWERS, "1", "")], "sent", body)


def _document_no(message: Message) -> str:
    """As its BGM has it; empty if it has none."""
    for segment in message.segments:
        if segment.tag == "BGM" and len(segment.elements) > 1 and segment.elements[1]:
            return segment.elements[1][0][:70]
    return ""


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)
