"""Read a configuration file. Every error is found at once, with its line and what to do."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from edge.config.cross_checks import Location, cross_check
from edge.config.model import EdgeConfig, model_for
from edge.sources.registry import SETTINGS, kind_of
from protocols.logs import HIDDEN, with_bare_addresses

_ENVIRONMENT = re.compile(r"^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$")

_USER_INFO = re.compile(r"//.*@")
"""User name and password in an address: not for a log."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: where, what, and what to do."""

    line: int
    """1 is the first; 0 if the file as a whole is meant."""
    where: str
    """Path of keys, such as `sources[0].tags[2].node`; empty for the file as a whole."""
    what: str


class ConfigError(Exception):
    """The file cannot be used. `problems` has every reason, in the order of the file."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(problems)
        super().__init__("\n".join(self._sentence(p) for p in self.problems))

    def _sentence(self, problem: Problem) -> str:
        place = f"{self.path}:{problem.line}" if problem.line else str(self.path)
        return ": ".join(part for part in (place, problem.where, problem.what) if part)


def load(path: Path, environment: Mapping[str, str] = os.environ) -> EdgeConfig:
    """Read and check a configuration, without any network. Raises `ConfigError`.

    A value that is `${NAME}` as a whole is taken from the environment. Relative paths (keys that
    end in `_file` or `_dir`) become absolute, from the directory of the file.
    """
    return read(path, environment)[0]


def read(
    path: Path, environment: Mapping[str, str] = os.environ
) -> tuple[EdgeConfig, dict[str, Any]]:
    """`load`; besides the model the plain tree that it was made of, secrets in the clear."""
    tree = _parse(path)
    problems: list[Problem] = []
    plain = _plain(tree, (), path.absolute().parent, environment, tree, problems)
    config = None
    try:
        config = EdgeConfig.model_validate(plain)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            loc = _in_file(detail["loc"])
            what = _explain(dict(detail))
            problems.append(Problem(_line_of(tree, loc), _where(loc), what))
    problems += [
        Problem(_line_of(tree, loc), _where(loc), what) for loc, what in cross_check(plain)
    ]
    if problems or config is None:
        raise ConfigError(path, problems)
    return config, plain


def place(path: Path, loc: Location) -> tuple[int, str]:
    """Line and path of keys of a setting, or of the nearest thing around it that is in the file.
    Raises `ConfigError`."""
    return _line_of(_parse(path), loc), _where(loc)


def _parse(path: Path) -> CommentedMap:
    try:
        tree = YAML(typ="rt").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            path,
            [Problem(0, "", f"cannot be read: {error.strerror}; `init` writes one to begin with")],
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(path, [Problem(0, "", "is not UTF-8; save it as UTF-8")]) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(str(error.problem or error.context).split())
        raise ConfigError(path, [Problem(mark.line + 1 if mark else 0, "", what)]) from None
    except YAMLError as error:
        raise ConfigError(path, [Problem(0, "", f"is not YAML: {error}")]) from None
    if not isinstance(tree, CommentedMap):
        raise ConfigError(
            path, [Problem(0, "", "holds no settings; `init` writes a file to begin with")]
        )
    return tree


def _plain(
    node: Any,
    loc: Location,
    base: Path,
    environment: Mapping[str, str],
    tree: CommentedMap,
    problems: list[Problem],
) -> Any:
    """The tree as plain dicts and lists, with the environment and absolute paths filled in."""
    if isinstance(node, CommentedMap):
        return {
            str(key): _plain(value, (*loc, str(key)), base, environment, tree, problems)
            for key, value in node.items()
        }
    if isinstance(node, CommentedSeq):
        return [
            _plain(value, (*loc, i), base, environment, tree, problems)
            for i, value in enumerate(node)
        ]
    if not isinstance(node, str):
        return node
    text = str(node)
    if wanted := _ENVIRONMENT.match(text):
        name = wanted[1]
        if name not in environment:
            what = f"environment variable {name} is not set"
            problems.append(Problem(_line_of(tree, loc), _where(loc), what))
        text = environment.get(name, "")
    if loc and isinstance(loc[-1], str) and loc[-1].endswith(("_file", "_dir")):
        return str(base / text)
    return text


def _in_file(loc: Location) -> Location:
    """A place as the file has it: the model's names the kind of a source once more."""
    named = loc[:1] == ("sources",) and len(loc) > 2 and loc[2] in SETTINGS
    return loc[:2] + loc[3:] if named else loc


def _explain(detail: dict[str, Any]) -> str:
    loc: Location = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key{_did_you_mean(str(loc[-1]), _known_keys(loc[:-1]))}"
        case "missing":
            return "is missing"
        case "too_short":
            return f"needs at least {detail['ctx']['min_length']} entry"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "model_type" | "dict_type":
            return f"is a section; known here: {', '.join(_known_keys(loc))}"
        case "unknown_kind":
            kind = str(kind_of(detail["input"]))
            return f"there is no kind {kind!r}{_did_you_mean(kind, list(SETTINGS))}"
        case "path_type":
            return f"should be a path, not {detail['input']!r}"
        case "string_pattern_mismatch":
            return f"{_shown(detail['input'])} does not have the form of: {_title(loc)}"
        case "literal_error" | "enum":
            expected = detail["ctx"]["expected"]
            options = re.findall(r"'([^']+)'", expected)
            hint = _did_you_mean(str(detail["input"]), options)
            return f"{detail['input']!r} is not one of {expected}{hint}"
    shown = detail["input"]
    secret = isinstance(loc[-1], str) and "password" in loc[-1]
    got = "" if secret or isinstance(shown, (dict, list)) else f", not {_shown(shown)}"
    message = str(detail["msg"]).removeprefix("Input ")
    return f"{message}{got}"


def _shown(value: Any) -> str:
    """What was given, without what may be a secret, though it is no address yet."""
    if isinstance(value, str):
        value = with_bare_addresses(_USER_INFO.sub(f"//{HIDDEN}@", value))
    return repr(value)


def _did_you_mean(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(known)}" if known else ""


def _model_at(loc: Location) -> type[BaseModel] | None:
    model: type[BaseModel] | None = EdgeConfig
    annotation: Any = None
    """Of the sources, whose kind comes next."""
    for part in loc:
        if isinstance(part, int):
            continue
        if annotation is not None and part in SETTINGS:
            model, annotation = model_for(annotation, part), None
            continue
        if model is None:
            return None
        field = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
        annotation = field.annotation if field is not None and part == "sources" else None
        model = model_for(field.annotation, None) if field is not None else None
    return model


def _known_keys(loc: Location) -> list[str]:
    model = _model_at(loc)
    return [f.alias or name for name, f in model.model_fields.items()] if model else []


def _title(loc: Location) -> str:
    names = [part for part in loc if isinstance(part, str)]
    cut = max(i for i, part in enumerate(loc) if isinstance(part, str))
    model = _model_at(loc[:cut])
    if model is None:
        return names[-1]
    field = next(f for n, f in model.model_fields.items() if names[-1] in (n, f.alias))
    return field.title or names[-1]


def _where(loc: Location) -> str:
    where = ""
    for part in loc:
        where += f"[{part}]" if isinstance(part, int) else f".{part}" if where else part
    return where


def _line_of(tree: CommentedMap, loc: Location) -> int:
    """Line of the key or item at `loc`, or of the nearest thing around it that is in the file."""
    node: Any = tree
    line = 1
    for part in loc:
        if isinstance(node, CommentedMap) and part in node:
            line = node.lc.key(part)[0] + 1
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line = node.lc.item(part)[0] + 1
        else:
            break
        node = node[part]
    return int(line)
