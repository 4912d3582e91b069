"""The chart by its own values and each of the examples: Helm and Kubernetes take it, it fits
together, and nothing runs as root, writable or unbounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from hub.api.settings import PartName
from hub.fleet.broker_files import AUTHORITY, CERTIFICATE, KEY, Broker, broker_files
from hub.settings import HubSettings
from tests.deploy.containers import forget_settings
from tests.deploy.helm.render import CHART, Rendered, rendered

VERSIONS = ("1.30.0", kubernetes_validate.latest_version())
"""The oldest that the chart takes, and the newest that there is a schema of."""
EXAMPLES = {"itself": None} | {path.stem: path for path in sorted(CHART.glob("examples/*.yaml"))}
YAML_12 = YAML(typ="safe")

Object = dict[str, Any]


@cache
def all_rendered() -> dict[str, Rendered]:
    values = [{} if path is None else YAML_12.load(path) for path in EXAMPLES.values()]
    return dict(zip(EXAMPLES, rendered(CHART, values), strict=True))


@cache
def objects(example: str) -> list[Object]:
    """All that the chart makes by these values."""
    return [
        each
        for name, text in all_rendered()[example]["files"].items()
        if name.endswith(".yaml")
        for each in YAML_12.load_all(text)
        if each is not None
    ]


def of_kind(example: str, *kinds: str) -> list[Object]:
    return [each for each in objects(example) if each["kind"] in kinds]


def pod_makers(example: str) -> list[Object]:
    return of_kind(example, "Deployment", "StatefulSet")


def named(example: str, component: str) -> Object:
    """The deployment or the like of one component."""
    (found,) = (
        each for each in pod_makers(example) if each["metadata"]["name"].endswith(component)
    )
    return found


def pod(maker: Object) -> Object:
    found: Object = maker["spec"]["template"]
    return found


def containers(maker: Object) -> Iterator[Object]:
    spec = pod(maker)["spec"]
    yield from spec.get("initContainers", [])
    yield from spec["containers"]


def secrets(maker: Object) -> dict[str, str]:
    """Names of the Secrets it is given, by the volume's name."""
    return {
        each["name"]: each["secret"]["secretName"]
        for each in pod(maker)["spec"]["volumes"]
        if "secret" in each
    }


every_example = pytest.mark.parametrize("example", EXAMPLES)


@every_example
def test_helm_takes_it(example: str) -> None:
    assert all_rendered()[example]["complaints"] == []
    assert objects(example)


@every_example
def test_kubernetes_takes_it(example: str) -> None:
    for version in VERSIONS:
        for each in objects(example):
            kubernetes_validate.validate(each, version, strict=True)


