"""The hub's pods as the chart has them, at a broker with the files that are generated for it: are
they ready with what they are given?"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from deploy.local.ports import LOOPBACK, free_port
from hub.fleet.authority import Authority
from hub.fleet.broker_files import AUTHORITY, CERTIFICATE, KEY, broker_files
from hub.store import Database
from protocols.mqtt.rights import HUB_USER
from tests.deploy.containers import ROLES, SECRETS, Container, forget_settings, wait_until_ready
from tests.deploy.helm.test_chart import containers, documented, named, of_kind, secrets
from tests.fixtures.mosquitto import mosquitto


def pods(component: str, texts: dict[str, str]) -> list[Container]:
    """All of one deployment, with what its Secrets hold as the README makes them."""
    maker = named("itself", component)
    (settings,) = [each["data"] for each in of_kind("itself", "ConfigMap")]
    *_, container = containers(maker)
    given = {
        f"{PurePosixPath(mount['mountPath']).name}/{key}": texts[key]
        for mount in container["volumeMounts"]
        if mount["mountPath"].startswith(SECRETS)
        for key in documented()[secrets(maker)[mount["name"]]]
    }
    pod = Container(component, container["args"], settings, given)
    return [pod] * maker["spec"]["replicas"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_is_ready_with_its_own_secrets_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_settings(monkeypatch)
    made = tmp_path / "ca.crt", tmp_path / "ca.key"
    authority = Authority.create(*made, "Lineside gateways")
    hub, hub_key = authority.make_client(HUB_USER)
    texts = {"ca.crt": made[0].read_text(), "ca.key": made[1].read_text(), "token": "t" * 32}
    texts |= {"hub.crt": hub, "hub.key": hub_key, **ROLES}

    at, port = tmp_path / "broker", free_port()
    at.mkdir()
    server, server_key = authority.make_server(["localhost"])
    files = broker_files("mosquitto", [], "lineside-hub", port, str(at))
    files |= {AUTHORITY: authority.pem, CERTIFICATE: server, KEY: server_key}
    for name, text in files.items():
        (at / name).write_text(text)
    here = files["mosquitto.conf"].replace(f"listener {port}", f"listener {port} {LOOPBACK}")
    with mosquitto(tmp_path, here, port):
        every = [pod for each in ("ingest", "calls", "api") for pod in pods(each, texts)]
        assert len(every) == 4
        wait_until_ready(every, port, database, tmp_path / "pods")
