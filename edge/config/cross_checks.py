"""Checks between settings. They read the plain tree, so that they find their errors even where the
model refuses the file for other reasons; what has the wrong shape is the model's business."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

Location = tuple[str | int, ...]
Finding = tuple[Location, str]

RESERVED = ("Stream/", "Node Control/", "Gateway/", "bdSeq")
"""Beginnings of metric names that the gateway itself uses."""

_PLACES = {"node": (), "address": ("unit_id", "order")}
"""What says where a tag is read, and what may tell two apart that are read there."""


def cross_check(plain: Any) -> list[Finding]:
    """All that does not fit together in a configuration."""
    return [
        *_devices(plain),
        *_tags(plain),
        *_jis(plain),
        *_parts_of(plain),
        *_cameras(plain),
        *_proposals(plain),
    ]


def _devices(plain: Any) -> Iterator[Finding]:
    yield from _doubled(
        [(("sources", i, "device"), s.get("device")) for i, s in _dicts(plain, "sources")],
        "device {} is already the device of source {}; give each source its own",
    )
    yield from _doubled(
        [
            (("sources", i, "watch_dir"), (s.get("kind"), s["watch_dir"]))
            for i, s in _dicts(plain, "sources")
            if isinstance(s.get("watch_dir"), str)
        ],
        "folder {} is already watched by source {} of this kind; watch it once",
    )


def _tags(plain: Any) -> Iterator[Finding]:
    for i, source in _dicts(plain, "sources"):
        tags = list(_dicts(source, "tags"))
        yield from _doubled(
            [(("sources", i, "tags", n, "name"), t.get("name")) for n, t in tags],
            "tag {} is already the name of tag {} of this device; names are unique in a device",
        )
        for key, more in _PLACES.items():
            yield from _doubled(
                [(("sources", i, "tags", n, key), _place(t, key, more)) for n, t in tags],
                f"{key} {{}} is already read by tag {{}} of this device; read it once",
            )
        for n, tag in tags:
            if str(tag.get("name", "")).startswith(RESERVED):
                yield (
                    ("sources", i, "tags", n, "name"),
                    f"names that begin with {', '.join(RESERVED)} are the gateway's own",
                )


def _place(tag: dict[str, Any], key: str, more: tuple[str, ...]) -> Any:
    place = tag.get(key)
    if not isinstance(place, str) or not any(name in tag for name in more):
        return place
    return (place, *(str(tag.get(name, "")) for name in more))


def _jis(plain: Any) -> Iterator[Finding]:
    kinds = {
        device: source.get("kind", "opcua")
        for _, source in _dicts(plain, "sources")
        if isinstance(device := source.get("device"), str)
    }
    devices = list(kinds)
    lines = list(_dicts(plain, "jis"))
    for i, line in lines:
        device = line.get("device")
        if isinstance(device, str) and device not in devices:
            near = difflib.get_close_matches(device, devices, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "add a source with this device"
            yield ("jis", i, "device"), f"no source has the device {device!r}; {hint}"
        elif isinstance(device, str) and kinds[device] != "opcua":
            what = f"{device!r} is read by {kinds[device]}; calls are handed over by OPC UA"
            yield ("jis", i, "device"), f"{what}: add a source of kind opcua for that PLC"
        groups = line.get("part_groups")
        if isinstance(groups, list):
            yield from _doubled(
                [(("jis", i, "part_groups", n), group) for n, group in enumerate(groups)],
                "part group {} is already entry {}; name it once",
            )
    yield from _doubled(
        [(("jis", i, "device"), line.get("device")) for i, line in lines],
        "device {} already takes the calls of jis entry {}; one device, one line",
    )
    yield from _doubled(
        [
            (("jis", i, "line"), (line["plant"], line["line"]))
            for i, line in lines
            if isinstance(line.get("plant"), str) and isinstance(line.get("line"), str)
        ],
        "line {} is already jis entry {}; name it once",
    )


def _parts_of(plain: Any) -> Iterator[Finding]:
    lines = [f"{line.get('plant')}/{line.get('line')}" for _, line in _dicts(plain, "jis")]
    for i, source in _dicts(plain, "sources"):
        part_of = source.get("part_of")
        wanted = part_of.get("line") if isinstance(part_of, dict) else None
        if isinstance(wanted, str) and wanted not in lines:
            near = difflib.get_close_matches(wanted, lines, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "add an entry of jis for this line"
            yield ("sources", i, "part_of", "line"), f"no line is {wanted!r}; {hint}"


def _cameras(plain: Any) -> Iterator[Finding]:
    sources = list(_dicts(plain, "sources"))
    devices = [s["device"] for _, s in sources if isinstance(s.get("device"), str)]
    lines = [f"{line.get('plant')}/{line.get('line')}" for _, line in _dicts(plain, "jis")]
    for i, source in sources:
        if source.get("kind") != "camera":
            continue
        for key, known, what, add in (
            ("of", devices, "source has the device", "add a source with this device"),
            ("lines", lines, "line is", "add an entry of jis for this line"),
        ):
            named = source.get(key)
            for n, name in enumerate(named if isinstance(named, list) else []):
                if not isinstance(name, str) or name in known:
                    continue
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else add
                yield ("sources", i, key, n), f"no {what} {name!r}; {hint}"


def _proposals(plain: Any) -> Iterator[Finding]:
    hub, identity = _section(plain, "hub"), _section(plain, "identity")
    if hub.get("proposals") is not None and identity.get("est") is not None:
        what = "the hub takes questions only of gateways that it has certified itself; remove this"
        yield ("hub", "proposals"), f"{what}, or identity.est"


def _section(plain: Any, key: str) -> dict[str, Any]:
    section = plain.get(key) if isinstance(plain, dict) else None
    return section if isinstance(section, dict) else {}


def _doubled(entries: list[tuple[Location, Any]], sentence: str) -> Iterator[Finding]:
    """A finding for each value that came before; entries are numbered as in the file, from 0."""
    seen: dict[Any, int] = {}
    for number, (loc, value) in enumerate(entries):
        if value is None or isinstance(value, (dict, list)):
            continue
        if value in seen:
            shown = "/".join(map(str, value)) if isinstance(value, tuple) else value
            yield loc, sentence.format(repr(shown), f"[{seen[value]}]")
        else:
            seen[value] = number


def _dicts(plain: Any, key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = plain.get(key) if isinstance(plain, dict) else None
    if isinstance(entries, list):
        for i, entry in enumerate(entries):
            if isinstance(entry, dict):
                yield i, entry
