"""Fails unless every Cython module of the tree is really compiled and loads.

Extensions are optional when the package is installed (each has a pure-Python twin), so a failed
compilation is only a warning there; here, where tests and figures are made, it is an error.
"""

import importlib
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def not_compiled() -> list[str]:
    """One line for each module that is missing, or loads from something that is not compiled."""
    found = []
    for package in ("protocols", "edge", "hub"):
        for source in sorted((ROOT / package).rglob("*.pyx")):
            name = ".".join(source.relative_to(ROOT).with_suffix("").parts)
            try:
                origin = importlib.import_module(name).__file__ or ""
            except ImportError as error:
                found.append(f"{name}: {error}")
                continue
            if not origin.endswith(tuple(EXTENSION_SUFFIXES)):
                found.append(f"{name}: loads from {origin}, which is not compiled")
    return found


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    failures = not_compiled()
    for line in failures:
        print(f"not compiled: {line}", file=sys.stderr)
    sys.exit(bool(failures))
