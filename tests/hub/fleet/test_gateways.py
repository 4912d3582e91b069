"""Gateways as their tenants see them."""

from __future__ import annotations

import psycopg
import pytest

from hub.fleet import Traffic, gateways
from hub.store import Database, tenant


@pytest.fixture
def fleet(database: Database) -> Database:
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO tenant VALUES ('carmaker', 'C', 'oem'), ('a', 'A', 'supplier'),"
            " ('b', 'B', 'supplier')"
        )
        connection.execute(
            "INSERT INTO gateway (owner, partner, group_id, node_id) VALUES"
            " ('a', 'carmaker', 'a', 'gw'), ('b', NULL, 'b', 'gw')"
        )
        connection.execute(
            "INSERT INTO gateway_status (gateway, owner, partner, online, since, metrics, delivery)"
            " SELECT id, owner, partner, true, now(), '{\"x\": 1}', 'stream' FROM gateway"
            " WHERE owner = 'a'"
        )
        connection.execute(
            "INSERT INTO stream_cursor (gateway, stream, epoch, owner, partner, watermark, ahead)"
            " SELECT id, 'telemetry', 5, owner, partner, 7, '{[9,10),[12,15)}' FROM gateway"
            " WHERE owner = 'a'"
        )
        connection.execute(
            "INSERT INTO gateway_traffic (gateway, owner, partner, messages, records, samples,"
            " duplicates, quarantined, refused) SELECT id, owner, partner, 6, 5, 4, 3, 2, 1"
            " FROM gateway WHERE owner = 'a'"
        )
    return database


def seen(connection: psycopg.Connection, tenant_id: str) -> list[str]:
    with tenant(connection, tenant_id):
        return [f"{view.group}/{view.node}" for view in gateways(connection)]


def test_all_that_is_known_of_a_gateway(fleet: Database) -> None:
    with fleet.connect("ingest") as connection:
        first, second = gateways(connection)
    assert (first.group, first.node, first.owner, first.partner) == ("a", "gw", "a", "carmaker")
    assert (first.online, first.delivery, first.conflict) == (True, "stream", None)
    assert first.metrics == {"x": 1}
    assert (first.epoch, first.watermark, first.ahead) == (5, 7, ((9, 10), (12, 15)))
    assert first.traffic == Traffic(6, 5, 4, 3, 2, 1)
    assert (second.online, second.since, second.delivery) == (False, None, "unknown")
    assert (second.epoch, second.watermark, second.ahead) == (None, 0, ())
    assert second.traffic == Traffic(0, 0, 0, 0, 0, 0)


def test_tenants_see_their_own_and_their_partners(fleet: Database) -> None:
    with fleet.connect("api", autocommit=True) as connection:
        assert seen(connection, "a") == ["a/gw"]
        assert seen(connection, "b") == ["b/gw"]
        assert seen(connection, "carmaker") == ["a/gw"]
        assert gateways(connection) == []
