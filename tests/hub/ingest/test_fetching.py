"""A picture that is wanted comes whole, whatever is lost on the way; or it is said why not."""

from __future__ import annotations

import hashlib
import random

import psycopg
import pytest

from hub.pictures import demand
from hub.pictures.demand import ask, let_go
from protocols.inspection.fetching import BYTES, PART, Part, Wanted
from protocols.sparkplug import DataType, Metric
from tests.fixtures.broker import BROKERS
from tests.hub.ingest.conftest import eventually, rows
from tests.hub.ingest.node import WAIT_S, Node
from tests.hub.ingest.test_pictures import EPOCH, born, picture, record

pytestmark = pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True)
PARTS = "SELECT data FROM picture_part"
DATA = random.Random(1).randbytes(600_000)


def kept(hub: psycopg.Connection, node: Node, number: int = 1, data: bytes = DATA) -> int:
    """The hub knows of a picture; its id."""
    sha256 = hashlib.sha256(data).hexdigest()
    record(node, number - 1, picture(number, "kept", size=len(data), sha256=sha256))
    node.answered(EPOCH, number)
    ((found,),) = rows(hub, "SELECT max(id) FROM inspection_picture")
    assert isinstance(found, int)
    return found


def want(hub: psycopg.Connection, *pictures: int) -> None:
    with hub.transaction():
        for each in pictures:
            ask(hub, each, "test")


def say(node: Node, key: str, at: int, data: bytes, gone: str = "") -> None:
    part = Part.model_construct(key=key, at=at, gone=gone).model_dump_json()
    node.node_data(
        [
            Metric(PART, datatype=DataType.String, value=part),
            Metric(BYTES, datatype=DataType.Bytes, value=data),
        ]
    )


def asked(node: Node) -> Wanted:
    return node.wanted.get(timeout=WAIT_S)


def state(hub: psycopg.Connection, found: int) -> tuple[object, ...]:
    (row,) = rows(hub, "SELECT fetch_state, here FROM inspection_picture WHERE id = %s", found)
    return row


def content(hub: psycopg.Connection, found: int) -> bytes:
    return b"".join(
        bytes(data)
        for (data,) in rows(
            hub, "SELECT data FROM picture_part WHERE picture = %s ORDER BY at", found
        )
    )


def test_it_comes_whole_however_much_is_lost(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    found = kept(hub, node)
    assert state(hub, found) == (None, 0)
    want(hub, found)
    chance = random.Random(7)
    lost = 0
    while state(hub, found)[0] != "there":
        if node.wanted.empty():
            eventually(
                lambda: not node.wanted.empty() or state(hub, found)[0] == "there", "a question"
            )
            continue
        wanted = asked(node)
        for at in range(wanted.at, wanted.to, 50_000):
            if not lost and chance.random() < 0.5:
                lost += 1
                continue
            for _ in range(chance.randint(1, 2)):  # some come twice
                say(node, wanted.key, at, DATA[at : min(at + 50_000, wanted.to)])
    assert lost
    assert content(hub, found) == DATA
    want(hub, found)  # it is here: nothing is asked again
    assert state(hub, found) == ("there", len(DATA))


def test_what_is_another_or_gone_is_said(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    first, second = kept(hub, node, 1), kept(hub, node, 2)
    want(hub, first, second)
    while (wanted := asked(node)).key == f"{1:032x}":
        say(node, wanted.key, wanted.at, bytes(wanted.to - wanted.at))
    eventually(lambda: state(hub, first)[0] == "failed", "the hash to be looked at")
    assert content(hub, first) == b""
    say(node, f"{2:032x}", 0, b"", gone="let go")
    eventually(lambda: state(hub, second)[0] == "gone", "the gateway's word")
    say(node, f"{2:032x}", 0, DATA[:1000])  # comes too late
    say(node, "x", 0, b"")
    say(node, f"{3:032x}", 0, DATA[:1000])  # of no picture at all
    third = kept(hub, node, 3)
    assert (state(hub, second), state(hub, third)) == (("gone", 0), (None, 0))
    want(hub, second)
    assert asked(node).at == 0


def test_what_goes_while_it_arrives_stays_what_it_was(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    found = kept(hub, node)
    want(hub, found)
    say(node, asked(node).key, 0, DATA[:1000])
    eventually(lambda: state(hub, found) == ("arriving", 1000), "its first part")
    record(node, 1, picture(1, "dropped", size=10))
    node.answered(EPOCH, 2)
    assert rows(hub, "SELECT state, size FROM inspection_picture") == [("dropped", len(DATA))]


def test_a_gateway_that_says_nothing_is_given_up_but_not_who_waits_behind_others(
    hub: psycopg.Connection, node: Node
) -> None:
    born(node)
    first, second = kept(hub, node, 1, DATA[:1001]), kept(hub, node, 2, DATA[:1002])
    with hub.transaction():
        for each in (first, second):
            ask(hub, each, "test")
        # Both wait for long already, and of the first a part has just come.
        hub.execute("UPDATE inspection_picture SET asked_at = now() - interval '1 day'")
        hub.execute(
            "UPDATE inspection_picture SET fetch_state = 'arriving', heard_at = now()"
            " WHERE id = %s",
            (first,),
        )
    assert asked(node).key == f"{1:032x}"
    say(node, f"{1:032x}", 0, DATA[:1001])
    while asked(node).key != f"{2:032x}":
        pass
    eventually(lambda: state(hub, first)[0] == "there", "all of the first")
    hub.execute("UPDATE inspection_picture SET heard_at = now() - interval '1 day'")
    eventually(lambda: state(hub, second)[0] == "failed", "that it is given up")
    assert state(hub, first)[0] == "there"


def test_there_is_room_for_so_much(
    hub: psycopg.Connection, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand, "MOST_BYTES", 2500)
    born(node)
    first, second, third = (kept(hub, node, n, DATA[: 1000 + n]) for n in (1, 2, 3))
    want(hub, first)
    say(node, asked(node).key, 0, DATA[:1001])
    eventually(lambda: state(hub, first)[0] == "there", "all of it")
    want(hub, second)
    assert state(hub, first)[0] == "there"
    fourth = kept(hub, node, 4, DATA[:600])
    with pytest.raises(demand.TooMuchError):
        want(hub, third, fourth)
    assert (state(hub, first)[0], state(hub, second)[0]) == ("there", "asked")
    want(hub, third)
    assert (state(hub, first)[0], state(hub, third)[0]) == (None, "asked")


def test_the_oldest_go_and_can_be_fetched_again(hub: psycopg.Connection, node: Node) -> None:
    born(node)
    found = kept(hub, node, 1, DATA[:1000])
    want(hub, found)
    say(node, asked(node).key, 0, DATA[:1000])
    eventually(lambda: state(hub, found)[0] == "there", "all of it")
    with hub.transaction():
        ((now,),) = rows(hub, "SELECT now() + interval '1 minute'")
        assert let_go(hub, now) == 1
    assert state(hub, found) == (None, 0)
    assert rows(hub, "SELECT FROM picture_part") == []
    want(hub, found)
    say(node, asked(node).key, 0, DATA[:1000])
    eventually(lambda: state(hub, found)[0] == "there", "it once more")
