"""YAML (or JSON) files checked against a pydantic model, each problem with its line and remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from hub.orders.problems import InputError, did_you_mean
from hub.orders.tables import read_text

SHOWN_AT_MOST = 80
"""Characters of a value that a problem shows."""

Location = tuple[int | str, ...]
"""Keys and indices from the top of the file: ("lines", 0, "id")."""
Model = TypeVar("Model", bound=BaseModel)


class YamlFile:
    """A well-formed file that knows the line of each thing in it."""

    def __init__(self, path: Path, holds: str) -> None:
        """Read and parse. Raises `InputError`; `holds` says what an empty file lacks:
        "plant; it begins with version: 1".
        """
        self.path = path
        self._holds = holds
        text = read_text(path)
        quick = _json(text) if path.suffix.lower() == ".json" else None
        self.content: dict[str, Any] = _plain(self._tree, {}) if quick is None else quick
        self._elsewhere: dict[Location, tuple[Path, int]] = {}

    @cached_property
    def _tree(self) -> CommentedMap:
        """The content with the line of each thing; slow to come by."""
        return _parse(self.path, self._holds)

    def include(self, key: str, path: Path, items: Sequence[tuple[int, Any]]) -> None:
        """Let a top-level list be what another file holds: each item with its line there."""
        self.content[key] = [item for _, item in items]
        for i, (line, _) in enumerate(items):
            self._elsewhere[key, i] = path, line

    def check(self, model: type[Model]) -> Model:
        """The content as its model. Raises `InputError` with every problem and its line."""
        try:
            return model.model_validate(self.content)
        except ValidationError as error:
            problems = problems_of(error, self.content, model)
            raise InputError(self._told(problems)) from None

    def refuse(self, problems: Iterable[tuple[Location, str]]) -> None:
        """Raise `InputError` with these problems, in the order of the file; if any."""
        told = self._told(problems)
        if told:
            raise InputError(told)

    def place_of(self, loc: Location) -> str:
        """file:line of what lies at `loc`."""
        path, line = self._place_of(loc)
        return f"{path}:{line}"

    def _told(self, problems: Iterable[tuple[Location, str]]) -> list[str]:
        placed = sorted(
            ((*self._place_of(loc), loc, reason) for loc, reason in problems),
            key=lambda problem: problem[:2],
        )
        return [
            f"{path}{f':{line}' if line else ''}: {f'{where(loc)}: ' if loc else ''}{reason}"
            for path, line, loc, reason in placed
        ]

    def _place_of(self, loc: Location) -> tuple[Path, int]:
        """Line of the key or item at `loc`, or of the nearest thing around it that is there.

        0 for the file as a whole.
        """
        if loc[:2] in self._elsewhere:
            return self._elsewhere[loc[:2]]
        node: Any = self._tree
        line = 1 if loc else 0
        for part in loc:
            if isinstance(node, CommentedMap) and part in node:
                line = node.lc.key(part)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
                line = node.lc.item(part)[0] + 1
            else:
                break
            node = node[part]
        return self.path, line


def _json(text: str) -> dict[str, Any] | None:
    """What is plain JSON, and so is read tenfold faster; None if it is not, to be told by YAML."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key stands twice")
        return found

    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _parse(path: Path, holds: str) -> CommentedMap:
    text = read_text(path)
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        line = f":{mark.line + 1}" if mark else ""
        raise InputError([f"{path}{line}: {problem}"]) from None
    except (YAMLError, ValueError) as error:
        raise InputError([f"{path}: is not YAML: {error}"]) from None
    except RecursionError:
        raise InputError([f"{path}: is nested too deeply"]) from None
    if not isinstance(tree, CommentedMap):
        raise InputError([f"{path}: holds no {holds}"])
    return tree


def _plain(node: Any, known: dict[int, Any]) -> Any:
    """The node without its lines. `known`, by identity, are those done: what aliases name again is
    shared, as in the file, since written out it may be larger than any memory, or without end."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, CommentedMap):
        section = known[id(node)] = dict[str, Any]()
        section.update((str(key), _plain(value, known)) for key, value in node.items())
        return section
    if isinstance(node, CommentedSeq):
        items = known[id(node)] = list[Any]()
        items.extend(_plain(value, known) for value in node)
        return items
    return node


def problems_of(
    error: ValidationError, given: Any, model: type[BaseModel]
) -> list[tuple[Location, str]]:
    """What pydantic found in what was given, each where it lies there, and in plain words."""
    found = []
    for detail in error.errors(include_url=False):
        loc = _given_location(detail["loc"], given, detail["type"])
        found.append((loc, _explain(dict(detail), loc, model)))
    return found


def _given_location(loc: Location, given: Any, kind: str) -> Location:
    """Pydantic's location without the levels that what was given does not have.

    Pydantic names the branch of a union and the key of a mapping in its locations. `kind` is the
    type of the problem: what is missing was not given either, and yet is meant.
    """
    kept: list[int | str] = []
    node = given
    for at, part in enumerate(loc):
        there = (
            part in node
            if isinstance(node, dict)
            else isinstance(node, list) and isinstance(part, int) and part < len(node)
        )
        if there:
            node = node[part]
        elif kind != "missing" or at < len(loc) - 1:
            continue
        kept.append(part)
    return tuple(kept)


def _explain(detail: dict[str, Any], loc: Location, model: type[BaseModel]) -> str:
    """A pydantic problem in words: what is wrong, and what to do."""
    shown = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key{did_you_mean(str(loc[-1]), _known_keys(loc[:-1], model))}"
        case "missing":
            return "is missing"
        case "literal_error":
            names = re.findall(r"'([^']+)'", detail["ctx"]["expected"])
            hint = did_you_mean(shown, names) if isinstance(shown, str) and len(names) > 3 else ""
            return f"{_shown(shown)} is not {detail['ctx']['expected']}{hint}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "string_type" if isinstance(shown, (int, float)):
            return f"{shown!r} is read as a number; put it in quotes to make it a text"
        case "model_type" | "dict_type":
            return f"is a section; known here: {', '.join(_known_keys(loc, model))}"
    got = "" if isinstance(shown, (dict, list)) else f", not {_shown(shown)}"
    return f"{detail['msg'].removeprefix('Input ')}{got}"


def _shown(given: Any) -> str:
    """What was given, so short that it fits into a sentence."""
    if isinstance(given, (dict, list)):
        return "a section" if isinstance(given, dict) else "a list"
    text = repr(given)
    return text if len(text) <= SHOWN_AT_MOST else f"{text[:SHOWN_AT_MOST]}…"


def where(loc: Location) -> str:
    """A location as people write it: `lines[0].id`."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _known_keys(loc: Location, model: type[BaseModel]) -> list[str]:
    """The keys that may stand in the section at `loc`; none if it has names of its own."""
    here: list[Any] = [model]
    for part in loc:
        here = [inner for annotation in here for inner in _step(annotation, part)]
    models = [m for annotation in here for m in _models_of(annotation)]
    return [name for each in models for name in each.model_fields]


def _step(annotation: Any, part: int | str) -> list[Any]:
    """The annotations of what lies at `part` of a thing so annotated."""
    if get_origin(annotation) is dict:
        return [get_args(annotation)[1]]
    if get_origin(annotation) in (list, tuple):
        return list(get_args(annotation)) if isinstance(part, int) else []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return [] if field is None else [field.annotation]
    return [inner for arg in get_args(annotation) for inner in _step(arg, part)]


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    """The models that may stand here: one, or those of a union."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in (dict, list, tuple):
        return []
    return [model for arg in get_args(annotation) for model in _models_of(arg)]
