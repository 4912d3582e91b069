"""What the maker needs to help, in one file, without any secret: for `lineside-edge
support-bundle`."""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from protocols.logs import HIDDEN, NAMED_SO, with_bare_addresses

_SECRET_LINE = re.compile(
    rf"(?im)(?P<key>[\"']?\b{NAMED_SO}\b[\"']?[ \t]*[:=][ \t]*)"
    r"(?P<value>\"(?:\\.|[^\"])*\"|'(?:''|[^'])*'|[^\s,}#\n][^,}#\n]*)"
)
_BLOCK = re.compile(rf"(?im)^[\s#-]*[\"']?{NAMED_SO}[\"']?\s*:\s*(?:[&!]\S+\s+)*[|>]")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_SHORTEST = 4
"""A secret that is shorter would blot out words that are none; behind its key it is hidden too."""
_LOG_LINES = 3000
_LOG_BYTES = 4 * 1024 * 1024


class Redactor:
    """Takes secrets out of texts: by their keys, and by themselves wherever they stand."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {s.strip() for s in secrets}
        known |= {json.dumps(s)[1:-1] for s in known}
        self._secrets = sorted((s for s in known if len(s) >= _SHORTEST), key=len, reverse=True)

    def text(self, text: str) -> str:
        """A text without secrets."""
        return _SECRET_LINE.sub(lambda found: f'{found["key"]}"{HIDDEN}"', self._bare(text))

    def plain(self, value: Any) -> Any:
        """A document's plain value without secrets."""
        if isinstance(value, dict):
            return {self._bare(str(key)): self.plain(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.plain(inner) for inner in value]
        return self._bare(value) if isinstance(value, str) else value

    def _bare(self, text: str) -> str:
        text = _PRIVATE_KEY.sub(HIDDEN, text)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return with_bare_addresses(text)


def secrets_in(file: Path) -> list[str]:
    """All secrets that a configuration has or points to, whatever else is wrong with it."""
    try:
        tree = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError):
        return []
    return list(_secrets(tree, file.absolute().parent))


def config_text(file: Path) -> str:
    """The configuration, if its secrets can be told from the rest."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return f"{file}: {error}\n"
    if _BLOCK.search(text):
        return f"{file}: left out: a secret stands in it over several lines\n"
    return text


def versions() -> dict[str, Any]:
    """What is installed here, and on what."""
    return {
        "lineside": metadata.version("lineside"),
        "python": sys.version,
        "executable": sys.executable,
        "platform": platform.platform(),
        "os": _os_release(),
        "sqlite": sqlite3.sqlite_version,
        "cpus": os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "packages": {
            each.metadata["Name"]: each.version
            for each in sorted(metadata.distributions(), key=lambda d: str(d.metadata["Name"]))
        },
    }


def disk(data_dir: Path) -> dict[str, Any]:
    """Room and files of the data directory."""
    there = next(p for p in (data_dir, *data_dir.parents) if p.exists())
    usage = shutil.disk_usage(there)
    files = sorted(data_dir.glob("*")) if data_dir.is_dir() else []
    return {
        "data_dir": str(data_dir),
        "total_mb": usage.total // 2**20,
        "free_mb": usage.free // 2**20,
        "files": {p.name: p.stat().st_size for p in files if p.is_file()},
    }


def log_tail(unit: str, file: Path | None) -> str:
    """The last lines of the service's log, or of a file."""
    if file is not None:
        try:
            with file.open("rb") as log:
                log.seek(max(0, file.stat().st_size - _LOG_BYTES))
                return log.read().decode(errors="replace")
        except OSError as error:
            return f"{file}: {error.strerror}\n"
    program = shutil.which("journalctl")
    if program is None:
        return "journalctl is not here; give --log FILE\n"
    done = subprocess.run(  # noqa: S603 - our own words
        [program, "--no-pager", "-u", unit, "-n", str(_LOG_LINES), "-o", "short-iso-precise"],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=60,
    )
    return done.stdout + done.stderr


def write(path: Path, parts: dict[str, Any], redact: Redactor) -> None:
    """All parts in one file, readable for its owner alone, without secrets: texts, and documents as
    JSON. Raises `OSError`; never writes over another file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, part in parts.items():
            if isinstance(part, str):
                bundle.writestr(name, redact.text(part))
            else:
                told = redact.plain(json.loads(json.dumps(part, default=str)))
                bundle.writestr(name, json.dumps(told, indent=2, ensure_ascii=False))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(packed.getvalue())


def _secrets(node: Any, base: Path, key: str = "") -> Iterator[str]:
    if isinstance(node, dict):
        for inner, value in node.items():
            yield from _secrets(value, base, str(inner))
    elif isinstance(node, list):
        for value in node:
            yield from _secrets(value, base, key)
    elif node is not None and re.fullmatch(NAMED_SO, key, re.IGNORECASE):
        text = str(node)
        yield text
        if variable := re.fullmatch(r"\$\{(\w+)\}", text):
            yield os.environ.get(variable[1], "")
    elif isinstance(node, str) and re.fullmatch(rf"{NAMED_SO}_file", key, re.IGNORECASE):
        try:
            yield from (base / node).read_text(errors="replace").splitlines()
        except OSError:
            return


def _os_release() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""
