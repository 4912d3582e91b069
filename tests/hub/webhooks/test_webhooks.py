"""Webhooks from the change to a real receiver: what, to whom, in which order, how often."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from hub.api.settings import ApiSettings
from hub.calls.exceptions import close_exception
from hub.cli import app
from hub.identity.keys import make_key
from hub.store import Database
from hub.webhooks.lane import WebhookLane, pause_s
from hub.webhooks.settings import WebhookSettings
from hub.webhooks.store import DEAD, TOPICS, add_webhook, list_webhooks, rotate_secret
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.supply import Supply, key
from tests.hub.calls.world import OWNER, PLANT, eventually
from tests.hub.webhooks.receiver import Receiver, receiving

HOOKS = "/v1/webhooks"
CALL = "P1/TRIM1/0000001/DOOR-TRIM/0"
UNDELIVERED = "SELECT count(*) FROM webhook_message WHERE delivered_at IS NULL"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@contextmanager
def delivering(database: Database, loopback: bool = True, **settings: Any) -> Iterator[None]:
    """A hub's lane, for as long as this is open."""
    quick = {"first_retry_s": 0.01, "timeout_s": 60.0} | settings
    lane = WebhookLane(database.dsn("ingest"), WebhookSettings(**quick), loopback)
    lane.start()
    try:
        yield
    finally:
        lane.stop()


def subscribe(
    supply: Supply, receiver: Receiver, *topics: Any, tenant: str = OWNER, url: str = ""
) -> str:
    webhook, receiver.secret = add_webhook(
        supply.connection, tenant, url or receiver.url, topics or TOPICS, "", "test"
    )
    return webhook


def one(supply: Supply, query: str) -> Any:
    row = supply.connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def waiting(supply: Supply) -> Callable[[], bool]:
    return lambda: one(supply, UNDELIVERED) == 0


