"""What is fuzzed: a decoder, messages that it reads, and the errors by which it may refuse."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One decoder. Any error but `refusals` that leaves `run` is a finding."""

    corpus: Sequence[bytes]
    """Whole messages, from which inputs are made."""
    run: Callable[[bytes], object]
    refusals: tuple[type[Exception], ...] = ()
    words: Sequence[bytes] = ()
    """Pieces that mean something to the decoder, and are put in here and there."""


SHARES: dict[str, int] = {
    "tests.fuzz.wire:sparkplug": 24,
    "tests.fuzz.wire:sparkplug_plain": 6,
    "tests.fuzz.wire:ingest_rows": 48,
    "tests.fuzz.wire:streams": 20,
    "tests.fuzz.wire:results": 40,
    "tests.fuzz.wire:pictures": 40,
    "tests.fuzz.wire:topics": 24,
    "tests.fuzz.wire:mqtt": 8,
    "tests.fuzz.devices:open_protocol": 6,
    "tests.fuzz.devices:s7": 10,
    "tests.fuzz.devices:s7_requests": 30,
    "tests.fuzz.devices:modbus": 8,
    "tests.fuzz.devices:opcua_structures": 8,
    "tests.fuzz.devices:opcua_certificates": 8,
    "tests.fuzz.devices:camera": 12,
    "tests.fuzz.devices:camera_log_in": 12,
    "tests.fuzz.partners:aqdef": 6,
    "tests.fuzz.partners:edifact": 4,
    "tests.fuzz.partners:codes": 12,
    "tests.fuzz.partners:enrolment": 12,
    "tests.fuzz.partners:est": 4,
}
"""How the inputs are shared out among the targets (`module:function`): what is slow gets fewer."""


def load(path: str) -> Target:
    """The target that `module:function` makes."""
    module, _, function = path.partition(":")
    made = getattr(importlib.import_module(module), function)()
    assert isinstance(made, Target)
    return made


def name_of(path: str) -> str:
    """Short name of a target."""
    return path.partition(":")[2]