def test_what_is_wrong_is_noticed() -> None:
    """By the schema of the values, each with the name of what is wrong; by that of Kubernetes."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"broker": {"kind": "mosquito"}}, "/broker/kind"),
        ({"broker": {"kind": "external"}}, "/broker/host"),
        ({"broker": {"host": "mqtt.example.org"}}, "/broker/host"),
        ({"database": {"kind": "external"}}, "/database/host"),
        ({"database": {"superuserSecret": ""}}, "/database/superuserSecret"),
        ({"hub": {"ingest": {"worker": 4}}}, "worker"),
        ({"hub": {"ingest": {"workers": 0}}}, "/hub/ingest/workers"),
        ({"hub": {"image": "lineside-hub:latest"}}, "/hub/image"),
        ({"hub": {"settings": {"LINESIDE_HUB_KEEP__SAMPLES_DAYS": 30}}}, "SAMPLES_DAYS"),
        ({"hub": {"api": {"resources": {"limits": None}}}}, "/hub/api/resources"),
    ]
    for found, (values, name) in zip(rendered(CHART, [v for v, _ in wrong]), wrong, strict=True):
        assert found["files"] == {}, values
        assert name in "".join(found["complaints"]), found["complaints"]
    database = named("itself", "database")
    spec = {**database["spec"], "replica": 2}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**database, "spec": spec}, VERSIONS[0], strict=True)


@every_example
def test_each_brings_what_it_is_for(example: str) -> None:
    components = {
        each["metadata"]["labels"]["app.kubernetes.io/component"] for each in pod_makers(example)
    }
    own = set() if example == "external" else {"broker", "database"}
    assert components == {"api", "ingest", "calls"} | own
    parts: list[str] = []
    for component in ("api", "ingest", "calls"):
        (container,) = pod(named(example, component))["spec"]["containers"]
        parts += container["args"][2::2]
    assert sorted(parts) == sorted(PartName)
    ingest = named(example, "ingest")
    assert ingest["spec"]["replicas"] == (6 if example == "large" else 2)
    assert bool(of_kind(example, "Ingress")) == (example == "tls")
    (api,) = pod(named(example, "api"))["spec"]["containers"]
    asked = {"port": "http", "scheme": "HTTPS" if example == "tls" else "HTTP"}
    assert api["readinessProbe"]["httpGet"] == {"path": "/readyz"} | asked
    assert ("initContainers" in pod(named(example, "calls"))["spec"]) == (example != "external")
    if own:
        (broker,) = containers(named(example, "broker"))
        assert broker["image"].startswith(
            "emqx/emqx:" if example == "emqx" else "eclipse-mosquitto:"
        )


@every_example
def test_no_container_is_root_writable_or_unbounded(example: str) -> None:
    for maker in pod_makers(example):
        spec = pod(maker)["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in containers(maker):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]
            assert container["image"].rpartition(":")[2][0].isdigit()
        for container in spec["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys()


@every_example
def test_what_is_named_is_there(example: str) -> None:
    maps = {each["metadata"]["name"] for each in of_kind(example, "ConfigMap")}
    for maker in pod_makers(example):
        labels = pod(maker)["metadata"]["labels"]
        assert maker["spec"]["selector"]["matchLabels"].items() <= labels.items()
        volumes = {volume["name"] for volume in pod(maker)["spec"]["volumes"]}
        claims = maker["spec"].get("volumeClaimTemplates", [])
        volumes |= {claim["metadata"]["name"] for claim in claims}
        mounted = {m["name"] for each in containers(maker) for m in each["volumeMounts"]}
        assert mounted == volumes
        for container in containers(maker):
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in maps
            ports = {port["name"] for port in container.get("ports", [])}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                for way in ("httpGet", "tcpSocket"):
                    port = container.get(probe, {}).get(way, {}).get("port")
                    assert port is None or port in ports


@every_example
def test_services_and_policies_select_pods_and_their_ports(example: str) -> None:
    pods = [
        (
            pod(maker)["metadata"]["labels"],
            {port["name"] for each in containers(maker) for port in each.get("ports", [])},
        )
        for maker in pod_makers(example)
    ]
    for service in of_kind(example, "Service"):
        chosen = [
            ports for labels, ports in pods if service["spec"]["selector"].items() <= labels.items()
        ]
        assert len(chosen) == 1, service
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= chosen[0]
    opened = set()
    for policy in of_kind(example, "NetworkPolicy"):
        rules = policy["spec"].get("ingress", [])
        chosen = [ports for labels, ports in pods if selects(policy["spec"]["podSelector"], labels)]
        assert chosen, policy
        for port in (port["port"] for rule in rules for port in rule["ports"]):
            assert all(port in ports for ports in chosen), policy
            opened.add(port)
        for rule in rules:
            for source in rule.get("from", []):
                if "podSelector" in source:
                    assert sum(selects(source["podSelector"], labels) for labels, _ in pods) == 3
    assert opened == set().union(*(ports for _, ports in pods))
    services = {each["metadata"]["name"] for each in of_kind(example, "Service")}
    for ingress in of_kind(example, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["name"] in services


def selects(selector: Object, labels: Object) -> bool:
    return selector["matchLabels"].items() <= labels.items() and all(
        labels[each["key"]] in each["values"] for each in selector.get("matchExpressions", [])
    )


def documented() -> dict[str, set[str]]:
    """Secrets that the README makes, with their keys; those of a folder or of `tls` are known."""
    found: dict[str, set[str]] = {}
    readme = re.sub(r"\s*\n\s*", " ", (CHART / "README.md").read_text())
    for name, rest in re.findall(r"create secret (?:generic|tls) (\S+)((?: --from-\S+)*)", readme):
        found[name] = set(re.findall(r"--from-(?:file|literal)=([a-z.]+)=", rest))
    found["hub-tls"] = {"tls.crt", "tls.key"}
    found["broker-files"] = {AUTHORITY, CERTIFICATE, KEY}
    return found


@every_example
def test_the_hub_reads_every_setting(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (settings,) = [each["data"] for each in of_kind(example, "ConfigMap")]
    forget_settings(monkeypatch)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    read = HubSettings()
    assert read.broker.tls
    assert read.ingest.shared
    assert read.monitoring.port == 9464
    assert (read.api.cert_file is not None) == (example == "tls")
    assert (read.database.sslmode == "verify-full") == (example == "external")
    if example != "external":
        services = {each["metadata"]["name"] for each in of_kind(example, "Service")}
        assert {read.broker.host, read.database.host} <= services
        assert f"--name {read.broker.host}\n" in (CHART / "README.md").read_text()


@every_example
def test_each_process_is_given_the_secrets_it_reads_and_no_others(example: str) -> None:
    more = {"database-authority"} if example == "external" else set()
    for component, wanted in {
        "api": {"database", "authority", "api"} | ({"tls"} if example == "tls" else set()),
        "ingest": {"database", "broker"},
        "calls": {"database", "broker", "api"},
    }.items():
        maker = named(example, component)
        (container,) = pod(maker)["spec"]["containers"]
        places = {PurePosixPath(each["mountPath"]) for each in container["volumeMounts"]}
        assert {p.name for p in places if p.is_relative_to("/run/secrets")} == wanted | more
    before = pod(named(example, "calls"))["spec"].get("initContainers", [])
    with_superuser = [
        each["name"]
        for maker in pod_makers(example)
        for each in containers(maker)
        if "/run/secrets/superuser" in {mount["mountPath"] for mount in each["volumeMounts"]}
    ]
    assert with_superuser == ([*(each["name"] for each in before), "database"] if before else [])


@every_example
def test_the_readme_makes_every_secret_with_all_that_is_read_of_it(example: str) -> None:
    known = documented()
    (settings,) = [each["data"] for each in of_kind(example, "ConfigMap")]
    paths = [
        PurePosixPath(value) for value in settings.values() if value.startswith("/run/secrets/")
    ]
    read = {(path.parts[3], path.name) for path in paths if len(path.parts) == 5}
    for maker in pod_makers(example):
        for volume, secret in secrets(maker).items():
            assert secret in known, secret
            assert {key for place, key in read if place == volume} <= known[secret], secret
        for volume in pod(maker)["spec"]["volumes"]:
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
        for container in containers(maker):
            for each in container.get("env", []):
                wanted = each.get("valueFrom", {}).get("secretKeyRef")
                assert wanted is None or wanted["key"] in known[wanted["name"]]


@pytest.mark.parametrize("example", ["itself", "emqx"])
def test_the_broker_begins_with_the_files_that_are_generated_for_it(example: str) -> None:
    (broker,) = containers(named(example, "broker"))
    at = broker["volumeMounts"][0]["mountPath"]
    assert f"--at {at} " in (CHART / "README.md").read_text()
    kind: Broker = "emqx" if example == "emqx" else "mosquitto"
    (port,) = broker["ports"]
    files = broker_files(kind, [("g", "n")], "lineside-hub", port["containerPort"], at)
    if kind == "emqx":
        (settings,) = [m["subPath"] for m in broker["volumeMounts"] if "subPath" in m]
    else:
        settings = PurePosixPath(broker["command"][-1]).name
        assert broker["command"][-1] == f"{at}/{settings}"
    assert settings in files
