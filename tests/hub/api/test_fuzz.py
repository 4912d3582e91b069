"""Requests drawn from the API's own description, with each role: nothing breaks, and nothing of
another tenant comes back. `FUZZ_EXAMPLES=100` (`make fuzz-api`) draws more of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, get_args

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from hub.api.settings import ApiSettings
from hub.identity.caller import Role
from hub.identity.keys import make_key
from hub.identity.settings import IdentitySettings, RateSettings
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "1"))
MARK = "Zq7Marker"
ENDLESS = {"/v1/live"}

schemathesis.openapi.media_type("application/EDIFACT", st.binary(max_size=2000))

# A whole plant of somebody else; the mark stands in all it says, and in none of its ids.
_RIVAL = f"""
INSERT INTO tenant VALUES ('rival', '{MARK}', 'oem'), ('rivalseats', '{MARK}', 'supplier');
INSERT INTO gateway (owner, partner, group_id, node_id)
    VALUES ('rivalseats', 'rival', '{MARK}', 'gw');
INSERT INTO plant (id, owner, takt_s) VALUES ('R1', 'rival', 60);
INSERT INTO control_point (plant, id, owner, rank) VALUES ('R1', '{MARK}', 'rival', 1);
INSERT INTO supplier_line (plant, id, owner, partner, gateway, unloading_point, lead_s, rack_slots)
    SELECT 'R1', 'L1', 'rival', 'rivalseats', id, '{MARK}', 600, 4 FROM gateway
    WHERE owner = 'rivalseats';
INSERT INTO part_group (plant, id, owner, partner, line, control_point)
    VALUES ('R1', 'RG1', 'rival', 'rivalseats', 'L1', '{MARK}');
INSERT INTO vehicle_order
    (plant, production_no, owner, vin, model, colour, given_rank, source)
    VALUES ('R1', '0000001', 'rival', '{MARK}', '{MARK}', '{MARK}', 1, '{MARK}');
INSERT INTO jis_call (owner, partner, plant, line, production_no, part_group, call_no, sequence_no,
        part_no, quantity, colour, unloading_point, rack, slot, control_point, called_at,
        required_at)
    VALUES ('rival', 'rivalseats', 'R1', 'L1', '0000001', 'RG1', 1, 1, '{MARK}', 1, '{MARK}',
        '{MARK}', 'L1-00001', 1, '{MARK}', now(), now());
INSERT INTO shipment (plant, line, id, owner, partner, departed_at, carrier, body)
    VALUES ('R1', 'L1', 'T1', 'rival', 'rivalseats', now(), '{MARK}', '{{}}');
INSERT INTO exception (plant, line, owner, partner, kind, subject, severity, detail, told,
        source_at)
    VALUES ('R1', 'L1', 'rival', 'rivalseats', 'rack_overdue', '{MARK}', 'info',
        '{{"x": "{MARK}"}}', '{{rival}}', now());
INSERT INTO device (gateway, owner, partner, name, online, since)
    SELECT id, owner, partner, '{MARK}', true, now() FROM gateway WHERE owner = 'rivalseats';
INSERT INTO tag (device, owner, partner, name, datatype)
    SELECT id, owner, partner, '{MARK}', 10 FROM device WHERE name = '{MARK}';
INSERT INTO inspection_result (owner, partner, tag, key, serial, characteristic, unit, verdict,
        measured_at, raw_sha256)
    SELECT 'rivalseats', 'rival', id, '{MARK}', 'RS1', '{MARK}', '', 'ok', now(), 'x'
    FROM tag WHERE name = '{MARK}';
INSERT INTO inspection_picture (owner, partner, tag, key, event, found_by, found_key, what, serial,
        happened_at, state, reason)
    SELECT 'rivalseats', 'rival', id, '{MARK}', 'nok', '{MARK}', '{MARK}', '{MARK}', 'RS1', now(),
        'missed', '{MARK}'
    FROM tag WHERE name = '{MARK}';
INSERT INTO webhook (id, owner, url, topics, note, secret, made_by)
    VALUES ('wh_rival', 'rival', 'https://{MARK}.example', '{{calls}}', '{MARK}', 'x', '{MARK}');
