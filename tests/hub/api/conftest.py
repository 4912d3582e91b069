from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn

from hub.api.app import create_app
from hub.api.settings import ApiSettings
from hub.fleet.settings import Signing
from hub.identity.settings import IdentitySettings
from hub.store import Database
from tests.hub.calls.world import make_world

TOKEN = "a-token-of-some-length"


@contextmanager
def serving(
    database: Database,
    settings: ApiSettings,
    port: int = 0,
    identity: IdentitySettings | None = None,
    signing: Signing | None = None,
) -> Iterator[str]:
    """The API over real HTTP; gives its address. Port 0: any that is free."""
    app = create_app(database, settings, identity=identity, signing=signing)
    # Named as TCP, as `serve` does it: else each answer waits 40 ms for Nagle's algorithm.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        # What changes before the hub listens is told to nobody who watches: they begin anew then.
        while not (server.started and app.state.live.listening.is_set()):
            assert thread.is_alive()
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            app.state.live.close()
            server.should_exit = True
            thread.join()


@pytest.fixture
def world(database: Database) -> Database:
    make_world(database)
    with database.connect("ingest") as connection:
        connection.execute(
            """
            WITH s AS (INSERT INTO production_sequence (plant, owner, method)
                VALUES ('P1', 'carmaker', 'given') RETURNING id)
            INSERT INTO sequence_position
            SELECT s.id, given_rank, 'P1', 'carmaker', production_no FROM vehicle_order, s
            """
        )
    return database


@pytest.fixture
def url(world: Database) -> Iterator[str]:
    with serving(world, ApiSettings()) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60) as opened:
        yield opened
