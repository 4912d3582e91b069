"""A commented configuration file, written from the model: it cannot say what the model does not."""

from __future__ import annotations

import io
import json
import textwrap
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from edge.config.model import EdgeConfig, model_for

_EXAMPLE: dict[str, Any] = {
    "version": 1,
    "gateway": {"group": "my-company", "node": "gateway-1"},
    "data_dir": "data",
    "broker": {"host": "localhost", "port": 1883, "tls": False},
}
SOURCES: dict[str, dict[str, Any]] = {
    "opcua": {
        "kind": "opcua",
        "device": "press-1",
        "endpoint": "opc.tcp://192.168.0.10:4840",
        "tags": [
            {"name": "Force", "node": "ns=2;s=Press.Force", "unit": "kN", "deadband": 0.1},
            {"name": "Stroke", "node": "ns=2;s=Press.Stroke"},
        ],
    },
    "s7": {
        "kind": "s7",
        "device": "press-2",
        "host": "192.168.0.20",
        "tags": [
            {"name": "Force", "address": "DB10.DBD0:REAL", "unit": "kN", "deadband": 0.1},
            {"name": "Serial", "address": "DB10.DBB8:STRING[20]", "class": "high"},
            {"name": "Guard/Closed", "address": "M10.3"},
        ],
    },
    "modbus": {
        "kind": "modbus",
        "device": "oven-1",
        "host": "192.168.0.30",
        "tags": [
            {"name": "Temperature", "address": "30001:int16", "unit": "degC", "scale": 0.1},
            {"name": "Power", "address": "40100:float32", "unit": "kW", "order": "CDAB"},
            {"name": "Door/Closed", "address": "coil:5"},
        ],
    },
    "open_protocol": {
        "kind": "open_protocol",
        "device": "nutrunner-1",
        "host": "192.168.0.40",
        "serial": [
            {
                "form": "engine plant",
                "pattern": r"(?P<type>[A-Z]{3})(?P<serial>\d{6})",
            },
        ],
        "time_zone": "Europe/Berlin",
    },
    "qdas": {
        "kind": "qdas",
        "device": "measuring-room",
        "watch_dir": "/srv/measured",
        "time_zone": "Europe/Berlin",
    },
    "drop": {
        "kind": "drop",
        "device": "leak-tester",
        "watch_dir": "/srv/leak-tester",
        "columns": {"serial": "Serial", "time": "Time", "operator": "Operator"},
        "measured": [
            {"name": "Leak rate", "column": "Leak", "unit": "ml/min", "upper": 5.0},
            {"name": "Label", "column": "Label ok"},
        ],
    },
    "manual": {
        "kind": "manual",
        "device": "hand-station",
        "characteristics": [
            {"name": "Gap", "unit": "mm", "lower": 0.4, "upper": 0.9},
            {"name": "Surface", "check": True},
        ],
        "reasons": ["scratch", "tool worn"],
    },
    "camera": {
        "kind": "camera",
        "device": "camera-1",
        "url": "http://192.168.0.50/snapshot.jpg",
    },
}
"""An example of each kind of source."""
_HEAD = """\
# Configuration of a Lineside gateway. Check it with: lineside-edge check --config <this file>
# Lines that begin with '#' and a key show the default. Relative paths begin at this file.
# A value ${NAME} is taken from the environment.
"""


_SOURCE_HEAD = """\
# A source of this kind with all its options, as an entry of `sources` in a gateway's file.
# Lines that begin with '#' and a key show the default.
"""


def sample(
    kind: str = "opcua",
    *,
    settings: dict[str, Any] | None = None,
    source: dict[str, Any] | None = None,
) -> str:
    """A file to begin with: what must be given stands with an example, the rest as a comment. Its
    source is of the given kind. `settings` by section and `source` stand in place of the example's;
    a key of the source that is None is left out."""
    example = {**_EXAMPLE, **(settings or {}), "sources": [_with(SOURCES[kind], source)]}
    return _HEAD + "\n".join(_section(EdgeConfig, example, top=True)) + "\n"


def source_sample(kind: str) -> str:
    """The source alone, as it lies in the folder of its kind."""
    lines = _field("sources", EdgeConfig.model_fields["sources"], {"sources": [SOURCES[kind]]})
    return _SOURCE_HEAD + "\n".join(lines) + "\n"


def _with(example: dict[str, Any], given: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in {**example, **(given or {})}.items() if value is not None}


def _section(model: type[BaseModel], example: dict[str, Any], *, top: bool = False) -> list[str]:
    lines = []
    fields = [(field.alias or name, field) for name, field in model.model_fields.items()]
    if not top:
        fields.sort(key=lambda named: named[0] not in example)  # what is set comes first
    for key, field in fields:
        if top:
            lines.append("")
        lines += _field(key, field, example)
    return lines


def _field(key: str, field: FieldInfo, example: dict[str, Any]) -> list[str]:
    lines = _comment(field)
    inner = model_for(field.annotation, None)
    if key not in example:
        return lines + _commented(key, field, inner)
    if inner is None:
        return lines + yaml_lines({key: example[key]})
    lines.append(f"{key}:")
    if not isinstance(example[key], list):
        return lines + [f"  {line}" if line else "" for line in _section(inner, example[key])]
    for n, item in enumerate(example[key]):
        model = model_for(field.annotation, item.get("kind")) or inner
        # The first item shows every option, the others only what they set.
        lines += _item(_section(model, item) if n == 0 else yaml_lines(item))
    return lines


def _item(block: list[str]) -> list[str]:
    """A block as an item of a list; comments before its first key stay before the dash."""
    first = next(i for i, line in enumerate(block) if not line.startswith("#"))
    indented = [f"    {line}" if line else "" for line in block]
    indented[first] = f"  - {block[first]}"
    return indented


def _commented(key: str, field: FieldInfo, inner: type[BaseModel] | None) -> list[str]:
    if inner is not None and isinstance(field.default, list):
        block = [f"{key}:", *_item(_skeleton(inner))]
    elif inner is not None:
        block = [f"{key}:", *(f"  {line}" for line in _skeleton(inner))]
    else:
        block = yaml_lines({key: _default(field)})
    return [f"# {line}" for line in block]


def _skeleton(model: type[BaseModel]) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        key, default = field.alias or name, _default(field)
        inner = model_for(field.annotation, None)
        if isinstance(default, list):
            value = f"{key}:" if inner is not None else f"{key}: {_in_one_line(default)}"
        else:
            value = yaml_lines({key: default})[0]
        lines.append(f"{value}  # {field.title}")
        if inner is not None:
            block = _skeleton(inner)
            lines += _item(block) if default == [] else [f"  {line}" for line in block]
    return lines


def _in_one_line(values: list[Any]) -> str:
    """A list as flow YAML, which JSON is."""
    return json.dumps(values, ensure_ascii=False)


def _default(field: FieldInfo) -> Any:
    """A default as a file has it; None if there is none."""
    if field.is_required():
        return None
    return field.default.value if isinstance(field.default, Enum) else field.default


def _comment(field: FieldInfo) -> list[str]:
    text = f"{field.title}. {field.description or ''}".strip()
    return [f"# {line}" for line in textwrap.wrap(text, 90)]


def yaml_lines(value: Any) -> list[str]:
    """A value as block YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096  # a long path stays on the line of its key
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "")
    )
    stream = io.StringIO()
    yaml.dump(value, stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]
