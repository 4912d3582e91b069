"""`support-bundle`: what helps is in it, and no secret is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from edge.support import Redactor, secrets_in
from protocols.logs import HIDDEN
from tests.edge.cli.invoke import invoke, invoke_json

PLANTED = {
    "in the file": "tr0ub4dor&3",
    "quoted": "it's # secret",
    "in a file": "correct-horse",
    "in the environment": "battery-staple",
    "in a comment": "0ld-passw0rd",
    "the board's": "481516",
    "in an address": "us3r:sw0rdfish",
    "behind a question mark": "snap-pa55",
    "a key's": "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
    "in the log": "l0gged-secret",
}
CONFIG = """\
version: 1
gateway: {group: g, node: n}
data_dir: data
broker:
  username: me
  password: "tr0ub4dor&3"
  # password: 0ld-passw0rd
more_brokers:
  - {host: other, username: me, password: 'it''s # secret'}
board:
  pin: "481516"
sources:
  - device: plc   # opc.tcp://us3r:sw0rdfish@10.0.0.1
    endpoint: opc.tcp://10.0.0.1:4840
    username: reader
    password_file: plc.password
  - device: plc-2
    endpoint: opc.tcp://10.0.0.2:4840
    username: reader
    password: ${PLC_PASSWORD}
  - device: eye
    kind: camera
    url: http://10.0.0.3/cgi-bin/api.cgi?cmd=Snap&user=me&pw=snap-pa55
"""
LOG = """\
WARNING broker refuses password=l0gged-secret of me
WARNING the PLC says: correct-horse is no password, nor battery-staple
-----BEGIN PRIVATE KEY-----
MIIEvQIBADANBgkqhkiG9w0BAQEFAASC
-----END PRIVATE KEY-----
INFO source plc is online
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PLC_PASSWORD", PLANTED["in the environment"])
    (tmp_path / "plc.password").write_text(PLANTED["in a file"] + "\n")
    (tmp_path / "agent.log").write_text(LOG)
    made = tmp_path / "edge.yaml"
    made.write_text(CONFIG)
    return made


def test_no_planted_secret_comes_along(file: Path) -> None:
    bundle = file.parent / "bundle.zip"
    options = ("--config", file, "--output", bundle, "--log", file.parent / "agent.log")
    code, told = invoke_json("support-bundle", *options)
    assert code == 0, told
    assert bundle.stat().st_mode & 0o777 == 0o600
    with zipfile.ZipFile(bundle) as zipped:
        parts = {name: zipped.read(name).decode() for name in zipped.namelist()}
    assert set(parts) == {
        *("config.yaml", "check.json", "versions.json", "log.txt"),
        *("status.json", "journal.json", "disk.json"),
    }
    for name, text in parts.items():
        for where, secret in PLANTED.items():
            for form in (secret, secret.replace("'", "''")):
                assert form not in text, f"{where} in {name}"
        if name.endswith(".json"):
            json.loads(text)
    kept = parts["config.yaml"]
    assert "endpoint: opc.tcp://10.0.0.1:4840" in kept
    assert "password_file: plc.password" in kept
    assert kept.count(HIDDEN) == 7
    assert "source plc is online" in parts["log.txt"]
    assert "pydantic" in json.loads(parts["versions.json"])["packages"]
    assert "no agent answers" in json.loads(parts["status.json"])["error"]
    code, told = invoke_json("support-bundle", *options)
    assert (code, "exists" in told["error"]) == (1, True)


def test_a_file_that_cannot_be_read_as_yaml_hides_them_too(file: Path) -> None:
    file.write_text(CONFIG + "\n  - [\n")
    redacted = Redactor(secrets_in(file)).text(file.read_text())
    assert "tr0ub4dor" not in redacted
    assert "481516" not in redacted
    file.write_text("broker:\n  password: |\n    first\n    second\n")
    bundle = file.parent / "bundle.zip"
    assert invoke("support-bundle", "--config", file, "--output", bundle)[0] == 0
    with zipfile.ZipFile(bundle) as zipped:
        assert b"left out" in zipped.read("config.yaml")


def test_in_a_directory_without_a_file_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = invoke("support-bundle")
    assert code == 1
    assert "there is no edge.yaml here" in said
    assert not list(tmp_path.iterdir())


def test_what_is_no_secret_stays() -> None:
    redact = Redactor(["abc", "12345"])
    text = "a: 1  # password\nsend_password_readable: false\npassword:\nnode: x\n"
    assert redact.text(text) == text
    assert redact.plain({"rows": 12345, "said": "12345"}) == {"rows": 12345, "said": HIDDEN}
