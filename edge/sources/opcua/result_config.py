"""What settings of results that come as events have in common, whichever model they follow."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from edge.sources.opcua.tags import NODE_ID
from edge.sources.results import CodeForms
from edge.sources.settings import NOK_WORDS, OK_WORDS, CharacteristicName, Limit, Words

PATH = StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s.]+(\.[^.]+)*$")
"""A field of the event, and the way on into what it holds."""


def beginning_with(fields: tuple[str, ...]) -> Callable[[str], str]:
    """Refuses a path that begins with none of these fields."""

    def check(path: str) -> str:
        first = path.split(".", 1)[0]
        if first not in fields:
            near = difflib.get_close_matches(first, fields, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(fields)}"
            raise ValueError(f"an event has no field {first!r}; {hint}")
        return path

    return check


MemberT = TypeVar("MemberT", bound=str)
"""A path into the events of one companion model."""


class MeasuredMember(BaseModel, Generic[MemberT]):
    """A characteristic that the content of a result holds."""

    model_config = ConfigDict(extra="forbid")

    name: CharacteristicName = Field(title="Name of the characteristic, unique at the device")
    value: MemberT = Field(
        title="Where its value is, or whether it is ok: ResultContent.0.Width, ResultContent.3, …"
    )
    unit: str = Field(default="", max_length=40, title="Unit, such as mm")
    lower: Limit | None = Field(default=None, title="Lower limit, in that unit")
    upper: Limit | None = Field(default=None, title="Upper limit, in that unit")
    nominal: Limit | None = Field(default=None, title="Nominal value, in that unit")
    verdict: MemberT | None = Field(
        default=None, title="Where its verdict is; without it the limits tell"
    )


class ResultSettings(BaseModel, Generic[MemberT]):
    """Results that come as events.

    A path names a field of the event and leads on by members of structures and numbers of elements
    from 0: ResultContent.0.Width.
    """

    model_config = ConfigDict(extra="forbid")

    result_id: ClassVar[str]
    """Where the id of the result is."""
    programmes: ClassVar[tuple[str, ...]]
    """Where a programme may be, if `programme` does not say."""

    node: Annotated[str, StringConstraints(pattern=NODE_ID)] = Field(
        default="i=2253",
        title="Object whose events are subscribed; i=2253 is the server, which tells all of them",
    )
    serial: MemberT = Field(title="Where the serial or code of the part is")
    forms: CodeForms = Field(
        default=[], title="Forms of the codes of parts, one for each customer, the first that fits"
    )
    measured: Annotated[list[MeasuredMember[MemberT]], Field(max_length=200)] = Field(
        default=[], title="Characteristics, and where the result has them"
    )
    verdict: MemberT | None = Field(
        default=None,
        title="Where the verdict on the part is; without it, that of its characteristics",
    )
    characteristic: CharacteristicName = Field(
        title="Name of the characteristic that is the verdict on the part"
    )
    tool: MemberT | None = Field(title="Where the name of the tool or camera is")
    programme: MemberT | None = Field(
        default=None, title="Where the programme is; absent: ExternalRecipeId, or InternalRecipeId"
    )
    queue_size: int = Field(
        default=1000,
        ge=2,
        le=10_000,
        title="Results that the server holds until they are fetched",
    )
    simulated: bool = Field(default=False, title="Take results that the system says are simulated")
    ok_words: Words = Field(default=[*OK_WORDS], title="Words for ok, in whatever case")
    nok_words: Words = Field(default=[*NOK_WORDS], title="Words for not ok, in whatever case")

    @model_validator(mode="after")
    def _named_once(self) -> ResultSettings[MemberT]:
        names = [self.characteristic, *(each.name for each in self.measured)]
        double = next((name for name in names if names.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"two characteristics are called {double}; give each its own name")
        return self
