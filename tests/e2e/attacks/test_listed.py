"""The list of attacks names tests that exist, and every test here."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
_NAMED = re.compile(r"`([\w./]+\.py)::(test_\w+)`")
_TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)


def test_the_list_is_true() -> None:
    listed = set(_NAMED.findall((HERE / "README.md").read_text()))
    missing = [
        f"{file}::{test}"
        for file, test in listed
        if test not in _TEST.findall((HERE / file).read_text())
    ]
    assert missing == []
    here = {
        (path.name, test)
        for path in HERE.glob("test_*.py")
        if path != Path(__file__)
        for test in _TEST.findall(path.read_text())
    }
    assert here <= listed
