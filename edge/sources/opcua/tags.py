"""Settings of one tag: which node it is, and how the server is asked for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from edge.sources.settings import BaseTag

NODE_ID = r"^(ns=\d+;|nsu=[^;]+;)?(i=\d+|s=.+|g=[0-9A-Fa-f-]{36}|b=[A-Za-z0-9+/=]+)$"


class Reading(StrEnum):
    """How values come."""

    SUBSCRIBE = "subscribe"
    POLL = "poll"


class Trigger(StrEnum):
    """What counts as a change (Part 4, DataChangeFilter)."""

    STATUS = "status"
    STATUS_VALUE = "status_value"
    STATUS_VALUE_TIMESTAMP = "status_value_timestamp"


class DeadbandAt(StrEnum):
    """Who keeps small changes back."""

    SERVER = "server"
    GATEWAY = "gateway"


class TagSettings(BaseTag):
    """One value of the PLC."""

    node: Annotated[str, StringConstraints(pattern=NODE_ID)] = Field(
        title="Node id: ns=2;s=Name, ns=2;i=1001, or nsu=urn:of:namespace;s=Name",
        description="The form with nsu stays right when the server numbers its namespaces anew.",
    )
    read: Reading | None = Field(
        default=None, title="subscribe or poll, if not as the source is read"
    )
    sampling_ms: int | None = Field(
        default=None, ge=0, le=3_600_000, title="Sampling interval, if not that of the source"
    )
    queue_size: int | None = Field(
        default=None, ge=1, le=10_000, title="Values the server holds, if not as in the source"
    )
    trigger: Trigger = Field(
        default=Trigger.STATUS_VALUE,
        title="What the server reports: status, status_value or status_value_timestamp",
        description="status_value_timestamp also reports a value that was written once more.",
    )
    deadband_percent: float | None = Field(
        default=None,
        gt=0,
        le=100,
        title="Smallest change worth a sample, in percent of the range the server knows (EURange)",
    )
    deadband_at: DeadbandAt = Field(
        default=DeadbandAt.GATEWAY,
        title="gateway, or server if it can: who keeps small changes back",
        description="Some servers measure from the last value: they never report a slow drift.",
    )

    @property
    def reports_changes(self) -> bool:
        """Whether a value may be no sample because it says nothing new."""
        return super().reports_changes or self.deadband_percent is not None

    @model_validator(mode="after")
    def _one_deadband(self) -> TagSettings:
        if self.deadband_percent is not None:
            for key in ("deadband", "swinging_door"):
                if getattr(self, key) is not None:
                    raise ValueError(f"give deadband_percent or {key}, not both")
        if self.trigger is not Trigger.STATUS_VALUE and self.reports_changes:
            raise ValueError(
                f"trigger {self.trigger.value} and a deadband or swinging_door contradict one "
                "another; remove one"
            )
        return self
