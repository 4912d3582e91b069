"""Is the database there, as the hub needs it, and does the work in it get on?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg

from hub.monitoring.findings import Finding
from hub.monitoring.readings import Readings, read
from hub.store import Database
from hub.store.migrate import MigrationError, schema_state
from hub.store.roles import ROLES

_MAY_DIFFER_S = 1.0
_CALL_WAITS_S = 60.0
_CROWDED = 0.8
"""Of the server's connections: beyond this the next process may find none."""


def look_at_database(database: Database) -> Iterator[Finding]:
    for role in ROLES:
        try:
            began = time.monotonic()
            with database.connect(role) as connection:
                connection.execute("SELECT 1")
            took_ms = (time.monotonic() - began) * 1000
            yield Finding(f"database as {role}", "ok", f"answers within {took_ms:.0f} ms")
        except psycopg.OperationalError as error:
            text = str(error).strip().partition("\n")[0]
            todo = (
                "see LINESIDE_HUB_DATABASE__…; `lineside-hub db bootstrap` makes roles and database"
            )
            yield Finding(f"database as {role}", "failed", text, todo)
            return
    with database.connect("owner") as connection:
        yield _schema(connection)
        yield _durability(connection)
        yield _connections(connection)
        yield _clock(connection)
    with database.connect("ingest") as connection:
        try:
            readings = read(connection)
        except psycopg.errors.UndefinedTable:
            return  # the schema's finding says it
        yield from _work(readings, datetime.now(UTC).timestamp())


def _schema(connection: psycopg.Connection) -> Finding:
    try:
        state = schema_state(connection)
    except MigrationError as error:
        return Finding(
            "schema", "failed", str(error), "run the release that made it, or a later one"
        )
    if state.pending:
        text = f"{len(state.pending)} migrations are to be applied"
        return Finding("schema", "failed", text, "run lineside-hub migrate")
    offered = connection.execute(
        "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
    ).fetchone()
    text = f"up to date at {len(state.applied)}; samples in {state.storage}"
    if state.storage == "postgres" and offered:
        todo = "a new database on this server would use it; this one stays as it is"
        return Finding("schema", "warning", f"{text}, though TimescaleDB is offered", todo)
    return Finding("schema", "ok", text)


def _durability(connection: psycopg.Connection) -> Finding:
    wanted = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
    wrong = [
        f"{name} = {value}"
        for name, value in connection.execute(
            "SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", (list(wanted),)
        )
        if value in ("off", "local")
    ]
    if wrong:
        todo = "turn it on: what the hub has acknowledged is let go by gateways, and nowhere else"
        return Finding("durability", "failed", ", ".join(wrong), todo)
    return Finding("durability", "ok", "a commit is on the disk")


def _connections(connection: psycopg.Connection) -> Finding:
    ((used, most),) = connection.execute(
        "SELECT (SELECT sum(numbackends)::int FROM pg_stat_database),"
        " current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
    ).fetchall()
    text = f"{used} of {most} in use"
    if used > _CROWDED * most:
        todo = (
            "raise max_connections: a process of the API takes up to 18, an ingest worker 4, what"
            " carries calls and webhooks 8"
        )
        return Finding("connections", "warning", text, todo)
    return Finding("connections", "ok", text)


def _clock(connection: psycopg.Connection) -> Finding:
    began = time.time()
    query = "SELECT extract(epoch FROM clock_timestamp())::float8"
    ((theirs,),) = connection.execute(query).fetchall()
    offset_s = theirs - (began + time.time()) / 2
    way = "ahead" if offset_s > 0 else "behind"
    text = f"the database's is {abs(offset_s) * 1000:.0f} ms {way}"
    if abs(offset_s) > _MAY_DIFFER_S:
        return Finding("clock", "warning", text, "let both machines ask the same time service")
    return Finding("clock", "ok", text)


def _work(readings: Readings, now: float) -> Iterator[Finding]:
    if not readings.gateways:
        yield Finding(
            "gateways", "warning", "none is registered", "lineside-hub plant load registers them"
        )
    away = [f"{g.group}/{g.node}" for g in readings.gateways if not g.online]
    if away:
        todo = "`lineside-edge doctor` on the PC says what it lacks"
        yield Finding("gateways", "warning", f"not online: {', '.join(away)}", todo)
    elif readings.gateways:
        yield Finding("gateways", "ok", f"all {len(readings.gateways)} online")
    twice = [f"{g.group}/{g.node}" for g in readings.gateways if g.conflict]
    if twice:
        text = f"two speak as {', '.join(twice)}"
        yield Finding("identity", "failed", text, "give one of the two another node id")
    late = [
        f"{c.group}/{c.node}: {c.waiting} since {now - c.oldest:.0f} s"
        for c in readings.calls
        if c.oldest is not None and now - c.oldest > _CALL_WAITS_S
    ]
    if late:
        todo = "is the gateway online, and does `lineside-hub serve` run with its part `calls`?"
        yield Finding("calls", "failed", f"not acknowledged: {'; '.join(late)}", todo)
    else:
        yield Finding("calls", "ok", "none waits for its gateway")
    if readings.strangers:
        text = f"{readings.strangers} nodes spoke within the last hour that nobody registered"
        yield Finding("strangers", "warning", text, "register them, or find out whose they are")
