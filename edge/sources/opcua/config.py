"""Settings of an OPC UA source: one PLC, its endpoint and its tags."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from edge.filters import FilterSettings

NODE_ID = r"^(ns=\d+;|nsu=[^;]+;)?(i=\d+|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/=]+)$"


class TagClass(StrEnum):
    """Which samples go first when the gateway's disk is short."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class TagSettings(FilterSettings):
    """One value of the PLC."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S.*$")] = (
        Field(title="Name of the tag, unique in its device; '/' makes folders")
    )
    node: Annotated[str, StringConstraints(pattern=NODE_ID)] = Field(
        title="Node id: ns=2;s=Name, ns=2;i=1001, or nsu=urn:of:namespace;s=Name",
        description="The form with nsu stays right when the server numbers its namespaces anew.",
    )
    unit: str = Field(default="", max_length=40, title="Unit, such as Nm or degC")
    tag_class: TagClass = Field(
        default=TagClass.NORMAL,
        alias="class",
        title="low, normal or high: the lowest is evicted first when the journal is full",
    )
    sampling_ms: int | None = Field(
        default=None, ge=0, le=3_600_000, title="Sampling interval, if not that of the source"
    )


class SecuritySettings(BaseModel):
    """A secured channel: policy, mode and certificates."""

    model_config = ConfigDict(extra="forbid")

    policy: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = Field(
        default="Basic256Sha256", title="Security policy"
    )
    mode: Literal["Sign", "SignAndEncrypt"] = Field(
        default="SignAndEncrypt", title="Message security mode"
    )
    certificate_file: Path = Field(title="This gateway's certificate (DER or PEM)")
    key_file: Path = Field(title="Key of that certificate (PEM)")
    server_certificate_file: Path | None = Field(
        default=None,
        title="The server's certificate; what the server shows is believed if absent",
    )


class OpcUaSettings(BaseModel):
    """One PLC read by OPC UA subscription."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["opcua"] = Field(default="opcua", title="Kind of source")
    device: Annotated[
        str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^/+#\s][^/+#]*$")
    ] = Field(title="Name of the device, unique in this gateway")
    endpoint: Annotated[str, StringConstraints(pattern=r"^opc\.tcp://[^\s@]+$")] = Field(
        title="Address of the server, opc.tcp://host:port, without user name and password"
    )
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
    silence_s: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        title="Silence after which this source alone is ended and begun anew, in seconds",
        description="At least three times timeout_s. The page says late after half of it.",
    )
    username: str | None = Field(default=None, title="User name; anonymous if absent")
    password: SecretStr | None = Field(default=None, title="Password; better kept in a file")
    password_file: Path | None = Field(default=None, title="File whose first line is the password")
    security: SecuritySettings | None = Field(
        default=None, title="Secured channel; without it nothing is signed or encrypted"
    )
    tags: list[TagSettings] = Field(default=[], title="The values to read")

    @model_validator(mode="after")
    def _one_password(self) -> OpcUaSettings:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username is None and (self.password or self.password_file):
            raise ValueError("a password needs a username")
        return self

    def secret(self) -> str | None:
        """The password, read now. Raises `OSError` if its file cannot be read."""
        if self.password_file is not None:
            return (self.password_file.read_text().splitlines() or [""])[0]
        return self.password.get_secret_value() if self.password is not None else None
