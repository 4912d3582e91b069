"""Vehicle identification numbers: their form, their three parts, their check digit.

Form and parts after ISO 3779 and ISO 3780: 17 digits and capital letters without I, O and Q; WMI
(world manufacturer identifier, 1-3), VDS (vehicle descriptor section, 4-9), VIS (vehicle indicator
section, 10-17). Transliteration and weights of the check digit after 49 CFR 565.15 (c).

A check digit in position 9 is law in North America (49 CFR 565) and China (GB 16735). European
makers put what they like there, so whether a wrong one is an error is a policy of the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

LENGTH = 17

_VALUES = {
    **{digit: int(digit) for digit in "0123456789"},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_CHECKED_REGIONS = frozenset("12345L")
"""First characters of the WMIs of North America and China."""


class CheckDigitPolicy(StrEnum):
    """What becomes of a VIN whose position 9 is not its check digit."""

    REGION = "region"
    """Refused where the region of the WMI's first character has a check digit by law."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True)
class Vin:
    """A VIN of the right form; make one with `parse_vin`."""

    text: str

    @property
    def wmi(self) -> str:
        """World manufacturer identifier. A third character 9 stands for a small maker, told apart
        only together with `small_maker`."""
        return self.text[:3]

    @property
    def small_maker(self) -> str | None:
        """Positions 12-14, which complete the WMI of a maker of few vehicles; else None."""
        return self.text[11:14] if self.text[2] == "9" else None

    @property
    def vds(self) -> str:
        """Vehicle descriptor section, with what stands in the place of the check digit."""
        return self.text[3:9]

    @property
    def vis(self) -> str:
        """Vehicle indicator section."""
        return self.text[9:]

    @property
    def has_check_digit(self) -> bool:
        """Whether position 9 is the check digit of the others."""
        return self.text[8] == check_digit(self.text)

    @property
    def needs_check_digit(self) -> bool:
        """Whether the region of its maker has one by law."""
        return self.text[0] in _CHECKED_REGIONS

    def __str__(self) -> str:
        return self.text


def parse_vin(text: str, policy: CheckDigitPolicy = CheckDigitPolicy.REGION) -> Vin:
    """Read a VIN. Raises `ValueError` that says which position is wrong."""
    if len(text) != LENGTH:
        raise ValueError(f"a VIN has {LENGTH} characters, not {len(text)}")
    for position, character in enumerate(text, start=1):
        if character not in _VALUES:
            raise ValueError(f"position {position}: {_why_not(character)}")
    vin = Vin(text)
    asked = policy is CheckDigitPolicy.ALWAYS or (
        policy is CheckDigitPolicy.REGION and vin.needs_check_digit
    )
    if asked and not vin.has_check_digit:
        raise ValueError(
            f"position 9 is {text[8]!r}, but the check digit of the others is {check_digit(text)!r}"
        )
    return vin


def check_digit(text: str) -> str:
    """The check digit of 17 characters, whatever stands in position 9: a digit or X.

    Raises `ValueError` if they are not of a VIN.
    """
    if len(text) != LENGTH:
        raise ValueError(f"a VIN has {LENGTH} characters, not {len(text)}")
    rest = 0
    for position, (character, weight) in enumerate(zip(text, _WEIGHTS, strict=True), start=1):
        if weight and character not in _VALUES:
            raise ValueError(f"position {position}: {_why_not(character)}")
        rest += _VALUES.get(character, 0) * weight
    rest %= 11
    return "X" if rest == 10 else str(rest)


def with_check_digit(text: str) -> Vin:
    """The VIN of 17 characters with its check digit put into position 9."""
    digit = check_digit(text)
    return parse_vin(f"{text[:8]}{digit}{text[9:]}", CheckDigitPolicy.ALWAYS)


def _why_not(character: str) -> str:
    if character in "IOQ":
        return f"{character!r} is not used in a VIN, since it is taken for a 1 or a 0"
    if character.isascii() and character.islower():
        return f"{character!r} is a small letter"
    return f"{character!r} is neither a digit nor a capital letter"
