"""Damage to files, as a dying disk and a power cut do it: bits flipped, ends torn off."""

from __future__ import annotations

import random
from pathlib import Path

FLIPS = 4
"""Bits flipped at a time."""


def flip_bits(path: Path, chance: random.Random) -> str:
    """Flip some bits of a file, anywhere; says where. An empty or absent file stays as it is."""
    size = path.stat().st_size if path.exists() else 0
    if size == 0:
        return f"{path.name}: nothing there"
    places = sorted(chance.randrange(size) for _ in range(FLIPS))
    with path.open("r+b") as file:
        for place in places:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ (1 << chance.randrange(8))]))
    return f"{path.name}: bits flipped at {', '.join(map(str, places))} of {size}"


def tear(path: Path, chance: random.Random) -> str:
    """Tear off the end of a file; says how much. An empty or absent file stays as it is."""
    size = path.stat().st_size if path.exists() else 0
    if size == 0:
        return f"{path.name}: nothing there"
    kept = chance.randrange(size)
    with path.open("r+b") as file:
        file.truncate(kept)
    return f"{path.name}: torn off at {kept} of {size}"
