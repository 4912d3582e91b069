"""What in a right configuration is probably not meant so: `check` says it, the agent runs with it.

Files are looked for here, so that an agent whose files come later (a mounted disk) still starts.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edge.config.cross_checks import Location
from edge.config.load import Problem, place
from edge.config.model import EdgeConfig
from edge.sources.camera.config import CameraSettings
from edge.sources.manual.config import ManualSettings

_MADE = ("certificate_file", "key_file")
"""Of a source's security: made where they are missing."""
_SECRETS = ("password_file", "key_file", "user_key_file")


def remarks(path: Path, config: EdgeConfig) -> list[Problem]:
    """All of them, in the order of the file."""
    found = [*_files(config, ()), *_passwords(config, ()), *_rest(config)]
    return sorted(Problem(*place(path, loc), what) for loc, what in found)


def _files(model: BaseModel, loc: Location) -> Iterator[tuple[Location, str]]:
    """Files that are named and cannot be read, and secrets that others can."""
    for key, value, at in _settings(model, loc):
        if not isinstance(value, Path) or not key.endswith("_file"):
            continue
        if key in _MADE and "security" in at:
            continue
        if not value.is_file():
            yield at, f"there is no file {value}; put it there, or correct the path"
        elif key in _SECRETS and value.stat().st_mode & stat.S_IROTH:
            yield at, f"{value} can be read by everybody; chmod o= {value}"


def _passwords(model: BaseModel, loc: Location) -> Iterator[tuple[Location, str]]:
    for key, value, at in _settings(model, loc):
        if key == "password" and value is not None:
            yield at, "a password in the file is seen by all who see it; better password_file"


def _rest(config: EdgeConfig) -> Iterator[tuple[Location, str]]:
    if not config.sources:
        yield ("sources",), "nothing is read; `discover --write` adds a source and its tags"
    for i, source in enumerate(config.sources):
        has_tags = "tags" in type(source).model_fields
        if (
            has_tags
            and not source.tags
            and getattr(source, "results", None) is None
            and all(line.device != source.device for line in config.jis)
        ):
            yield ("sources", i), "has no tags: nothing is read from it; see `discover`"
        if isinstance(source, CameraSettings) and not source.verify:
            yield (
                ("sources", i, "verify"),
                "anybody in between could pass for this camera; better ca_file: its certificate",
            )
        if isinstance(source, ManualSettings) and not config.board.port:
            yield ("sources", i), "board.port is 0: there is no page to enter its results at"
        security = getattr(source, "security", None)
        if security is not None and security.trust_any_server:
            yield (
                ("sources", i, "security", "trust_any_server"),
                "whoever answers at this address is believed; only to try things out",
            )
    if config.trace.endpoint is not None and not _can_trace():
        what = "nothing is traced without its library; install lineside with the extra `trace`"
        yield ("trace", "endpoint"), what
    if config.has_cameras and config.pictures.keep_free_mb < config.journal.keep_free_mb:
        what = f"less than journal.keep_free_mb ({config.journal.keep_free_mb}): pictures could "
        yield ("pictures", "keep_free_mb"), f"{what}take the room in which the journal grows"
    if config.has_board and config.status.port == config.board.port:
        yield ("board", "port"), f"port {config.board.port} is that of the status page too"


def _can_trace() -> bool:
    try:
        return find_spec("opentelemetry.sdk") is not None
    except ModuleNotFoundError:  # not even the package that it is in
        return False


def _settings(model: BaseModel, loc: Location) -> Iterator[tuple[str, Any, Location]]:
    """Each setting that is no section, with its key and place."""
    for name, field in type(model).model_fields.items():
        at = (*loc, field.alias or name)
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from _settings(value, at)
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            for i, item in enumerate(value):
                yield from _settings(item, (*at, i))
        else:
            yield name, value, at
