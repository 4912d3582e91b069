"""The plant file: tenants, gateways, the plant, supplier lines, part groups and bills of material.

Read whole and checked before anything is stored; see `plant.yaml` in the sample folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hub.orders.calendar_entry import WorkEntry, shift_calendar
from hub.orders.problems import did_you_mean
from hub.orders.profile import Profile, load_order_at
from hub.orders.yaml_file import Location, YamlFile, where
from hub.sequencing.calendar import CalendarError
from hub.sequencing.explode import BomRule
from hub.sequencing.numbering import LoadOrder

TenantId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
Name = Annotated[str, Field(pattern=r"^[^/\s{}]{1,20}$")]
TopicLevel = Annotated[str, Field(pattern=r"^[^/+#\s]{1,64}$")]
Label = Annotated[str, Field(pattern=r"^[^/\s][^/]{0,63}$")]


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
    transport: Literal["mqtt", "edi"] = Field(
        default="mqtt", title="edi: no gateway is there, the supplier gets files (lineside-hub edi)"
    )

    @property
    def address(self) -> str:
        """As lines name it."""
        return f"{self.group}/{self.node}"


class PlantEntry(_Part):
    """The car plant."""

    id: Label
    owner: TenantId
    takt_s: float = Field(gt=0, le=86_400, allow_inf_nan=False)
    control_points: list[Label] = Field(min_length=1, title="In the order cars pass them")
    calendar: WorkEntry | None = Field(
        default=None, title="When the plant works; without it, it never rests"
    )


class RuleEntry(_Part):
    """One rule of a bill of material; of those that fit a car, the first names the part."""

    part_no: Label = Field(title="May hold {colour}")
    quantity: int = Field(default=1, ge=1)
    requires: list[Name] = []
    excludes: list[Name] = []
    colours: list[Name] | None = None

    def rule(self, part_group: str, rank: int) -> BomRule:
        """As cars are exploded by it: the rank-th of its part group, from 1."""
        return BomRule(
            part_group,
            rank,
            self.part_no,
            self.quantity,
            frozenset(self.requires),
            frozenset(self.excludes),
            None if self.colours is None else frozenset(self.colours),
        )


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
    load_order: LoadOrder | None = Field(
        default=None, title="Whether slot 1 holds what is fitted first, or last; by its dock"
    )
    sequence_wrap: int = Field(default=9999, ge=1, le=2_000_000_000)
    profile: Profile = Profile()
    part_groups: list[PartGroupEntry] = Field(min_length=1)

    @property
    def loads(self) -> LoadOrder:
        """As said, or as the dock at its unloading point asks for."""
        return self.load_order or load_order_at(self.profile.dock(self.unloading_point))


class PassThroughEntry(_Part):
    """Calls that a customer's plant makes at a line of ours become cars of this plant."""

    plant: Label = Field(title="The customer's plant")
    line: Label = Field(title="Our line there; its calls are passed on")
    control_point: Label = Field(title="Where they enter this plant")
    before_s: float = Field(
        ge=0, allow_inf_nan=False, title="They pass it so long before the customer needs the part"
    )


class PlantFile(_Part):
    """The whole file."""

    version: Literal[1]
    tenants: list[TenantEntry]
    gateways: list[GatewayEntry]
    plant: PlantEntry
    lines: list[LineEntry]
    pass_through: list[PassThroughEntry] = Field(
        default=[], title="For a supplier that calls its own suppliers by the calls it gets"
    )


def read_plant(path: Path) -> PlantFile:
    """Read and check a plant file. Raises `InputError` with every problem and its line."""
    file = YamlFile(path, "plant; it begins with version: 1")
    plant = file.check(PlantFile)
    file.refuse(_contradictions(plant))
    return plant


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
                found.append((loc, f"{what} {name!r} stands at {where(first[name])} already"))

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
    found += _profile_contradictions(plant)
    if plant.plant.calendar is not None:
        try:
            shift_calendar(plant.plant.calendar, plant.plant.takt_s)
        except CalendarError as error:
            found.append((("plant", "calendar"), str(error)))
    for i, entry in enumerate(plant.pass_through):
        if entry.control_point not in points:
            hint = did_you_mean(entry.control_point, points)
            loc = ("pass_through", i, "control_point")
            found.append((loc, f"no control point {entry.control_point!r}{hint}"))
        if entry.plant == plant.plant.id:
            found.append((("pass_through", i, "plant"), "a plant cannot pass calls on to itself"))
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


def _profile_contradictions(plant: PlantFile) -> list[tuple[Location, str]]:
    """Control points of profiles that the plant does not have, or that its part groups belie."""
    found: list[tuple[Location, str]] = []
    points = plant.plant.control_points
    for i, line in enumerate(plant.lines):
        released_at = sorted({group.control_point for group in line.part_groups})
        for point, step in line.profile.control_points.items():
            loc: Location = ("lines", i, "profile", "control_points", point)
            if point not in points:
                found.append((loc, f"no control point {point!r}{did_you_mean(point, points)}"))
            elif (step == "build") != (point in released_at):
                names = ", ".join(released_at)
                found.append(
                    (loc, f"{step}, but the part groups of {line.id} are called at {names}")
                )
        if line.profile.late_red_s > line.profile.late_yellow_s:
            loc = ("lines", i, "profile", "late_red_s")
            found.append((loc, "is more than late_yellow_s: a call turns yellow before red"))
    return found
