"""`journal`, `watch` and `replay`, against an agent that runs, its journal, and a hub."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.local.broker import LocalBroker
from edge.journal import Gap, JournalSettings, SampleBatch, SampleClass, TelemetryJournal
from edge.sources.qdas import QdasSettings
from edge.sources.results import Results
from edge.status import SourceFigures
from protocols.aqdef import read
from protocols.aqdef.results import results as results_of
from protocols.inspection import RESULT, Result
from protocols.sparkplug.datatypes import DataType
from tests.edge.cli.invoke import invoke, invoke_json
from tests.edge.hub import Hub
from tests.edge.plant import DEVICE, GROUP, NODE, agent, edge_config
from tests.edge.sources.plc import run_plc
from tests.edge.waiting import until
from tests.fixtures.broker import BROKERS

pytestmark = pytest.mark.anyio
SECOND = 1_000_000
START_US = 1_760_000_000 * SECOND
LAST_BROKER = pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True)


def config_file(directory: Path, broker_port: int = 1883, node: str = NODE) -> Path:
    file = directory / "edge.yaml"
    config = edge_config(directory / "data", broker_port, 4840)
    plain = json.loads(config.model_dump_json(by_alias=True))
    plain["gateway"]["node"] = node
    plain["uplink"] = {"drain_per_s": 10_000}
    file.write_text(json.dumps(plain))
    return file


def a_batch(tag: int, *values: Any, begin: int = 0, quality: int = 192) -> SampleBatch:
    batch = SampleBatch("press", SampleClass.NORMAL)
    for n, value in enumerate(values):
        batch.tags.append(tag)
        batch.times_us.append(START_US + (begin + n) * SECOND)
        batch.numbers.append(value if isinstance(value, float) else 0.0)
        if not isinstance(value, float):
            batch.others[n] = value
        if quality != 192:
            batch.qualities[n] = quality
    return batch


@pytest.fixture
async def directory(tmp_path: Path) -> Path:
    """A gateway's directory with a journal: three batches and a gap, the first committed."""
    journal = TelemetryJournal.open(tmp_path / "data" / "journal.sqlite", JournalSettings())
    force = journal.tag_id("press", "Force", DataType.Double, "kN")
    serial = journal.tag_id("press", "Serial", DataType.String)
    closed = journal.tag_id("press", "Closed", DataType.Boolean)
    await journal.append(a_batch(force, 1.5, 2.5))
    await journal.append(a_batch(serial, "0012", None, begin=2, quality=0))
    await journal.append(Gap("press", START_US, START_US + SECOND, "the cable"))
    await journal.append(a_batch(closed, 1.0, begin=4))
    journal.committed(1)
    await journal.close()
    config_file(tmp_path)
    return tmp_path


async def test_what_is_in_a_journal(directory: Path) -> None:
    where = ("--config", directory / "edge.yaml")
    code, told = invoke_json("journal", "ls", *where)
    assert code == 0
    stream = told["stream"]
    assert (stream["first"], stream["next"], stream["watermark"]) == (0, 4, 1)
    assert (stream["waiting"], told["tags"]) == (3, 3)
    assert [(k["kind"], k["class"], k["rows"]) for k in told["kept"]] == [
        ("samples", "normal", 3),
        ("gap", "", 1),
    ]
    code, said = invoke("journal", "ls", *where)
    assert (code, "committed below 1, 3 wait" in said) == (0, True)

    code, told = invoke_json("journal", "show", *where)
    assert [row["offset"] for row in told] == [0, 1, 2, 3]
    assert told[0]["samples"][1] == {
        "tag": "Force",
        "time": "2025-10-09T08:53:21.000Z",
        "value": 2.5,
        "quality": 192,
    }
    assert told[1]["samples"][0]["value"] == "0012"
    assert told[3]["samples"][0]["value"] is True
    _, told = invoke_json("journal", "show", "--first", "1", "--count", "2", *where)
    assert [row["kind"] for row in told] == ["samples", "gap"]
    code, said = invoke("journal", "show", *where)
    assert "Serial = 0012  quality 0" in said
    assert "cause=the cable" in said

    code, told = invoke_json("journal", "verify", *where)
    assert (code, told["sound"], told["records"]) == (0, True, 4)
    assert invoke("journal", "ls", "--data-dir", directory)[0] == 1


