"""Settings of an OPC UA source: one PLC, its endpoint and its tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from edge.sources.opcua.companion import MACHINERY, VISION, Companion
from edge.sources.opcua.machinery_config import MachineryResultSettings
from edge.sources.opcua.result_config import ResultSettings
from edge.sources.opcua.tags import Reading, TagSettings
from edge.sources.opcua.vision_config import MachineVisionSettings
from edge.sources.settings import DeviceName, Silence

Endpoint = Annotated[str, StringConstraints(pattern=r"^opc\.tcp://[^\s@]+$")]
Fingerprint = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9A-Fa-f]{2}[: ]?){31}[0-9A-Fa-f]{2}$"),
    AfterValidator(lambda text: bytes.fromhex(text.replace(":", "")).hex(":").upper()),
]


class SecuritySettings(BaseModel):
    """A secured channel: policy, mode, who this gateway is, and which server is believed."""

    model_config = ConfigDict(extra="forbid")

    policy: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = Field(
        default="Basic256Sha256", title="Security policy"
    )
    mode: Literal["Sign", "SignAndEncrypt"] = Field(
        default="SignAndEncrypt", title="Message security mode"
    )
    certificate_file: Path = Field(
        title="This gateway's certificate (DER or PEM), made if neither it nor its key is there"
    )
    key_file: Path = Field(title="Key of that certificate (RSA, PEM or DER)")
    trust_dir: Path | None = Field(
        default=None,
        title="Trust list: its folder trusted/ has certificates of servers or authorities",
    )
    server_certificate_file: Path | None = Field(
        default=None, title="The one certificate that is believed (DER or PEM), in place of a list"
    )
    server_fingerprints: list[Fingerprint] = Field(
        default=[], title="SHA-256 of the certificates that are believed, in place of a list"
    )
    tolerate: list[Literal["host", "uri", "validity"]] = Field(
        default=[],
        title="What may be wrong in a trusted server's certificate: host, uri, validity",
    )
    trust_any_server: bool = Field(
        default=False,
        title="Believe any server, and whoever sits between it and us; only to try things out",
    )

    @model_validator(mode="after")
    def _somebody_is_trusted(self) -> SecuritySettings:
        pinned = self.server_certificate_file is not None or bool(self.server_fingerprints)
        if self.trust_any_server and (pinned or self.trust_dir is not None):
            raise ValueError(
                "trust_any_server believes every server; remove it, or what says which to believe"
            )
        if not (self.trust_any_server or pinned or self.trust_dir is not None):
            raise ValueError(
                "says of no server that it is believed; give trust_dir, "
                "server_certificate_file or server_fingerprints"
            )
        return self


class OpcUaSettings(BaseModel):
    """One PLC read by OPC UA."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["opcua"] = Field(default="opcua", title="Kind of source")
    device: DeviceName = Field(title="Name of the device, unique in this gateway")
    endpoint: Endpoint = Field(
        title="Address of the server, opc.tcp://host:port, without user name and password"
    )
    more_endpoints: list[Endpoint] = Field(
        default=[],
        title="Addresses of servers that hold the same tags, tried in this order",
        description="A server that says it has no data is left, a degraded one once another is "
        "healthy (ServiceLevel).",
    )
    read: Reading = Field(
        default=Reading.SUBSCRIBE,
        title="subscribe: the server reports changes; poll: values are read in an interval",
        description="What changes and changes back between two polls is not seen.",
    )
    poll_s: float = Field(default=1.0, ge=0.01, le=86_400, title="Interval of polling, in seconds")
    publishing_ms: int = Field(
        default=500, ge=10, le=60_000, title="Publishing interval in milliseconds"
    )
    sampling_ms: int = Field(
        default=100, ge=0, le=3_600_000, title="Sampling interval in milliseconds; 0: fastest"
    )
    queue_size: int = Field(
        default=100,
        ge=1,
        le=10_000,
        title="Values of a tag that the server holds until they are fetched",
    )
    publish_requests: int = Field(
        default=4,
        ge=1,
        le=16,
        title="Publish requests that wait at the server at a time, if it takes so many",
    )
    lifetime_s: float = Field(
        default=600.0,
        ge=10,
        le=86_400,
        title="How long the server shall keep the subscription for a gateway that is away, in s",
        description="Until then nothing is lost that fits into the server's queues.",
    )
    backfill: bool = Field(
        default=True,
        title="Read what was missed from the server's history, of tags that have one",
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, title="How long the server may take to answer, in seconds"
    )
    retry_nodes_s: float = Field(
        default=30.0, gt=0, title="How often a node that was refused is tried again, in seconds"
    )
    silence_s: Silence = 60.0
    username: str | None = Field(default=None, title="User name; anonymous if absent")
    password: SecretStr | None = Field(default=None, title="Password; better kept in a file")
    password_file: Path | None = Field(default=None, title="File whose first line is the password")
    send_password_readable: bool = Field(
        default=False,
        title="Send the password even where everybody on the network can read it",
    )
    user_certificate_file: Path | None = Field(
        default=None, title="Certificate of the user (DER or PEM), in place of a user name"
    )
    user_key_file: Path | None = Field(
        default=None, title="Key of the user's certificate (RSA, PEM or DER)"
    )
    security: SecuritySettings | None = Field(
        default=None, title="Secured channel; without it nothing is signed or encrypted"
    )
    tags: list[TagSettings] = Field(default=[], title="The values to read")
    machine_vision: MachineVisionSettings | None = Field(
        default=None,
        title="Results that a vision system tells as events (OPC 40100-1, Machine Vision)",
    )
    machinery_result: MachineryResultSettings | None = Field(
        default=None,
        title="Results that a machine or joining system tells as events (OPC 40001-101)",
    )

    @model_validator(mode="after")
    def _one_user(self) -> OpcUaSettings:
        if (self.user_certificate_file is None) != (self.user_key_file is None):
            raise ValueError("user_certificate_file and user_key_file need one another")
        if self.username is not None and self.user_certificate_file is not None:
            raise ValueError("give username or user_certificate_file, not both")
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username is None and (self.password or self.password_file):
            raise ValueError("a password needs a username")
        return self

    @model_validator(mode="after")
    def _one_model(self) -> OpcUaSettings:
        if self.machine_vision is not None and self.machinery_result is not None:
            raise ValueError(
                "give machine_vision or machinery_result; what tells both is two sources"
            )
        return self

    @property
    def results(self) -> tuple[Companion, ResultSettings[str]] | None:
        """By which model results come as events, and what is wanted of them; None: none do."""
        if self.machine_vision is not None:
            return VISION, self.machine_vision
        return None if self.machinery_result is None else (MACHINERY, self.machinery_result)

    def polled(self, tag: TagSettings) -> bool:
        """Whether a tag is read in an interval, not subscribed to."""
        return (tag.read or self.read) is Reading.POLL

    def secret(self) -> str | None:
        """The password, read now. Raises `OSError` if its file cannot be read."""
        if self.password_file is not None:
            return (self.password_file.read_text().splitlines() or [""])[0]
        return self.password.get_secret_value() if self.password is not None else None
