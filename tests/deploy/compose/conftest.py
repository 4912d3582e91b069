"""The broker's settings are tried on a real Mosquitto; where there is none, that is left out.

`tests/fixtures/broker.py` says so at the head of the run, and fails if Mosquitto was required.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.broker import Mosquitto
from tests.deploy.compose.secured import Secured, running

collect_ignore = [] if Mosquitto.executable() else ["test_access.py", "test_processes.py"]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with running(tmp_path_factory.mktemp("secured")) as broker:
        yield broker
