"""A configuration that the hub proposes to a gateway: what travels, and what is signed.

The gateway asks (`ASK_PATH`), signed by the key of its certificate; the hub answers with a
proposal, signed by its authority, whose certificate the gateway has from its enrolment. Both
signatures are over text behind a word of its own, so that neither passes for anything else those
keys sign.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, get_args

ASK_PATH = "/v1/enrolment/proposal"
LARGEST = 262_144
"""Bytes of a proposal."""

LONGEST_REASON = 2000
"""Characters of what a gateway gives for one."""

Decision = Literal["applied", "refused", "rolled_back"]
DECISIONS: tuple[Decision, ...] = get_args(Decision)
_ASKED = b"lineside proposal asked 1\n"
_PROPOSED = b"lineside proposal 1\n"


class ProposalError(ValueError):
    """What travels is no proposal, or no answer to one; the text says why."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Sections of a gateway's configuration, each in the place of the one that is there."""

    group: str
    node: str
    number: int
    """1, 2, 3 … for each gateway; one that is not above the last it decided on is passed over."""
    base: str | None
    """Fingerprint of the configuration that it was made for; None: of any."""
    sections: dict[str, Any]

    def text(self) -> str:
        """As it is signed and travels."""
        told = {
            "group": self.group,
            "node": self.node,
            "number": self.number,
            "base": self.base,
            "sections": self.sections,
        }
        return json.dumps(told, separators=(",", ":"), allow_nan=False)

    @classmethod
    def parse(cls, text: str) -> Proposal:
        """Raises `ProposalError`."""
        told = _object(text)
        match told:
            case {
                "group": str(group),
                "node": str(node),
                "number": int(number),
                "base": str() | None as base,
                "sections": dict(sections),
            } if number > 0:
                return cls(group, node, number, base, sections)
        raise ProposalError("not a proposal: group, node, number, base and sections are wanted")


@dataclass(frozen=True, slots=True)
class Decided:
    """What a gateway made of a proposal."""

    number: int
    decision: Decision
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a gateway says when it asks: the last number it decided on, and what came of it."""

    last: int
    decided: Decided | None

    def text(self) -> str:
        """As it is signed and travels."""
        told: dict[str, Any] = {"last": self.last}
        if self.decided is not None:
            said = self.decided
            told |= {"number": said.number, "decision": said.decision, "reason": said.reason}
        return json.dumps(told)

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Raises `ProposalError`."""
        told = _object(text)
        last, number = told.get("last"), told.get("number")
        if type(last) is not int or not 0 <= last < 2**31:
            raise ProposalError("not a question: last is no number of a proposal")
        if number is None:
            return cls(last, None)
        reason = told.get("reason")
        decision = next((each for each in DECISIONS if each == told.get("decision")), None)
        if (
            type(number) is not int
            or not 0 < number < 2**31
            or decision is None
            or not isinstance(reason, str)
        ):
            raise ProposalError("not a question: number, decision and reason do not fit")
        return cls(last, Decided(number, decision, reason.replace("\0", "")[:LONGEST_REASON]))


def signed_question(text: str) -> bytes:
    """What a gateway signs when it asks."""
    return _ASKED + text.encode()


def signed_proposal(text: str) -> bytes:
    """What the hub signs."""
    return _PROPOSED + text.encode()


def _object(text: str) -> dict[str, Any]:
    if len(text) > LARGEST:
        raise ProposalError(f"more than {LARGEST} characters")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise ProposalError("not JSON") from None
    if not isinstance(told, dict):
        raise ProposalError("not a JSON object")
    return told
