"""A request under an idempotency key counts once, over real HTTP and the real database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from hub.api.once import HEADER, REPLAYED
from hub.api.settings import ApiSettings
from hub.identity.keys import make_key
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.world import eventually

KEY = '"8e03978e-40d5-43dd-bc93-6894a57f9324"'
PASSES = "/v1/plants/P1/control-points/TRIM-IN/passes"


def body(car: int = 1) -> dict[str, str]:
    return {"production_no": f"{car:07d}", "passed_at": "2026-03-02T06:15:00Z"}


def report(client: httpx.Client, car: int = 1, key: str = KEY, **more: Any) -> httpx.Response:
    return client.post(PASSES, json=body(car), headers={HEADER: key}, **more)


def one(database: Database, query: str) -> Any:
    with database.connect("ingest") as connection:
        row = connection.execute(query.encode()).fetchone()
        return row[0] if row else None


def forget_answer(database: Database, age_s: int) -> None:
    """What a hub leaves that dies between a change and its answer."""
    one(
        database,
        "UPDATE idempotency_key SET status = NULL, headers = NULL, body = NULL,"
        f" begun_at = begun_at - interval '{age_s} s' RETURNING 1",
    )


def test_the_same_request_again_gets_the_same_answer(client: httpx.Client, world: Database) -> None:
    first, again = report(client), report(client)
    assert first.status_code == again.status_code == HTTPStatus.CREATED
    assert (again.content, again.headers["content-type"]) == (
        first.content,
        first.headers["content-type"],
    )
    assert (REPLAYED in first.headers, again.headers[REPLAYED]) == (False, "true")
    # Without the key the route itself says that it knows the pass.
    assert client.post(PASSES, json=body()).status_code == HTTPStatus.OK
    assert one(world, "SELECT count(*) FROM audit") == 2
    # In quotes or not, it is the same key.
    assert report(client, key=KEY.strip('"')).headers[REPLAYED] == "true"


def test_a_refusal_is_kept_too(client: httpx.Client, world: Database) -> None:
    first = report(client, car=999)
    assert first.status_code == HTTPStatus.NOT_FOUND
    again = report(client, car=999)
    assert (again.status_code, again.json()) == (HTTPStatus.NOT_FOUND, first.json())
    assert again.headers["content-type"] == "application/problem+json"
    # Not even read: nothing is to be found out, so nothing is kept but that it was so.
    unread = client.post(PASSES, json={"car": 1}, headers={HEADER: '"other"'})
    assert unread.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


def test_a_key_is_for_one_request(client: httpx.Client) -> None:
    assert report(client).status_code == HTTPStatus.CREATED
    other = report(client, car=2)
    assert other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "was used for another request" in other.json()["detail"]
    elsewhere = client.post(PASSES.replace("TRIM-IN", "BODY"), json=body(), headers={HEADER: KEY})
    assert elsewhere.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


@pytest.mark.parametrize("key", ['""', '"open', "two words", "ü", '"' + "x" * 256 + '"'])
def test_a_key_has_a_form(client: httpx.Client, key: str) -> None:
    answer = client.post(PASSES, json=body(), headers={HEADER.encode(): key.encode()})
    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert HEADER in answer.json()["detail"]


def test_two_at_once_are_one(client: httpx.Client, url: str, world: Database) -> None:
    answers: list[httpx.Response] = []

    def first() -> None:
        with httpx.Client(base_url=url, timeout=60) as other:
            answers.append(report(other))

    with world.connect("ingest") as connection:
        # A pass of this control point is under way, so that the first request has to wait.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('pass P1 TRIM-IN', 0))")
        thread = threading.Thread(target=first)
        thread.start()
        eventually(lambda: one(world, "SELECT count(*) FROM idempotency_key"), "the first request")
        meanwhile = report(client)
        assert meanwhile.status_code == HTTPStatus.CONFLICT
        assert meanwhile.headers["retry-after"] == "1"
        connection.commit()
        thread.join()
    assert answers[0].status_code == HTTPStatus.CREATED
    assert report(client).content == answers[0].content
    assert one(world, "SELECT count(*) FROM control_point_pass") == 1


def test_a_day_later_the_key_is_free(client: httpx.Client, world: Database) -> None:
    report(client)
    one(world, "UPDATE idempotency_key SET begun_at = begun_at - interval '25 h' RETURNING 1")
    assert report(client, car=2).status_code == HTTPStatus.CREATED
    assert one(world, "SELECT count(*) FROM idempotency_key") == 1


def test_a_change_whose_answer_is_lost_is_not_made_again(
    client: httpx.Client, world: Database
) -> None:
    report(client)
    forget_answer(world, age_s=1)
    assert "under way" in report(client).json()["detail"]
    forget_answer(world, age_s=100)
    lost = report(client)
    assert lost.status_code == HTTPStatus.CONFLICT
    assert "its answer is lost" in lost.json()["detail"]


def test_a_request_that_changed_nothing_before_the_hub_died_is_carried_out(
    client: httpx.Client, world: Database
) -> None:
    report(client, car=999)
    forget_answer(world, age_s=100)
    assert report(client, car=999).status_code == HTTPStatus.NOT_FOUND
    assert one(world, "SELECT status FROM idempotency_key") == HTTPStatus.NOT_FOUND


def test_what_failed_for_no_fault_of_its_own_may_come_again(
    client: httpx.Client, world: Database
) -> None:
    with world.connect("owner", autocommit=True) as connection:
        connection.execute("ALTER TABLE control_point_pass RENAME TO away")
        failed = report(client)
        assert failed.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert failed.headers["content-type"] == "application/problem+json"
        assert one(world, "SELECT count(*) FROM idempotency_key") == 0
        connection.execute("ALTER TABLE away RENAME TO control_point_pass")
    assert report(client).status_code == HTTPStatus.CREATED


@pytest.fixture
def keys(world: Database) -> dict[str, str]:
    """API keys: of two who administer, and one who may only read."""
    until = datetime.now(UTC) + timedelta(days=1)
    with world.connect("ingest") as connection:
        return {
            name: make_key(connection, tenant, name, role, until, "test")  # type: ignore[arg-type]
            for name, tenant, role in (
                ("carmaker", "carmaker", "admin"),
                ("seatworks", "seatworks", "admin"),
                ("reader", "carmaker", "auditor"),
            )
        }


@pytest.fixture
def guarded(world: Database) -> Iterator[httpx.Client]:
    with (
        serving(world, ApiSettings(token=TOKEN)) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def make(client: httpx.Client, key: str) -> httpx.Response:
    return client.post(
        "/v1/keys",
        json={"name": "mes", "role": "plant"},
        headers={HEADER: KEY, "Authorization": f"Bearer {key}"},
    )


def test_keys_are_the_tenants_own_and_secrets_are_not_kept(
    guarded: httpx.Client, world: Database, keys: dict[str, str]
) -> None:
    first = make(guarded, keys["carmaker"])
    assert first.status_code == HTTPStatus.CREATED
    again = make(guarded, keys["carmaker"])
    assert again.status_code == HTTPStatus.CONFLICT
    assert "held a secret" in again.json()["detail"]
    assert one(world, "SELECT count(*) FROM api_key WHERE name = 'mes'") == 1
    assert one(world, "SELECT count(body) FROM idempotency_key") == 0
    # Another tenant's key of the same text is another key.
    assert make(guarded, keys["seatworks"]).status_code == HTTPStatus.CREATED


def test_who_may_not_ask_takes_no_key(guarded: httpx.Client, keys: dict[str, str]) -> None:
    assert make(guarded, keys["reader"]).status_code == HTTPStatus.FORBIDDEN
    assert make(guarded, "lsk_wrong_key").status_code == HTTPStatus.UNAUTHORIZED
    assert make(guarded, keys["carmaker"]).status_code == HTTPStatus.CREATED
