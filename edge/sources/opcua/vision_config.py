"""Settings of a vision system whose results come as events (Machine Vision, OPC 40100-1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from edge.sources.opcua.result_config import PATH, ResultSettings, beginning_with
from edge.sources.settings import CharacteristicName
from protocols.opcua.machine_vision import RESULT_FIELDS

FIELDS = ("SourceName", "Message", *RESULT_FIELDS)
"""What a path may begin with."""
Member = Annotated[str, PATH, AfterValidator(beginning_with(FIELDS))]


class MachineVisionSettings(ResultSettings[Member]):
    """Results of a vision system, by the event ResultReady of OPC 40100-1.

    A path names a field of the event and leads on by members of structures and numbers of elements
    from 0: PartId.Id, ResultContent.0.Width.
    """

    result_id: ClassVar[str] = "ResultId.Id"
    programmes: ClassVar[tuple[str, ...]] = ("ExternalRecipeId.Id", "InternalRecipeId.Id")

    serial: Member = Field(default="PartId.Id", title="Where the serial or code of the part is")
    characteristic: CharacteristicName = Field(
        default="Vision", title="Name of the characteristic that is the verdict on the part"
    )
    tool: Member | None = Field(default="SourceName", title="Where the name of the camera is")
