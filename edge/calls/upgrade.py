"""From the layout of an earlier release to that of `schema.sql`."""

from __future__ import annotations

import sqlite3
from importlib import resources

SCHEMA_VERSION = 4

_COLUMNS = {
    1: "ALTER TABLE call ADD COLUMN decided_us INTEGER;",
    2: "ALTER TABLE event_stream ADD COLUMN unheard_from INTEGER;",
}
"""From each earlier version to the next."""
_STROBES = """
ALTER TABLE call ADD COLUMN strobe_before INTEGER;
ALTER TABLE call ADD COLUMN strobe INTEGER;
"""
_BEFORE = """
DROP INDEX IF EXISTS call_open;
ALTER TABLE call RENAME TO call_before;
"""
# Version 3 knew of a part only what the hand-over did; `CallBook.replay` adds what events say.
_AFTER = """
INSERT INTO call (key, line_key, call_no, express, body, revision, seen, state, received_us,
    decided_us, strobe_before, strobe, part, part_us)
SELECT key, line_key, call_no, coalesce(json_extract(body, '$.priority') = 'express', 0), body,
    coalesce(json_extract(body, '$.revision'), 1), coalesce(json_extract(body, '$.revision'), 1),
    state, received_us, decided_us, strobe_before, strobe,
    CASE state WHEN 'offered' THEN 'received' ELSE state END, coalesce(decided_us, received_us)
FROM call_before;
DROP TABLE call_before;
"""


def create(database: sqlite3.Connection) -> None:
    """Lay out an empty file; the caller fills the event stream's row and commits."""
    database.executescript(f"BEGIN; {_schema()} PRAGMA user_version = {SCHEMA_VERSION};")


def upgrade(database: sqlite3.Connection, version: int) -> None:
    """Bring a file of an earlier version up, in a transaction that the caller commits."""
    steps = "".join(_COLUMNS[old] for old in range(version, 3))
    columns = {row[1] for row in database.execute("PRAGMA table_info(call)")}
    if "strobe" not in columns:  # some files of version 3 have it, some have not
        steps += _STROBES
    tables = _schema().replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ")
    database.executescript(
        f"BEGIN; {steps} {_BEFORE} {tables} {_AFTER} PRAGMA user_version = {SCHEMA_VERSION};"
    )


def _schema() -> str:
    return resources.files("edge.calls").joinpath("schema.sql").read_text()
