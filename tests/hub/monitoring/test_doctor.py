"""`lineside-hub doctor` on a real database and broker, well and unwell."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from hub.calls.release import release
from hub.monitoring.findings import Finding
from hub.store import Database
from tests.fixtures.collector import collector
from tests.fixtures.est_server import EstServer
from tests.hub.calls.world import OWNER, PLANT, POINT, make_world, passed_at

DOCTOR = [sys.executable, "-c", "from hub.cli import main; main()", "doctor"]


def doctor(environment: dict[str, str], *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [*DOCTOR, *options], env=environment, capture_output=True, text=True, timeout=100
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout


def verdicts(environment: dict[str, str]) -> tuple[int, dict[str, Finding]]:
    code, said = doctor(environment, "--json")
    findings = [Finding(**json.loads(line)) for line in said.splitlines()]
    return code, {finding.what: finding for finding in findings}


def test_a_hub_that_is_well_but_for_what_a_test_lacks(
    environment: dict[str, str], database: Database
) -> None:
    make_world(database)
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gateway_status (gateway, owner, partner, online, since)"
            " SELECT id, owner, partner, true, now() FROM gateway"
        )
    code, found = verdicts(environment)
    # The tests' own server does without the disk; nothing else is amiss.
    assert code == 1
    unwell = {what: finding.verdict for what, finding in found.items() if finding.verdict != "ok"}
    assert unwell == {"durability": "failed", "api": "warning"}
    off = "fsync = off, full_page_writes = off, synchronous_commit = off"
    assert found["durability"].text == off
    assert found["broker"].text.endswith("lets us in and takes our subscriptions")
    assert all(bool(finding.todo) == (finding.verdict != "ok") for finding in found.values())
    code, said = doctor(environment)
    assert "failed   durability: fsync = off" in said
    assert "         → turn it on" in said


def test_what_waits_and_who_is_away(environment: dict[str, str], database: Database) -> None:
    make_world(database)
    with database.connect("ingest") as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        connection.execute(
            "UPDATE jis_call SET released_at = released_at - interval '1 h'; "
            "INSERT INTO unregistered_node VALUES ('x', 'y', 1)"
        )
    _, found = verdicts(environment)
    assert found["calls"].verdict == "failed"
    assert "seatworks/gw-seat: 2 since 36" in found["calls"].text
    assert "seatworks/gw-seat" in found["gateways"].text
    assert found["strangers"].verdict == "warning"


def test_no_broker_and_no_database(environment: dict[str, str], broker: LocalBroker) -> None:
    port = str(free_port())
    broker.stop()
    code, found = verdicts(environment)
    assert code == 1
    assert found["broker"].verdict == "failed"
    assert str(broker.port) in found["broker"].text
    code, found = verdicts(environment | {"LINESIDE_HUB_DATABASE__PORT": port})
    assert code == 1
    assert found["database as owner"].verdict == "failed"
    assert found["disk"].verdict == "ok", "the rest is looked at all the same"


def test_a_server_with_hardly_a_connection_left(
    environment: dict[str, str], database: Database
) -> None:
    _, found = verdicts(environment)
    assert found["connections"].verdict == "ok"
    most = int(found["connections"].text.split()[2])
    with ExitStack() as stack:
        connection = stack.enter_context(database.connect("ingest", autocommit=True))
        query = "SELECT sum(numbackends) FROM pg_stat_database"
        while connection.execute(query).fetchall()[0][0] <= 0.85 * most:
            stack.enter_context(database.connect("ingest"))
        _, found = verdicts(environment)
    assert found["connections"].verdict == "warning"
    assert "max_connections" in found["connections"].todo


def test_a_collector_that_takes_spans_and_one_that_is_not_there(
    environment: dict[str, str],
) -> None:
    with collector(free_port()) as seen:  # which nobody else takes once it is gone
        told = environment | {"LINESIDE_HUB_TRACE__ENDPOINT": seen.url}
        assert verdicts(told)[1]["traces"].verdict == "ok"
        seen.status = 401
        refused = verdicts(told)[1]["traces"]
        assert (refused.verdict, "Unauthorized" in refused.text) == ("warning", True)
    away = verdicts(told)[1]["traces"]
    assert (away.verdict, "refused" in away.text) == ("warning", True)
    assert "opentelemetry" not in away.text


def test_an_external_authority_whose_list_ends(environment: dict[str, str], tmp_path: Path) -> None:
    with closing(EstServer(tmp_path)) as authority:
        told = environment | {
            "LINESIDE_HUB_CA__EXTERNAL_FILE": str(authority.chain),
            "LINESIDE_HUB_CA__EXTERNAL_CRL_FILE": str(authority.revoked(ends_days=1)),
        }
        soon = verdicts(told)[1]["external authority"]
        assert (soon.verdict, "fetch the next one" in soon.todo) == ("warning", True)
        authority.revoked(ends_days=-0.5)
        over = verdicts(told)[1]["external authority"]
        assert (over.verdict, "has run out" in over.text) == ("failed", True)


def test_settings_that_are_wrong_are_named(environment: dict[str, str]) -> None:
    code, _ = doctor(environment | {"LINESIDE_HUB_API__HOST": "0.0.0.0"})
    assert code == 2
    wrong = subprocess.run(
        DOCTOR,
        env=environment | {"LINESIDE_HUB_BROKER__PROT": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    said = "LINESIDE_HUB_BROKER__PROT: is no setting; did you mean LINESIDE_HUB_BROKER__PORT?\n"
    assert (wrong.returncode, wrong.stderr) == (2, said)


def test_a_setting_of_a_group_that_there_is_none_of_is_named(environment: dict[str, str]) -> None:
    _, found = verdicts(environment | {"LINESIDE_HUB_BROKR__HOST": "mq"})
    assert found["settings"].verdict == "warning"
    assert "did you mean LINESIDE_HUB_BROKER?" in found["settings"].text
