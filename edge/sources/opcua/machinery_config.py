"""Settings of a machine whose results come as events (Machinery Result Transfer, OPC 40001-101),
also of a joining system (OPC 40450-1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from edge.sources.opcua.result_config import PATH, MeasuredMember, ResultSettings, beginning_with
from edge.sources.settings import CharacteristicName
from protocols.opcua.machinery_result import CONTENT, JOINING_META_FIELDS, META_FIELDS

FIELDS = ("SourceName", "Message", *META_FIELDS, *JOINING_META_FIELDS, CONTENT)
"""What a path may begin with."""
Member = Annotated[str, PATH, AfterValidator(beginning_with(FIELDS))]


class MachineryResultSettings(ResultSettings[Member]):
    """Results of a machine, by the event ResultReady of OPC 40001-101.

    A path names a member of ResultMetaData, or ResultContent, and leads on by members of structures
    and numbers of elements from 0: PartId, AssociatedEntities.0.EntityId, ResultContent.0.Force.
    """

    result_id: ClassVar[str] = "ResultId"
    programmes: ClassVar[tuple[str, ...]] = ("ExternalRecipeId", "InternalRecipeId")

    serial: Member = Field(default="PartId", title="Where the serial or code of the part is")
    measured: Annotated[list[MeasuredMember[Member]], Field(max_length=200)] = Field(
        default=[],
        title="Characteristics, and where the result has them; without any, the values that a "
        "joining system reports",
    )
    verdict: Member | None = Field(
        default=None,
        title="Where the verdict on the part is; without it ResultEvaluation, or that of its "
        "characteristics",
    )
    characteristic: CharacteristicName = Field(
        default="Result", title="Name of the characteristic that is the verdict on the part"
    )
    tool: Member | None = Field(default="SourceName", title="Where the name of the tool is")
