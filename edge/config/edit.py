"""Adds sources and tags to a configuration, and leaves every other byte of it as it is.

What is added is put between lines of the text, where the YAML says that an entry ends: a file that
is read and dumped anew would lose its blank lines and move its comments.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from edge.config.load import ConfigError, load
from edge.config.sample import SOURCES, yaml_lines


class EditError(Exception):
    """The text has a form that is not edited; it says where, and what to do."""


def with_source(text: str, source: dict[str, Any]) -> str:
    """The text with one more source. Raises `EditError`."""
    lines = text.splitlines()
    top = _compose(text)
    found = _value(top, "sources")
    if found is None:
        return _joined([*lines, "", "sources:", *_items([source], 2)])
    key, value = found
    _insert(lines, key, value, [source])
    return _joined(lines)


def with_settings(text: str, source_at: int, settings: dict[str, Any]) -> str:
    """The text with those of the settings that the source at this place does not have yet, behind
    its first keys. Raises `EditError`."""
    lines = text.splitlines()
    source = _source(text, source_at)
    more = {key: value for key, value in settings.items() if _value(source, key) is None}
    anchor = _value(source, "endpoint") or source.value[0]
    at = _last_line(anchor[1]) + 1
    indent = " " * source.start_mark.column
    lines[at:at] = [f"{indent}{line}" for line in yaml_lines(more)] if more else []
    return _joined(lines)


def has_sample_tags(text: str, source_at: int) -> bool:
    """Whether the tags of a source are those of the sample. Raises `EditError`."""
    found = _value(_source(text, source_at), "tags")
    return found is not None and isinstance(found[1], SequenceNode) and _is_sample(found[1])


def with_tags(text: str, source_at: int, tags: Sequence[dict[str, Any]]) -> str:
    """The text with more tags in the source at this place among `sources`. Those of the sample go,
    if there are no others. Raises `EditError`."""
    lines = text.splitlines()
    source = _source(text, source_at)
    tags_found = _value(source, "tags")
    if tags_found is None:
        at = _last_line(source) + 1
        indent = source.start_mark.column
        lines[at:at] = [f"{' ' * indent}tags:", *_items(tags, indent + 2)]
        return _joined(lines)
    key, value = tags_found
    if isinstance(value, SequenceNode) and not value.flow_style and _is_sample(value):
        first = key.start_mark.line + 1  # with the comments above the first of them
        lines[first : _end(lines, value)] = _items(tags, value.start_mark.column)
    else:
        _insert(lines, key, value, tags)
    return _joined(lines)


def with_section(text: str, section: str, settings: dict[str, Any]) -> str:
    """The text with these values in a section of the top. Raises `EditError`."""
    lines = text.splitlines()
    found = _value(_compose(text), section)
    if found is None or _is_null(found[1]):
        lines = [line for line in lines if line.rstrip() != f"{section}:"]
        return _joined([*lines, "", *yaml_lines({section: settings})])
    _, value = found
    if not isinstance(value, MappingNode) or value.flow_style:
        what = f"line {value.start_mark.line + 1}: {section} stands in braces"
        raise EditError(f"{what}; write it on lines of its own first")
    new = {}
    for name, setting in settings.items():
        there = _value(value, name)
        if there is None:
            new[name] = setting
            continue
        key, old = there
        line = key.start_mark.line
        rest = "" if _is_null(old) else lines[line][old.end_mark.column :]
        (written,) = yaml_lines({name: setting})
        lines[line] = lines[line][: key.start_mark.column] + written + rest
    at, indent = _last_line(value) + 1, " " * value.start_mark.column
    lines[at:at] = [f"{indent}{line}" for line in (yaml_lines(new) if new else [])]
    return _joined(lines)


def rewrite(path: Path, text: str) -> Path:
    """Put a new text in the place of a configuration, at once and only if it is a right one.
    Returns where the old one is kept. Raises `ConfigError`, `OSError`."""
    trial = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        trial.write_text(text, encoding="utf-8")
        try:
            load(trial)
        except ConfigError as error:
            raise ConfigError(path, error.problems) from None
        shutil.copymode(path, trial)
        if os.geteuid() == 0:
            owner = path.stat()
            os.chown(trial, owner.st_uid, owner.st_gid)
        kept = backup_of(path)
        trial.replace(path)
    finally:
        trial.unlink(missing_ok=True)
    return kept


def backup_of(path: Path) -> Path:
    """Keep a file under another name, with the time in it. Raises `OSError`."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in range(1000):
        kept = path.with_name(f"{path.name}.{stamp}{f'-{number}' if number else ''}.bak")
        try:
            with kept.open("xb") as copy:
                copy.write(path.read_bytes())
        except FileExistsError:
            continue
        shutil.copystat(path, kept)
        return kept
    raise FileExistsError(f"{path}: there are too many copies of this second")


