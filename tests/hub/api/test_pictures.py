"""Pictures over HTTP: who sees them, who may fetch them, and what they get."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.identity.caller import Role
from hub.identity.keys import make_key
from hub.pictures import demand
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving

DATA = bytes(range(256)) * 8
FIRST, SECOND = DATA[:1500], DATA[1500:]


@pytest.fixture
def url(world: Database) -> Iterator[str]:
    """Three pictures: one missed, one at the gateway, one that is here."""
    with world.connect("ingest") as connection:
        connection.execute(
            """
            WITH d AS (INSERT INTO device (owner, partner, gateway, name, online, since)
                SELECT owner, partner, id, 'camera-1', true, now() FROM gateway
                WHERE owner = 'seatworks' RETURNING id),
            t AS (INSERT INTO tag (owner, partner, device, name, datatype)
                SELECT 'seatworks', 'carmaker', id, 'Inspection/Picture', 12 FROM d RETURNING id),
            p AS (INSERT INTO inspection_picture (owner, partner, tag, key, event, found_by,
                    found_key, what, happened_at, state, reason, media_type, size, sha256,
                    fetch_state, here, asked_at, there_at)
                SELECT 'seatworks', 'carmaker', t.id, v.key, 'nok', 'TIGHT1', v.key, 'Torque',
                    now(), v.state, v.reason, v.type, v.size, v.sha256, v.fetched,
                    coalesce(v.here, 0), now(), now()
                FROM t, (VALUES
                    ('a', 'missed', 'camera off', NULL, NULL::int, NULL::bytea, NULL, 0),
                    ('b', 'kept', '', 'image/jpeg', 2048, %(sha256)s, NULL, 0),
                    ('c', 'kept', '', 'video/x-msvideo', 2048, %(sha256)s, 'there', 2048)
                ) AS v (key, state, reason, type, size, sha256, fetched, here) RETURNING id, key)
            INSERT INTO picture_part (picture, at, owner, partner, data)
            SELECT p.id, v.at, 'seatworks', 'carmaker', v.data
            FROM p, (VALUES (1500, %(second)s::bytea), (0, %(first)s)) AS v (at, data)
            WHERE p.key = 'c'
            """,
            {"sha256": hashlib.sha256(DATA).digest(), "first": FIRST, "second": SECOND},
        )
    with serving(world, ApiSettings(token=TOKEN)) as address:
        yield address


@pytest.fixture
def as_role(world: Database, url: str) -> Iterator[dict[str, httpx.Client]]:
    """A client of each role, and of a supplier that the pictures are not of."""
    until = datetime.now(UTC) + timedelta(days=1)
    whose: list[tuple[str, str, Role]] = [
        ("plant", "carmaker", "plant"),
        ("supplier", "seatworks", "supplier"),
        ("auditor", "carmaker", "auditor"),
        ("rival", "trimworks", "supplier"),
    ]
    found = {}
    with world.connect("ingest") as connection:
        for name, tenant, role in whose:
            key = make_key(connection, tenant, name, role, until, "test")
            headers = {"Authorization": f"Bearer {key}"}
            found[name] = httpx.Client(base_url=url, headers=headers, timeout=60)
    yield found
    for client in found.values():
        client.close()


def ids(client: httpx.Client) -> dict[str, int]:
    page = client.get("/v1/pictures").raise_for_status().json()
    return {each["found_key"]: each["id"] for each in page["items"]}


def test_who_sees_results_sees_and_fetches_pictures(as_role: dict[str, httpx.Client]) -> None:
    known = ids(as_role["plant"])
    assert list(known) == ["c", "b", "a"]
    assert ids(as_role["supplier"]) == ids(as_role["auditor"]) == known
    assert ids(as_role["rival"]) == {}
    where = f"/v1/pictures/{known['b']}"
    assert as_role["auditor"].post(f"{where}/fetch").status_code == 403
    for path in (where, f"{where}/content"):
        assert as_role["rival"].get(path).status_code == 404
    assert as_role["rival"].post(f"{where}/fetch").status_code == 404
    assert as_role["plant"].get(where).json()["fetch_state"] is None
    for role in ("supplier", "plant"):
        answer = as_role[role].post(f"{where}/fetch")
        assert (answer.status_code, answer.json()["fetch_state"]) == (202, "asked")


def test_what_is_here_comes_whole_and_the_rest_says_why_not(
    as_role: dict[str, httpx.Client],
) -> None:
    client = as_role["supplier"]
    known = ids(client)
    answer = client.get(f"/v1/pictures/{known['c']}/content").raise_for_status()
    assert answer.content == DATA
    assert answer.headers["etag"] == f'"{hashlib.sha256(DATA).hexdigest()}"'
    assert answer.headers["content-type"] == "video/x-msvideo"
    assert answer.headers["content-disposition"].endswith('.avi"')
    assert client.post(f"/v1/pictures/{known['c']}/fetch").json()["fetch_state"] == "there"
    answer = client.get(f"/v1/pictures/{known['b']}/content")
    assert (answer.status_code, "fetch" in answer.json()["detail"]) == (409, True)
    answer = client.post(f"/v1/pictures/{known['a']}/fetch")
    assert (answer.status_code, "camera off" in answer.json()["detail"]) == (409, True)


def test_what_would_be_too_much_is_refused_and_changes_nothing(
    as_role: dict[str, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demand, "MOST_BYTES", len(DATA) - 1)
    client = as_role["supplier"]
    known = ids(client)
    where = f"/v1/pictures/{known['b']}"
    answer = client.post(f"{where}/fetch")
    assert (answer.status_code, "wait" in answer.json()["detail"]) == (409, True)
    assert client.get(where).json()["fetch_state"] is None
    assert client.get(f"/v1/pictures/{known['c']}/content").content == DATA


def test_page_by_page(as_role: dict[str, httpx.Client]) -> None:
    seen, before = [], None
    while True:
        params = {"limit": 2} | ({"before": before} if before else {})
        page = as_role["plant"].get("/v1/pictures", params=params).raise_for_status().json()
        seen += [each["found_key"] for each in page["items"]]
        before = page["next"]
        if before is None:
            break
    assert seen == ["c", "b", "a"]
