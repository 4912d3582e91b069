"""A condition speaks once per change."""

from __future__ import annotations

import logging

import pytest

from edge.status import Condition


def test_said_once_however_often_it_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    condition = Condition(logging.getLogger("here"), "uplink")
    for _ in range(2):
        for _ in range(5):
            condition.fail("no broker")
            assert condition.failed
        for _ in range(5):
            condition.recover()
            assert not condition.failed
    assert caplog.messages == ["uplink: no broker", "uplink: well again"] * 2


def test_what_must_happen_several_times_in_a_row(caplog: pytest.LogCaptureFixture) -> None:
    condition = Condition(logging.getLogger("here"), "stream")
    for _ in range(2):
        condition.fail("another writer", after=3)
    condition.recover()
    for _ in range(2):
        condition.fail("another writer", after=3)
    assert not caplog.messages
    condition.fail("another writer", after=3)
    assert caplog.messages == ["stream: another writer"]
