"""`service`: the unit for one PC, as systemd itself judges it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge.config import load
from edge.service.unit import unit, writable
from tests.edge.cli.invoke import invoke, invoke_json

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed here"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "edge.yaml"
    invoke("init", "--config", made, "--kind", "modbus", "--yes")
    return made


def test_the_unit_names_the_paths_of_this_pc_and_what_its_file_needs(file: Path) -> None:
    file.write_text(file.read_text().replace("host: 192.168.0.30", "serial_port: /dev/ttyUSB0"))
    code, text = invoke("service", "install", "--print", "--config", file, "--user", "plant")
    assert code == 0, text
    assert f"/bin/lineside-edge run --config {file}" in text
    assert "/opt/lineside" not in text
    assert "User=plant\nGroup=plant\n" in text
    assert f"ReadWritePaths=-{file.parent / 'data'}" in text
    assert "DeviceAllow=/dev/ttyUSB0 rw" in text
    assert text.index("PrivateDevices=yes") < text.index("PrivateDevices=no")
    assert text.index("SupplementaryGroups=dialout") < text.index("[Install]")


def test_a_watched_folder_can_be_written_and_stays_whose_it_is(tmp_path: Path) -> None:
    made = tmp_path / "edge.yaml"
    invoke("init", "--config", made, "--kind", "qdas", "--yes")
    made.write_text(made.read_text().replace("# archive_dir:", "archive_dir: /var/archive"))
    config = load(made, {})
    text = unit(config, made, Path("/opt/lineside/bin/lineside-edge"), "lineside")
    assert f"ReadWritePaths=-{tmp_path / 'data'} -/srv/measured -/var/archive\n" in text
    assert writable(config) == [tmp_path / "data"]


def test_the_usual_places_need_nothing_more(file: Path) -> None:
    file.write_text(file.read_text().replace("data_dir: data", "data_dir: /var/lib/lineside"))
    config = load(file, {})
    assert writable(config) == [Path("/var/lib/lineside")]
    program = Path("/opt/lineside/bin/lineside-edge")
    text = unit(config, Path("/etc/lineside/edge.yaml"), program, "lineside")
    assert "needs besides" not in text
    assert "needs besides" in unit(config, Path("/home/me/edge.yaml"), program, "lineside")


@needs_systemd
def test_it_is_installed_into_an_image_and_found_right(file: Path, tmp_path: Path) -> None:
    image = tmp_path / "image"
    code, told = invoke_json("service", "install", "--root", image, "--config", file)
    assert code == 0, told
    assert "systemd finds nothing wrong with it" in told["said"]
    path = image / "etc/systemd/system/lineside-edge.service"
    assert Path(told["unit"]) == path
    assert (image / "usr/lib/sysusers.d/lineside.conf").read_text().startswith("# The user")
    before = path.read_text()
    code, told = invoke_json("service", "install", "--root", image, "--config", file)
    assert told["said"] == ["systemd finds nothing wrong with it"], "nothing is written twice"
    path.write_text("# mine\n")
    code, told = invoke_json("service", "install", "--root", image, "--config", file)
    assert (code, path.read_text()) == (0, before)
    (kept,) = path.parent.glob("*.bak")
    assert kept.read_text() == "# mine\n"


def test_without_systemd_it_says_so(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for command, program in (("start", "systemctl"), ("logs", "journalctl")):
        code, told = invoke_json("service", command)
        assert (code, f"{program} is not here" in told["error"]) == (1, True)
    image = ("--root", tmp_path / "image")
    code, told = invoke_json("service", "install", *image, "--config", file)
    assert (code, "was not checked" in told["said"][-1]) == (0, True)
    file.write_text("version: 1\n")
    assert invoke("service", "install", *image, "--config", file)[0] == 1
