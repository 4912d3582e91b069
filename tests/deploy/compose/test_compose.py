"""The Compose files say what they should, for the programs that will read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from deploy.compose.make_secrets import Gateway, make
from edge.config import load
from hub.api.settings import PartName
from hub.settings import HubSettings
from tests.deploy.containers import forget_settings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy/compose"
STACK: dict[str, Any] = YAML(typ="safe").load(COMPOSE / "docker-compose.yaml")
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
PROCESSES = ("ingest", "calls", "api")
"""Those of the hub that stay."""


def run(tool: str, *arguments: str | Path) -> str:
    """What a linter of this environment says."""
    program = Path(sys.executable).with_name(tool)
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_yaml_is_clean() -> None:
    assert run("yamllint", "-s", "deploy") == ""


def test_it_is_by_the_schema_of_compose_files(tmp_path: Path) -> None:
    by_schema = ("check-jsonschema", "--builtin-schema", "vendor.compose-spec")
    assert "validation done" in run(*by_schema, COMPOSE / "docker-compose.yaml")
    wrong = tmp_path / "docker-compose.yaml"
    wrong.write_text(
        (COMPOSE / "docker-compose.yaml").read_text().replace("cap_drop:", "drop_cap:")
    )
    assert "drop_cap" in run(*by_schema, wrong)


def test_dockerfile_is_clean() -> None:
    assert run("hadolint", COMPOSE / "Dockerfile") == ""


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_do_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["user"].split(":")[0] not in {"0", "root"}
    assert "privileged" not in service
    assert service["deploy"]["resources"]["limits"].keys() == {"memory", "pids"}


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "prepare"])
def test_what_stays_says_when_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]


def test_the_parts_of_the_hub_are_each_run_once_and_ingest_by_several() -> None:
    parts = [part for name in PROCESSES for part in SERVICES[name]["command"][2::2]]
    assert sorted(parts) == sorted(PartName)
    assert {name: each["deploy"].get("replicas", 1) for name, each in SERVICES.items()} == {
        name: 2 if name == "ingest" else 1 for name in SERVICES
    }


def test_every_image_is_pinned() -> None:
    for service in SERVICES.values():
        assert service["image"].rpartition(":")[2][0].isdigit()


def test_every_secret_is_made_and_given_to_those_who_need_it(tmp_path: Path) -> None:
    make(tmp_path, [Gateway("seatworks", "gw-seat")])
    for name, secret in STACK["secrets"].items():
        assert (tmp_path / Path(secret["file"]).name).is_file(), name
    given = {
        secret if isinstance(secret, str) else secret["source"]
        for service in SERVICES.values()
        for secret in service["secrets"]
    }
    assert given == set(STACK["secrets"])
    assert not any("ca.key" in str(secret) for secret in STACK["secrets"].values())


def test_no_gateway_is_given_the_hubs_secrets_and_no_process_another_s() -> None:
    names = str(SERVICES["gateway"]["secrets"])
    assert "postgres" not in names
    assert "mqtt_hub" not in names
    assert "mqtt_hub" not in str(SERVICES["api"]["secrets"])
    assert "api_token" not in SERVICES["ingest"]["secrets"]
    with_superuser = [name for name in SERVICES if "superuser" in str(SERVICES[name]["secrets"])]
    assert with_superuser == ["database", "prepare"]


def test_every_file_that_is_mounted_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in STACK["volumes"] or (COMPOSE / source).is_file()


@pytest.mark.parametrize("name", PROCESSES)
def test_the_hub_understands_its_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    for key, value in SERVICES[name]["environment"].items():
        monkeypatch.setenv(key, value)
    settings = HubSettings()
    assert settings.broker.tls
    assert settings.database.host in SERVICES
    assert settings.broker.host in SERVICES
    assert settings.ingest.shared
    if name != "api":
        assert f":{settings.monitoring.port}/readyz" in str(SERVICES[name]["healthcheck"])


def test_the_gateways_configuration_is_right() -> None:
    config = load(COMPOSE / "gateway/edge.yaml")
    assert config.broker.tls
    assert config.broker.host in SERVICES
