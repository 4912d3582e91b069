"""The table of exceptions is whole, and a broken one is refused with its line."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from hub.calls.exception_kinds import exception_kinds, read_kinds
from protocols.jis.net import status_net
from protocols.tables import TableError

TEXT = resources.files("hub.calls").joinpath("exceptions.md").read_text(encoding="utf-8")


def test_what_the_net_raises_has_a_row() -> None:
    raised = {s.raises for s in status_net().situations} - {""}
    assert raised <= exception_kinds().kinds.keys()


def test_every_kind_and_decision_speaks_both_languages() -> None:
    found = exception_kinds()
    for kind in found.kinds.values():
        assert all((kind.title, kind.title_zh, kind.help, kind.help_zh, kind.told, kind.decisions))
    for decision in found.decisions.values():
        assert decision.title
        assert decision.title_zh


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("| blocked | car blocked", "| blocked | x | car blocked", "cells under"),
        ("| call | info |", "| call | urgent |", "severity 'urgent'; known are"),
        ("| itself | noted |", "| itself | shrug |", "decisions 'shrug'; known are"),
        ("plant supplier | itself", "plant union | itself", "told 'union'"),
        ("| 让步接收 | confirm |", "| 让步接收 | burn |", "effect 'burn'"),
        ("| kind | title |", "| kinds | title |", "no column 'kind'"),
        ("## Decisions", "## Choices", "no table under the heading ## Decisions"),
    ],
)
def test_a_broken_table_is_refused(old: str, new: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(TableError, match=re.escape(says)):
        read_kinds(TEXT.replace(old, new))


def test_an_unknown_kind_says_what_to_do() -> None:
    with pytest.raises(LookupError, match="add a row; did you mean truck_late"):
        exception_kinds().kind("truck_lat")
