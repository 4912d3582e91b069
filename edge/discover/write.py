"""Puts the tags that were found into a configuration: into the source of that device, or a new
one."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.config import EdgeConfig, load
from edge.config.edit import has_sample_tags, rewrite, with_settings, with_source, with_tags
from edge.sources.opcua.companion import RESULT_KEYS


@dataclass(frozen=True, slots=True)
class Written:
    """What was put into a file."""

    device: str
    tags: int
    results: bool
    """Whether it takes results that come as events now, and did not before."""
    new_source: bool
    backup: Path | None
    """Where the file is kept as it was; None if there was nothing to add."""


def source_at(config: EdgeConfig, kind: str, device: str | None, address: str) -> int | None:
    """Which entry of `sources` is that device: the one of that name, else of that address."""
    for at, source in enumerate(config.sources):
        if device is not None and source.device == device:
            return at
        if device is None and source.kind == kind and _same(source.endpoint, address):
            return at
    return None


def add(
    path: Path,
    kind: str,
    device: str | None,
    address: str,
    source: dict[str, Any],
    tags_for: Callable[[Any], list[dict[str, Any]]],
    access: Collection[str] = (),
) -> Written:
    """Add tags to the file, and how results are taken if `source` has that. `tags_for` gives the
    tags that a source does not have yet (or None, for a new one); `source` is that new one without
    its tags. A source that is there gets of it what is named by `access` and it does not say: how
    it was just reached. Raises `ConfigError`, `EditError`, `OSError`."""
    config = load(path)
    at = source_at(config, kind, device, address)
    text = path.read_text(encoding="utf-8")
    results = [key for key in RESULT_KEYS if key in source]
    if at is not None:
        name = config.sources[at].device
        there = config.sources[at]
        if has_sample_tags(text, at):  # they make place for what is found
            there = there.model_copy(update={"tags": []})
        tags = tags_for(there)
        if getattr(there, "results", None) is not None:  # of either model: a source has one
            results = []
        if not tags and not results:
            return Written(name, 0, False, False, None)
        text = with_settings(text, at, {key: source[key] for key in (*access, *results)})
        text = with_tags(text, at, tags) if tags else text
        return Written(name, len(tags), bool(results), False, rewrite(path, text))
    tags = tags_for(None)
    if not tags and not results:
        return Written(source["device"], 0, False, False, None)
    name = free_device(source["device"], {s.device for s in config.sources})
    text = with_source(text, {**source, "device": name, **({"tags": tags} if tags else {})})
    return Written(name, len(tags), bool(results), True, rewrite(path, text))


def free_device(wanted: str, taken: set[str]) -> str:
    """A name that a device may have and none has."""
    base = re.sub(r"[^A-Za-z0-9._-]+", "-", wanted).strip("-.")[:60] or "device"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def _same(one: str, other: str) -> bool:
    return one.rstrip("/").lower() == other.rstrip("/").lower()
