"""Nodes for a hand-over: what of them does not fit together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge.config.hand_over import HandOverSettings

LEAST: dict[str, Any] = {
    "fields": {"part_no": "ns=2;s=Part", "key": "ns=2;s=Key"},
    "strobe": "ns=2;s=Strobe",
    "echo_strobe": "ns=2;s=Done",
}


def test_the_least_that_is_needed() -> None:
    settings = HandOverSettings.model_validate(LEAST)
    assert settings.fields.by_field() == {"key": "ns=2;s=Key", "part_no": "ns=2;s=Part"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fields": {}}, "fields names no node"),
        ({"fields": {"part_no": "ns=2;s=Part"}, "echo_key": "ns=2;s=K"}, "needs fields.key"),
        ({"echo_reason": "ns=2;s=Why"}, "echo_reason needs echo_accepted"),
        ({"echo_strobe": "ns=2;s=Strobe"}, "echo_strobe and strobe are the same node"),
        ({"free": "ns=2;s=Part"}, "free and fields.part_no are the same node"),
        ({"strobe": "Strobe"}, "String should match pattern"),
        ({"fields": {"part": "ns=2;s=Part"}}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        HandOverSettings.model_validate({**LEAST, **change})
