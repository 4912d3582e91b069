"""Which texts may stand as production numbers, options and colours."""

from __future__ import annotations

import re

from hub.orders.problems import Problems

_NUMBER = re.compile(r"[^/\s][^/]{0,63}")
# Options and colours become parts of part numbers, which have at most 64 characters.
_NAME = re.compile(r"[^/\s{}]{1,20}")


def check_number(problems: Problems, line: int, number: str) -> None:
    """Note a production number that cannot be one."""
    if not _NUMBER.fullmatch(number):
        problems.add(line, f"production number {number!r}: 1 to 64 characters, no '/'")


def check_name(problems: Problems, line: int, what: str, name: str) -> None:
    """Note an option or colour that cannot be one."""
    if not _NAME.fullmatch(name):
        problems.add(line, f"{what} {name!r}: 1 to 20 characters, no blanks, no '/', no braces")
