"""What a kind of source needs is loaded with the first source of that kind."""

from __future__ import annotations

import subprocess
import sys


def test_an_agent_begins_without_the_library_of_any_source() -> None:
    loaded = (
        "import sys, edge.agent, edge.config, edge.sources;"
        "print({'asyncua', 'snap7', 'pymodbus', 'serial'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", loaded]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"
