"""Ids, sampling, and what becomes of spans when collector or library are not as they should be."""

from __future__ import annotations

import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from protocols.jis.messages import CallKey
from protocols.traces import CallTracer, Place, Step, TraceSettings, span_id, trace_id
from tests.fixtures.collector import collector
from tests.hub.calls.world import eventually

KEY = CallKey(plant="P1", line="SEAT1", production_no="0000001", part_group="SEAT-FRONT")


def keys(count: int) -> list[CallKey]:
    return [KEY.model_copy(update={"production_no": f"{n:07d}"}) for n in range(count)]


def test_ids_are_what_they_were() -> None:
    """Hub and gateway of different releases must name the same."""
    assert f"{trace_id(KEY):032x}" == "b15e7981e1f70bdbac091de6fd6df716"
    assert f"{span_id(Step.PUBLISH, KEY, Place(17, 4)):016x}" == "32f8872e59536492"


name = st.from_regex(r"[^/\s][^/]{0,3}", fullmatch=True)
key = st.builds(CallKey, plant=name, line=name, production_no=name, part_group=name)


@given(key, key)
def test_two_calls_never_share_a_trace(one: CallKey, other: CallKey) -> None:
    assert (trace_id(one) == trace_id(other)) == (one == other)


def test_each_step_has_a_span_and_each_but_the_first_a_parent() -> None:
    place = Place(17, 4)
    assert len({span_id(step, KEY, place) for step in Step}) == len(Step)
    assert [step for step in Step if step.parent is None] == [Step.PASS]
    assert span_id(Step.PUBLISH, KEY, place) != span_id(Step.PUBLISH, KEY, Place(17, 5))
    assert span_id(Step.TAKE, KEY, place) == span_id(Step.TAKE, KEY)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"endpoint": "collector:4318"}, "should be http"),
        ({"endpoint": "http://user:secret@localhost:4318"}, "OTEL_EXPORTER_OTLP_HEADERS"),
        ({"endpoint": "http://localhost:4318/v1/traces"}, "base address"),
        ({"endpoint": "http://collector:4318"}, "plain_beyond_loopback"),
        ({"ratio": 1.5}, "less than or equal to 1"),
        ({"queue": 1}, "greater than or equal to 16"),
        ({"endpiont": "http://localhost:4318"}, "not permitted"),
    ],
)
def test_settings_that_are_none_are_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why) as refused:
        TraceSettings(**settings)
    assert "secret" not in str(refused.value.errors(include_input=False))


@pytest.mark.parametrize("endpoint", ["http://[::1]:4318", "https://collector", None])
def test_settings_that_are_taken(endpoint: str | None) -> None:
    assert TraceSettings(endpoint=endpoint).endpoint == endpoint


def test_a_share_of_the_calls_is_the_same_in_every_process() -> None:
    chosen = []
    for _ in range(2):
        with collector() as seen:
            tracer = CallTracer("hub")
            tracer.use(TraceSettings(endpoint=seen.url, ratio=0.25))
            for each in keys(400):
                tracer.step(Step.PASS, each, tracer.now())
                tracer.step(Step.RELEASE, each, tracer.now())
            tracer.close()
            assert tracer.figures.sent == len(seen.spans)
            chosen.append({span.trace for span in seen.spans if span.name == "release call"})
            assert {span.trace for span in seen.spans} == chosen[-1]
    assert chosen[0] == chosen[1]
    assert 50 < len(chosen[0]) < 150


def test_a_collector_that_refuses_is_said_once_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    with collector() as seen:
        tracer = CallTracer("hub")
        tracer.use(TraceSettings(endpoint=seen.url))
        seen.status = 400
        tracer.step(Step.PASS, KEY, tracer.now())
        eventually(lambda: tracer.figures.dropped == 1, "that it is dropped")
        tracer.step(Step.PASS, KEY, tracer.now())
        eventually(lambda: tracer.figures.dropped == 2, "that the next one is")
        seen.status = 200
        tracer.step(Step.PASS, KEY, tracer.now())
        eventually(lambda: tracer.figures.sent == 1, "that it is sent")
        tracer.close()
    said = [record.getMessage() for record in caplog.records if "traces" in record.name]
    assert [text.partition("takes spans again")[1] for text in said] == ["", "takes spans again"]
    assert "code: 400, reason: Bad Request" in said[0]


def test_what_began_while_it_was_off_is_not_told() -> None:
    tracer = CallTracer("hub")
    began = tracer.now()
    with collector() as seen:
        tracer.use(TraceSettings(endpoint=seen.url))
        tracer.step(Step.PASS, KEY, began)
        tracer.close()
        assert not tracer.on
        assert seen.spans == []


def test_without_the_library_nothing_is_traced_and_nothing_fails() -> None:
    program = """
import sys
sys.modules["opentelemetry.sdk"] = None
from protocols.traces import CallTracer, TraceSettings
tracer = CallTracer("hub")
tracer.use(TraceSettings(endpoint="http://localhost:1"))
assert not tracer.on
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "install lineside with the extra trace" in done.stderr


def test_off_nothing_of_the_library_is_loaded() -> None:
    program = """
import sys
import edge.parts, protocols.traces
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
