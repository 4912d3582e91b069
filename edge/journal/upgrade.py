"""From the layout of an earlier release to that of `schema.sql`."""

from __future__ import annotations

import sqlite3

from edge.journal.body import checked

_COLUMNS = (
    "CREATE TABLE IF NOT EXISTS bookmark (name TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT",
    "ALTER TABLE log ADD COLUMN base INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE log ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE tag ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE lost ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE bookmark ADD COLUMN row_check INTEGER NOT NULL DEFAULT 0",
)
_CHECKS = {
    "SELECT epoch, base, first_kept, next, watermark, reflected, set_aside FROM log": (
        "UPDATE log SET row_check = ? WHERE epoch = ?"
    ),
    "SELECT id, device, name, datatype, unit FROM tag": (
        "UPDATE tag SET row_check = ? WHERE id = ?"
    ),
    "SELECT first, after, cause, from_us, to_us FROM lost": (
        "UPDATE lost SET row_check = ? WHERE first = ?"
    ),
    "SELECT name, text FROM bookmark": "UPDATE bookmark SET row_check = ? WHERE name = ?",
}


def from_version_1(db: sqlite3.Connection, application_id: int) -> None:
    """Version 1 had no base, no checks of its small tables, and no application id."""
    db.execute("BEGIN IMMEDIATE")
    for statement in _COLUMNS:
        db.execute(statement)
    for rows, update in _CHECKS.items():
        db.executemany(update, [(checked(row)[-1], row[0]) for row in db.execute(rows).fetchall()])
    db.execute(f"PRAGMA application_id = {application_id}")
    db.execute("PRAGMA user_version = 2")
    db.execute("COMMIT")
