"""A bill of material for orders whose options nobody has mapped to parts, as in public instances.

Options are dealt over the part groups that ask for it; each becomes a variant of its group. A car
with two options of one group gets the variant of the first by name; a car with none the base part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hub.sequencing.explode import BomRule

BASE = "BASE"


def deal(groups: Iterable[str], options: Iterable[str], dealt: Mapping[str, str]) -> dict[str, str]:
    """Part group by option. Who is `dealt` stays; a new option goes to the group with fewest.

    Raises `ValueError` if there are no groups.
    """
    hands: dict[str, int] = dict.fromkeys(groups, 0)
    if not hands:
        raise ValueError("no part group to deal options to")
    where = {option: group for option, group in dealt.items() if group in hands}
    for group in where.values():
        hands[group] += 1
    for option in sorted(set(options) - where.keys()):
        where[option] = min(hands, key=lambda group: hands[group])
        hands[where[option]] += 1
    return where


def derive(dealt: Mapping[str, str], coloured: Mapping[str, bool]) -> list[BomRule]:
    """The rules of every group in `coloured`: its options by name, then the base part."""
    rules = []
    for group, by_colour in coloured.items():
        colour = "-{colour}" if by_colour else ""
        options = sorted(option for option, holder in dealt.items() if holder == group)
        rules += [
            BomRule(group, rank, f"{group}-{option}{colour}", requires=frozenset({option}))
            for rank, option in enumerate(options, 1)
        ]
        rules.append(BomRule(group, len(options) + 1, f"{group}-{BASE}{colour}"))
    return rules
