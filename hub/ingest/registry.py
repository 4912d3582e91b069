"""Who may speak, and what they have: gateways, devices and tags as the database numbers them.

Gateways are registered by people; a node that is not there is refused. Devices and tags come from
births. Owner and partner of every row are taken from the gateway, never from a message.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from protocols.sparkplug.topics import DeviceTopic, NodeTopic, parse_topic


@dataclass(frozen=True, slots=True)
class Gateway:
    """A row of the registry. `group` and `node` are its Sparkplug ids."""

    id: int
    owner: str
    partner: str | None
    group: str
    node: str

    def __str__(self) -> str:
        return f"{self.group}/{self.node}"


@dataclass(frozen=True, slots=True)
class TagBirth:
    """A tag as a birth names it; `datatype` is a Sparkplug code."""

    name: str
    datatype: int
    unit: str | None


def speaker(topic: str) -> NodeTopic | DeviceTopic | None:
    """Who says something by this topic; None: it is none by which nodes do."""
    parsed = parse_topic(topic)
    if not isinstance(parsed, NodeTopic | DeviceTopic) or parsed.type in ("NCMD", "DCMD"):
        return None
    # MQTT forbids NUL; no table could hold it.
    return None if "\0" in topic else parsed


def registered(conn: psycopg.Connection) -> dict[tuple[str, str], Gateway]:
    """Every registered gateway, by Sparkplug group and node."""
    rows = conn.execute("SELECT id, owner, partner, group_id, node_id FROM gateway")
    return {(row[3], row[4]): Gateway(*row) for row in rows}


def device_born(conn: psycopg.Connection, gateway: Gateway, name: str, at: datetime) -> int:
    """Note that a device is online since `at`; returns its id."""
    row = conn.execute(
        "UPDATE device SET online = true, since = CASE WHEN online THEN since ELSE %s END"
        " WHERE gateway = %s AND name = %s RETURNING id",
        [at, gateway.id, name],
    ).fetchone()
    # Insert only what is new: ON CONFLICT would use up a number of the identity at every birth.
    if row is None:
        row = conn.execute(
            "INSERT INTO device (owner, partner, gateway, name, online, since)"
            " VALUES (%s, %s, %s, %s, true, %s)"
            " ON CONFLICT (gateway, name) DO UPDATE SET online = true RETURNING id",
            [gateway.owner, gateway.partner, gateway.id, name, at],
        ).fetchone()
    return int(row[0])  # type: ignore[index]  # an upsert that returns always has a row


def devices_died(
    conn: psycopg.Connection, gateway: Gateway, name: str | None, at: datetime
) -> None:
    """Note that a device, or with `name` None each device of the gateway, is offline since `at`."""
    conn.execute(
        "UPDATE device SET online = false, since = %s"
        " WHERE gateway = %s AND online AND (%s::text IS NULL OR name = %s)",
        [at, gateway.id, name, name],
    )


def tag_ids(
    conn: psycopg.Connection, gateway: Gateway, device: int, tags: Sequence[TagBirth]
) -> Mapping[str, int]:
    """The id of each tag by name, after new ones were made and changed types and units noted."""
    names = [tag.name for tag in tags]
    known = _known_tags(conn, device, names)
    fresh = [tag for tag in tags if tag.name not in known]
    changed = [
        tag for tag in tags if tag.name in known and known[tag.name][1:] != (tag.datatype, tag.unit)
    ]
    if changed:
        conn.execute(
            "UPDATE tag SET datatype = v.datatype, unit = v.unit"
            " FROM unnest(%s::int[], %s::smallint[], %s::text[]) AS v(id, datatype, unit)"
            " WHERE tag.id = v.id",
            [
                [known[tag.name][0] for tag in changed],
                [tag.datatype for tag in changed],
                [tag.unit for tag in changed],
            ],
        )
    if fresh:
        conn.execute(
            "INSERT INTO tag (owner, partner, device, name, datatype, unit)"
            " SELECT %s, %s, %s, v.* FROM unnest(%s::text[], %s::smallint[], %s::text[]) AS v"
            " ON CONFLICT (device, name) DO NOTHING",
            [
                gateway.owner,
                gateway.partner,
                device,
                [tag.name for tag in fresh],
                [tag.datatype for tag in fresh],
                [tag.unit for tag in fresh],
            ],
        )
        known = _known_tags(conn, device, names)
    return {name: row[0] for name, row in known.items()}


def _known_tags(
    conn: psycopg.Connection, device: int, names: list[str]
) -> dict[str, tuple[int, int, str | None]]:
    rows = conn.execute(
        "SELECT name, id, datatype, unit FROM tag WHERE device = %s AND name = ANY(%s)",
        [device, names],
    )
    return {name: (tag, datatype, unit) for name, tag, datatype, unit in rows}
