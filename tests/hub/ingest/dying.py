"""Run ingest in this process until it has committed a record, then die before it answers.

python -m tests.hub.ingest.dying CONNINFO BROKER_PORT
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable

from hub.ingest import Ingest
from hub.ingest.session import Session
from hub.ingest.worker import Worker
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from protocols.streams import Cursor
from tests.fixtures.postgres import PASSWORDS
from tests.hub.ingest.conftest import FAST


class _Dying(Worker):
    def answer(self, committed: Iterable[tuple[Session, Cursor | None]]) -> None:
        told = list(committed)
        if any(cursor is not None and cursor.watermark > 0 for _, cursor in told):
            os.kill(os.getpid(), signal.SIGKILL)
        super().answer(told)


if __name__ == "__main__":
    broker = BrokerSettings(host="127.0.0.1", port=int(sys.argv[2]), tls=False, keepalive_s=60)
    ingest = Ingest(Database(sys.argv[1], PASSWORDS), broker, FAST)
    ingest._worker.__class__ = _Dying
    ingest.start()
    threading.Event().wait()
