"""One trace for one call, from the control point to the acknowledgement: the hub, a gateway and its
PLC as processes, a broker between them, and a collector that decodes what they tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from hub.store import Database
from protocols.jis.messages import CallKey
from protocols.traces import Step, trace_id
from tests.edge.plant import PLANT, Child, agent, edge_config, line_plc
from tests.fixtures.broker import BROKERS
from tests.fixtures.collector import Collector, collector
from tests.hub.calls.world import POINT, eventually, make_world
from tests.hub.conftest import environment
from tests.hub.serving import SERVE

__all__ = ["environment"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(800),
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]

WAIT_S = 120.0
STEPS = {step.value.name for step in Step}
SERVICES = {
    "lineside-hub": {Step.PASS, Step.RELEASE, Step.PUBLISH, Step.ACKNOWLEDGE, Step.COMMIT},
    "lineside-edge": {Step.TAKE, Step.HAND_OVER, Step.ANSWER},
}


class World:
    """A hub, a gateway and its line, which tell `endpoint` what they do with calls."""

    def __init__(
        self,
        directory: Path,
        variables: dict[str, str],
        broker: LocalBroker,
        endpoint: str,
        queue: int = 2048,
    ) -> None:
        self._monitoring, self._status = free_port(), free_port()
        variables = variables | {
            "LINESIDE_HUB_TRACE__ENDPOINT": endpoint,
            "LINESIDE_HUB_TRACE__QUEUE": str(queue),
            "LINESIDE_HUB_MONITORING__PORT": str(self._monitoring),
        }
        given = [f"{name}={value}" for name, value in variables.items() if "LINESIDE" in name]
        self.hub = Child(["env", *given, *SERVE], directory / "hub.log")
        plc_port = free_port()
        self.plc = line_plc(directory, plc_port, ship_idle_s=0.5)
        config = edge_config(directory / "data", broker.port, plc_port)
        trace = config.trace.model_copy(update={"endpoint": endpoint, "queue": queue})
        status = config.status.model_copy(update={"port": self._status})
        config = config.model_copy(update={"trace": trace, "status": status})
        self.gateway = agent(config, directory)

    def start_hub(self) -> None:
        before = len(self.hub.output)
        self.hub.begin()
        eventually(lambda: "ready http" in self.hub.output[before:], "the hub", WAIT_S)
        found = re.search(r"ready (http\S+)", self.hub.output[before:])
        assert found is not None
        self._url = found[1]

    def pass_car(self, number: int) -> list[CallKey]:
        """Report it; the seat line's calls that come of it."""
        answer = httpx.post(
            f"{self._url}v1/plants/{PLANT}/control-points/{POINT}/passes",
            json={"production_no": f"{number:07d}", "passed_at": "2026-03-02T06:00:00Z"},
            timeout=60,
        )
        assert answer.status_code == 201, answer.text
        keys = [CallKey.parse(call["key"]) for call in answer.json()["calls"]]
        return [key for key in keys if key.line == "SEAT1"]

    def reorder(self, key: CallKey) -> CallKey | None:
        """Call its part once more; None: its line is not so far that this is possible."""
        path = f"{key.line}/{key.production_no}/{key.part_group}/{key.reorder_index}"
        answer = httpx.post(
            f"{self._url}v1/plants/{PLANT}/calls/{path}/reorder",
            json={"message_id": "once more", "at": "2026-03-02T06:20:00Z"},
            timeout=60,
        )
        if answer.status_code == 409:
            return None
        assert answer.status_code == 201, answer.text
        return CallKey.parse(answer.json()["key"])

    def dropped(self) -> tuple[float, float]:
        """Spans that hub and gateway say they have dropped."""
        return (
            _figure(self._monitoring, "lineside_hub_process_trace_spans_dropped_total"),
            _figure(self._status, "lineside_trace_spans_dropped_total"),
        )


def _figure(port: int, name: str) -> float:
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=60).text
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                return sample.value
    raise AssertionError(f"no {name}")


@pytest.fixture
def seen() -> Iterator[Collector]:
    with collector() as running:
        yield running


def whole(seen: Collector, key: CallKey) -> bool:
    return seen.names(str(key)) == STEPS


