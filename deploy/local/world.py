"""Who takes part in the demo: one plant, two suppliers, each with a gateway and a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml import YAML

from firmware_sim.line.process import PROCESS_TAGS, Tag
from protocols.opcua.line import NAMESPACE

PLANT = "P1"
CONTROL_POINT = "TRIM-IN"


@dataclass(frozen=True, slots=True)
class Supplier:
    """A supplier's gateway and the line behind it. The PLC is named after its line."""

    group: str
    node: str
    line: str
    part_groups: tuple[str, ...]
    rack_slots: int
    seed: int


SUPPLIERS = (
    Supplier("seatworks", "gw-seat", "SEAT1", ("SEAT-FRONT", "SEAT-REAR"), rack_slots=12, seed=1),
    Supplier(
        "trimworks", "gw-trim", "TRIM1", ("DOOR-TRIM", "BUMPER", "COCKPIT"), rack_slots=20, seed=2
    ),
)


def tag_name(tag: Tag) -> str:
    """The name a process tag has at the hub: `Line.Station20.Torque` is `Station20/Torque`."""
    return tag.node.removeprefix("Line.").replace(".", "/")


def tag_names() -> dict[str, str]:
    """Name at the hub by node of the PLC."""
    return {tag.node: tag_name(tag) for tag in PROCESS_TAGS}


def gateway_config(
    supplier: Supplier,
    endpoint: str,
    broker_port: int,
    board_port: int = 0,
    more_sources: Sequence[Mapping[str, object]] = (),
) -> Mapping[str, object]:
    """The gateway's configuration, as its `edge.yaml` says it."""
    tags = [
        {"name": tag_name(tag), "node": f"nsu={NAMESPACE};s={tag.node}", "unit": tag.unit}
        for tag in PROCESS_TAGS
    ]
    return {
        "version": 1,
        "gateway": {"group": supplier.group, "node": supplier.node},
        "data_dir": "data",
        "broker": {"host": "127.0.0.1", "port": broker_port, "tls": False},
        "status": {"port": 0},  # two gateways on one machine; `lineside-edge status` shows both
        "board": {"port": board_port},
        "sources": [
            {
                "kind": "opcua",
                "device": supplier.line,
                "endpoint": endpoint,
                "publishing_ms": 100,
                "sampling_ms": 0,
                "queue_size": 1000,
                "tags": tags,
            },
            *more_sources,
        ],
        "jis": [
            {
                "plant": PLANT,
                "line": supplier.line,
                "device": supplier.line,
                "part_groups": list(supplier.part_groups),
                "rack_slots": supplier.rack_slots,
            }
        ],
    }


def write_yaml(path: Path, content: Mapping[str, object]) -> None:
    """Write a settings file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(content, file)
