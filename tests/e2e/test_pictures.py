"""From a result that is not in order to its clip at the hub: gateway and camera as they run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from deploy.local.broker import LocalBroker
from hub.api.settings import ApiSettings
from hub.ingest import Ingest
from hub.store import Database
from tests.edge.plant import Child, command
from tests.fixtures.broker import BROKERS
from tests.hub.api.conftest import serving
from tests.hub.calls.world import make_world
from tests.hub.ingest.conftest import FAST
from tests.hub.ingest.node import broker_settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("broker", list(BROKERS)[-1:], indirect=True),
]
WAIT_S = 120.0


def eventually(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_S
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {WAIT_S:g} s: {what}")
        time.sleep(0.05)
    return found


class Line:
    """A tester that writes files, a camera beside it, and their gateway."""

    def __init__(self, directory: Path, broker: LocalBroker) -> None:
        self.directory = directory
        self.pictures = directory / "data" / "pictures"
        self._dropped = directory / "tester"
        self._dropped.mkdir()
        self._broker = broker
        self.camera = Child([*command("firmware_sim"), "camera"], directory / "camera.log")
        file = directory / "edge.yaml"
        self.gateway = Child(
            [*command("edge"), "run", "--config", str(file)], directory / "edge.log"
        )
        self._stream = ""

    def start(self, after_s: float) -> None:
        """Start the gateway; its clips end so long after the event."""
        if not self._stream:
            _, snapshot, *_ = self.camera.start().split()
            self._stream = snapshot.replace("snapshot.jpg", "stream.mjpg")
        broker = {"host": self._broker.host, "port": self._broker.port, "tls": False}
        tester = {
            "kind": "drop",
            "device": "tester",
            "watch_dir": str(self._dropped),
            "columns": {"serial": "Serial"},
            "measured": [{"name": "Leak", "column": "Leak", "unit": "ml/min", "upper": 5.0}],
            "scan_s": 0.2,
            "settle_s": 0.2,
        }
        camera = {
            "kind": "camera",
            "device": "camera-1",
            "url": self._stream,
            "take": "clip",
            "before_s": 60,
            "after_s": after_s,
            "of": ["tester"],
        }
        YAML().dump(
            {
                "version": 1,
                "gateway": {"group": "seatworks", "node": "gw-seat"},
                "data_dir": "data",
                "broker": broker,
                "status": {"port": 0},
                "journal": {"keep_free_mb": 0},
                "pictures": {"keep_free_mb": 0},
                "sources": [tester, camera],
            },
            self.directory / "edge.yaml",
        )
        self.gateway.start()

    def test(self, serial: str, leak: float) -> None:
        """The tester has tested a part."""
        fresh = self._dropped / f".{serial}"
        fresh.write_text(f"Serial;Leak\n{serial};{leak}\n")
        fresh.rename(self._dropped / f"{serial}.csv")


@pytest.fixture
def line(tmp_path: Path, broker: LocalBroker) -> Iterator[Line]:
    made = Line(tmp_path, broker)
    try:
        yield made
    finally:
        made.gateway.kill()
        made.camera.kill()


@pytest.fixture
def client(database: Database, broker: LocalBroker) -> Iterator[httpx.Client]:
    make_world(database)
    with (
        Ingest(database, broker_settings(broker), FAST),
        serving(database, ApiSettings()) as url,
        httpx.Client(base_url=url, timeout=60) as opened,
    ):
        yield opened


def pictures_of(client: httpx.Client, serial: str) -> list[dict[str, Any]]:
    answer = client.get(f"/v1/parts/{serial}/results")
    found: list[dict[str, Any]] = answer.json()["pictures"] if answer.is_success else []
    return found


def test_a_clip_of_what_is_not_in_order_is_fetched_on_demand(
    line: Line, client: httpx.Client
) -> None:
    line.start(after_s=60)
    line.test("S-1", 9.9)
    eventually("the event", lambda: list(line.pictures.glob("*.wanted")))
    line.gateway.kill()  # between the event and the end of its clip
    line.start(after_s=0.2)
    (missed,) = eventually("what was cut off", lambda: pictures_of(client, "S-1"))
    assert (missed["state"], missed["size"]) == ("missed", None)
    assert "stopped" in missed["reason"]
    refused = client.post(f"/v1/pictures/{missed['id']}/fetch")
    assert (refused.status_code, "stopped" in refused.text) == (409, True)

    line.test("S-2", 1.0)
    # At a start without the camera there is a reason in place of a clip: the next part has one.
    serials = iter(range(3, 100))

    def kept() -> dict[str, Any] | None:
        serial = f"S-{next(serials)}"
        line.test(serial, 9.9)
        (found,) = eventually(f"the reference of {serial}", lambda: pictures_of(client, serial))
        return found if found["state"] == "kept" else None

    picture = eventually("a clip", kept)
    assert pictures_of(client, "S-2") == []
    assert (picture["device"], picture["found_by"], picture["what"], picture["event"]) == (
        "camera-1", "tester", "Leak", "nok",
    )  # fmt: skip
    assert (picture["media_type"], picture["fetch_state"]) == ("video/x-msvideo", None)
    where = f"/v1/pictures/{picture['id']}"
    assert client.get(f"{where}/content").status_code == 409

    asked = client.post(f"{where}/fetch")
    assert (asked.status_code, asked.json()["fetch_state"]) == (202, "asked")
    eventually("all of it", lambda: client.get(where).json()["fetch_state"] == "there")
    content = client.get(f"{where}/content").raise_for_status()
    (file,) = line.pictures.glob("*.avi")
    assert content.content == file.read_bytes()
    assert hashlib.sha256(content.content).hexdigest() == picture["sha256"]
    assert content.headers["content-type"] == "video/x-msvideo"
    newest = client.get("/v1/pictures", params={"limit": 1}).json()
    assert newest["items"][0]["fetch_state"] == "there"
    (older,) = client.get("/v1/pictures", params={"before": newest["next"]}).json()["items"][-1:]
    assert older["serial"] == "S-1"
