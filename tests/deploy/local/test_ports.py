"""Free ports: whoever asks has one of its own, used or not."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

from deploy.local import ports
from deploy.local.ports import free_port

ASK = """
import random, sys
from deploy.local.ports import free_port
random.seed(7)
print(*(free_port() for _ in range(3)), flush=True)
sys.stdin.read()
"""


def test_no_two_who_live_are_given_the_same() -> None:
    """Though they draw alike, and nobody listens yet."""
    given: list[str] = []
    with ExitStack() as living:
        for _ in range(2):
            asking = living.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", ASK],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert asking.stdout is not None
            given += asking.stdout.readline().split()
    assert len(given) == len(set(given)) == 6


def test_one_process_is_given_none_twice() -> None:
    first = free_port()
    assert not ports._take(first)
