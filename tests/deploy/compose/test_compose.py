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
from hub.settings import HubSettings

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy/compose"
STACK: dict[str, Any] = YAML(typ="safe").load(COMPOSE / "docker-compose.yaml")
SERVICES: dict[str, dict[str, Any]] = STACK["services"]


def run(tool: str, *arguments: str | Path) -> str:
    """What a linter of this environment says."""
    program = Path(sys.executable).with_name(tool)
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_yaml_is_clean() -> None:
    assert run("yamllint", "-s", "deploy") == ""


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


@pytest.mark.parametrize("name", ["broker", "database", "hub"])
def test_what_others_wait_for_says_when_it_is_well(name: str) -> None:
    assert "healthcheck" in SERVICES[name]


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


def test_no_gateway_is_given_the_hubs_secrets() -> None:
    names = str(SERVICES["gateway"]["secrets"])
    assert "postgres" not in names
    assert "mqtt_hub" not in names


def test_every_file_that_is_mounted_exists() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in STACK["volumes"] or (COMPOSE / source).is_file()


def test_the_hub_understands_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for key, value in SERVICES["hub"]["environment"].items():
        monkeypatch.setenv(key, value)
    settings = HubSettings()
    assert settings.broker.tls
    assert settings.database.host in SERVICES
    assert settings.broker.host in SERVICES


def test_the_gateways_configuration_is_right() -> None:
    config = load(COMPOSE / "gateway/edge.yaml")
    assert config.broker.tls
    assert config.broker.host in SERVICES
