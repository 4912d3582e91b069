"""The laws of the status net, and that a broken table is refused with its line."""

from __future__ import annotations

from importlib import resources
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.jis.net import Net, NetError, Pair, Source, read_net, status_net
from protocols.jis.net.check import reachable_pairs

TEXT = resources.files("protocols.jis.net").joinpath("net.md").read_text(encoding="utf-8")
NET = status_net()
SOURCES: tuple[Source, ...] = ("plant", "gateway", "supplier", "dock")
BEGIN = Pair("released", "released")


def run(net: Net, events: list[str], pair: Pair = BEGIN) -> Pair:
    """Where these events lead; those the net does not take move nothing."""
    for event in events:
        pair = net.after(pair, event) or pair
    return pair


def of(source: Source) -> list[str]:
    """Events that this source tells of a call."""
    told = ("announce", "call", "release", "reorder", "forecast", "plan", "block", "unblock")
    return [e for e in NET.events if NET.source(e) == source and e not in told]


@given(
    told=st.tuples(*(st.lists(st.sampled_from(of(source)), max_size=8) for source in SOURCES)),
    order=st.randoms(use_true_random=False),
)
def test_any_interleaving_that_keeps_each_sources_order_ends_alike(
    told: tuple[list[str], ...], order: object
) -> None:
    one_by_one = [event for events in told for event in events]
    turns = [i for i, events in enumerate(told) for _ in events]
    order.shuffle(turns)  # type: ignore[attr-defined]
    waiting = [iter(events) for events in told]
    mixed = [next(waiting[turn]) for turn in turns]
    assert run(NET, mixed) == run(NET, one_by_one)


def test_events_of_two_sources_commute_everywhere() -> None:
    for pair in reachable_pairs(NET):
        for a, b in product(NET.events, repeat=2):
            if NET.source(a) == NET.source(b) or "announced" in pair or "release" in (a, b):
                continue
            assert run(NET, [a, b], pair) == run(NET, [b, a], pair), (pair, a, b)


@given(st.lists(st.sampled_from([event for source in SOURCES for event in of(source)])))
def test_no_event_leads_out_of_the_pairs_that_have_a_meaning(events: list[str]) -> None:
    NET.situation(run(NET, events))


def test_a_part_that_goes_well_is_fitted() -> None:
    events = ["acknowledged", "accepted", "produced", "inspected_ok", "packed", "shipped"]
    shipped = run(NET, events)
    assert shipped == Pair("released", "shipped")
    assert NET.situation(shipped).state == "open"
    fitted = run(NET, ["arrived", "confirmed", "consumed", "fit"], shipped)
    assert NET.situation(fitted).state == "done"


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("| missing | 缺件 | supplier |", "| missing | 缺件 | suplier |", "by 'suplier'"),
        ("| started | being built |", "| begun | being built |", "no part status started"),
        (
            "| fitted at the line | 已消耗 | yes |",
            "| fitted at the line | 已消耗 | |",
            "part status consumed leads to no final one",
        ),
        ("| released | packed | open |", "| released | packed | opn |", "state 'opn'"),
        (
            "change resequence pull_out cancel reorder | plant supplier | not_taken",
            "chnge | plant supplier | not_taken",
            "plant may chnge",
        ),
        ("| fitted | mismatched |", "| fitted | consumed |", "no situation for car fitted"),
        (
            "| loaded | 装车厢 | supplier | part | packed |",
            "| loaded | 装车厢 | supplier | part | packed | x |",
            "9 cells under 8 columns",
        ),
        ("| unpacked | 出架 |", "| unpacked | |", "unpacked has no Chinese name"),
        (
            "| plan | 排序 | plant | car | blocked",
            "| plan | 计划 | plant | car | blocked",
            "another one",
        ),
        ("| in its rack | 已在料架 |", "| in its rack | |", "means in one language only"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(old: str, new: str, complaint: str) -> None:
    assert old in TEXT
    with pytest.raises(NetError) as refused:
        read_net(TEXT.replace(old, new, 1))
    assert complaint in str(refused.value)
    assert "net.md" in str(refused.value)


def test_a_table_without_a_heading_is_refused() -> None:
    with pytest.raises(NetError, match="no table under the heading ## Situations"):
        read_net(TEXT.replace("## Situations", "## Others"))
