"""The unit as it is for one PC: its paths, and what the gateway's own file needs that the hardening
would else keep from it."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from edge.config import EdgeConfig
from edge.sources.folder.settings import FolderSettings
from edge.sources.modbus.config import ModbusSettings

NAME = "lineside-edge.service"
SYSUSERS = "lineside.sysusers.conf"
STATE_DIR = Path("/var/lib/lineside")
"""What systemd makes for the service by itself (`StateDirectory`)."""
_PROGRAM = "/opt/lineside/bin/lineside-edge"
_CONFIG = "/etc/lineside/edge.yaml"
_HEAD = "# Written by `lineside-edge service install`.\n"
_HOMES = (Path("/home"), Path("/root"), Path("/run/user"))


def unit(config: EdgeConfig, file: Path, program: Path, user: str) -> str:
    """The unit's text."""
    text = (resources.files(__package__) / NAME).read_text(encoding="utf-8")
    text = _HEAD + text[text.index("[Unit]") :]
    text = text.replace(_PROGRAM, str(program)).replace(_CONFIG, str(file))
    text = text.replace("User=lineside", f"User={user}").replace("Group=lineside", f"Group={user}")
    more = list(_needs(config, file, program))
    if not more:
        return text
    needed = "\n".join(["# What this gateway's file needs besides.", *more])
    return text.replace("\n[Install]", f"\n{needed}\n\n[Install]")


def sysusers() -> str:
    """The user that the gateway runs as, for systemd-sysusers."""
    return (resources.files(__package__) / SYSUSERS).read_text(encoding="utf-8")


def writable(config: EdgeConfig) -> list[Path]:
    """Directories that the gateway writes to: its data, its certificates, and what it rejects."""
    found = [config.data_dir]
    for source in config.sources:
        security = getattr(source, "security", None)
        if security is not None:
            made = (security.certificate_file.parent, security.key_file.parent)
            found += [*made, *([security.trust_dir] if security.trust_dir else [])]
    return list(dict.fromkeys(found))


def watched(config: EdgeConfig) -> list[Path]:
    """Folders that files are taken from, archived and set aside in. They are others' as well."""
    folders = [source for source in config.sources if isinstance(source, FolderSettings)]
    found = [path for each in folders for path in (each.watch_dir, each.archive, each.rejected)]
    return [
        path
        for path in dict.fromkeys(found)
        if not any(path != other and path.is_relative_to(other) for other in found)
    ]


def read_files(config: EdgeConfig) -> list[Path]:
    """Files that the gateway reads: passwords, keys, certificates."""
    return list(dict.fromkeys(path for path in _files(config) if path.is_file()))


def _files(model: BaseModel) -> Iterator[Path]:
    for name, value in model:
        values: list[Any] = value if isinstance(value, list) else [value]
        for each in values:
            if isinstance(each, BaseModel):
                yield from _files(each)
            elif isinstance(each, Path) and name.endswith("_file"):
                yield each


def _needs(config: EdgeConfig, file: Path, program: Path) -> Iterator[str]:
    outside = [path for path in (*writable(config), *watched(config)) if path != STATE_DIR]
    if outside:
        # "-": one that is made later does not keep the service from starting.
        yield "ReadWritePaths=" + " ".join(f"-{path}" for path in outside)
    if any(_in_home(path) for path in (file, program, *outside)):
        yield "ProtectHome=read-only"
    ports = [
        source.serial_port
        for source in config.sources
        if isinstance(source, ModbusSettings) and source.serial_port is not None
    ]
    if ports:
        yield "PrivateDevices=no"
        yield from (f"DeviceAllow={port} rw" for port in dict.fromkeys(ports))
        yield "SupplementaryGroups=dialout"


def _in_home(path: Path) -> bool:
    return any(path.is_relative_to(home) for home in _HOMES)
