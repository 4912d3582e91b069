"""The manifests are what Kubernetes takes, fit together, and run nothing as root or unbounded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from hub.settings import HubSettings

FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
VERSIONS = ("1.30.0", kubernetes_validate.latest_version())
"""The oldest that is tried, and the newest that there is a schema of."""


def listed() -> list[dict[str, Any]]:
    """All objects, as kustomize would take them."""
    kustomization = YAML(typ="safe").load(FOLDER / "kustomization.yaml")
    found = []
    for name in kustomization["resources"]:
        found += list(YAML(typ="safe").load_all(FOLDER / name))
    return found


OBJECTS = listed()
POD_MAKERS = [each for each in OBJECTS if each["kind"] in ("Deployment", "StatefulSet")]


def named(thing: dict[str, Any]) -> str:
    return f"{thing['kind']}/{thing['metadata']['name']}"


def pod(maker: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = maker["spec"]["template"]
    return found


def containers(maker: dict[str, Any]) -> Iterator[dict[str, Any]]:
    spec = pod(maker)["spec"]
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def test_every_file_is_listed() -> None:
    kustomization = YAML(typ="safe").load(FOLDER / "kustomization.yaml")
    there = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == there


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("thing", OBJECTS, ids=named)
def test_kubernetes_takes_it(thing: dict[str, Any], version: str) -> None:
    kubernetes_validate.validate(thing, version, strict=True)


def test_a_wrong_object_is_noticed() -> None:
    wrong = {**POD_MAKERS[0], "spec": {**POD_MAKERS[0]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)


@pytest.mark.parametrize("maker", POD_MAKERS, ids=named)
def test_no_container_is_root_writable_or_unbounded(maker: dict[str, Any]) -> None:
    context = pod(maker)["spec"]["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(maker)["spec"]["automountServiceAccountToken"] is False
    for container in containers(maker):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert container["image"].rpartition(":")[2][0].isdigit()
    for container in pod(maker)["spec"]["containers"]:
        assert "readinessProbe" in container


@pytest.mark.parametrize("maker", POD_MAKERS, ids=named)
def test_what_is_named_is_there(maker: dict[str, Any]) -> None:
    labels = pod(maker)["metadata"]["labels"]
    assert maker["spec"]["selector"]["matchLabels"].items() <= labels.items()
    volumes = {volume["name"] for volume in pod(maker)["spec"]["volumes"]}
    volumes |= {
        claim["metadata"]["name"] for claim in maker["spec"].get("volumeClaimTemplates", [])
    }
    maps = {each["metadata"]["name"] for each in OBJECTS if each["kind"] == "ConfigMap"}
    readme = (FOLDER / "README.md").read_text()
    for volume in pod(maker)["spec"]["volumes"]:
        if "secret" in volume:
            assert f"generic {volume['secret']['secretName']} " in readme
            assert volume["secret"]["defaultMode"] == 0o440
    for container in containers(maker):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", [])}
        for source in container.get("envFrom", []):
            assert source["configMapRef"]["name"] in maps
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for way in ("httpGet", "tcpSocket"):
                port = container.get(probe, {}).get(way, {}).get("port")
                assert port is None or port in ports


def test_services_and_policies_select_pods_and_their_ports() -> None:
    pods = [
        (
            pod(maker)["metadata"]["labels"],
            {port["containerPort"] for each in containers(maker) for port in each.get("ports", [])},
        )
        for maker in POD_MAKERS
    ]
    for thing in OBJECTS:
        if thing["kind"] == "Service":
            selector, rules = thing["spec"]["selector"], [{"ports": thing["spec"]["ports"]}]
        elif thing["kind"] == "NetworkPolicy" and thing["metadata"]["name"] != "closed":
            selector = thing["spec"]["podSelector"]["matchLabels"]
            rules = thing["spec"]["ingress"]
        else:
            continue
        chosen = [ports for labels, ports in pods if selector.items() <= labels.items()]
        assert len(chosen) == 1, named(thing)
        assert {port["port"] for rule in rules for port in rule["ports"]} <= chosen[0], named(thing)


def test_the_hub_reads_every_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = [each["data"] for each in OBJECTS if each["kind"] == "ConfigMap"]
    for name in [name for name in os.environ if name.startswith("LINESIDE_")]:
        monkeypatch.delenv(name)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    read = HubSettings()
    assert read.broker.tls
    assert read.monitoring.port == 9464
    hub = next(each for each in POD_MAKERS if each["metadata"]["name"] == "hub")
    mounted = [mount["mountPath"] for each in containers(hub) for mount in each["volumeMounts"]]
    for value in settings.values():
        if value.startswith("/"):
            assert any(value == path or value.startswith(f"{path}/") for path in mounted), value
