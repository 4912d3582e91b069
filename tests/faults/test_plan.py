"""Which faults come, and when, follows from the seed alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.faults import KINDS
from tests.faults.plan import plan_round

GATEWAYS = ("gw-a", "gw-b")


@given(st.integers(0, 2**31), st.integers(0, 50))
def test_the_same_seed_gives_the_same_faults_and_another_gives_others(
    seed: int, number: int
) -> None:
    def plan(seed: int) -> list[object]:
        return list(plan_round(seed, number, faults=20, rate_per_s=0.5, gateways=GATEWAYS))

    assert plan(seed) == plan(seed)
    assert plan(seed) != plan(seed + 1)


@given(st.integers(0, 2**31))
def test_the_first_rounds_have_every_kind(seed: int) -> None:
    faults = 15
    rounds = -(-len(KINDS) // faults)
    made = {
        fault.kind
        for number in range(rounds)
        for fault in plan_round(seed, number, faults=faults, rate_per_s=0.5, gateways=GATEWAYS)
    }
    assert made == set(KINDS)


@given(st.integers(0, 2**31))
def test_faults_come_in_order_at_the_stated_rate_and_within_the_bounds_of_their_kind(
    seed: int,
) -> None:
    planned = plan_round(seed, 9, faults=400, rate_per_s=2.0, gateways=GATEWAYS)
    instants = [fault.at_s for fault in planned]
    assert instants == sorted(instants)
    assert 150 < instants[-1] < 260
    for fault in planned:
        kind = KINDS[fault.kind]
        assert fault.place in kind.places(GATEWAYS)
        assert kind.lasts_s[0] <= fault.lasts_s <= kind.lasts_s[1]
        assert kind.value[0] <= fault.value <= kind.value[1]
