"""The picture is a well-formed document on its own, whose red adds up to the score."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from hub.orders.generate import generate
from hub.sequencing import Car, Instance, InstanceError, Ratio, Rules, score
from hub.sequencing.explain import explain
from hub.sequencing.model import Capacity, Limits, Pair, Place
from hub.sequencing.plot import draw_search, draw_sequence
from hub.sequencing.plot.colours import (
    ALARM,
    KNOWN,
    _candidates,
    _hex,
    _natural,
    _oklab,
    palette,
)
from hub.sequencing.plot.svg import NAMESPACE, figure, short

if TYPE_CHECKING:
    from playwright.sync_api import Page

COURSE = ((0.0, 2_070_002), (0.04, 70_002), (1.5, 31_001))


def shuffled(cars: Sequence[Car], seed: int) -> list[Car]:
    found = list(cars)
    random.Random(seed).shuffle(found)
    return found


def plant_day(cars: int, seed: int) -> Instance:
    """A made-up day with everything that can be drawn."""
    day = generate(cars, seed).instance()
    numbers = [car.production_no for car in day.cars]
    rules = replace(
        day.rules,
        capacities=(Capacity("SEAT1", frozenset({"LEATHER", "HEATSEAT"}), 3, 8),),
        batch_limit=2,
    )
    limits = Limits(
        {numbers[3]: Place(due_from=20), numbers[-1]: Place(due_until=4, earliest=2)},
        (Pair("apart", numbers[0], numbers[1], 3),),
        frozen=5,
    )
    parts = {car.production_no: frozenset({f"SEAT1/FRONT/{car.colour}"}) for car in day.cars}
    return replace(day, rules=rules, limits=limits, consumption=parts)


def parse(svg: str) -> ET.Element:
    found = ET.fromstring(svg)
    assert found.tag == f"{{{NAMESPACE}}}svg"
    return found


def with_class(svg: ET.Element, name: str) -> list[ET.Element]:
    return [e for e in svg.iter() if name in e.get("class", "").split()]


@pytest.mark.parametrize("cars", [7, 60, 275, 276, 1003])
def test_the_red_of_the_picture_is_the_excess_of_the_score(cars: int) -> None:
    day = plant_day(cars, seed=cars)
    sequence = shuffled(day.cars, cars)
    svg = parse(draw_sequence(day, sequence))
    found = score(day, sequence)
    drawn = [e for e in with_class(svg, "over") + with_class(svg, "early") if e.get("data-cost")]
    expected = found.high_priority + found.low_priority + found.capacity + found.lateness
    assert sum(float(e.get("data-cost", "0")) for e in drawn) == expected > 0
    # The sums at the right of all bands say the same, with the changes of colour above them.
    sums = [e.text or "" for e in with_class(svg, "bad") if e.get("class") == "sum bad"]
    assert sum(int(text.replace(",", "")) for text in sums) == expected
    assert len(with_class(svg, "car")) >= len(sequence)


@pytest.mark.parametrize("cut", [False, True])
def test_bars_do_not_hide_one_another_and_are_as_long_as_their_windows(cut: bool) -> None:
    cars = tuple(Car(str(i), "A", frozenset({"X"} if i % 7 > 2 else ())) for i in range(36))
    rules = Rules((Ratio("X", 2, 6, high_priority=True),), cut_windows=cut)
    day = Instance(cars, rules)
    svg = parse(draw_sequence(day))
    bars = sorted(
        (float(e.get("x", "")), float(e.get("width", "")))
        for e in with_class(svg, "over")
        if e.get("data-cost")
    )
    for (x, width), (after, _) in pairwise(bars):
        assert x + width <= after + 0.02
    (ratio,) = explain(day).ratios
    # Cell by cell; those cut by the end of the day are half as long.
    windows = [
        0.5 if start + 5 > len(cars) else 1.0
        for overload in ratio.overloads
        for start in range(overload.first, overload.first + overload.windows)
    ]
    assert (0.5 in windows) is cut
    cell = float(with_class(svg, "car")[0].get("width", ""))
    assert sum(width for _, width in bars) == pytest.approx(sum(windows) * cell, abs=0.1)


def test_every_car_says_what_it_is() -> None:
    day = plant_day(30, seed=2)
    tips = [e[0].text or "" for e in with_class(parse(draw_sequence(day)), "car")]
    today = [tip for tip in tips if "yesterday" not in tip]
    for position, (car, tip) in enumerate(zip(day.cars, today, strict=True), 1):
        assert tip.startswith(f"{car.production_no} at {position}\ncolour {car.colour}")
        assert all(option in tip for option in car.options)
    assert any("yesterday" in tip for tip in tips)


def test_what_the_plant_forbids_is_flagged() -> None:
    day = plant_day(40, seed=1)
    sequence = [*day.cars[1:3], day.cars[0], *day.cars[3:]]
    found = score(day, sequence)
    svg = parse(draw_sequence(day, sequence))
    batches = [e for e in with_class(svg, "long") if e.get("x") and len(e)]
    assert len(batches) == len(found.long_batches) > 0
    triangles = with_class(svg, "broken")
    flagged = {number for limit in found.broken for number in limit.cars}
    assert len([e for e in triangles if len(e)]) == len(flagged) > 0
    assert any("hard limits broken: " in (e.text or "") for e in with_class(svg, "bad"))
    assert with_class(svg, "level")
    assert any("frozen: positions 1 to 5" in (e[0].text or "") for e in svg.iter() if len(e))


def test_the_course_ends_in_the_best_mark() -> None:
    day = plant_day(20, seed=5)
    svg = parse(draw_search(day, day.cars, COURSE, elapsed_s=5.0))
    texts = [e.text for e in svg.iter() if e.text]
    assert "mark 31,001 after 1.5 s" in texts
    assert "from 2,070,002" in texts
    (line,) = with_class(svg, "best")
    drops = [float(y) for y in re.findall(r"V([\d.]+)", line.get("d", ""))]
    assert len(drops) == 2
    assert drops == sorted(drops)  # down the page
    assert not with_class(parse(draw_sequence(day)), "best")


@pytest.mark.parametrize(
    "course",
    [
        [(0.0, 5)],
        [(0.0, 0)],
        [(0.0, 1e9), (0.001, 1e3), (600.0, 0)],
        [(0.0, 12.5), (0.2, 12.25)],
        [(0.0, 0.5), (0.2, 0.003)],
    ],
    ids=["no better", "perfect as given", "to zero", "close together", "small weights"],
)
def test_any_course_can_be_drawn(course: list[tuple[float, float]]) -> None:
    day = plant_day(10, seed=5)
    text = draw_search(day, day.cars, course)
    parse(text)
    assert "nan" not in text
    assert "inf" not in text


def test_hostile_names_are_only_text() -> None:
    evil = "<script>alert('x')</script>&\"\x00\x1b\ud800]]>"
    day = Instance(
        (Car(evil, evil, frozenset({evil})), Car("2", "A", frozenset({evil}))),
        Rules((Ratio(evil, 0, 2, high_priority=True),), batch_limit=1),
        (Car(evil, evil),),
        Limits({evil: Place(latest=1)}),
        {evil: frozenset({evil})},
    )
    text = draw_search(day, day.cars[::-1], COURSE)
    svg = parse(text)
    assert {e.tag.split("}")[1] for e in svg.iter()} <= {
        *("svg", "title", "desc", "style", "g", "rect", "path", "text", "circle")
    }
    assert any("<script>" in (e.text or "") for e in svg.iter())
    text.encode("utf-8")


def test_nothing_is_fetched_from_elsewhere() -> None:
    day = plant_day(10, seed=5)
    text = draw_search(day, day.cars, COURSE).replace(NAMESPACE, "")
    assert "://" not in text
    assert "url(" not in text
    assert "href" not in text


def test_an_empty_day_is_drawn() -> None:
    parse(draw_sequence(Instance((), Rules((Ratio("X", 1, 2, True),)))))


def test_an_incomplete_sequence_is_refused() -> None:
    day = plant_day(10, seed=5)
    with pytest.raises(InstanceError, match="missing"):
        draw_sequence(day, day.cars[1:])


def test_two_thousand_cars_stay_below_two_megabytes() -> None:
    day = plant_day(2000, seed=7)
    assert len(draw_sequence(day, shuffled(day.cars, 7)).encode()) < 2_000_000


def test_paint_codes_have_colours_of_their_own_and_keep_them() -> None:
    codes = [str(code) for code in range(1, 51)]
    found = palette(codes)
    assert found == palette(reversed(codes))
    assert Counter(found.values()).most_common(1)[0][1] == 1
    assert ALARM not in found.values()
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in found.values())


def test_codes_of_equal_or_endless_numbers_have_their_order_too() -> None:
    codes = ["1", "01", "001", "9" * 5_000, "1" * 5_000, "a10", "a9", ""]
    assert sorted(codes, key=_natural) == [
        *("", "001", "01", "1", "1" * 5_000, "9" * 5_000, "a9", "a10")
    ]
    assert len(set(palette(codes).values())) == len(codes)


def test_colours_are_as_far_apart_as_free_ones_can_be() -> None:
    """Each by its definition: of all free colours the one furthest from its nearest neighbour."""
    codes = [f"c{n:02}" for n in range(30)]
    found = list(palette(codes).values())
    free = {_hex(some) for some in _candidates()}
    for n, colour in enumerate(found):
        taken = [_oklab(other) for other in (ALARM, *found[:n])]
        away = {some: min(math.dist(_oklab(some), other) for other in taken) for some in free}
        assert away[colour] == max(away.values())


def test_a_day_of_a_thousand_codes_takes_no_square() -> None:
    assert len(palette(str(code) for code in range(2_000))) == 2_000


def test_colours_that_are_called_by_their_name_have_it() -> None:
    found = palette(["Polar White", "black", "NIGHT-BLACK", "17"])
    assert found["Polar White"] == KNOWN["white"]
    assert KNOWN["black"] in (found["black"], found["NIGHT-BLACK"])
    assert len(set(found.values())) == 4


def test_numbers_are_written_to_be_read() -> None:
    assert [figure(v) for v in (0, 1234567, 0.25, 123.45, 12345.6)] == [
        *("0", "1,234,567", "0.25", "123.5", "12,346")
    ]
    assert [short(v) for v in (3, 3.0, 0.126, 10.5)] == ["3", "3", "0.13", "10.5"]


def test_a_browser_shows_it(page: Page) -> None:
    day = plant_day(300, seed=3)
    page.set_content(draw_search(day, day.cars, COURSE, 5.0))
    # Nothing sticks out of the picture, and texts have a size.
    box = page.locator("svg").bounding_box()
    assert box is not None
    for text in page.locator("svg text").all()[:40]:
        inner = text.bounding_box()
        assert inner is not None
        assert inner["height"] > 0
        assert inner["x"] + inner["width"] <= box["x"] + box["width"]
    shades = page.evaluate(
        """async () => {
            const url = 'data:image/svg+xml,' + encodeURIComponent(
                document.querySelector('svg').outerHTML)
            const image = new Image()
            image.src = url
            await image.decode()
            const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d')
            canvas.drawImage(image, 0, 0)
            const data = new Uint32Array(
                canvas.getImageData(0, 0, image.width, image.height).data.buffer)
            return new Set(data).size
        }"""
    )
    assert shades > 20
