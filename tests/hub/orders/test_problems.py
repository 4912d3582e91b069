"""Hints in what is said of a file."""

from __future__ import annotations

from hub.orders.problems import MAX_NAMES, did_you_mean


def test_what_is_near_is_guessed() -> None:
    assert did_you_mean("SUNROFF", ["TOWBAR", "SUNROOF"]) == "; did you mean SUNROOF?"


def test_what_is_far_from_all_is_told_what_is_known_and_no_more_than_a_handful() -> None:
    names = [f"OPTION-{n}" for n in range(MAX_NAMES)]
    assert did_you_mean("zzz", names) == f"; known: {', '.join(names)}"
    assert did_you_mean("zzz", [*names, "A", "B"]) == f"; known: {', '.join(names)} and 2 more"
    assert did_you_mean("zzz", []) == ""
