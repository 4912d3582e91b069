"""Brings a configuration of an older format over to this release's, as text, so that its comments
stay. A format gets a step here when it is left behind."""

from __future__ import annotations

import re
from collections.abc import Callable

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

NEWEST = 1


class MigrateError(Exception):
    """It cannot be brought over; the text says why and what to do."""


def migrated(text: str) -> tuple[str, list[str]]:
    """The text in the newest format, and what was done to it; nothing if it is that already.
    Raises `MigrateError`."""
    said = []
    while (version := _version(text)) != NEWEST:
        if version not in _STEPS:
            raise MigrateError(
                f"version {version} is not known to this release, whose newest is {NEWEST}; "
                "install the release that wrote the file, or a newer one"
            )
        text, what = _STEPS[version](text)
        said.append(what)
    return text, said


def _version(text: str) -> object:
    try:
        tree = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise MigrateError(f"is not YAML: {error}") from None
    if not isinstance(tree, dict):
        raise MigrateError("holds no settings")
    return tree.get("version", 0)


def _from_0(text: str) -> tuple[str, str]:
    """A file without a version is of the first format, before the key was asked for."""
    head = re.match(r"(?:[ \t]*(?:#[^\n]*)?\n|---[^\n]*\n)*", text)
    at = head.end() if head is not None else 0
    return f"{text[:at]}version: 1\n{text[at:]}", "version: 1 put at its head"


_STEPS: dict[object, Callable[[str], tuple[str, str]]] = {0: _from_0}
"""By the version that each begins with."""
