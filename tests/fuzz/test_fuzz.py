"""A taste of `make fuzz`, and that what goes wrong in a decoder is seen."""

from __future__ import annotations

import os
import signal

import pytest

from tests.fuzz.mutate import input_at, inputs
from tests.fuzz.run import run_target
from tests.fuzz.target import SHARES, Target, load, name_of

SEED = 7
HERE = "tests.fuzz.test_fuzz"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", SHARES, ids=name_of)
def test_spoiled_messages_are_read_or_refused(path: str) -> None:
    target = load(path)
    for data in inputs(target, SEED, 0, 1000):
        try:
            target.run(data)
        except target.refusals:
            continue
        except Exception as error:
            error.add_note(f"input: {data.hex()}")
            raise


def _on_a_bit_flipped(harm: object) -> Target:
    """Does harm as soon as a byte is other than it should be."""

    def run(data: bytes) -> None:
        if data[:4] != b"good"[: len(data)]:
            assert callable(harm)
            harm()

    return Target([b"good" * 20], run, (ValueError,))


def refuses() -> Target:
    return _on_a_bit_flipped(lambda: int("x"))


def raises() -> Target:
    return _on_a_bit_flipped(lambda: dict[str, int]()["x"])


def dies() -> Target:
    return _on_a_bit_flipped(lambda: os.kill(os.getpid(), signal.SIGSEGV))


def hangs() -> Target:
    def forever() -> None:
        while True:
            pass

    return _on_a_bit_flipped(forever)


def grows() -> Target:
    return _on_a_bit_flipped(lambda: bytes(1 << 32))


def test_refusals_are_counted() -> None:
    outcome = run_target(f"{HERE}:refuses", SEED, 500)
    assert (outcome.inputs, outcome.findings) == (500, ())
    assert 0 < outcome.refused < 500
    assert outcome.peak_mib > 0


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("raises", "KeyError at test_fuzz.py"),
        ("grows", "MemoryError at test_fuzz.py"),
        ("dies", "its process ended with -11"),
        ("hangs", "hung for 1 s"),
    ],
)
def test_harm_is_found_with_the_input_that_does_it(harm: str, said: str) -> None:
    path = f"{HERE}:{harm}"
    (finding,) = run_target(path, SEED, 500, hang_s=1 if harm == "hangs" else 10).findings
    assert finding.what.startswith(said)
    assert finding.data == input_at(load(path), SEED, finding.number)
    assert finding.data[:4] != b"good"


def test_an_input_is_the_same_wherever_one_begins() -> None:
    target = refuses()
    assert [*inputs(target, SEED, 0, 2100)][1990:] == [*inputs(target, SEED, 1990, 110)]