INSERT INTO webhook_message (owner, webhook, topic, subject, body)
    VALUES ('rival', 'wh_rival', 'calls', '{MARK}', '{MARK}');
INSERT INTO audit (owner, actor, via, what) VALUES ('rival', '{MARK}', 'cli', '{MARK}');
INSERT INTO api_key (id, owner, name, role, secret_hash, made_by, expires_at)
    VALUES ('rivalkey', 'rival', '{MARK}', 'plant', 'x', '{MARK}', now() + interval '1 day');
"""
_RIVALS = {
    "plant": "R1", "line": "L1", "production_no": "0000001", "car": "0000001", "rack": "L1-00001",
    "shipment": "T1", "part_group": "RG1", "reorder_index": "0", "control_point": MARK,
    "webhook": "wh_rival", "key_id": "rivalkey", "exception": "1", "serial": "RS1", "picture": "1",
}  # fmt: skip
"""What would lead to it, by the names of path parameters."""


NOBODYS = {"plant": "R9", "webhook": "wh_nobody", "key_id": "nobody"}


@pytest.fixture
def url(world: Database) -> Iterator[str]:
    with world.connect("ingest") as connection:
        connection.execute(_RIVAL.encode())
    open_wide = IdentitySettings(rate=RateSettings(requests_per_second=100_000))
    with serving(world, ApiSettings(token=TOKEN), identity=open_wide) as address:
        yield address


@pytest.fixture
def bearers(world: Database, url: str) -> dict[str, dict[str, str]]:
    """A key of each role: the car maker's, and for the role of suppliers a supplier's."""
    until = datetime.now(UTC) + timedelta(days=1)
    found = {}
    with world.connect("ingest") as connection:
        for role in get_args(Role):
            tenant = "seatworks" if role == "supplier" else "carmaker"
            key = make_key(connection, tenant, role, role, until, "test")
            found[role] = {"Authorization": f"Bearer {key}"}
    return found


Operation = APIOperation[Any, Any, Any, Any]


def operations(url: str) -> list[Operation]:
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    found = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
    return [operation for operation in found if operation.path not in ENDLESS]


def judge(what: str, response: Any) -> None:
    """Nothing breaks, and nothing is told that is another's."""
    away = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    busy = away and "Retry-After" in response.headers
    assert response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or busy, (
        what, response.status_code, response.text[:500],
    )  # fmt: skip
    body = response.content.replace(response.request.url.encode(), b"")
    assert MARK.encode() not in body, (what, response.text[:500])


def fuzz(url: str, operation: Operation, role: str, headers: dict[str, str]) -> None:
    """Some requests of one operation."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        derandomize=EXAMPLES == 1,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.headers = {**(case.headers or {}), **headers}
        response = case.call(base_url=url, timeout=60)
        judge(f"{role}: {case.method} {case.formatted_path}", response)

    ask()


@pytest.mark.slow
def test_nothing_breaks_and_nothing_leaks(url: str, bearers: dict[str, dict[str, str]]) -> None:
    for operation in operations(url):
        for role, headers in bearers.items():
            fuzz(url, operation, role, headers)


@pytest.mark.slow
def test_who_knows_anothers_ids_learns_nothing(
    url: str, bearers: dict[str, dict[str, str]]
) -> None:
    asked = 0
    for operation in operations(url):
        names = [p.name for p in operation.path_parameters]
        if operation.method.upper() != "GET" or not names or not set(names) <= _RIVALS.keys():
            continue
        values = {name: _RIVALS[name] for name in names}
        for role, headers in bearers.items():
            case = operation.Case(path_parameters=values, headers=dict(headers))
            response = case.call(base_url=url, timeout=60)
            what = f"{role}: GET {case.formatted_path}"
            judge(what, response)
            # Nor whether there is such a plant at all.
            nobodys = operation.Case(
                path_parameters={n: NOBODYS.get(n, v) for n, v in values.items()},
                headers=dict(headers),
            )
            other = nobodys.call(base_url=url, timeout=60)
            assert response.status_code == other.status_code, (what, response.text[:300])
            asked += 1
    assert asked > 20
