"""The demand ahead of a line's calls, version by version, and how the line is to work."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime

from protocols.jis.messages import CallKey, Demand, LineState, Preview

_AHEAD = """
SELECT body FROM demand WHERE line_key = ?
ORDER BY json_extract(body, '$.required_at') IS NULL,
    julianday(json_extract(body, '$.required_at')),
    json_extract(body, '$.day') IS NULL, json_extract(body, '$.day'),
    json_extract(body, '$.place'), production_no, part_group
LIMIT ?
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DemandError(ValueError):
    """The version cannot be used; the text says why."""


def take_preview(database: sqlite3.Connection, line: str, preview: Preview) -> None:
    """Take in a part of a version. The version counts once all its parts are there; an older one is
    past. Raises `DemandError` for what differs from a version that is not here."""
    _know(database, line)
    (held,) = database.execute("SELECT preview FROM line WHERE line_key = ?", (line,)).fetchone()
    if preview.version <= held:
        return
    if preview.based_on is not None and preview.based_on != held:
        raise DemandError(
            f"preview {preview.version} of {line} differs from version {preview.based_on}, and "
            f"here is {held}: send a whole version"
        )
    database.execute(
        "INSERT OR REPLACE INTO preview_part VALUES (?, ?, ?, ?)",
        (line, preview.version, preview.part, preview.model_dump_json()),
    )
    bodies = database.execute(
        "SELECT body FROM preview_part WHERE line_key = ? AND version = ? ORDER BY part",
        (line, preview.version),
    ).fetchall()
    if len(bodies) == preview.parts:
        _put_in_force(database, line, [Preview.model_validate_json(body) for (body,) in bodies])


def called(database: sqlite3.Connection, line: str, key: CallKey) -> None:
    """What is called is no longer ahead of the line: the hub does not say so again."""
    database.execute(
        "DELETE FROM demand WHERE line_key = ? AND production_no = ? AND part_group = ?",
        (line, key.production_no, key.part_group),
    )


def ahead(database: sqlite3.Connection, line: str, limit: int) -> tuple[list[Demand], int]:
    """(the first of what is ahead of a line, how much there is in all): by its time what is
    planned, then by its day what is only forecast."""
    (count,) = database.execute(
        "SELECT count(*) FROM demand WHERE line_key = ?", (line,)
    ).fetchone()
    rows = database.execute(_AHEAD, (line, limit))
    return [Demand.model_validate_json(body) for (body,) in rows], count


def take_line_state(database: sqlite3.Connection, line: str, state: LineState) -> None:
    """Take in how the line is to work; the one that holds since later counts."""
    _know(database, line)
    since_us = int((state.since - _EPOCH).total_seconds() * 1_000_000)
    database.execute(
        "UPDATE line SET state = ?, since_us = ? WHERE line_key = ? AND since_us <= ?",
        (state.model_dump_json(), since_us, line, since_us),
    )


def know_commands(database: sqlite3.Connection, line: str, commands: bool) -> None:
    """Note whether a line's PLC takes commands."""
    _know(database, line)
    database.execute("UPDATE line SET commands = ? WHERE line_key = ?", (commands, line))


def takes_commands(database: sqlite3.Connection, line: str) -> bool | None:
    """Whether the line's PLC takes commands, as last seen; None if it never was."""
    row = database.execute("SELECT commands FROM line WHERE line_key = ?", (line,)).fetchone()
    return None if row is None or row[0] is None else bool(row[0])


def _know(database: sqlite3.Connection, line: str) -> None:
    database.execute("INSERT OR IGNORE INTO line (line_key) VALUES (?)", (line,))


def _put_in_force(database: sqlite3.Connection, line: str, parts: Sequence[Preview]) -> None:
    if parts[0].based_on is None:
        database.execute("DELETE FROM demand WHERE line_key = ?", (line,))
    for part in parts:
        database.executemany(
            "DELETE FROM demand WHERE line_key = ? AND production_no = ? AND part_group = ?",
            [(line, *withdrawn) for withdrawn in part.withdrawn],
        )
        database.executemany(
            "INSERT OR REPLACE INTO demand VALUES (?, ?, ?, ?)",
            [(line, d.production_no, d.part_group, d.model_dump_json()) for d in part.demands],
        )
    version = parts[0].version
    database.execute("UPDATE line SET preview = ? WHERE line_key = ?", (version, line))
    database.execute(
        "DELETE FROM preview_part WHERE line_key = ? AND version <= ?", (line, version)
    )
