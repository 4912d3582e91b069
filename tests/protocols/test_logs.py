"""The log as people and machines read it, and what never stands in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from protocols.logs import HIDDEN, redacted, with_bare_settings

SECRETS = [
    ("key lsk_8c2f5e1ab0d4_00112233445566778899aabbccddeeff refused", "00112233"),
    (f"token lse_8c2f5e1ab0d4_{'a' * 32}_{'b' * 64} was given", "aaaa"),
    ("signed by whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwTLaU1Zl8oNo=", "MfKQ9r8G"),
    ("Authorization: Bearer a-token-of-some-length", "a-token-of"),
    ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl", "eyJzdWIi"),
    ("connection failed: host=db user=api password=hunter2 dbname=x", "hunter2"),
    ("{'username': 'gw-seat', 'password': 'hunter2', 'tls': False}", "hunter2"),
    (r'{"password": "hun\"ter2"}', "ter2"),
    ("LINESIDE_HUB_DATABASE__PASSWORD=hunter2 is refused", "hunter2"),
    ("cannot reach postgresql://api:hunter2@db:5432/lineside", "hunter2"),
    ('"http://10.0.0.3/api.cgi?cmd=Snap&pw=hunt\'er2", which is no picture', "er2"),
    ("-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----", "MIGHAgEA"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_what_has_the_form_of_a_secret_is_hidden(text: str, secret: str) -> None:
    found = redacted(text)
    assert secret in text
    assert secret not in found
    assert HIDDEN in found


@pytest.mark.parametrize(
    "text",
    [
        "GET /v1/plants/P1/sequence",
        "seatworks/gw-seat: 4711 records of epoch 17 committed",
        "wrong keys or tokens came from this address",
        "key mes (8c2f5e1ab0d4) has the roles auditor",
        "https://localhost:8080/v1",
        "password_file: /etc/lineside/broker.password",
        "is it http://10.0.0.3/snap.jpg? See its manual",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_settings_are_shown_without_those_that_are_secrets() -> None:
    url = "http://10.0.0.3/api.cgi?pw=hunter2"
    given = {"broker": {"password": "hunter2"}, "board": {"pin": 4711}, "sources": [{"url": url}]}
    assert with_bare_settings(given) == {
        "broker": {"password": HIDDEN},
        "board": {"pin": HIDDEN},
        "sources": [{"url": f"http://10.0.0.3/api.cgi?{HIDDEN}"}],
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_process_logs_as_it_is_set(form: str) -> None:
    program = f"""
import logging
from protocols.logs import LogForm, set_up
set_up(LogForm({form!r}), verbose=False)
log = logging.getLogger("lineside.x")
log.debug("unseen")
try:
    raise ValueError("password=hunter2")
except ValueError:
    log.exception("%s: 中文", "seatworks")
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 0, done.stderr
    assert "hunter2" not in done.stderr
    assert "unseen" not in done.stderr
    if form == "json":
        (line,) = done.stderr.splitlines()
        told = json.loads(line)
        assert (told["level"], told["logger"]) == ("error", "lineside.x")
        assert told["message"] == "seatworks: 中文"
        assert "Traceback" in told["error"]
    else:
        assert "ERROR lineside.x: seatworks: 中文" in done.stderr
        assert "Traceback" in done.stderr
