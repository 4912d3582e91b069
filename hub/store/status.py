"""How samples and trends lie on disk: parts, sizes, compression, how far trends are made, jobs.

Asked as lineside_owner, who alone may see the sizes of all of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from hub.store.migrate import Storage
from hub.store.settings import KeepSettings

# isfinite: a class of which nothing has been let go, or made, is as old as can be.
_CLASSES = """
SELECT class AS name, nullif(kept_since, '-infinity') AS kept_since,
    nullif(aggregated_until, '-infinity') AS aggregated_until,
    now() - nullif(aggregated_until, '-infinity') AS behind
FROM sample_state ORDER BY width
"""
_PARTITIONS = """
SELECT greatest(count(inhrelid), 1) AS parts, 0 AS compressed_parts, NULL::bigint AS bytes_before,
    NULL::bigint AS bytes_after,
    (coalesce(sum(pg_total_relation_size(inhrelid)), 0)
        + pg_total_relation_size(%(relation)s::regclass))::bigint AS bytes
FROM pg_inherits WHERE inhparent = %(relation)s::regclass
"""
_CHUNKS = """
SELECT total_chunks AS parts, number_compressed_chunks AS compressed_parts,
    before_compression_total_bytes AS bytes_before, after_compression_total_bytes AS bytes_after,
    coalesce(public.hypertable_size(%(relation)s::regclass), 0) AS bytes
FROM public.hypertable_compression_stats(%(relation)s::regclass)
"""
_NOT_COMPRESSED = """
SELECT count(*) AS parts, 0 AS compressed_parts, NULL::bigint AS bytes_before,
    NULL::bigint AS bytes_after,
    coalesce(public.hypertable_size(%(relation)s::regclass), 0) AS bytes
FROM public.show_chunks(%(relation)s::regclass)
"""
_MATERIALIZED = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'lineside' AND view_name = %s
"""
_JOBS = """
SELECT j.proc_name AS procedure, j.hypertable_name AS relation, j.schedule_interval AS every,
    j.config::text AS settings, nullif(s.last_successful_finish, '-infinity') AS last_success_at,
    s.last_run_status AS last_run, coalesce(s.total_failures, 0) AS failures
FROM timescaledb_information.jobs j LEFT JOIN timescaledb_information.job_stats s USING (job_id)
WHERE j.hypertable_schema = 'lineside' ORDER BY j.hypertable_name, j.proc_name
"""
_DIRTY = "SELECT count(DISTINCT minute) FROM sample_dirty"


@dataclass(frozen=True, slots=True)
class Lying:
    """What one class takes up."""

    parts: int
    """Chunks or partitions."""
    compressed_parts: int
    bytes_before: int | None
    """Of the compressed parts, before they were; None: none is."""
    bytes_after: int | None
    bytes: int
    """All of it, with indexes."""

    @property
    def ratio(self) -> float | None:
        """How many times smaller compression has made what it was applied to."""
        if not self.bytes_before or not self.bytes_after:
            return None
        return self.bytes_before / self.bytes_after


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """Samples, or trends of one width."""

    name: str
    lying: Lying
    keep_days: int | None
    kept_since: datetime | None
    """What is older has been let go; None: nothing has."""
    aggregated_until: datetime | None
    """Later buckets are computed when read; None: samples, or all are."""
    behind: timedelta | None


@dataclass(frozen=True, slots=True)
class Job:
    """One of TimescaleDB's."""

    procedure: str
    relation: str
    every: timedelta
    settings: str
    last_success_at: datetime | None
    last_run: str | None
    failures: int


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """All of it."""

    storage: Storage
    server: str
    database_bytes: int
    classes: list[ClassStatus]
    late_minutes: int
    """Minutes that late samples have changed and that are to be made again (plain PostgreSQL)."""
    jobs: list[Job]

    def as_json(self) -> dict[str, Any]:
        """With plain types: instants as ISO 8601, spans in seconds."""
        return {
            "storage": self.storage,
            "server": self.server,
            "database_bytes": self.database_bytes,
            "late_minutes": self.late_minutes,
            "classes": [
                {
                    "name": one.name,
                    "parts": one.lying.parts,
                    "compressed_parts": one.lying.compressed_parts,
                    "bytes": one.lying.bytes,
                    "compression_ratio": one.lying.ratio,
                    "keep_days": one.keep_days,
                    "kept_since": _iso(one.kept_since),
                    "aggregated_until": _iso(one.aggregated_until),
                    "behind_s": one.behind and one.behind.total_seconds(),
                }
                for one in self.classes
            ],
            "jobs": [
                {
                    "procedure": job.procedure,
                    "relation": job.relation,
                    "every_s": job.every.total_seconds(),
                    "settings": job.settings,
                    "last_success_at": _iso(job.last_success_at),
                    "last_run": job.last_run,
                    "failures": job.failures,
                }
                for job in self.jobs
            ],
        }


def store_status(
    connection: psycopg.Connection, storage: Storage, keep: KeepSettings
) -> StoreStatus:
    """Look at it all, as lineside_owner, on a schema that is up to date."""
    keeps = dict(
        zip(
            ("sample", "minute", "hour", "day"),
            (
                keep.samples_days,
                keep.minute_trends_days,
                keep.hour_trends_days,
                keep.day_trends_days,
            ),
            strict=True,
        )
    )
    row = connection.execute(
        "SELECT current_setting('server_version'), pg_database_size(current_database())"
    ).fetchone()
    server, size = row or ("", 0)
    with connection.cursor(row_factory=dict_row) as cursor:
        classes = [
            ClassStatus(
                lying=_lying(connection, storage, found["name"]),
                keep_days=keeps[found["name"]],
                **found,
            )
            for found in cursor.execute(_CLASSES).fetchall()
        ]
    if storage == "postgres":
        dirty = connection.execute(_DIRTY).fetchone()
        return StoreStatus(storage, server, size, classes, dirty[0] if dirty else 0, [])
    with connection.cursor(row_factory=class_row(Job)) as jobs:
        return StoreStatus(storage, server, size, classes, 0, jobs.execute(_JOBS).fetchall())


def _lying(connection: psycopg.Connection, storage: Storage, name: str) -> Lying:
    relation = "lineside.sample" if name == "sample" else f"lineside.sample_{name}"
    query = _PARTITIONS
    if storage == "postgres":
        relation += "" if name == "sample" else "_rolled"
    else:
        query = _NOT_COMPRESSED if name == "day" else _CHUNKS
        if name != "sample":
            row = connection.execute(_MATERIALIZED, [f"sample_{name}"]).fetchone()
            relation = row[0] if row else relation
    asked = {"relation": relation}
    with connection.cursor(row_factory=class_row(Lying)) as cursor:
        found = cursor.execute(sql.SQL(query), asked).fetchone()
        if found is None:
            # TimescaleDB has nothing to say of compression before there is a chunk.
            found = cursor.execute(sql.SQL(_NOT_COMPRESSED), asked).fetchone()
    if found is None:
        raise LookupError(f"no storage of {relation}")
    return found


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None
