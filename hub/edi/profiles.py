"""Profiles of EDI partners, from YAML files."""

from __future__ import annotations

from pathlib import Path

from hub.orders.yaml_file import YamlFile
from protocols.edifact.profile import EdiProfile

SAMPLES = Path(__file__).parent / "sample"


def read_profile(path: Path) -> EdiProfile:
    """Read and check a profile. Raises `InputError` with every problem and its line."""
    return YamlFile(path, "profile; it begins with version: 1").check(EdiProfile)
