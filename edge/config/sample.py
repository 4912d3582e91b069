"""A commented configuration file, written from the model: it cannot say what the model does not."""

from __future__ import annotations

import io
import textwrap
from enum import Enum
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML

from edge.config.model import EdgeConfig, model_in

EXAMPLE: dict[str, Any] = {
    "version": 1,
    "gateway": {"group": "my-company", "node": "gateway-1"},
    "data_dir": "data",
    "broker": {"host": "localhost", "port": 1883, "tls": False},
    "sources": [
        {
            "kind": "opcua",
            "device": "press-1",
            "endpoint": "opc.tcp://192.168.0.10:4840",
            "tags": [
                {"name": "Force", "node": "ns=2;s=Press.Force", "unit": "kN", "deadband": 0.1},
                {"name": "Stroke", "node": "ns=2;s=Press.Stroke"},
            ],
        }
    ],
}
_HEAD = """\
# Configuration of a Lineside gateway. Check it with: lineside-edge check --config <this file>
# Lines that begin with '#' and a key show the default. Relative paths begin at this file.
# A value ${NAME} is taken from the environment.
"""


def sample() -> str:
    """A file to begin with: what must be given stands with an example, the rest as a comment."""
    return _HEAD + "\n".join(_section(EdgeConfig, EXAMPLE, top=True)) + "\n"


def _section(model: type[BaseModel], example: dict[str, Any], *, top: bool = False) -> list[str]:
    lines = []
    fields = [(field.alias or name, field) for name, field in model.model_fields.items()]
    if not top:
        fields.sort(key=lambda named: named[0] not in example)  # what is set comes first
    for key, field in fields:
        if top:
            lines.append("")
        lines += _comment(field)
        inner = model_in(field.annotation)
        if key not in example:
            lines += _commented(key, field, inner)
        elif inner is None:
            lines += _yaml({key: example[key]})
        elif isinstance(example[key], list):
            lines.append(f"{key}:")
            for n, item in enumerate(example[key]):
                # The first item shows every option, the others only what they set.
                block = _section(inner, item) if n == 0 else _yaml(item)
                lines += _item(block)
        else:
            lines.append(f"{key}:")
            lines += [f"  {line}" if line else "" for line in _section(inner, example[key])]
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
        default = field.default.value if isinstance(field.default, Enum) else field.default
        block = _yaml({key: default})
    return [f"# {line}" for line in block]


def _skeleton(model: type[BaseModel]) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        default = None if field.is_required() else field.default
        value = _yaml({field.alias or name: default})[0]
        lines.append(f"{value}  # {field.title}")
        if (inner := model_in(field.annotation)) is not None:
            lines += [f"  {line}" for line in _skeleton(inner)]
    return lines


def _comment(field: FieldInfo) -> list[str]:
    text = f"{field.title}. {field.description or ''}".strip()
    return [f"# {line}" for line in textwrap.wrap(text, 90)]


def _yaml(value: Any) -> list[str]:
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "")
    )
    stream = io.StringIO()
    yaml.dump(value, stream)
    return [line.rstrip() for line in stream.getvalue().splitlines()]