async def test_damage_is_found_and_told(directory: Path) -> None:
    where = ("--config", directory / "edge.yaml")
    with sqlite3.connect(directory / "data" / "journal.sqlite") as db:
        db.execute("UPDATE record SET body = x'00' WHERE offset = 1")
        db.execute("UPDATE tag SET unit = 'N' WHERE name = 'Force'")
    db.close()
    code, told = invoke_json("journal", "verify", *where)
    assert (code, told["sound"]) == (1, False)
    assert (told["damaged"], told["tables"]) == ([[1, 1]], ["tag 1"])
    code, said = invoke("journal", "verify", *where)
    assert (code, "records 1 to 1" in said) == (1, True)
    _, told = invoke_json("journal", "show", *where)
    assert [row["kind"] for row in told] == ["samples", "lost", "gap", "samples"]


async def test_results_go_to_a_measuring_room(directory: Path) -> None:
    where = ("--config", directory / "edge.yaml")
    journal = TelemetryJournal.open(directory / "data" / "journal.sqlite", JournalSettings())
    found = [
        Result(
            key=f"{n}",
            serial=f"S{n}",
            characteristic="拧紧力矩",
            value=19.5 + n,
            lower=18,
            upper=22,
            unit="Nm",
            verdict="ok" if n < 3 else "nok",
            measured_at=datetime(2026, 11, 29, 6, n, tzinfo=UTC),
            raw_sha256="0" * 64,
        )
        for n in range(4)
    ]
    for device in ("press", "drill"):
        results = Results(device, journal, SourceFigures(device))
        await journal.append(*results.batches(found))
    await journal.close()

    file = directory / "line.dfq"
    export = ("journal", "export", file, *where, "--format", "dfq")
    code, told = invoke_json(*export, "--device", "press", "--time-zone", "Asia/Shanghai")
    assert (code, told["results"]) == (0, 4)
    content = read([("line.dfq", file.read_bytes())])
    assert content.values[0].fields["K0004"] == "29.11.2026/14:00:00"
    shanghai = ZoneInfo("Asia/Shanghai")
    back = results_of(content, sha256="0" * 64, zone=shanghai, otherwise=datetime.now(UTC))
    assert [(r.serial, r.value, r.verdict, r.measured_at) for r in back] == [
        (r.serial, r.value, r.verdict, r.measured_at) for r in found
    ]
    code, told = invoke_json(*export)
    assert (code, "exists" in told["error"]) == (1, True)
    file.unlink()
    code, said = invoke(*export)
    assert (code, "8 results written" in said) == (0, True)
    file.unlink()
    code, told = invoke_json(*export, "--encoding", "cp1252")
    assert (code, "'拧紧力矩' cannot be written as cp1252" in told["error"]) == (1, True)
    assert not file.exists()
    for wrong in (("--time-zone", "Mars"), ("--encoding", "x"), ("--format", "csv")):
        assert invoke(*export, *wrong)[0] == 2
    assert invoke("journal", "export", file, *where, "--device", "press")[0] == 2


