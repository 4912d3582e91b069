"""The rows of the exception matrix, whole: each has tests that carry its name, and each kind of
exception stands in one of them, says whom it tells and what a person can do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.calls.exception_kinds import exception_kinds

TESTS = Path(__file__).parents[3]
HUB, EDGE = TESTS / "hub" / "calls", TESTS / "edge" / "calls"

ROWS: dict[str, tuple[str, str]] = {
    # row: (what the names of its tests begin with, the kinds of exceptions that it can open)
    "duplicate call": ("a_pass_or_a_command_given_twice|duplicate_call|duplicate_change", ""),
    "changed content": (
        "changed_content|a_refused_change|who_does_not_answer|an_order_that_changes",
        "change_refused change_unanswered pass_through_refused",
    ),
    "late call": ("a_late_call|a_call_whose_pass_is_heard_of_late", "late_call"),
    "sequence gap": ("sequence_gap", "sequence_gap slot_left_empty"),
    "out of order": ("out_of_order", ""),
    "wrap of the sequence number": ("sequence_numbers_wrap", ""),
    "blocked or pulled out before the call": (
        "a_blocked_car|what_leaves_the_frozen_preview",
        "blocked blocked_passed preview_broken",
    ),
    "pulled out after the call": ("a_car_pulled_out|car_pulled_out", "pulled_out"),
    "re-inserted": ("a_car_comes_back|no_car_comes_back|car_pulled_out_after_hand_over", ""),
    "cancelled": (
        "a_cancelled_car|car_cancelled",
        "cancelled cancelled_passed obsolete contradiction",
    ),
    "engineering change at a break point": ("an_engineering_change", "old_index"),
    "not in order at the supplier": ("nok_at_the_supplier|nok_at_supplier", "nok_at_supplier"),
    "wrong part in a slot": ("wrong_part_in_slot", "wrong_part_in_slot"),
    "not in order at the line": (
        "nok_at_the_line|a_lost_part|reorder_call",
        "nok_at_line part_gone replaced",
    ),
    "missing part": ("missing_part", "missing_part"),
    "truck late": ("a_truck_delayed|a_rack_that_should_have_left", "truck_late rack_overdue"),
    "rack turned round": ("a_rack_loaded_in_the_wrong_direction", "rack_turned"),
    "hub or WAN down": (
        "hub_or_wan_down|calls_that_nobody_acknowledges|manual_begins",
        "gateway_blind unacknowledged not_taken",
    ),
    "broker restarts": ("a_broker_that_forgets|events_survive_a_broker", "events_lost"),
    "clock skew": ("clock_skew", "clock_skew"),
    "line stop, takt change, overtime": ("a_line_stop|a_stop_that|another_takt|overtime", ""),
    "swap after the freeze": ("a_swap|no_swap", ""),
    "delivery mismatch": (
        "delivery_confirmation_mismatch|delivery_mismatch|fitting_is_confirmed",
        "delivery_mismatch foreign_part shipment_mismatch no_shipment",
    ),
    "pre-series car": ("a_pre_series_car", ""),
}
OTHERS = {"webhook_dead"}
"""No row of the matrix: a system that nobody reaches."""


def names() -> list[str]:
    files = [*HUB.rglob("test_*.py"), *EDGE.rglob("test_*.py")]
    return [
        n for f in files for n in re.findall(r"^(?:async )?def test_(\w+)", f.read_text(), re.M)
    ]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_tests_of_its_name(row: str) -> None:
    beginnings = ROWS[row][0].split("|")
    missing = [b for b in beginnings if not any(name.startswith(b) for name in names())]
    assert missing == []


def test_every_kind_of_exception_stands_in_a_row_and_says_who_and_what() -> None:
    kinds = exception_kinds()
    in_rows = {kind for _, raised in ROWS.values() for kind in raised.split()}
    assert in_rows | OTHERS == kinds.kinds.keys()
    for name in in_rows:
        kind = kinds.kind(name)
        assert kind.told, name
        assert kind.decisions, name
        assert kind.help, name
