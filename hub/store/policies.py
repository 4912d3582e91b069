"""TimescaleDB's jobs as the hub's settings want them: compression, and trends kept up to date.

Applied by whoever migrates, each time: what is as wanted stays untouched. Retention is no job of
TimescaleDB's but the hub's own (`maintenance.py`), the same on both storages, so that nothing is
let go before what is made of it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from hub.store.settings import KeepSettings

logger = logging.getLogger(__name__)

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

_JOB = """
SELECT job_id, schedule_interval, config FROM timescaledb_information.jobs
WHERE hypertable_schema = 'lineside' AND hypertable_name = %s AND proc_name = %s
"""
_EXTENSION = "SELECT FROM pg_extension WHERE extname = 'timescaledb'"
_NOT_BEGUN = """
SELECT FROM lineside.sample_state
WHERE 'sample_' || class = %s AND aggregated_until = '-infinity'
    AND EXISTS (SELECT FROM lineside.sample WHERE time < now() - %s)
"""
_CHUNK = """
SELECT time_interval FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'lineside' AND hypertable_name = 'sample'
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """One job of TimescaleDB's, and how it is made."""

    relation: str
    kind: str
    """`compression` or `continuous_aggregate`, as in add_…_policy."""
    every: timedelta
    offsets: Mapping[str, timedelta | None]
    """Ages, by their names in the job's configuration; None: all there is."""
    batch: int | None = None
    """Buckets that a refresh commits at a time."""

    @property
    def procedure(self) -> str:
        """What the job runs."""
        return "policy_compression" if self.kind == "compression" else "policy_refresh_" + self.kind


def policies(keep: KeepSettings) -> Iterator[Policy]:
    """The jobs that these settings want.

    A refresh never reaches back to where what it aggregates may have been let go: it would take
    the trend for deleted too. Up to there it finds what came late, of whatever age.
    """
    yield Policy(
        "sample", "compression", 6 * _HOUR, {"compress_after": keep.compress_after_days * _DAY}
    )
    finer = keep.samples_days
    for name, width, end, every, coarser, batch, packed in (
        ("minute", _MINUTE, 2 * _MINUTE, _MINUTE, keep.minute_trends_days, 1440, 14 * _DAY),
        ("hour", _HOUR, 10 * _MINUTE, 10 * _MINUTE, keep.hour_trends_days, 720, 365 * _DAY),
        ("day", _DAY, _HOUR, _HOUR, keep.day_trends_days, 365, None),
    ):
        start = None if finer is None else max(finer * _DAY - _DAY, finer * _DAY / 2)
        if start is not None:
            start = max(start, end + 2 * width)
        offsets = {"start_offset": start, "end_offset": end}
        yield Policy(f"sample_{name}", "continuous_aggregate", every, offsets, batch)
        if packed is not None:
            yield Policy(f"sample_{name}", "compression", _DAY, {"compress_after": packed})
        finer = coarser


def apply_policies(connection: psycopg.Connection, keep: KeepSettings) -> list[str]:
    """Bring TimescaleDB's jobs in line with the settings, as lineside_owner, committing each
    statement; what has changed. On plain PostgreSQL there is nothing to do.
    """
    if connection.execute(_EXTENSION).fetchone() is None:
        return []
    if connection.execute(_CHUNK).fetchone() is None:
        return []
    changed = [*_chunk_interval(connection, keep.chunk_hours * _HOUR)]
    for policy in policies(keep):
        changed += _beginnings(connection, policy)
        changed += _policy(connection, policy)
    for change in changed:
        logger.info("storage policy: %s", change)
    return changed


def _beginnings(connection: psycopg.Connection, policy: Policy) -> Iterator[str]:
    """Aggregate what is older than any refresh by policy will reach: what was stored before there
    were trends, and is to be let go next."""
    start = policy.offsets.get("start_offset")
    if start is None or connection.execute(_NOT_BEGUN, [policy.relation, start]).fetchone() is None:
        return
    connection.execute(
        "CALL public.refresh_continuous_aggregate(%s, NULL, now() - %s)",
        [f"lineside.{policy.relation}", start],
    )
    yield f"{policy.relation} begins with all that is stored"


def _chunk_interval(connection: psycopg.Connection, wanted: timedelta) -> Iterator[str]:
    row = connection.execute(_CHUNK).fetchone()
    if row is None or row[0] == wanted:
        return
    connection.execute("SELECT public.set_chunk_time_interval('lineside.sample', %s)", [wanted])
    yield f"chunks of samples that begin from now on hold {wanted}"


def _policy(connection: psycopg.Connection, policy: Policy) -> Iterator[str]:
    row = connection.execute(_JOB, [policy.relation, policy.procedure]).fetchone()
    if row is not None and row[1] == policy.every and _same(connection, policy, row[2]):
        return
    relation = f"lineside.{policy.relation}"
    kind = sql.SQL(policy.kind)
    connection.execute(
        sql.SQL("SELECT public.remove_{}_policy(%s, if_exists => true)").format(kind), [relation]
    )
    arguments = dict(policy.offsets) | {"schedule_interval": policy.every}
    more = {} if policy.batch is None else {"buckets_per_batch": policy.batch}
    given = arguments | more
    connection.execute(
        sql.SQL("SELECT public.add_{}_policy(%s, {})").format(
            kind,
            sql.SQL(", ").join(
                sql.SQL("{} => %s{}").format(
                    sql.Identifier(name), sql.SQL("" if name in more else "::interval")
                )
                for name in given
            ),
        ),
        [relation, *given.values()],
    )
    ages = ", ".join(f"{name} {age or 'none'}" for name, age in policy.offsets.items())
    yield f"{policy.kind} of {policy.relation} every {policy.every}, {ages}"


def _same(connection: psycopg.Connection, policy: Policy, config: Mapping[str, object]) -> bool:
    """Whether a job's configuration has these ages; PostgreSQL reads its own intervals."""
    if policy.batch is not None and config.get("buckets_per_batch") != policy.batch:
        return False
    names = list(policy.offsets)
    row = connection.execute(
        "SELECT array_agg(age::interval ORDER BY at) FROM unnest(%s::text[]) WITH ORDINALITY"
        " AS _ (age, at)",
        [[config.get(name) for name in names]],
    ).fetchone()
    return row is not None and row[0] == list(policy.offsets.values())
