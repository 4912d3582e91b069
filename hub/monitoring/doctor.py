"""Is all there that the hub needs, and does it work? Each finding says what to do.

Everything is tried on the real thing as the hub itself would do it, and nothing is changed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hub.fleet.authority import AuthorityError
from hub.fleet.external import ExternalAuthority
from hub.monitoring.broker_check import look_at_broker
from hub.monitoring.database_check import look_at_database
from hub.monitoring.findings import Finding
from hub.orders.problems import nearest
from hub.settings import HubSettings
from hub.store import Database
from protocols.traces import TraceSettings, why_untraced

_PREFIX = "LINESIDE_HUB_"
_FREE_BYTES = 2_000_000_000
_LIST_ENDS_SOON = timedelta(days=2)


def examine(settings: HubSettings, database: Database) -> Iterator[Finding]:
    """Look at everything in turn; what fails keeps nothing else from being looked at."""
    yield from _strangers()
    yield from look_at_database(database)
    yield from look_at_broker("broker", settings.broker, settings.host_id)
    for number, broker in enumerate(settings.more_brokers, start=2):
        yield from look_at_broker(f"broker {number}", broker, settings.host_id)
    if settings.ca.external_file is not None:
        yield _external(settings.ca.external_file, settings.ca.external_crl_file)
    yield _api(settings)
    if settings.trace.endpoint is not None:
        yield _traces(settings.trace)
    yield _disk(settings.data_dir)


def _strangers() -> Iterator[Finding]:
    """Variables of groups that there are none of, which nothing else would refuse."""
    groups = [f"{_PREFIX}{name}".upper() for name in HubSettings.model_fields]
    for name in sorted(os.environ):
        group, _, rest = name.upper().partition("__")
        if rest and group.startswith(_PREFIX) and group not in groups:
            text = f"{name} is no setting and does nothing{nearest(group, groups)}"
            yield Finding("settings", "warning", text, "correct its name, or take it away")


def _external(cert_file: Path, crl_file: Path | None) -> Finding:
    what = "external authority"
    try:
        until = ExternalAuthority.load(cert_file, crl_file).listed_until
    except AuthorityError as error:
        todo = "correct LINESIDE_HUB_CA__EXTERNAL_FILE or __EXTERNAL_CRL_FILE, then broker config"
        return Finding(what, "failed", str(error), todo)
    if until is None:
        return Finding(what, "ok", f"{cert_file}: leads to its root")
    text = f"{crl_file}: what it revoked, good until {until:%Y-%m-%d %H:%M} UTC"
    if until - datetime.now(UTC) < _LIST_ENDS_SOON:
        todo = (
            "fetch the next one, then broker config: after it the broker lets no gateway of it in"
        )
        return Finding(what, "warning", text, todo)
    return Finding(what, "ok", text)


def _api(settings: HubSettings) -> Finding:
    try:
        settings.api.secret()
    except (OSError, ValueError) as error:
        return Finding("api", "failed", str(error), "see LINESIDE_HUB_API__TOKEN_FILE")
    where = f"{settings.api.host}:{settings.api.port}"
    if settings.api.is_open:
        text = f"{where}: nobody is asked who they are; serves this machine alone"
        todo = "set LINESIDE_HUB_API__TOKEN_FILE before others come to it"
        return Finding("api", "warning", text, todo)
    return Finding("api", "ok", f"{where}: asks who it is")


def _traces(settings: TraceSettings) -> Finding:
    reason = why_untraced(settings)
    if reason is not None:
        todo = "calls go on, and their spans are dropped; see LINESIDE_HUB_TRACE__ENDPOINT"
        return Finding("traces", "warning", f"{settings.url}: {reason}", todo)
    return Finding("traces", "ok", f"{settings.url}: takes spans")


def _disk(folder: Path) -> Finding:
    whole = folder.absolute()
    nearest = next(path for path in (whole, *whole.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    text = f"{free / 1e9:.1f} GB free below {folder}"
    if free < _FREE_BYTES:
        return Finding("disk", "warning", text, "make room: a database without it stands still")
    return Finding("disk", "ok", text)
