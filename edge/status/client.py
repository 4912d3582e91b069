"""Asks the running agent, over the socket in its data directory."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, NodeEvent, ScalarEvent

from edge.status.endpoint import SOCKET_NAME, short_path


class NotRunningError(Exception):
    """No agent answers there; the text says where, and why."""


def ask(
    data_dir: Path, method: str, path: str, *, timeout_s: float = 10.0
) -> tuple[int, dict[str, Any]]:
    """The agent's HTTP status code and its JSON answer. Raises `NotRunningError`."""
    connection = _LocalConnection(data_dir, timeout_s)
    try:
        connection.request(method, path, headers={"Host": "agent"})
        response = connection.getresponse()
        answer: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NotRunningError(f"no agent answers in {data_dir}: {why}") from error
    finally:
        connection.close()
    return response.status, answer


def data_dir_of(config: Path) -> Path:
    """The `data_dir` of a configuration, whatever is wrong with the rest of the file: an agent
    whose file is being edited can still be asked. Raises `LookupError` if it names none, `OSError`
    if it cannot be read."""
    try:
        text = _top_level(config.read_text(encoding="utf-8"), "data_dir")
    except (YAMLError, UnicodeDecodeError):
        text = None
    if text is not None and (variable := re.fullmatch(r"\$\{(\w+)\}", text)):
        text = os.environ.get(variable[1])
    if not text:
        raise LookupError(f"{config} does not say a data_dir; lineside-edge check tells more")
    return config.absolute().parent / text


def _top_level(text: str, key: str) -> str | None:
    """The value of a key of the document's outermost mapping, read only as far as it stands."""
    depth, at_key, found = 0, True, False
    for event in YAML(typ="safe", pure=True).parse(text):
        if depth == 1 and isinstance(event, NodeEvent):
            if found:
                return str(event.value) if isinstance(event, ScalarEvent) else None
            found = at_key and isinstance(event, ScalarEvent) and event.value == key
            at_key = not at_key
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
    return None


class _LocalConnection(http.client.HTTPConnection):
    """HTTP over the agent's socket."""

    def __init__(self, data_dir: Path, timeout_s: float) -> None:
        super().__init__("agent", timeout=timeout_s)
        self._data_dir = data_dir

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        with short_path(self._data_dir / SOCKET_NAME) as path:
            self.sock.connect(str(path))
