"""Results of a machine and of a joining system as events of another maker's server."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from edge.journal import Origin, SampleBatch
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.missed import held_results
from edge.sources.opcua.subscription import Subscription
from protocols.inspection import RESULT, Result, parse_result
from tests.edge.sources.reading import Reading, reading, run, settings_for, until
from tests.fixtures.node_opcua import JOINING, URI, needs_node_opcua, run_node_opcua

OK, NOT_OK, NOT_DECIDABLE = 1, 2, 3
TORQUE, ANGLE = 2, 3


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def machine(endpoint: str, **wanted: Any) -> OpcUaSettings:
    wanted = {"node": f"nsu={URI};s=Machine", **wanted}
    return settings_for(endpoint, machinery_result=wanted)


def meta(number: int, **more: Any) -> dict[str, Any]:
    return {
        "resultId": f"r{number}",
        "partId": f"SN{number:04}",
        "creationTime": int(time.time() * 1000),
        "internalRecipeId": "press-fit",
        **more,
    }


def results(got: Reading) -> list[Result]:
    return [parse_result(text) for text in got.values(RESULT)]


def told(got: Reading) -> dict[tuple[str | None, str], Result]:
    return {(r.serial, r.characteristic): r for r in results(got)}


def parts(got: Reading) -> Counter[str | None]:
    return Counter(r.serial for r in results(got) if r.characteristic == "Result")


def fetched(got: Reading) -> set[str | None]:
    """The parts whose results did not come as events."""
    return {
        parse_result(str(text)).serial
        for record in got.records
        if isinstance(record, SampleBatch) and record.origin is Origin.HISTORY
        for text in record.others.values()
    }


FORCE = {"name": "Force", "value": "ResultContent.0", "unit": "kN", "lower": 8, "upper": 12}


@needs_node_opcua
def test_results_of_a_machine_come_as_events_or_are_fetched(path: Path) -> None:
    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineryResult"]) as server,
            reading(path, machine(server.endpoint, measured=[FORCE])) as got,
        ):

            async def make(number: int, kn: Any, **more: Any) -> None:
                content = [{"type": "Double", "value": kn}]
                await server.raise_machinery_results(
                    {"meta": meta(number, **more), "content": content}
                )

            await until(lambda: got.figures.state == "online")
            await make(1, 9.5, resultEvaluation=OK, resultState=1)
            await make(2, 9.5, isPartial=True)
            await make(3, 9.5, isSimulated=True)
            await make(4, 13.0)
            await make(5, 9.5, resultEvaluation=NOT_DECIDABLE)
            await until(lambda: len(results(got)) == 6)
            assert {name: r.verdict for name, r in told(got).items()} == {
                ("SN0001", "Result"): "ok",
                ("SN0001", "Force"): "ok",
                ("SN0004", "Result"): "nok",
                ("SN0004", "Force"): "nok",
                ("SN0005", "Result"): "unknown",
                ("SN0005", "Force"): "ok",
            }
            force = told(got)["SN0001", "Force"]
            assert (force.value, force.unit, force.programme) == (9.5, "kN", "press-fit")
            assert force.tool == "Machine"

            await server.stop()
            await server.start()
            for number in range(6, 12):
                await make(number, 10.0)
            await until(lambda: len(parts(got)) == 9)
            await until(lambda: got.figures.state == "online")
            assert set(parts(got).values()) == {1}
            assert told(got)["SN0009", "Force"].value == 10.0
            assert got.gaps == []
            await server.forget_results()
            await server.restart()
            await make(12, 10.0)
            await until(lambda: parts(got)["SN0012"] == 1)
            await until(lambda: bool(got.gaps))
            (gap,) = got.gaps
            assert gap.cause.startswith("machinery results: ")

    run(work)


def tightened(torque: float, **more: Any) -> dict[str, Any]:
    """The content of a tightening, as a joining system tells it."""
    return {
        "joining": {
            "overallResultValues": [
                {
                    "measuredValue": torque,
                    "physicalQuantity": TORQUE,
                    "lowLimit": 40,
                    "highLimit": 50,
                    "targetValue": 45,
                    "engineeringUnits": {"displayName": {"text": "Nm"}, "unitId": 5130573},
                    "resultEvaluation": OK if 40 <= torque <= 50 else NOT_OK,
                },
                {"measuredValue": 91.5, "physicalQuantity": ANGLE, "name": "Final angle"},
                {"measuredValue": 12.0, "physicalQuantity": TORQUE, **more},
            ]
        }
    }


@needs_node_opcua
def test_a_result_made_while_others_are_fetched_comes_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an event already, and among those that the system holds."""

    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineryResult"]) as server,
            reading(path, machine(server.endpoint, measured=[FORCE])) as got,
        ):
            waiting = [2]

            async def make(number: int) -> None:
                content = [{"type": "Double", "value": 10.0}]
                await server.raise_machinery_results({"meta": meta(number), "content": content})

            async def fetch(*asked: Any) -> Any:
                while waiting:
                    await make(waiting.pop())
                return await held_results(*asked)

            await until(lambda: got.figures.state == "online")
            await make(1)
            await until(lambda: parts(got)["SN0001"] == 1)
            monkeypatch.setattr("edge.sources.opcua.subscription.held_results", fetch)
            await server.restart()
            await until(lambda: not waiting and parts(got)["SN0002"] == 1)
            await make(3)
            await until(lambda: parts(got)["SN0003"] == 1)
            assert set(parts(got).values()) == {1}
            assert got.gaps == []

    run(work)


