"""What a line's PLC is to be told next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from protocols.jis.messages import Call
from protocols.opcua.line import Command


@dataclass(frozen=True, slots=True)
class Work:
    """A call to be handed over, or a command about one that the PLC has taken.

    `shown`: the PLC may have seen it already, so its echo is to be read first.
    """

    call: Call
    """As the PLC is to have it: of a `replace`, the new content."""
    shown: bool
    command: Command = "build"
    revision: int = 1
    serial: str = ""
    """Of `rework` and `scrap`: the part that is meant."""
    keep_slot: bool = True
    """Of `hold`: its slot stays empty, and is not given to another call."""
    strobes: tuple[int, int] | None = None
    """The PLC's strobe before the call was shown, and the one to show it with; None if its echo is
    to tell."""

    def plain(self) -> dict[str, Any]:
        """As it is stored while the PLC has not answered."""
        return {
            "call": self.call.model_dump(mode="json"),
            "command": self.command,
            "revision": self.revision,
            "serial": self.serial,
            "keep_slot": self.keep_slot,
        }

    @classmethod
    def stored(cls, plain: dict[str, Any]) -> Self:
        """What `plain` wrote."""
        return cls(**{**plain, "call": Call.model_validate(plain["call"])}, shown=True)
