"""Tags that are polled together: when they were read last."""

from __future__ import annotations

import logging

import pytest

from edge.sources.polled.groups import Group
from edge.sources.polled.plan import Plan
from edge.status import Condition
from tests.edge.sources.polled.test_plan import RETRY_S, Memory


@pytest.mark.parametrize(
    ("read_us", "before_us"),
    [(None, 500), (400, 400), (900, 500)],
    ids=["never", "once", "by a clock that was set back since"],
)
def test_what_was_read_was_read_before_now(read_us: int | None, before_us: int) -> None:
    plan = Plan(Memory([], set()), [], RETRY_S)
    group = Group(1.0, plan, Condition(logging.getLogger(), "polling"))
    group.read_us = read_us
    assert group.read_before(500) == before_us