@needs_node_opcua
@pytest.mark.parametrize(
    "heard", [{"first": 0, "left": 1000, "right": 1000}, {"only": 1000}], ids=["several", "one"]
)
def test_results_made_at_one_time_or_told_late_come_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, heard: dict[str, int]
) -> None:
    """By the time alone the last one's fellow would be new, and the late one known; even if it was
    made before all that were heard."""

    async def work() -> None:
        async with (
            run_node_opcua(nodesets=["machineryResult"]) as server,
            reading(path, machine(server.endpoint, measured=[FORCE])) as got,
        ):
            await until(lambda: got.figures.state == "online")
            at_ms = int(time.time() * 1000)

            async def make(**made_ms: int) -> None:
                content = [{"type": "Double", "value": 10.0}]
                await server.raise_machinery_results(
                    *(
                        {
                            "meta": {
                                "resultId": name,
                                "partId": name,
                                "creationTime": at_ms + made,
                            },
                            "content": content,
                        }
                        for name, made in made_ms.items()
                    )
                )

            await make(**heard)
            await until(lambda: len(parts(got)) == len(heard))
            create, may_create = Subscription.create, asyncio.Event()

            async def create_later(subscription: Subscription, told_by: str) -> None:
                await may_create.wait()
                await create(subscription, told_by)

            monkeypatch.setattr(Subscription, "create", create_later)
            await server.restart()
            await make(late=500, next=2000)  # while nothing is subscribed
            may_create.set()
            await until(lambda: len(parts(got)) == len(heard) + 2)
            await until(lambda: got.figures.state == "online")
            assert set(parts(got).values()) == {1}
            assert fetched(got) == {"late", "next"}
            assert got.gaps == []

    run(work)


@needs_node_opcua
def test_a_joining_system_tells_values_and_limits_itself(path: Path) -> None:
    """Alone, and as the results of two spindles within one. What only a joining system's metadata
    has is left out: node-opcua 2.182 begins to count its optional fields one bit late."""

    async def work() -> None:
        async with (
            run_node_opcua(nodesets=JOINING) as server,
            reading(path, machine(server.endpoint)) as got,
        ):
            await until(lambda: got.figures.state == "online")
            await server.raise_machinery_results(
                {
                    "meta": meta(1, resultEvaluation=OK),
                    "content": [tightened(44.5)],
                },
                {
                    "meta": meta(2, resultEvaluation=NOT_OK),
                    "content": [
                        {
                            "result": {
                                "meta": {
                                    "resultId": f"r2-{spindle}",
                                    "resultEvaluation": evaluation,
                                },
                                "content": [tightened(torque)],
                            }
                        }
                        for spindle, torque, evaluation in ((1, 45.0, OK), (2, 39.0, NOT_OK))
                    ],
                },
            )
            await until(lambda: len(results(got)) == 4 + 1 + 2 * 4)
            torque, angle, other = (
                told(got)["SN0001", name] for name in ("Torque", "Final angle", "Torque 2")
            )
            assert (torque.value, torque.lower, torque.upper) == (44.5, 40, 50)
            assert (torque.nominal, torque.unit, torque.verdict) == (45, "Nm", "ok")
            assert (angle.value, angle.unit, angle.verdict) == (91.5, "", "unknown")
            assert other.value == 12.0
            assert told(got)["SN0001", "Result"].verdict == "ok"
            second = [r for r in results(got) if r.serial == "SN0002"]
            assert len({r.key for r in second}) == 3
            assert [r.verdict for r in second if r.characteristic == "Result"] == [
                "nok",
                "ok",
                "nok",
            ]
            assert [r.value for r in second if r.characteristic == "Torque"] == [45.0, 39.0]
            assert got.gaps == []

    run(work)
