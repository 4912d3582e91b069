"""References to pictures: in a table of their own, each once, whatever is told again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from protocols.inspection import PICTURE, Picture
from tests.fixtures.broker import BROKERS
from tests.hub.ingest.conftest import rows
from tests.hub.ingest.node import Node

pytestmark = pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True)
EPOCH = 7
AT = datetime(2026, 3, 2, 7, 1, 40, tzinfo=UTC)
KEPT = {"media_type": "image/jpeg", "size": 4711, "sha256": "0a" * 32, "frames": 1,
        "taken_from": AT, "taken_to": AT}  # fmt: skip


def picture(number: int, state: str, **more: Any) -> str:
    return Picture.model_validate(
        {
            "key": f"{number:032x}",
            "event": "nok",
            "found_by": "press",
            "found_key": str(number),
            "what": "Torque",
            "serial": "S-1",
            "happened_at": AT,
            "state": state,
            **({} if state == "missed" else KEPT),
            **more,
        }
    ).text()


def born(node: Node, epoch: int = EPOCH) -> None:
    node.birth_of_texts(epoch, PICTURE)


def record(node: Node, offset: int, *texts: str) -> None:
    node.texts(offset, *texts)


def stored(hub: psycopg.Connection) -> list[tuple[object, ...]]:
    return rows(
        hub,
        "SELECT p.owner, p.partner, d.name, p.found_key, p.serial, p.state, p.reason, p.size,"
        " encode(p.sha256, 'hex') FROM inspection_picture p"
        " JOIN tag t ON t.id = p.tag JOIN device d ON d.id = t.device ORDER BY p.id",
    )


def row(key: str, state: str, reason: str, *content: object) -> tuple[object, ...]:
    return ("seatworks", "carmaker", "line", key, "S-1", state, reason, *content)


def test_a_record_s_references_are_rows_and_no_samples(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    record(node, 0, picture(1, "kept"), picture(2, "missed", reason="off"))
    node.answered(EPOCH, 1)
    assert stored(hub) == [
        row("1", "kept", "", 4711, "0a" * 32),
        row("2", "missed", "off", None, None),
    ]
    assert rows(hub, "SELECT FROM sample") == []


def test_a_picture_comes_and_goes_once(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    steps = ["missed", "kept", "missed", "kept", "dropped", "kept", "missed"]
    seen = []
    for offset, state in enumerate(steps):
        record(node, offset, picture(1, state, reason=f"{offset}"))
        node.answered(EPOCH, offset + 1)
        ((_, _, _, _, _, now, reason, _, _),) = stored(hub)
        seen.append((now, reason))
    kept, dropped = ("kept", "1"), ("dropped", "4")
    assert seen == [("missed", "0"), kept, kept, kept, dropped, dropped, dropped]
    born(node, EPOCH + 1)
    record(node, 0, *(picture(2, state) for state in ("missed", "kept", "dropped")))
    node.answered(EPOCH + 1, 1)  # all in one batch
    assert [(each[3], each[5]) for each in stored(hub)] == [("1", "dropped"), ("2", "dropped")]


def test_what_is_no_reference_is_kept_raw_and_stops_nobody(
    hub: psycopg.Connection, node: Node
) -> None:
    born(node)
    record(node, 0, "{}")
    record(node, 1, picture(1, "kept").replace('"size":4711', '"size":99999999'))
    record(node, 2, picture(1, "kept").replace('"frames":1', f'"frames":{2**31}'))
    record(node, 3, picture(1, "kept"))
    node.answered(EPOCH, 4)
    assert len(stored(hub)) == 1
    reasons = [reason for (reason,) in rows(hub, "SELECT reason FROM quarantine ORDER BY id")]
    assert [PICTURE in reason for reason in reasons] == [True, True, True]
