"""A line PLC as its gateway meets it, over real OPC UA."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from firmware_sim.line.ledger import CallDecision, Result, Sample, read_ledger
from firmware_sim.line.plc import RunningLine, run_line
from firmware_sim.line.process import PROCESS_TAGS
from firmware_sim.line.production import SHIP
from firmware_sim.line.settings import LineSettings
from protocols.opcua.line import (
    CALL_FREE,
    CALL_STROBE,
    ECHO_KEY,
    ECHO_STROBE,
    RESULT_SLOTS,
    result_field,
)
from tests.firmware_sim.line.gateway import Gateway, SlotResult, a_call, gateway, until, until_true

Story = Callable[[Gateway, RunningLine], Awaitable[None]]

FAST = LineSettings(
    speed=1e6, steps=2, nok_rate=0.0, part_groups=frozenset({"SEAT-FRONT"}), details=False
)
"""Of a PLC without the optional nodes; those are the subject of `test_details.py`."""


def play(settings: LineSettings, story: Story) -> None:
    """Run a PLC with these settings and a gateway against it."""

    async def scene() -> None:
        async with run_line(settings) as line, gateway(line.endpoint) as visitor:
            await story(visitor, line)

    asyncio.run(scene())


def with_(**changes: Any) -> LineSettings:
    return LineSettings.model_validate(FAST.model_dump() | changes)


def kinds(results: list[SlotResult]) -> list[str]:
    return [result.kind for result in results]


def test_a_call_is_echoed_built_and_packed() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        echo = await gw.hand_over(1, a_call(1))
        assert (echo.key, echo.accepted, echo.reason) == (a_call(1)["Key"], True, "")
        results = await gw.take(lambda taken: len(taken) == 3)
        assert kinds(results) == ["produced", "inspected", "packed"]
        assert [result.no for result in results] == [1, 2, 3]
        assert {result.key for result in results} == {a_call(1)["Key"]}
        assert {result.serial for result in results} == {results[0].serial}
        assert results[0].serial.startswith("SEAT1-")
        assert results[1].verdict == "ok"
        assert (results[2].rack, results[2].slot) == ("R001", 1)

    play(FAST, story)


def test_a_key_taken_before_is_accepted_and_not_built_twice() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(1, a_call(1))
        assert (await gw.hand_over(2, a_call(1))).accepted
        await gw.hand_over(3, a_call(2))
        results = await gw.take(lambda taken: len(taken) >= 6)
        assert kinds(results).count("produced") == 2
        assert list(line.state.taken) == [a_call(1)["Key"], a_call(2)["Key"]]

    play(FAST, story)


def test_a_bad_call_is_refused_with_a_reason_and_harms_no_other() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        unknown = "P1/SEAT1/0000001/COCKPIT/0"
        echo = await gw.hand_over(1, a_call(1, Key=unknown))
        assert (echo.key, echo.accepted) == (unknown, False)
        assert echo.reason == "unknown part group COCKPIT"
        assert not line.state.taken
        assert (await gw.hand_over(2, a_call(2))).accepted

    play(FAST, story)


def test_a_text_written_as_null_reads_as_empty() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        null: Any = None
        assert (await gw.hand_over(1, a_call(1, Colour=null))).accepted
        assert not (await gw.hand_over(2, a_call(2, Key=null))).accepted
        assert list(line.state.taken) == [a_call(1)["Key"]]

    play(FAST, story)


def test_a_full_queue_drops_free_and_answers_once_it_has_room() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        # No result is acknowledged, so the line stands still after the first part.
        for number in (1, 2, 3):
            await gw.hand_over(number, a_call(number))
        await until_true(lambda: len(line.state.queue) == 2)
        assert await gw.read(CALL_FREE) == [False]
        await gw.put(4, a_call(4))
        await asyncio.sleep(0.05)
        assert await gw.read(ECHO_STROBE) == [3]
        taking = asyncio.create_task(gw.take(lambda taken: len(taken) == 12))
        await until_true(lambda: line.state.echo.strobe == 4)
        assert kinds(await taking).count("packed") == 4

    play(with_(queue_slots=2, result_backlog=3), story)


def test_the_ring_holds_results_until_they_are_acknowledged() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        for number in range(1, 5):
            await gw.hand_over(number, a_call(number))
        await until_true(lambda: line.state.next_result == 13)
        held = await gw.results()
        assert [result.no for result in held] == list(range(1, RESULT_SLOTS + 1))
        await asyncio.sleep(0.05)
        assert await gw.results() == held
        # An acknowledgement of another number frees nothing.
        await gw.write(result_field(0, "Ack"), 99, ua.VariantType.Int64)
        await asyncio.sleep(0.05)
        assert {result.no for result in await gw.results()} == set(range(1, RESULT_SLOTS + 1))
        # Freed out of order, a slot takes the result that belongs there.
        await gw.acknowledge(held[2])
        await until_true(lambda: 3 not in {r.no for r in line.state.results})

        async def taken() -> bool:
            return [result.no for result in await gw.results()] == [1, 2, 4, 5, 6, 7, 8, 11]

        await until(taken)
        rest = await gw.take(lambda taken: len(taken) == 11)
        assert sorted(result.no for result in rest) == [1, 2, *range(4, 13)]
        assert line.state.results == []

    play(FAST, story)


def test_numbers_are_gap_free_and_a_full_rack_ships() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        taking = asyncio.create_task(gw.take(lambda taken: kinds(taken).count("shipped") == 6))
        for number in range(1, 8):
            await gw.hand_over(number, a_call(number))
        results = await taking
        assert [result.no for result in results] == list(range(1, len(results) + 1))
        shipped = [result for result in results if result.kind == "shipped"]
        assert [result.key for result in shipped] == [a_call(n)["Key"] for n in range(1, 7)]
        assert {result.rack for result in shipped} == {"R001"}
        assert [result.slot for result in shipped] == [1, 2, 3, 4, 5, 6]

    play(FAST, story)


def test_a_part_filled_rack_ships_on_command_and_its_rest_once_it_is_full() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(1, a_call(1))
        await gw.take(lambda taken: len(taken) == 3)
        await gw.write(SHIP, True, ua.VariantType.Boolean)
        (first,) = await gw.take(lambda taken: len(taken) == 1)
        assert (first.kind, first.key) == ("shipped", a_call(1)["Key"])
        await until(lambda: gw.shows(SHIP, False))
        for number in range(2, 7):
            await gw.hand_over(number, a_call(number))
        results = await gw.take(lambda taken: kinds(taken).count("shipped") == 5)
        assert kinds(results).count("packed") == 5
        assert line.state.racks == {}

    play(FAST, story)


def test_an_idle_line_ships_what_waits() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(1, a_call(1))
        results = await gw.take(lambda taken: len(taken) == 4)
        assert kinds(results) == ["produced", "inspected", "packed", "shipped"]

    play(with_(ship_idle_s=0.05), story)


def test_a_part_that_fails_is_built_again_under_a_new_serial() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        for number in range(1, 7):
            await gw.hand_over(number, a_call(number))
        results = await gw.take(lambda taken: kinds(taken).count("shipped") == 6)
        failed = [result for result in results if result.verdict == "nok"]
        assert failed
        for nok in failed:
            story_of = [r for r in results if r.key == nok.key]
            after = story_of[story_of.index(nok) + 1]
            assert after.kind == "produced"
            assert after.serial != nok.serial
        packed = [r.serial for r in results if r.kind == "packed"]
        good = [r.serial for r in results if r.verdict == "ok"]
        assert packed == good
        assert not set(packed) & {r.serial for r in failed}
        assert line.state.nok == len(failed)

    play(with_(nok_rate=0.5), story)


def test_the_same_seed_builds_the_same_parts(tmp_path: Path) -> None:
    def run(name: str, seed: int) -> list[tuple[Any, ...]]:
        path = tmp_path / name

        async def story(gw: Gateway, line: RunningLine) -> None:
            for number in range(1, 4):
                await gw.hand_over(number, a_call(number))
            await gw.take(lambda taken: kinds(taken).count("packed") == 3)

        play(with_(seed=seed, nok_rate=0.4, ledger=path), story)
        return [
            (entry.node, entry.value)
            if isinstance(entry, Sample)
            else (entry.no, entry.result, entry.serial, entry.verdict)
            for entry in read_ledger(path)
            if isinstance(entry, Result)
            or (isinstance(entry, Sample) and entry.type not in ("DateTime",))
        ]

    assert run("a", 7) == run("b", 7)


def test_the_ledger_is_what_a_subscription_sees(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    seen: list[tuple[str, int, object]] = []

    class Handler:
        def datachange_notification(self, node: Any, value: object, data: Any) -> None:
            at = data.monitored_item.Value.SourceTimestamp
            seen.append((node.nodeid.Identifier, round(at.timestamp() * 1000), value))

    async def story(gw: Gateway, line: RunningLine) -> None:
        nodes = [gw.client.get_node(gw.node_id(tag.node)) for tag in PROCESS_TAGS]
        subscription = await gw.client.create_subscription(20, Handler())
        await subscription.subscribe_data_change(nodes, queuesize=1000)
        for number in range(1, 4):
            await gw.hand_over(number, a_call(number))
        await gw.take(lambda taken: kinds(taken).count("packed") == 3)
        written = [entry for entry in read_ledger(path) if isinstance(entry, Sample)]
        await until_true(lambda: len(seen) >= len(written))

    play(with_(ledger=path, nok_rate=0.3), story)
    entries = list(read_ledger(path))
    samples = [entry for entry in entries if isinstance(entry, Sample)]
    counted = {(s.node, s.at // 1000): s.value for s in samples if s.type != "DateTime"}
    observed = {(node, at): value for node, at, value in seen if node != "Line.Station30.TestedAt"}
    assert observed == counted
    assert len(seen) == len(samples)
    assert all(sample.at % 1000 == 0 for sample in samples)
    assert len({(sample.node, sample.at) for sample in samples}) == len(samples)
    assert {sample.node for sample in samples} == {tag.node for tag in PROCESS_TAGS}
    results = [entry for entry in entries if isinstance(entry, Result)]
    assert [result.no for result in results] == list(range(1, len(results) + 1))
    decisions = [entry for entry in entries if isinstance(entry, CallDecision)]
    assert [d.key for d in decisions] == [a_call(n)["Key"] for n in range(1, 4)]


def test_a_restarted_plc_goes_on_where_it_was(tmp_path: Path) -> None:
    settings = with_(state=tmp_path / "state.json", ledger=tmp_path / "ledger.jsonl")

    async def before(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(7, a_call(1))
        await until_true(lambda: line.state.next_result == 4)
        held = await gw.results()
        await gw.acknowledge(held[0])
        await until_true(lambda: len(line.state.results) == 2)

    async def after(gw: Gateway, line: RunningLine) -> None:
        assert await gw.read(ECHO_KEY, ECHO_STROBE, CALL_STROBE) == [a_call(1)["Key"], 7, 7]
        assert [result.no for result in await gw.results()] == [2, 3]
        assert (await gw.hand_over(8, a_call(1))).accepted
        await gw.hand_over(9, a_call(2))
        results = await gw.take(lambda taken: len(taken) == 5)
        assert [result.no for result in results] == [2, 3, 4, 5, 6]
        assert {result.key for result in results[2:]} == {a_call(2)["Key"]}
        assert len({result.serial for result in results}) == 2

    play(settings, before)
    play(settings, after)
    numbers = [e.no for e in read_ledger(tmp_path / "ledger.jsonl") if isinstance(e, Result)]
    assert numbers == [1, 2, 3, 4, 5, 6]


def test_a_part_under_way_at_a_restart_is_finished_under_its_serial(tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    async def before(gw: Gateway, line: RunningLine) -> None:
        await gw.hand_over(1, a_call(1))
        await until_true(lambda: line.state.next_result == 2)

    async def after(gw: Gateway, line: RunningLine) -> None:
        results = await gw.take(lambda taken: len(taken) == 3)
        assert kinds(results) == ["produced", "inspected", "packed"]
        assert len({result.serial for result in results}) == 1

    # Slow enough to be caught between two stations.
    play(with_(state=state, speed=1, cycle_s=2, steps=1), before)
    assert '"produced":true' in state.read_text()
    play(with_(state=state), after)


def test_what_belongs_to_the_plc_cannot_be_written() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        with pytest.raises(ua.UaStatusCodeError):
            await gw.write(ECHO_STROBE, 1, ua.VariantType.UInt32)
        with pytest.raises(ua.UaStatusCodeError):
            await gw.write(CALL_STROBE, "1", ua.VariantType.String)

    play(FAST, story)


def test_extra_tags_change_at_their_rate() -> None:
    async def story(gw: Gateway, line: RunningLine) -> None:
        nodes = ["Line.Extra000.Value00", "Line.Extra001.Value09"]
        first = await gw.read(*nodes)

        async def moved() -> bool:
            now = await gw.read(*nodes)
            return all(a != b for a, b in zip(first, now, strict=True))

        await until(moved)

    play(with_(extra_tags=60, extra_hz=50), story)
