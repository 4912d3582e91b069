"""What the hub asks for of pictures, and what it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.pictures import PictureSettings, PictureStore
from edge.uplink.pictures import PictureAnswers
from protocols.inspection.fetching import BYTES, PART, Part, Wanted, parse_part
from tests.edge.pictures.test_store import put_in

DATA = bytes(range(256)) * 600
KEY = f"{1:032x}"


def answers(path: Path, largest_message: int = 512 * 1024) -> PictureAnswers:
    store = PictureStore(path, PictureSettings(keep_free_mb=0))
    put_in(store, 1, DATA)
    return PictureAnswers(store, largest_message)


def given(made: PictureAnswers) -> list[tuple[Part, bytes]]:
    found = []
    while (said := made.take()) is not None:
        part, data = said[PART], said[BYTES]
        assert isinstance(part, str)
        assert isinstance(data, bytes)
        found.append((parse_part(part), data))
    return found


def test_what_is_asked_for_comes_in_parts_that_the_broker_takes(tmp_path: Path) -> None:
    made = answers(tmp_path, 16 * 1024)
    made.hear(Wanted(key=KEY, at=1000, to=len(DATA)).model_dump_json())
    parts = given(made)
    assert b"".join(data for _, data in parts) == DATA[1000:]
    assert [part.at for part, _ in parts] == list(range(1000, len(DATA), len(parts[0][1])))
    assert max(len(data) for _, data in parts) <= 14 * 1024
    assert made.take() is None


def test_what_is_not_there_is_said_and_nonsense_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = answers(tmp_path)
    nonsense = ("", "{}", f'{{"key":"{KEY}","at":0,"to":99999999}}', f'{{"key":"../{KEY}"}}')
    for text in nonsense:
        made.hear(text)
    assert made.take() is None
    assert len(caplog.text.splitlines()) == len(nonsense)
    assert KEY not in caplog.text
    made.hear(Wanted(key=f"{2:032x}", at=0, to=10).model_dump_json())
    made.hear(Wanted(key=KEY, at=len(DATA), to=len(DATA) + 10).model_dump_json())
    assert [(bool(part.gone), data) for part, data in given(made)] == [(True, b""), (True, b"")]
    for number in range(100):
        made.hear(Wanted(key=f"{number:032x}", at=0, to=10).model_dump_json())
    assert len(given(made)) == 16
