"""The gateway's service file, as systemd itself judges it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[3] / "edge/service/lineside-edge.service"
MOST_EXPOSED = 1.5
"""Of 10, by `systemd-analyze security`: the network and the host's files are all that is left."""

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed here"
)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the programs where they are on this machine."""
    made = tmp_path / UNIT.name
    bin_dir = Path(sys.executable).parent
    made.write_text(UNIT.read_text().replace("/opt/lineside/bin", str(bin_dir)))
    return made


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, timeout=60
    )


def test_systemd_understands_all_of_it(unit: Path) -> None:
    judged = analyze("verify", unit)
    assert (judged.returncode, judged.stderr) == (0, "")
    unit.write_text(unit.read_text().replace("WatchdogSec", "WatchdogSeconds"))
    assert "WatchdogSeconds" in analyze("verify", unit).stderr, "this check can fail"


def test_little_is_left_to_an_intruder(unit: Path) -> None:
    judged = analyze("security", "--offline=true", unit)
    exposure = re.search(r"exposure level for \S+: ([\d.]+)", judged.stdout)
    assert exposure is not None, judged.stdout + judged.stderr
    assert float(exposure[1]) <= MOST_EXPOSED, judged.stdout