@LAST_BROKER
async def test_a_recording_comes_to_a_test_hub_once(directory: Path, broker: LocalBroker) -> None:
    where = ("--config", directory / "edge.yaml")
    recording = directory / "line.jsonl.gz"
    code, told = invoke_json("journal", "export", recording, *where)
    assert (code, told["records"]) == (0, 4)
    code, told = invoke_json("journal", "export", recording, *where)
    assert (code, "exists" in told["error"]) == (1, True)

    config_file(directory, broker.port)
    code, told = invoke_json("replay", recording, *where)
    assert (code, "a gateway.node of its own" in told["error"]) == (1, True)

    test_file = config_file(directory, broker.port, "gw-replay")
    with Hub(broker.port, GROUP, "gw-replay") as hub:
        code, said = await asyncio.to_thread(
            invoke, "replay", recording, "--config", test_file, "--timeout", "90"
        )
        assert code == 0, said
        assert f"4 records of {GROUP}/{NODE} go to" in said
        got = [(s.tag, s.time_ms // 1000 - START_US // SECOND, s.value) for s in hub.samples]
        assert got == [
            ("Force", 0, 1.5),
            ("Force", 1, 2.5),
            ("Serial", 2, "0012"),
            ("Serial", 3, None),
            ("Closed", 4, True),
        ]
        assert [gap["cause"] for gap in hub.gaps] == ["the cable"]


async def test_what_is_no_recording_is_refused(directory: Path) -> None:
    file, other = directory / "edge.yaml", directory / "other.jsonl"
    config_file(directory, node="other")
    other.write_text("{}\n")
    code, told = invoke_json("replay", other, "--config", file)
    assert (code, "other.jsonl:1: is no recording" in told["error"]) == (1, True)
    recording = directory / "line.jsonl"
    invoke("journal", "export", recording, "--config", file)
    text = recording.read_text().replace("seatworks/other", "seatworks/x")
    recording.write_text(text.replace('"kind":"gap"', '"kind":"gasp"'))
    code, told = await asyncio.to_thread(invoke_json, "replay", recording, "--config", file)
    assert (code, "line.jsonl:4: is no record" in told["error"]) == (1, True)


@LAST_BROKER
@pytest.mark.slow
async def test_a_running_gateway_is_watched(tmp_path: Path, broker: LocalBroker) -> None:
    file = tmp_path / "edge.yaml"
    with Hub(broker.port, GROUP, NODE) as hub:
        async with run_plc(Force=1.5, Serial="0012") as plc:
            port = int(plc.endpoint.rstrip("/").rpartition(":")[2])
            tags = [{"name": n, "node": f"ns=2;s={n}"} for n in ("Force", "Serial")]
            config = edge_config(tmp_path / "data", broker.port, port, tags)
            folder = tmp_path / "in"
            folder.mkdir()
            (folder / "a.dfq").write_text(
                "K2002/1 Gap\nK2111/1 3\nK2142/1 mm\nK0001/1 2.5\nK0014/1 S1\n"
            )
            room = {"kind": "qdas", "device": "room", "watch_dir": folder, "settle_s": 0}
            config.sources.append(QdasSettings.model_validate(room))
            gateway = agent(config, tmp_path)
            code, told = await asyncio.to_thread(invoke_json, "watch", "--once", "--config", file)
            assert (code, "no agent answers" in told["error"]) == (2, True)
            with gateway:
                await asyncio.to_thread(gateway.start)
                await until(lambda: len(hub.samples) >= 3, "the first samples")
                code, told = await asyncio.to_thread(
                    invoke_json, "watch", "--once", "--config", file
                )
                assert code == 0
                assert {(v["tag"], v["value"]) for v in told["values"] if v["tag"] != RESULT} == {
                    ("Force", 1.5),
                    ("Serial", "0012"),
                }
                counts = {source["device"]: source["samples"] for source in told["sources"]}
                assert counts == {DEVICE: 2, "room": 1}
                only = ("--only", "F*", "--config", file)
                code, said = await asyncio.to_thread(invoke, "watch", "--once", *only)
                assert (code, "Force" in said, "Serial" in said) == (0, True, False)
                only = ("--only", "Insp*", "--config", file)
                code, said = await asyncio.to_thread(invoke, "watch", "--once", *only)
                assert (code, "S1  Gap  2.5 mm  ok" in said) == (0, True)
                code, told = await asyncio.to_thread(invoke_json, "journal", "ls", *only[2:])
                assert told["stream"]["next"] >= 1