def test_a_call_is_told_from_its_release_on(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    subscribe(supply, receiver)
    with delivering(database):
        supply.pass_cars(1)
        supply.pack(key(1))
        supply.ship("T1", ["TRIM1-00001"])
        supply.arrive("T1")
        eventually(waiting(supply), "the delivery")
    told = receiver.of(CALL)
    assert told[:5] == [
        "call.release", "call.accepted", "call.produced", "call.inspected_ok", "call.packed",
    ]  # fmt: skip
    assert told[5:7] == ["call.shipped", "call.arrived"]
    (release,) = [
        m for m in receiver.got if m["type"] == "call.release" and m["data"]["key"] == CALL
    ]
    assert release["data"]["call"]["part_no"] == "DT-RED"
    assert release["data"]["part"] == "released"
    assert datetime.fromisoformat(release["timestamp"]).tzinfo
    assert {"shipment.departed", "shipment.arrived"} <= set(receiver.types())
    assert len({m["id"] for m in receiver.tried}) == len(receiver.tried)


def test_topics_and_parties(supply: Supply, database: Database, receiver: Receiver) -> None:
    with receiving() as other:
        subscribe(supply, receiver, "calls", tenant="trimworks")
        subscribe(supply, other, "events", tenant="seatworks")
        with delivering(database):
            supply.pass_cars(1)
            supply.pack(key(1))
            eventually(waiting(supply), "the delivery")
        # The trim supplier hears of its own call alone, the seat supplier of no event but its own.
        assert [m["data"]["key"] for m in receiver.got] == [CALL]
        assert other.got == []


def test_what_is_undone_is_not_told(supply: Supply, database: Database, receiver: Receiver) -> None:
    subscribe(supply, receiver)
    with supply.connection.transaction(force_rollback=True):
        supply.pass_cars(1)
    assert one(supply, "SELECT count(*) FROM webhook_message") == 0


def test_in_order_per_call_whatever_fails(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    """Half of all tries fail, in each of the ways: each call's story is told whole and in order."""
    chance = random.Random(7)
    answered: list[int] = []

    def answer(message: dict[str, Any]) -> int:
        # None so often that the pauses, each twice the one before, come to minutes.
        again = sum(tried["id"] == message["id"] for tried in receiver.tried) > 4
        failing = [] if again else [400, 302]
        if answered.count(503) + answered.count(429) < 5:
            failing += [503, 429]
        answered.append(chance.choice([204, 204, 204, 200, *failing]))
        return answered[-1]

    receiver.answer = answer
    subscribe(supply, receiver, "calls", "events")
    with delivering(database):
        supply.pass_cars(1, 2, 3)
        supply.pack(key(1), key(2), key(3))
        eventually(waiting(supply), "the delivery")
    for car in (1, 2, 3):
        assert receiver.of(str(key(car))) == [
            "call.release", "call.accepted", "call.produced", "call.inspected_ok", "call.packed",
        ]  # fmt: skip
    assert len(receiver.tried) > len(receiver.got)


def test_a_message_that_is_refused_holds_back_its_own_call_alone(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda m: 400 if m["data"].get("key") == CALL else 204
    webhook = subscribe(supply, receiver, "calls", "events")
    with delivering(database, first_retry_s=3600):
        supply.pass_cars(1, 2)
        supply.pack(key(1), key(2))
        eventually(lambda: len(receiver.of(str(key(2)))) == 5, "the other call")
        eventually(lambda: any(m["data"]["key"] == CALL for m in receiver.tried), "the try")
        eventually(lambda: one(supply, UNDELIVERED) == 5, "all but those of its call")
    # Its later events have not overtaken what was refused.
    assert [m["type"] for m in receiver.tried if m["data"]["key"] == CALL] == ["call.release"]
    (info,) = list_webhooks(supply.connection, OWNER, webhook)
    assert (info.failing_since, info.disabled_at, info.waiting) == (None, None, 5)


def test_an_endpoint_that_is_away_is_left_alone_and_loses_nothing(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 503
    webhook = subscribe(supply, receiver, "calls")
    with delivering(database, first_retry_s=3600):
        supply.pass_cars(1, 2, 3)

        def failing() -> Any:
            (info,) = list_webhooks(supply.connection, OWNER, webhook)
            return info.failing_since

        eventually(failing, "the failure")
    assert 1 <= len(receiver.tried) <= 9
    assert "answered 503" in str(list_webhooks(supply.connection, OWNER, webhook)[0].last_error)
    receiver.answer = lambda _: 204
    supply.connection.execute("UPDATE webhook SET retry_at = now()")
    with delivering(database):
        eventually(waiting(supply), "the delivery")
    assert list_webhooks(supply.connection, OWNER, webhook)[0].failing_since is None
    assert len(receiver.got) == 9


def test_a_dead_endpoint_is_disabled_and_its_owner_told(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 500
    webhook = subscribe(supply, receiver, "calls", tenant="trimworks")
    supply.connection.execute("UPDATE webhook SET failing_since = now() - interval '6 days'")
    with delivering(database):
        supply.pass_cars(1)
        eventually(
            lambda: list_webhooks(supply.connection, "trimworks", webhook)[0].disabled_at,
            "the end",
        )
    assert supply.told(DEAD) == ["trimworks"]
    assert "not taken for 5 days: answered 500" in supply.open()[DEAD]["reason"]
    # Nothing more is written for it.
    supply.pass_cars(2)
    assert one(supply, "SELECT count(*) FROM webhook_message") == 1


def test_an_endpoint_that_says_it_is_gone(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 410
    webhook = subscribe(supply, receiver, "calls")
    with delivering(database):
        supply.pass_cars(1)
        eventually(
            lambda: list_webhooks(supply.connection, OWNER, webhook)[0].disabled_at, "the end"
        )
    assert "410" in supply.open()[DEAD]["reason"]
    assert close_exception(supply.connection, PLANT, DEAD, webhook, "test")


def test_a_message_not_taken_for_days_disables_too(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    receiver.answer = lambda _: 400
    webhook = subscribe(supply, receiver, "calls")
    supply.pass_cars(1)
    supply.connection.execute("UPDATE webhook_message SET made_at = now() - interval '6 days'")
    with delivering(database):
        eventually(
            lambda: list_webhooks(supply.connection, OWNER, webhook)[0].disabled_at, "the end"
        )


def test_two_hubs_tell_nothing_twice(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    subscribe(supply, receiver, "calls", "events")
    with delivering(database), delivering(database):
        supply.pass_cars(*range(1, 9))
        supply.pack(*(key(car) for car in range(1, 9)))
        eventually(waiting(supply), "the delivery")
    assert len(receiver.tried) == len({m["id"] for m in receiver.tried}) == 8 * (3 + 4)


def test_a_new_secret_and_the_old_one_sign_for_a_day(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    webhook = subscribe(supply, receiver, "calls")
    old, new = receiver.secret, rotate_secret(supply.connection, OWNER, webhook)
    assert new is not None
    assert new != old
    with delivering(database):
        for number, secret in enumerate((old, new), 1):
            receiver.secret = secret  # what the receiver's library checks with
            supply.pass_cars(number)
            eventually(waiting(supply), "the delivery")
        supply.connection.execute("UPDATE webhook SET old_until = now()")
        supply.pass_cars(3)
        eventually(waiting(supply), "the delivery")
    assert len(receiver.got) == 9


def test_loopback_is_for_a_hub_without_a_token_alone(
    supply: Supply, database: Database, receiver: Receiver
) -> None:
    webhook = subscribe(supply, receiver, "calls", url=receiver.url.replace("http:", "https:"))
    with delivering(database, loopback=False):
        supply.pass_cars(1)

        def refused() -> Any:
            return list_webhooks(supply.connection, OWNER, webhook)[0].last_error

        assert "is this machine itself" in eventually(refused, "the refusal")
    assert receiver.tried == []


def test_pauses_double_to_an_hour_and_differ() -> None:
    for failures, longest in ((0, 5.0), (3, 40.0), (20, 3600.0), (10_000, 3600.0)):
        drawn = [pause_s(5.0, failures) for _ in range(200)]
        assert longest / 2 <= min(drawn) <= max(drawn) <= longest
        assert len(set(drawn)) > 100


@pytest.fixture
def keys(supply: Supply) -> dict[str, dict[str, str]]:
    until = datetime.now(UTC) + timedelta(days=1)
    made = {
        (tenant, role): make_key(supply.connection, tenant, "k", role, until, "test")  # type: ignore[arg-type]
        for tenant, role in (
            ("carmaker", "admin"), ("carmaker", "plant"), ("seatworks", "admin"),
        )
    }  # fmt: skip
    return {f"{t} {r}": {"Authorization": f"Bearer {k}"} for (t, r), k in made.items()}


def test_over_http(
    supply: Supply, database: Database, receiver: Receiver, keys: dict[str, dict[str, str]]
) -> None:
    mine, clerk, theirs = keys["carmaker admin"], keys["carmaker plant"], keys["seatworks admin"]
    with (
        serving(database, ApiSettings(token=TOKEN)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        new = {"url": "https://mes.example.org/x", "topics": ["calls"]}
        assert client.post(HOOKS, json=new, headers=clerk).status_code == HTTPStatus.FORBIDDEN
        # Past a token nothing inside is reached.
        for bad in (receiver.url, "https://127.0.0.1/x", "http://mes.example.org/", "ftp://x/y"):
            refused = client.post(HOOKS, json=new | {"url": bad}, headers=mine)
            assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, bad
        made = client.post(HOOKS, json=new, headers=mine)
        assert made.status_code == HTTPStatus.CREATED
        assert made.json()["secret"].startswith("whsec_")
        hook = made.json()["id"]
        path = f"{HOOKS}/{hook}"
        (listed,) = client.get(HOOKS, headers=mine).json()
        assert (listed["id"], listed["topics"], "secret" in listed) == (hook, ["calls"], False)
        assert client.get(HOOKS, headers=theirs).json() == []
        for method, end in (
            ("GET", ""), ("DELETE", ""), ("POST", "/secret"), ("POST", "/test"),
            ("POST", "/enable"), ("GET", "/messages"),
        ):  # fmt: skip
            answer = client.request(method, f"{path}{end}", headers=theirs)
            assert answer.status_code == HTTPStatus.NOT_FOUND, (method, end)
        rotated = client.post(f"{path}/secret", headers=mine).json()["secret"]
        assert rotated != made.json()["secret"]
        sent = client.post(f"{path}/test", headers=mine)
        assert sent.status_code == HTTPStatus.ACCEPTED
        (message,) = client.get(f"{path}/messages", headers=mine).json()["items"]
        assert (message["id"], message["topic"]) == (sent.json()["message"], "test")
        assert client.post(f"{path}/enable", headers=mine).json()["waiting"] == 1
        assert client.delete(path, headers=mine).status_code == HTTPStatus.NO_CONTENT
        assert client.get(path, headers=mine).status_code == HTTPStatus.NOT_FOUND


@pytest.mark.usefixtures("configured")
def test_by_the_command(supply: Supply, database: Database, receiver: Receiver) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["webhooks", *arguments, "--tenant", OWNER])
        return result.exit_code, result.output

    url = f"{receiver.url}?key=hush"
    code, told = run("add", url, "--topic", "calls")
    assert code == 0, told
    webhook, receiver.secret = told.split()
    with delivering(database):
        assert run("test", webhook)[0] == 0
        eventually(lambda: receiver.types() == ["test"], "the test")
    assert f"{webhook}  {url}  calls  0 waiting  enabled" in run("list")[1]
    noted = supply.connection.execute("SELECT what FROM audit ORDER BY id").fetchone()
    assert noted == (f"webhooks add {receiver.url}?(hidden)",)
    receiver.secret = run("rotate", webhook)[1].strip()
    assert run("enable", webhook)[0] == 0
    assert run("remove", webhook)[0] == 0
    assert run("remove", webhook)[0] == 1
    code, told = run("add", "http://mes.example.org/", "--topic", "calls")
    assert (code, "endpoints are https" in told) == (1, True)
    for command in (["add", url, "--topic", "calls"], ["list"]):
        nobody = CliRunner().invoke(app, ["webhooks", *command, "--tenant", "carmakr"])
        assert nobody.exit_code == 1
        assert "no tenant 'carmakr'; did you mean carmaker?" in nobody.output
