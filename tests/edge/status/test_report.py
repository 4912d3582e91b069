"""What is told of the figures: as a report, as metrics, as a page. And that nothing is left out."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import logging
import re
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from edge.status import Figures, SourceFigures
from edge.status.figures import LineFigures
from edge.status.metrics import GATEWAY, JIS_LINE, SOURCE, exposition
from edge.status.page import CONTENT_SECURITY_POLICY, page
from edge.status.recent import KEPT, RecentProblems
from edge.status.report import Problem, problems, report
from edge.status.table import tables
from edge.status.words import Language, preferred, sentence

HOSTILE = '<script>alert("x")</script>'


@pytest.fixture
def figures() -> Figures:
    """A gateway that is well."""
    made = Figures()
    made.uplink.connected = made.uplink.host_online = made.calls.connected = True
    made.uplink.server = "broker:8883"
    made.journal.bytes, made.journal.quota_bytes = 300, 1000
    press = SourceFigures("press", "online", "opc.tcp://plc:4840", clock_offset_ms=-12.5)
    press.last_heard_us = 1_700_000_000_000_000
    press.samples = 4711
    made.sources["press"] = press
    return made


def all_kinds(figures: Figures) -> None:
    """Everything goes wrong."""
    figures.uplink.connected = figures.calls.connected = False
    figures.journal.full = True
    press = figures.sources["press"]
    press.enter("offline", HOSTILE)
    press.refused_nodes = 3
    figures.sources["oven"] = SourceFigures("oven")
    figures.sources["saw"] = SourceFigures("saw", "late", reason="nothing heard")


def test_well_is_what_has_no_problem(figures: Figures) -> None:
    assert problems(figures) == []
    figures.uplink.host_online = False
    assert problems(figures) == [Problem("uplink", "hub_away")]
    all_kinds(figures)
    assert problems(figures) == [
        Problem("uplink", "broker_away"),
        Problem("calls", "broker_away"),
        Problem("journal", "disk_full"),
        Problem("source press", "offline", HOSTILE),
        Problem("source press", "nodes_refused", "3"),
        Problem("source oven", "connecting"),
        Problem("source saw", "late", "nothing heard"),
    ]


def test_the_report_is_json_and_holds_every_figure(figures: Figures) -> None:
    told = report(figures, ("seats", "gw-1"), [])
    assert json.loads(json.dumps(told)) == told
    assert told["gateway"] == {"group": "seats", "node": "gw-1"}
    assert told["well"] is True
    for part in ("journal", "uplink", "calls"):
        shown = {field.name for field in fields(getattr(figures, part))}
        assert told[part].keys() == shown - {"beat_at"}
    source = told["sources"][0]
    assert source["last_heard"] == "2023-11-14T22:13:20.000Z"
    shown = {name.removesuffix("_us") for name in (f.name for f in fields(SourceFigures))}
    assert source.keys() == shown - {"beat_at"}


def figure_paths(thing: Any, prefix: str = "") -> set[str]:
    paths = set()
    for field in fields(thing):
        value = getattr(thing, field.name)
        if is_dataclass(value):
            paths |= figure_paths(value, f"{prefix}{field.name}.")
        else:
            paths.add(f"{prefix}{field.name}")
    return {path for path in paths if not path.endswith("beat_at")}


def test_every_figure_is_a_metric_or_text() -> None:
    text_or_label = {
        *("version", "configuration", "sources", "lines", "uplink.server", "identity.reason")
    }
    assert {line.of for line in GATEWAY} == figure_paths(Figures()) - text_or_label
    text_or_label = {"device", "state", "endpoint", "reason"}
    assert {line.of for line in SOURCE} == figure_paths(SourceFigures("x")) - text_or_label
    assert {line.of for line in JIS_LINE} == figure_paths(LineFigures())


def test_prometheus_reads_the_metrics_in_base_units(figures: Figures) -> None:
    figures.sources['a "b"\n'] = SourceFigures('a "b"\n')
    figures.uplink.last_answer = datetime(2026, 1, 1, tzinfo=UTC)
    figures.identity.reason = "the authority is away"
    text, content_type = exposition(figures, ("seats", "gw-1"))
    assert content_type.startswith("text/plain")
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    press = ("device", "press")
    assert values["lineside_source_samples_total", press] == 4711
    assert values["lineside_source_clock_offset_seconds", press] == -0.0125
    assert values["lineside_source_last_heard_time_seconds", press] == 1_700_000_000
    assert values["lineside_source_state", press, ("state", "online")] == 1
    assert values["lineside_source_state", press, ("state", "late")] == 0
    assert values["lineside_certificate_overdue",] == 1
    assert values["lineside_uplink_connected",] == 1
    assert values["lineside_uplink_last_answer_time_seconds",] == 1_767_225_600
    unheard = ("device", 'a "b"\n')
    assert values["lineside_source_samples_total", unheard] == 0
    assert ("lineside_source_last_heard_time_seconds", unheard) not in values
    assert values["process_resident_memory_bytes",] > 0


class Reader(HTMLParser):
    """The text of a page, and whether its elements close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_shows_all_of_it_and_takes_no_text_for_html(
    figures: Figures, language: Language
) -> None:
    all_kinds(figures)
    recent = RecentProblems()
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%s in the log", (HOSTILE,), None)
    recent.handle(record)
    told = report(figures, ("seats", "gw-1"), recent.lines)
    html = page(told, language)
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    assert "script" not in reader.tags
    assert f"{HOSTILE} in the log" in reader.text
    for problem in problems(figures):
        assert sentence(problem.part, problem.kind, problem.detail, language) in reader.text
    for part in ("press", "opc.tcp://plc:4840", "4,711", "-12.5 ms", "broker:8883"):
        assert part in reader.text
    assert "http" not in html.replace("http-equiv", ""), "nothing comes from elsewhere"
    style = re.search(r"<style>(.*)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in CONTENT_SECURITY_POLICY


def test_the_table_shows_all_of_it(figures: Figures) -> None:
    all_kinds(figures)
    out = io.StringIO()
    Console(width=100, file=out).print(tables(report(figures, ("seats", "gw-1"), [])))
    text = out.getvalue()
    for part in ("seats/gw-1", "source press: is not read", "full", "4,711", "-12.5 ms", "oven"):
        assert part in text


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh-CN;q=0.8", "en"),
        ("de-DE,de;q=0.9,zh;q=0.5,en;q=0.4", "zh"),
        ("fr", "en"),
        ("zh;q=0,en;q=0.1", "en"),
        ("ZH-hant ; q=1.0", "zh"),
        ("zh;q=x", "en"),
        ("*", "en"),
    ],
)
def test_the_language_is_the_one_asked_for(header: str, language: Language) -> None:
    assert preferred(header) == language


def test_the_last_warnings_are_kept_and_no_more() -> None:
    recent = RecentProblems()
    logger = logging.Logger("apart")
    logger.addHandler(recent)
    logger.info("well again")
    for n in range(KEPT + 5):
        logger.warning("failure %d", n)
    logger.error("%d", "not a number")
    assert [line.text for line in recent.lines] == [f"failure {n}" for n in range(5, KEPT + 5)]
