"""One of several ingest workers, in a process of its own, until it is told to end.

python -m tests.hub.ingest.sharing_child CONNINFO BROKER_PORT BIRTH_GRACE_S
"""

from __future__ import annotations

import signal
import sys
import threading

from hub.ingest import Ingest, sharing
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.postgres import PASSWORDS
from tests.hub.ingest.conftest import FAST

if __name__ == "__main__":
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    broker = BrokerSettings(host="127.0.0.1", port=int(sys.argv[2]), tls=False, keepalive_s=60)
    # No worker loses its lease because the machine stands still; the tests end it of those that
    # they kill (`Workers.expire`), and each looks as often as with a short one.
    settings = FAST.model_copy(
        update={"shared": True, "lease_s": 60.0, "birth_grace_s": float(sys.argv[3])}
    )
    sharing._BEATS = 120
    with Ingest(Database(sys.argv[1], PASSWORDS), broker, settings):
        stopping.wait()
