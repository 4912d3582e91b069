"""The plant file: tenants, gateways, the plant, supplier lines, part groups and bills of material.

Read whole and checked before anything is stored; see `plant.yaml` in the sample folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from hub.orders.problems import InputError, Problems, did_you_mean
from hub.orders.tables import read_text

TenantId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Name = Annotated[str, Field(pattern=r"^[^/\s{}]{1,20}$")]
TopicLevel = Annotated[str, Field(pattern=r"^[^/+#\s]{1,64}$")]
Label = Annotated[str, Field(pattern=r"^[^/\s][^/]{0,63}$")]

Location = tuple[int | str, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TenantEntry(_Part):
    """A company."""

    id: TenantId
    name: str = Field(min_length=1, max_length=100)
    kind: Literal["oem", "supplier"]


class GatewayEntry(_Part):
    """A gateway that may speak: the registry says whose it is."""

    group: TopicLevel
    node: TopicLevel
    owner: TenantId = Field(title="The supplier that runs it")
    partner: TenantId = Field(title="The car maker it delivers to")

    @property
    def address(self) -> str:
        """As lines name it."""
        return f"{self.group}/{self.node}"


class PlantEntry(_Part):
    """The car plant."""

    id: Label
    owner: TenantId
    takt_s: float = Field(gt=0, allow_inf_nan=False)
    control_points: list[Label] = Field(min_length=1, title="In the order cars pass them")


class RuleEntry(_Part):
    """One rule of a bill of material; of those that fit a car, the first names the part."""

    part_no: Label = Field(title="May hold {colour}")
    quantity: int = Field(default=1, ge=1)
    requires: list[Name] = []
    excludes: list[Name] = []
    colours: list[Name] | None = None


class PartGroupEntry(_Part):
    """Parts of one kind, called together from one line."""

    id: Name
    control_point: Label
    bom: list[RuleEntry] | Literal["derived"] = Field(
        title="Rules in order, or `derived`: each imported option becomes a variant of some group"
    )
    coloured: bool = Field(default=False, title="Derived part numbers end in the car's colour")


class LineEntry(_Part):
    """A supplier's line."""

    id: Label
    gateway: str
    unloading_point: Label
    lead_s: float = Field(ge=0, allow_inf_nan=False)
    rack_slots: int = Field(ge=1, le=10_000)
    sequence_wrap: int = Field(default=9999, ge=1, le=2_000_000_000)
    part_groups: list[PartGroupEntry] = Field(min_length=1)


class PlantFile(_Part):
    """The whole file."""

    version: Literal[1]
    tenants: list[TenantEntry]
    gateways: list[GatewayEntry]
    plant: PlantEntry
    lines: list[LineEntry]


def read_plant(path: Path) -> PlantFile:
    """Read and check a plant file. Raises `InputError` with every problem and its line."""
    tree = _parse(path)
    problems = Problems(path)
    try:
        plant = PlantFile.model_validate(_plain(tree))
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            loc = tuple(part for part in detail["loc"] if part not in _UNION_TAGS)
            problems.add(_line_of(tree, loc), f"{_where(loc)}: {_explain(dict(detail), loc)}")
        raise InputError(problems.found) from None
    for loc, reason in _contradictions(plant):
        problems.add(_line_of(tree, loc), f"{_where(loc)}: {reason}")
    if problems.found:
        raise InputError(problems.found)
    return plant


# Pydantic names the branch of a union in its locations; the file has no such level.
_UNION_TAGS = ("list[RuleEntry]", "literal['derived']")


def _parse(path: Path) -> CommentedMap:
    text = read_text(path)
    try:
        tree = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(error.problem or error.context).split())
        line = f":{mark.line + 1}" if mark else ""
        raise InputError([f"{path}{line}: {problem}"]) from None
    if not isinstance(tree, CommentedMap):
        raise InputError([f"{path}: holds no plant; it begins with version: 1"])
    return tree


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    return node


def _contradictions(plant: PlantFile) -> list[tuple[Location, str]]:
    """What is well-formed and still cannot be: unknown names, doubled ones."""
    found: list[tuple[Location, str]] = []
    loc: Location
    tenants = [tenant.id for tenant in plant.tenants]
    gateways = {gateway.address: gateway for gateway in plant.gateways}

    def known_tenant(loc: Location, name: str) -> None:
        if name not in tenants:
            found.append((loc, f"no tenant {name!r}{did_you_mean(name, tenants)}"))

    def once(what: str, names: list[tuple[Location, str]]) -> None:
        first: dict[str, Location] = {}
        for loc, name in names:
            if first.setdefault(name, loc) != loc:
                found.append((loc, f"{what} {name!r} stands at {_where(first[name])} already"))

    once("tenant", [(("tenants", i, "id"), t.id) for i, t in enumerate(plant.tenants)])
    once("gateway", [(("gateways", i, "node"), g.address) for i, g in enumerate(plant.gateways)])
    once("line", [(("lines", i, "id"), line.id) for i, line in enumerate(plant.lines)])
    once(
        "part group",
        [
            (("lines", i, "part_groups", k, "id"), group.id)
            for i, line in enumerate(plant.lines)
            for k, group in enumerate(line.part_groups)
        ],
    )
    points = plant.plant.control_points
    once("control point", [(("plant", "control_points", i), p) for i, p in enumerate(points)])
    for i, line in enumerate(plant.lines):
        for k, group in enumerate(line.part_groups):
            if group.control_point not in points:
                loc = ("lines", i, "part_groups", k, "control_point")
                hint = did_you_mean(group.control_point, points)
                found.append((loc, f"no control point {group.control_point!r}{hint}"))
    known_tenant(("plant", "owner"), plant.plant.owner)
    for i, gateway in enumerate(plant.gateways):
        known_tenant(("gateways", i, "owner"), gateway.owner)
        known_tenant(("gateways", i, "partner"), gateway.partner)
    for i, line in enumerate(plant.lines):
        loc = ("lines", i, "gateway")
        if line.gateway not in gateways:
            hint = did_you_mean(line.gateway, gateways)
            found.append((loc, f"no gateway {line.gateway!r} (group/node){hint}"))
        elif gateways[line.gateway].partner != plant.plant.owner:
            partner = gateways[line.gateway].partner
            found.append((loc, f"{line.gateway} delivers to {partner}, not to {plant.plant.owner}"))
    return found


def _explain(detail: dict[str, Any], loc: Location) -> str:
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key{did_you_mean(str(loc[-1]), _known_keys(loc[:-1]))}"
        case "missing":
            return "is missing"
        case "literal_error":
            return f"{detail['input']!r} is not {detail['ctx']['expected']}"
    shown = detail["input"]
    got = "" if isinstance(shown, (dict, list)) else f", not {shown!r}"
    return f"{detail['msg'].removeprefix('Input ')}{got}"


_MODELS: dict[tuple[str, ...], type[BaseModel]] = {
    (): PlantFile,
    ("tenants",): TenantEntry,
    ("gateways",): GatewayEntry,
    ("plant",): PlantEntry,
    ("lines",): LineEntry,
    ("lines", "part_groups"): PartGroupEntry,
    ("lines", "part_groups", "bom"): RuleEntry,
}


def _known_keys(loc: Location) -> list[str]:
    model = _MODELS.get(tuple(part for part in loc if isinstance(part, str)))
    return list(model.model_fields) if model else []


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
    return line
