"""Laws of the disorder before a control point."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.plant.scramble import scramble


@given(
    count=st.integers(0, 200),
    share=st.floats(0, 1),
    window=st.integers(1, 12),
    seed=st.integers(),
)
def test_every_car_arrives_once_and_near_its_place(
    count: int, share: float, window: int, seed: int
) -> None:
    order = scramble(range(count), share, window, seed)
    assert sorted(order) == list(range(count))
    assert all(abs(place - car) <= window for place, car in enumerate(order))
    assert order == scramble(range(count), share, window, seed)


def test_no_share_no_disorder() -> None:
    assert scramble(range(50), 0.0, 4, 1) == list(range(50))


def test_a_share_of_cars_falls_back() -> None:
    order = scramble(range(1000), 0.1, 4, 1)
    arrivals = {car: place for place, car in enumerate(order)}
    back = sum(arrivals[car] > car for car in range(1000))
    assert 60 < back < 140
    assert order != scramble(range(1000), 0.1, 4, 2)
