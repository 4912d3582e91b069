"""A gateway's new log, after a replaced PC or a damaged disk, and how it joins on to the old one.

A new log begins with the present value of each tag, of whatever age. If it is stored already, it is
passed over. If it is not, the tag has changed meanwhile, and what it was before may be missing: a
gap says so. Both are told from what is stored, in source time; the hub's clock only measures for
how long nothing came, in case the source's clock was set back meanwhile.

A log whose end a damaged disk has lost, or that is an old copy, is no new log: it goes on and names
itself what it lost. But the hub may have some of that already, and may be told it again, by the log
or by the gateway's sources: what is stored is passed over, until something newer has come of a tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from hub.ingest.registry import Gateway
from hub.ingest.rows import COLUMNS, HEADER, TRAILER

CAUSE = "the gateway began a new log; what changed before it read the tags again is missing"

_AWAIT = """
INSERT INTO sample_awaited (tag, gateway, newest, device_newest, since)
SELECT t.id, d.gateway, s.time, max(s.time) OVER (PARTITION BY d.id), %(since)s
FROM device d JOIN tag t ON t.device = d.id,
    LATERAL (SELECT time FROM sample WHERE tag_id = t.id ORDER BY time DESC LIMIT 1) AS s
WHERE d.gateway = %(gateway)s
ON CONFLICT (tag) DO UPDATE SET newest = excluded.newest, device_newest = excluded.device_newest,
    repeats = false
"""
_EXPECT_REPEATS = """
INSERT INTO sample_awaited AS a (tag, gateway, newest, device_newest, since, repeats)
SELECT t.id, d.gateway, s.time, s.time, now(), true
FROM device d JOIN tag t ON t.device = d.id,
    LATERAL (SELECT time FROM sample WHERE tag_id = t.id ORDER BY time DESC LIMIT 1) AS s
WHERE d.gateway = %(gateway)s
ON CONFLICT (tag) DO UPDATE SET newest = excluded.newest WHERE a.repeats
"""
_COPY = f"COPY sample_first ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
_SAME = """s.tag_id = f.tag_id AND s.time = f.time
        AND s.value IS NOT DISTINCT FROM f.value AND s.text IS NOT DISTINCT FROM f.text"""
# Two minutes: a publishing interval may be one, its message is a batch for each class, and one may
# have come without the others, so that a tag's changes may lie as much behind another's. A device
# whose changes are all older than what is stored has had its clock set back. So may one have whose
# time went on by less than ours: it may have changed as much later, or earlier, than it seems. Or
# its changes have waited long to be sent, of which ten minutes at most are held against it.
_NAME_GAPS = f"""
WITH came AS (
    SELECT DISTINCT ON (tag_id) tag_id, time, value, text FROM sample_first ORDER BY tag_id, ctid
), changed AS (
    SELECT d.name AS device, min(f.time) AS first, max(f.time) AS last,
        greatest(min(a.newest), max(a.device_newest) - interval '2 min') AS newest,
        max(a.device_newest) AS device_newest, now() - min(a.since) AS away
    FROM came f
    JOIN sample_awaited a ON a.tag = f.tag_id AND NOT a.repeats
    JOIN tag t ON t.id = a.tag JOIN device d ON d.id = t.device
    WHERE NOT EXISTS (SELECT FROM sample s WHERE {_SAME})
    GROUP BY d.name
)
INSERT INTO gap (owner, partner, gateway, device, stream, epoch, from_time, to_time, cause)
SELECT %(owner)s, %(partner)s, %(gateway)s, device, 'telemetry', %(epoch)s,
    CASE WHEN last >= device_newest THEN newest - slower ELSE least(first - away, newest) END,
    CASE WHEN last >= device_newest THEN last + slower ELSE device_newest + away END,
    %(cause)s
FROM changed, LATERAL (
    SELECT least(greatest(away - (last - device_newest), interval '0'), interval '10 min')
) AS s (slower)
"""  # noqa: S608  text of our own
_STORE = f"""
INSERT INTO sample ({COLUMNS})
SELECT {COLUMNS} FROM sample_first f WHERE NOT EXISTS (SELECT FROM sample s WHERE {_SAME})
ORDER BY f.ctid
"""  # noqa: S608  text of our own
# Repeats come in the order in which they came first, but some of those may not have come then.
_CAME = f"""
DELETE FROM sample_awaited a USING sample_first f
WHERE a.tag = f.tag_id AND (
    NOT a.repeats
    OR f.time >= a.newest AND NOT EXISTS (SELECT FROM sample s WHERE {_SAME})
)
RETURNING a.tag
"""  # noqa: S608  text of our own


@dataclass(frozen=True, slots=True)
class Awaited:
    """The tags of a gateway whose samples may be stored already."""

    first: frozenset[int] = frozenset()
    """Of these nothing has come since the gateway began a new log."""
    repeats: frozenset[int] = frozenset()
    """Of these nothing new has come since the gateway's log lost its end."""

    def but(self, came: frozenset[int]) -> Awaited:
        """Those that are still awaited when these have come."""
        return Awaited(self.first - came, self.repeats - came) if came else self


def begin(conn: psycopg.Connection, gateway: Gateway, since: datetime) -> Awaited:
    """A new log begins, after one whose last commit was at `since`; the tags that are awaited."""
    conn.execute(_AWAIT, {"gateway": gateway.id, "since": since})
    return awaited(conn, gateway)


def expect_repeats(conn: psycopg.Connection, gateway: Gateway) -> Awaited:
    """The log has lost its end, and may repeat what is stored; the tags that are awaited."""
    conn.execute(_EXPECT_REPEATS, {"gateway": gateway.id})
    return awaited(conn, gateway)


def awaited(conn: psycopg.Connection, gateway: Gateway) -> Awaited:
    """The tags that are awaited."""
    tags: dict[bool, set[int]] = {False: set(), True: set()}
    for tag, repeats in conn.execute(
        "SELECT tag, repeats FROM sample_awaited WHERE gateway = %s", [gateway.id]
    ):
        tags[repeats].add(tag)
    return Awaited(frozenset(tags[False]), frozenset(tags[True]))


def store(
    conn: psycopg.Connection, gateway: Gateway, epoch: int, rows: bytes, *, in_order: bool
) -> tuple[int, frozenset[int]]:
    """Store rows of COPY that may be stored already, in order, with the gaps that they end. Returns
    how many were new, and the awaited tags that have come. If they are not `in_order`, they came
    ahead of others, which may be earlier: they end nothing. Within a transaction; raises what the
    database says of a bad row."""
    with conn.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.write(HEADER)
        copy.write(rows)
        copy.write(TRAILER)
    named = {
        "owner": gateway.owner,
        "partner": gateway.partner,
        "gateway": gateway.id,
        "epoch": epoch,
        "cause": CAUSE,
    }
    came: frozenset[int] = frozenset()
    if in_order:
        conn.execute(_NAME_GAPS, named)
        came = frozenset(tag for (tag,) in conn.execute(_CAME))
    stored = conn.execute(_STORE).rowcount
    conn.execute("DELETE FROM sample_first")
    return stored, came
