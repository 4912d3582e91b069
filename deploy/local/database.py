"""The database of what runs here on its own parts: always one that it starts itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes import ProcessError
from hub.settings import HubSettings
from hub.store import Database, open_database

_HOST = "LINESIDE_HUB_DATABASE__HOST"


@contextmanager
def own_database(data_dir: Path) -> Iterator[Database]:
    """An embedded PostgreSQL below `data_dir`, by the programs that the environment names if it
    names some.

    Raises `ProcessError` where the environment names a server: demos would fill it with made-up
    cars, and benchmarks empty its tables.
    """
    named = next((name for name in os.environ if name.upper() == _HOST), None)
    if named is not None:
        raise ProcessError(
            f"this runs on a database of its own, and {named} names one that is there already "
            f"({os.environ[named]}): unset it"
        )
    with open_database(HubSettings().database, data_dir) as database:
        yield database
