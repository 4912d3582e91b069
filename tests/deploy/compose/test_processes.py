"""The hub's services as the Compose file has them: are they ready with what they are given?"""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store import Database
from tests.deploy.compose.secured import Secured
from tests.deploy.compose.test_compose import PROCESSES, SERVICES, STACK
from tests.deploy.containers import ROLES, Container, forget_settings, wait_until_ready


def container(name: str, secured: Secured) -> Container:
    service = SERVICES[name]
    secrets = {}
    for secret in service["secrets"]:
        source, target = (
            (secret, secret) if isinstance(secret, str) else (secret["source"], secret["target"])
        )
        file = Path(STACK["secrets"][source]["file"])
        secrets[target] = (secured.secrets / file.name).read_text()
    assert ROLES.keys() <= secrets.keys()
    return Container(name, service["command"], service["environment"], {**secrets, **ROLES})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_is_ready_with_its_own_secrets_alone(
    secured: Secured, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_settings(monkeypatch)
    containers = [
        container(name, secured)
        for name in PROCESSES
        for _ in range(SERVICES[name]["deploy"].get("replicas", 1))
    ]
    assert len(containers) == 4
    wait_until_ready(containers, secured.port, database, tmp_path)