def judge(seen: Collector, key: CallKey) -> None:
    """One trace, each step once, each behind its parent, by the process whose work it is."""
    # Of what was done anew under the same id, the first.
    spans = list({span.id: span for span in reversed(seen.of_call(str(key)))}.values())
    assert {span.trace for span in spans} == {trace_id(key).to_bytes(16)}
    by_name = {span.name: span for span in spans}
    assert len(spans) == len(by_name) == len(STEPS)
    for step in Step:
        span, parent = by_name[step.value.name], step.parent
        assert span.kind == step.value.kind
        assert step in SERVICES[span.service]
        assert span.start_ns <= span.end_ns
        if parent is None:
            assert not span.parent
        else:
            before = by_name[parent.value.name]
            assert span.parent == before.id
            assert span.start_ns >= before.start_ns
    assert by_name["hand call over"].attributes["lineside.outcome"] == "accepted"
    assert by_name["commit answer"].attributes["lineside.outcome"] == "accepted"


def test_one_trace_follows_one_call_over_all_processes(
    tmp_path: Path,
    environment: dict[str, str],
    database: Database,
    broker: LocalBroker,
    seen: Collector,
) -> None:
    make_world(database)
    world = World(tmp_path, environment, broker, seen.url)
    with world.hub, world.plc, world.gateway:
        world.start_hub()
        world.plc.start()
        world.gateway.start()
        front, rear = world.pass_car(1)
        for key in (front, rear):
            eventually(partial(whole, seen, key), f"the trace of {key}", WAIT_S)
            judge(seen, key)

        # Over the death of every process on the way it is still one trace.
        world.gateway.kill()
        late = world.pass_car(2)[0]
        by_api = {Step.PASS.value.name, Step.RELEASE.value.name}
        eventually(lambda: by_api <= seen.names(str(late)), "what the hub has done", WAIT_S)
        world.hub.kill()
        world.start_hub()
        world.gateway.start()
        eventually(lambda: whole(seen, late), "the rest, after the restart", WAIT_S)
        judge(seen, late)

        # What is called once more passes no control point: its trace begins where it is released.
        again = eventually(lambda: world.reorder(front), "a part that can be reordered", WAIT_S)
        rest = STEPS - {Step.PASS.value.name}
        eventually(lambda: seen.names(str(again)) == rest, "the trace of the reorder", WAIT_S)
        assert not next(s for s in seen.of_call(str(again)) if s.name == "release call").parent
        everything = repr([span.attributes for span in seen.spans])
        for name in ("password", "ingest", "token"):
            assert name not in everything


def test_without_a_collector_calls_go_on_and_the_log_says_so_once(
    tmp_path: Path, environment: dict[str, str], database: Database, broker: LocalBroker
) -> None:
    make_world(database)
    port = free_port()
    world = World(tmp_path, environment, broker, f"http://127.0.0.1:{port}", queue=16)
    with world.hub, world.plc, world.gateway:
        world.start_hub()
        world.plc.start()
        world.gateway.start()
        keys = [key for number in range(1, 9) for key in world.pass_car(number)]
        accepted = "SELECT count(*) FROM call_event WHERE kind = 'accepted' AND applied"
        with database.connect("ingest", autocommit=True) as connection:

            def all_accepted() -> bool:
                return connection.execute(accepted).fetchone() == (len(keys),)

            eventually(all_accepted, "every call at the PLC", WAIT_S)
        eventually(lambda: min(world.dropped()) > 0, "that spans were dropped", WAIT_S)
        both, away, back = (world.hub, world.gateway), "does not take spans", "takes spans again"
        eventually(lambda: all(away in p.output for p in both), "the word of it", WAIT_S)

        with collector(port) as seen:
            world.pass_car(9)
            eventually(
                lambda: {span.service for span in list(seen.spans)} == SERVICES.keys(),
                "spans of both, now that there is a collector",
                WAIT_S,
            )
            eventually(lambda: all(back in p.output for p in both), "the word of it", WAIT_S)
            for process in both:
                assert process.output.count(away) == process.output.count(back) == 1
                assert process.output.count("opentelemetry") == 0
