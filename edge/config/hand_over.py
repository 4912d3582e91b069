"""Which nodes of a PLC take a call, for one that does not offer those of `protocols.opcua.line`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.sources.opcua.tags import NODE_ID

Node = Annotated[str, StringConstraints(pattern=NODE_ID)]


class CallNodes(BaseModel):
    """Nodes for what a call says, by its fields. Each is written in the type that the node has."""

    model_config = ConfigDict(extra="forbid")

    key: Node | None = Field(
        default=None, title="The call's identity: plant/line/production_no/part_group/n"
    )
    production_no: Node | None = Field(default=None, title="The car's production number")
    part_group: Node | None = Field(default=None, title="Part group")
    reorder_index: Node | None = Field(default=None, title="0, or the number of the reorder")
    call_no: Node | None = Field(default=None, title="1, 2, 3 … per line, without gaps")
    sequence_no: Node | None = Field(default=None, title="Short number on the label; wraps")
    part_no: Node | None = Field(default=None, title="Part number")
    quantity: Node | None = Field(default=None, title="Number of parts")
    colour: Node | None = Field(default=None, title="Colour")
    unloading_point: Node | None = Field(default=None, title="Unloading point")
    rack: Node | None = Field(default=None, title="Rack")
    slot: Node | None = Field(default=None, title="Slot in the rack")
    control_point: Node | None = Field(default=None, title="Control point that the car has passed")
    called_at: Node | None = Field(default=None, title="When it was called")
    required_at: Node | None = Field(default=None, title="When the car reaches the fitting station")

    def by_field(self) -> dict[str, str]:
        """The nodes that are given, by the name of their field."""
        return {name: str(node) for name, node in self if node is not None}


class HandOverSettings(BaseModel):
    """The handshake: the gateway writes the fields, then the strobe; the PLC reads them when the
    strobe changes, decides, and writes its answer, last of all that strobe as its echo."""

    model_config = ConfigDict(extra="forbid")

    fields: CallNodes = Field(title="What of a call is written, and where")
    strobe: Node = Field(title="Whole number that the gateway changes once the fields stand")
    echo_strobe: Node = Field(title="The strobe that the PLC answers, written last")
    echo_accepted: Node | None = Field(
        default=None, title="Boolean: the PLC's decision. Without it each echo is a yes"
    )
    echo_reason: Node | None = Field(default=None, title="Text: why the PLC refused")
    echo_key: Node | None = Field(
        default=None,
        title="Text: fields.key of the call that the PLC decided on",
        description="With it a call without an answer is shown again, and a PLC must take a key "
        "that it knows as the same call. Without it none is shown twice: what cannot be told after "
        "a crash is unclear, and a person decides.",
    )
    free: Node | None = Field(
        default=None,
        title="Boolean: true while the PLC can take a call. Without it, when it has answered",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> HandOverSettings:
        fields = self.fields.by_field()
        if not fields:
            raise ValueError("fields names no node; give at least one, such as key or part_no")
        if self.echo_key is not None and "key" not in fields:
            raise ValueError("echo_key needs fields.key: a PLC echoes what it was given")
        if self.echo_reason is not None and self.echo_accepted is None:
            raise ValueError("echo_reason needs echo_accepted: without it nothing is refused")
        named = {f"fields.{name}": node for name, node in fields.items()}
        named |= {name: node for name, node in self if isinstance(node, str)}
        seen: dict[str, str] = {}
        for name, node in named.items():
            if node in seen:
                raise ValueError(f"{name} and {seen[node]} are the same node, {node}")
            seen[node] = name
        return self