def _compose(text: str) -> MappingNode:
    top = YAML(typ="safe", pure=True).compose(text)
    if not isinstance(top, MappingNode) or top.flow_style:
        raise EditError("the file is not written as `key: value` on lines of their own")
    return top


def _source(text: str, at: int) -> MappingNode:
    found = _value(_compose(text), "sources")
    source = found[1].value[at] if found is not None else None
    if not isinstance(source, MappingNode) or source.flow_style:
        raise EditError(f"source {at} stands in braces; write it on lines of its own first")
    return source


def _value(mapping: MappingNode, key: str) -> tuple[Node, Node] | None:
    """Key and value, as they stand in the text."""
    return next(((k, v) for k, v in mapping.value if k.value == key), None)


def _insert(lines: list[str], key: Node, value: Node, entries: Sequence[dict[str, Any]]) -> None:
    """Put entries behind those of a list, or in the place of an empty one."""
    if isinstance(value, SequenceNode) and value.value:
        if value.flow_style:
            what = f"line {value.start_mark.line + 1}: the list {key.value} stands in brackets"
            raise EditError(f"{what}; write each entry on lines of its own first")
        at = _end(lines, value)
        lines[at:at] = _items(entries, value.start_mark.column)
        return
    line = key.start_mark.line
    indent = key.start_mark.column
    lines[line] = lines[line][: key.end_mark.column] + ":"
    lines[line + 1 : line + 1] = _items(entries, indent + 2)


def _end(lines: list[str], entries: Node) -> int:
    """The first line behind a list. Comments that are further in than its dashes belong to its last
    entry, such as the options that a sample shows."""
    at = _last_line(entries) + 1
    while at < len(lines):
        bare = lines[at].lstrip()
        if not bare.startswith("#") or len(lines[at]) - len(bare) <= entries.start_mark.column:
            break
        at += 1
    return at


def _last_line(node: Node) -> int:
    """The last line of a value's own text, without the comments behind it."""
    if not isinstance(node, CollectionNode) or node.flow_style:
        end = node.end_mark
        line: int = end.line if end.column else max(node.start_mark.line, end.line - 1)
        return line
    return max((_last_line(part) for part in _parts(node)), default=node.start_mark.line)


def _parts(node: Node) -> Iterator[Node]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield key
            if not _is_null(value):  # its mark is where the next thing begins
                yield value
    elif isinstance(node, SequenceNode):
        yield from (item for item in node.value if not _is_null(item))


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.start_mark.index == node.end_mark.index


def _is_sample(tags: SequenceNode) -> bool:
    """Whether these are the tags of a sample, which nobody's device has."""
    here = [{k.value: v.value for k, v in tag.value} for tag in tags.value]
    places = [{t.get("node", t.get("address")) for t in s["tags"]} for s in _samples()]
    return {tag.get("node", tag.get("address")) for tag in here} in places


def _samples() -> Iterator[dict[str, Any]]:
    return (source for source in SOURCES.values() if "tags" in source)


def _items(entries: Iterable[dict[str, Any]], indent: int) -> list[str]:
    lines = []
    for entry in entries:
        first, *rest = yaml_lines(entry)
        lines += [f"{' ' * indent}- {first}", *(f"{' ' * indent}  {line}" for line in rest)]
    return lines


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
