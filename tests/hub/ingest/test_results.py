"""Results of stations: in a table of their own, each once, with the cursor that they came with."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from deploy.local.broker import LocalBroker
from edge.sources import make_source
from edge.sources.open_protocol import OpenProtocolSettings
from edge.sources.results import CodeForm, Results
from edge.status import SourceFigures
from firmware_sim.open_protocol import ControllerSettings, run_controller
from protocols.inspection import RESULT, Result
from tests.edge.sources.reading import Devices
from tests.edge.uplink.test_node import gateway
from tests.edge.waiting import until
from tests.fixtures.timescale import Storage
from tests.hub.ingest.conftest import rows
from tests.hub.ingest.node import Node
from tests.hub.store.test_samples import make_tag

EPOCH = 7


def result(key: str = "4711", characteristic: str = "Torque", value: float | None = 25.5) -> Result:
    return Result(
        key=key,
        serial="S-1",
        characteristic=characteristic,
        value=value,
        upper=27.0,
        unit="Nm",
        verdict="ok",
        measured_at=datetime(2026, 3, 2, 7, 1, 40, tzinfo=UTC),
        raw_sha256="0a" * 32,
    )


def birth(node: Node, epoch: int = EPOCH) -> None:
    node.birth_of_texts(epoch, RESULT)


def record(node: Node, offset: int, *texts: str) -> None:
    node.texts(offset, *texts)


def stored(hub: psycopg.Connection) -> list[tuple[object, ...]]:
    return rows(
        hub,
        "SELECT r.owner, r.partner, d.name, r.key, r.serial, r.characteristic, r.value, r.lower,"
        " r.upper, r.verdict, encode(r.raw_sha256, 'hex') FROM inspection_result r"
        " JOIN tag t ON t.id = r.tag JOIN device d ON d.id = t.device ORDER BY r.id",
    )


def row(characteristic: str, value: float | None = 25.5) -> tuple[object, ...]:
    return ("seatworks", "carmaker", "line", "4711", "S-1", characteristic, value, None, 27.0, "ok",
            "0a" * 32)  # fmt: skip


def test_a_record_s_results_are_rows_and_no_samples(hub: psycopg.Connection, node: Node) -> None:
    birth(node)
    record(node, 0, result().text(), result(characteristic="Tightening", value=None).text())
    node.answered(EPOCH, 1)
    assert stored(hub) == [row("Torque"), row("Tightening", None)]
    assert rows(hub, "SELECT FROM sample") == []


def test_what_is_sent_again_counts_once_by_any_log(hub: psycopg.Connection, node: Node) -> None:
    birth(node)
    for _ in range(2):
        record(node, 0, result().text())
        node.answered(EPOCH, 1)
    birth(node, EPOCH + 1)  # a new disk: the station is asked for its results again
    record(node, 0, result().text(), result(characteristic="Angle").text())
    node.answered(EPOCH + 1, 1)
    assert stored(hub) == [row("Torque"), row("Angle")]


@pytest.mark.usefixtures("ingest")
def test_a_gateway_s_results_come_with_what_was_read_of_the_code(
    hub: psycopg.Connection, broker: LocalBroker, tmp_path: Path
) -> None:
    """A source's results over journal, edge node and broker; those it sends again count once."""
    form = CodeForm(form="engine", pattern=r"(?P<type>[A-Z]{3})(?P<serial>\d{6})")

    async def send() -> None:
        async with gateway(tmp_path, broker.port) as gw:
            results = Results("press", gw.journal, SourceFigures("press"), [form])
            for codes in (["DKX004711"], ["DKX004711", "scratched\x1d"]):
                batch = [
                    result(key=str(n)).model_copy(
                        update=dict(zip(("serial", "code"), results.part(code), strict=True))
                    )
                    for n, code in enumerate(codes)
                ]
                await gw.journal.append(*results.batches(batch))
            await until(lambda: gw.journal.depth == 0, "the cursor")

    asyncio.run(send())
    assert rows(hub, "SELECT serial, code FROM inspection_result ORDER BY id") == [
        ("004711", {"text": "DKX004711", "form": "engine",
                    "parts": {"type": "DKX", "serial": "004711"}}),
        ("scratched␝", {"text": "scratched␝", "form": None, "parts": {}}),
    ]  # fmt: skip


@pytest.mark.usefixtures("ingest")
def test_what_a_controller_tightens_is_found_by_the_part_s_serial(
    hub: psycopg.Connection, broker: LocalBroker, tmp_path: Path
) -> None:
    """Over Open Protocol, journal, edge node and broker into the table."""

    async def tighten() -> None:
        async with run_controller(ControllerSettings(cycle_s=0)) as running:
            settings = OpenProtocolSettings.model_validate(
                {
                    "kind": "open_protocol",
                    "device": "press",
                    "host": "127.0.0.1",
                    "port": running.port,
                    "serial": [{"form": "engine", "pattern": r"DKX(?P<serial>\d{6})"}],
                }
            )
            async with gateway(tmp_path, broker.port) as gw:
                figures = SourceFigures("press")
                source = make_source(settings, gw.journal, Devices(), figures)
                work = asyncio.create_task(source.run())
                try:
                    await until(lambda: figures.state == "online", "the controller")
                    running.controller.identify("DKX004711")
                    running.controller.tighten(ok=False)
                    await until(lambda: figures.samples > 3, "the results")
                    await until(lambda: len(stored(hub)) == 3, "the rows")
                finally:
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)

    asyncio.run(tighten())
    found = rows(
        hub,
        "SELECT serial, characteristic, verdict, lower, upper, unit, tool, programme,"
        " code->>'form', length(raw_sha256) FROM inspection_result ORDER BY id",
    )
    assert found == [
        ("004711", "Tightening", "nok", None, None, "", "C0761275", "1 Seat rail M8", "engine", 32),
        ("004711", "Torque", "nok", 23.0, 27.0, "Nm", "C0761275", "1 Seat rail M8", "engine", 32),
        ("004711", "Angle", "ok", 72.0, 108.0, "deg", "C0761275", "1 Seat rail M8", "engine", 32),
    ]


def test_what_is_no_result_is_kept_raw_and_stops_nobody(
    hub: psycopg.Connection, node: Node
) -> None:
    birth(node)
    record(node, 0, "{}")
    record(node, 1, result().text().replace("S-1", "S\\u0000"))
    record(node, 2, result().text())
    node.answered(EPOCH, 3)
    assert stored(hub) == [row("Torque")]
    reasons = [reason for (reason,) in rows(hub, "SELECT reason FROM quarantine ORDER BY id")]
    assert [RESULT in reason for reason in reasons] == [True, True]
    assert "serial" in reasons[1]


def test_tenants_see_their_own_on_both_storages(storage: Storage) -> None:
    with storage.as_role("ingest") as connection:
        tag = make_tag(connection)
        connection.execute(
            "INSERT INTO inspection_result (owner, partner, tag, key, serial, characteristic, unit,"
            " verdict, measured_at, raw_sha256)"
            " SELECT 'seatworks', 'carmaker', %s, n::text, 'S-1', 'Torque', 'Nm', 'ok', now(), ''"
            " FROM generate_series(1, 1000) AS n",
            [tag],
        )
    for tenant, seen in (("seatworks", 1000), ("carmaker", 1000), ("other", 0), ("", 0)):
        with storage.as_role("api") as connection:
            connection.execute("SELECT set_config('lineside.tenant', %s, true)", [tenant])
            assert connection.execute(
                "SELECT count(*) FROM inspection_result WHERE serial = 'S-1'"
            ).fetchone() == (seen,)
