"""`python -m edge.sources` writes the sample of each kind into its folder, from its model."""

from __future__ import annotations

from pathlib import Path

from edge.config.sample import SOURCES, source_sample

for kind in SOURCES:
    path = Path(__file__).parent / kind / "sample.yaml"
    path.write_text(source_sample(kind), encoding="utf-8")
    print(path)
