"""What monitoring reads, from `lineside-hub serve` itself, and the alerts made of it."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge.status import Figures
from edge.status.figures import LineFigures, SourceFigures
from edge.status.metrics import exposition
from hub.calls.release import release
from hub.ingest.figures import IngestFigures
from hub.monitoring.health import Workers
from hub.monitoring.metrics import registry_of
from hub.store import Database
from tests.hub.calls.world import OWNER, PLANT, POINT, eventually, make_world, passed_at
from tests.hub.serving import refused, serve

DEPLOY = Path(__file__).parents[3] / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"


class Part:
    """A worker as monitoring sees it."""

    def __init__(self, trouble: str | None = None, *, alive: bool = True) -> None:
        self.trouble = trouble
        self.alive = alive

    def start(self) -> None: ...

    def stop(self) -> None: ...


def figures(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Value by name and label values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_failed_is_not_the_same_as_unready() -> None:
    well = Workers({"calls watch": Part(), "calls events": Part(), "ingest": Part()})
    assert well.health().parts == {"calls": True, "ingest": True}
    assert well.readiness(True).ready
    assert well.readiness(False).troubles == ["the database cannot be reached"]
    cut = Workers({"ingest": Part("no connection to a broker")})
    assert cut.health().parts == {"ingest": True}
    assert cut.readiness(True).troubles == ["ingest: no connection to a broker"]
    dead = Workers({"calls watch": Part(), "calls events": Part(alive=False)})
    assert dead.health().parts == {"calls": False}
    assert dead.readiness(True).troubles == ["calls events has failed"]


@pytest.fixture
def monitored(environment: dict[str, str]) -> tuple[dict[str, str], str]:
    """Environment of a hub with monitoring, and its address."""
    port = free_port()
    return (
        environment | {"LINESIDE_HUB_MONITORING__PORT": str(port)},
        f"http://127.0.0.1:{port}",
    )


def test_a_hub_without_its_api_is_watched_too(
    monitored: tuple[dict[str, str], str], database: Database, broker: LocalBroker
) -> None:
    variables, url = monitored
    make_world(database)
    with database.connect("ingest") as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
    with (
        serve(variables, "--only", "ingest", "--only", "calls"),
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        assert client.get("/healthz").json() == {"parts": {"calls": True, "ingest": True}}
        eventually(lambda: client.get("/readyz").status_code == 200, "its brokers")
        told: dict[tuple[str, tuple[str, ...]], float] = {}

        def database_up() -> bool:
            told.update(figures(client.get("/metrics").text))
            return told["lineside_hub_database_up", ()] == 1

        eventually(database_up, "its database, which has two seconds for an answer")
        assert told["lineside_hub_process_part_alive", ("ingest",)] == 1
        assert told["lineside_hub_process_ingest_commits_total", ()] == 0
        waiting = told["lineside_hub_calls_unacknowledged", ("seatworks", "gw-seat")]
        assert waiting == 2
        assert told[
            "lineside_hub_calls_oldest_unacknowledged_time_seconds", ("seatworks", "gw-seat")
        ] == pytest.approx(_released_at(database), abs=1e-3)
        assert client.get("/x").status_code == 404
        broker.stop()
        trouble = "ingest: no connection to a broker"
        eventually(lambda: trouble in client.get("/readyz").json()["troubles"], "that it says so")
        assert client.get("/healthz").status_code == 200
        broker.start()
        eventually(lambda: client.get("/readyz").status_code == 200, "its broker again")


def _released_at(database: Database) -> float:
    with database.connect("ingest") as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM min(released_at))::float8 FROM jis_call"
        ).fetchone()
    assert row is not None
    return float(row[0])


def test_a_database_that_is_away_is_a_figure(database: Database) -> None:
    gone = Database(database.dsn("ingest").replace("dbname=", "dbname=no_"), {"ingest": "ingest"})
    registry = registry_of(gone, Workers({}), None)
    assert registry.get_sample_value("lineside_hub_database_up") == 0
    assert registry.get_sample_value("lineside_hub_unregistered_nodes") is None


def test_a_port_that_is_taken_is_said(monitored: tuple[dict[str, str], str]) -> None:
    variables, url = monitored
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(url.rpartition(":")[2])))
        taken.listen()
        code, said = refused(variables, "--only", "calls")
    assert code == 1
    assert "LINESIDE_HUB_MONITORING__PORT" in said


def rules() -> list[dict[str, Any]]:
    groups = YAML(typ="safe").load(ALERTS)["groups"]
    return [rule for group in groups for rule in group["rules"]]


def selected(expression: Any) -> set[str]:
    """Names of the series a PromQL expression looks at."""
    found = set()
    if isinstance(expression, promql_parser.VectorSelector):
        found.add(str(expression.name))
    for part in ("vector_selector", "expr", "lhs", "rhs"):
        if (child := getattr(expression, part, None)) is not None:
            found |= selected(child)
    for argument in getattr(expression, "args", None) or []:
        found |= selected(argument)
    return found


@pytest.fixture
def series(database: Database) -> set[str]:
    """Names of all that hub and gateway really tell."""
    make_world(database)
    with database.connect("ingest") as connection:
        release(connection, OWNER, PLANT, POINT, "0000001", passed_at(1))
        connection.execute(_OF_EACH)
    of_hub = registry_of(database, Workers({"ingest": Part()}), IngestFigures(lambda: 0))
    names = {sample.name for family in of_hub.collect() for sample in family.samples}
    gateway = Figures()
    gateway.sources["press"] = SourceFigures("press", clock_offset_ms=1.0)
    gateway.lines["P1/TRIM1"] = LineFigures()
    gateway.identity.not_after = datetime.now(UTC)
    told = figures(exposition(gateway, ("seatworks", "gw"))[0].decode())
    return names | {name for name, _ in told}


def test_each_alert_is_made_of_figures_that_exist(series: set[str]) -> None:
    for rule in rules():
        looked_at = selected(promql_parser.parse(rule["expr"]))
        assert looked_at, rule["alert"]
        assert looked_at <= series, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "action"}


def test_the_dashboard_is_made_of_figures_that_exist(series: set[str]) -> None:
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "lineside.json").read_text())
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            expression = target["expr"]
            for span in ("$__rate_interval", "$__range"):
                expression = expression.replace(span, "5m")
            looked_at = selected(promql_parser.parse(expression))
            assert looked_at, panel["title"]
            assert looked_at <= series, panel["title"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((\w+).*, (\w+)\)", variable["definition"])
            assert asked is not None
            assert asked[1] in series


def test_the_dashboard_is_provisioned() -> None:
    folder = DEPLOY / "grafana" / "provisioning"
    (provider,) = YAML(typ="safe").load(folder / "dashboards" / "lineside.yaml")["providers"]
    assert provider["type"] == "file"
    (source,) = YAML(typ="safe").load(folder / "datasources" / "prometheus.yaml")["datasources"]
    assert source["type"] == "prometheus"


_OF_EACH = """
INSERT INTO gateway_status (gateway, owner, partner, online, since)
    SELECT id, owner, partner, false, now() FROM gateway ON CONFLICT DO NOTHING;
INSERT INTO gateway_traffic (gateway, owner, partner)
    SELECT id, owner, partner FROM gateway ON CONFLICT DO NOTHING;
INSERT INTO stream_cursor (gateway, owner, partner, stream, epoch)
    SELECT id, owner, partner, 'telemetry', 1 FROM gateway ON CONFLICT DO NOTHING;
INSERT INTO gateway_certificate (serial, owner, gateway, public_key, pem, how, not_after)
    SELECT g.id::text, owner, id, '', '', 'enrolled', now() + interval '90 d' FROM gateway g;
INSERT INTO exception (owner, plant, kind, subject, severity, told, source_at)
    VALUES ('carmaker', 'P1', 'late', 'x', 'critical', '{carmaker}', now());
INSERT INTO webhook (id, owner, url, topics, secret, made_by)
    VALUES ('w', 'carmaker', 'https://example.org', '{calls}', 'x', 'test');
INSERT INTO webhook_message (owner, webhook, topic, subject, body)
    VALUES ('carmaker', 'w', 'calls', '1', '{}');
"""
