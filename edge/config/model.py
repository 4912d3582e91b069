"""The configuration of a gateway, version 1. A section's model lives beside what it configures."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from edge.board.settings import BoardSettings
from edge.config.hand_over import HandOverSettings
from edge.identity.settings import IdentitySettings
from edge.journal import JournalSettings
from edge.pictures.settings import PictureSettings
from edge.proposals.settings import ProposalSettings
from edge.sources.camera.config import CameraSettings
from edge.sources.manual.config import ManualSettings
from edge.sources.registry import SourceSettings
from edge.status.settings import StatusSettings
from edge.uplink.settings import UplinkSettings
from protocols.jis.messages import Identifier
from protocols.jis.topics import check_name
from protocols.logs import LogForm
from protocols.mqtt.broker import BrokerSettings
from protocols.traces.settings import TraceSettings


def _sparkplug_name(name: str) -> str:
    """Refuse a name that neither Sparkplug's topics nor those of the calls could carry."""
    check_name(name)
    if name == "STATE":
        raise ValueError("STATE is taken by the topics of hosts; choose another name")
    return name


SparkplugName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64, pattern=r"^[^/+#\s][^/+#]*$"),
    AfterValidator(_sparkplug_name),
]


class GatewaySettings(BaseModel):
    """Who this gateway is. The hub knows it by both names; no other gateway may use them."""

    model_config = ConfigDict(extra="forbid")

    group: SparkplugName = Field(title="Sparkplug group: the supplier")
    node: SparkplugName = Field(title="Sparkplug edge node: this gateway")


class HubSettings(BaseModel):
    """Which hub this gateway reports to."""

    model_config = ConfigDict(extra="forbid")

    host_id: SparkplugName = Field(
        default="lineside-hub", title="Sparkplug host id of the hub, as in its STATE topic"
    )
    proposals: ProposalSettings | None = Field(
        default=None,
        title="Take configurations that the hub proposes; none are, if this is absent",
        description="The gateway must be enrolled, and this file writable for its user.",
    )


class JisLine(BaseModel):
    """A line that is called just in sequence, and the device that takes its calls."""

    model_config = ConfigDict(extra="forbid")

    plant: Identifier = Field(title="The plant that calls")
    line: Identifier = Field(title="The supplier line, as the plant names it")
    device: SparkplugName = Field(title="Device of a source: the PLC that builds the calls")
    part_groups: list[Identifier] = Field(
        min_length=1, title="Part groups that this line builds; other calls are refused"
    )
    changes_decided_by: Literal["plc", "person"] = Field(
        default="plc",
        title="Who decides on what the plant asks of a call that the line has begun",
        description="person: somebody at the board says yes or no before the PLC is told.",
    )
    rack_slots: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        title="Slots of a rack",
        description="For the board and the dispatch advice; without it, as many as are called.",
    )
    hand_over: HandOverSettings | None = Field(
        default=None,
        title="Nodes that take the calls, if the PLC does not offer those of Lineside's own line",
    )


class EdgeConfig(BaseModel):
    """All that a gateway needs to know. Paths are relative to the file they stand in."""

    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = Field(title="Version of this file's format")
    gateway: GatewaySettings = Field(title="Who this gateway is")
    data_dir: Path = Field(
        title="Directory of the journal and the calls",
        description="On a disk that keeps what it confirms; one gateway per directory.",
    )
    broker: BrokerSettings = Field(default_factory=BrokerSettings, title="The MQTT broker")
    more_brokers: list[BrokerSettings] = Field(
        default=[],
        title="Further MQTT brokers of the hub",
        description="Tried in this order when the one in use refuses, dies or has no hub on it.",
    )
    hub: HubSettings = Field(default_factory=HubSettings, title="The hub")
    identity: IdentitySettings = Field(
        default_factory=IdentitySettings, title="Who certifies this gateway: the hub, or another"
    )
    journal: JournalSettings = Field(
        default_factory=JournalSettings, title="What is kept on disk until the hub has it"
    )
    pictures: PictureSettings = Field(
        default_factory=PictureSettings, title="Pictures of events, if there are cameras"
    )
    uplink: UplinkSettings = Field(
        default_factory=UplinkSettings, title="How what is kept travels to the hub"
    )
    log: LogForm = Field(
        default=LogForm.TEXT,
        title="How the log is written: text, for people, or json, an object a line",
        description="--log and LINESIDE_EDGE_LOG come before it.",
    )
    status: StatusSettings = Field(
        default_factory=StatusSettings, title="The status page and the metrics, for this machine"
    )
    trace: TraceSettings = Field(
        default_factory=TraceSettings, title="Where the steps of calls are told as traces"
    )
    board: BoardSettings = Field(
        default_factory=BoardSettings, title="The board for the people at the lines"
    )
    sources: list[SourceSettings] = Field(default=[], title="What is read")
    jis: list[JisLine] = Field(default=[], title="Lines that are called just in sequence")

    @property
    def has_cameras(self) -> bool:
        """Whether any source takes pictures."""
        return any(isinstance(source, CameraSettings) for source in self.sources)

    @property
    def stations(self) -> list[ManualSettings]:
        """Stations whose results are entered by hand, at the board's address."""
        return [source for source in self.sources if isinstance(source, ManualSettings)]

    @property
    def has_board(self) -> bool:
        """Whether there is anything to serve at the board's address."""
        return bool(self.board.port and (self.jis or self.stations))

    @property
    def brokers(self) -> list[BrokerSettings]:
        """All MQTT brokers, in the order in which they are tried."""
        return [self.broker, *self.more_brokers]


def fingerprint(config: EdgeConfig) -> str:
    """Of what is written in a configuration, without passwords: 16 hexadecimal digits. A later
    release that has more options finds the same."""
    written = config.model_dump(mode="json", exclude_unset=True)
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()[:16]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a field may hold: by themselves, in a list, or as an option; several where
    `kind` tells them apart."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def model_for(annotation: Any, kind: str | None) -> type[BaseModel] | None:
    """The model that a field holds, that of `kind` if it may hold several."""
    models = models_in(annotation)
    return next((m for m in models if kind in _kinds(m)), models[0] if models else None)


def _kinds(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field is not None else ()
