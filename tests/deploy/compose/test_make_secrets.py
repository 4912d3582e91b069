"""Certificates that verify, passwords that stay, and names that cannot reach beyond themselves."""

from __future__ import annotations

import base64
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.compose.make_secrets import Gateway, acl, make, mosquitto_hash

SEAT = Gateway("seatworks", "gw-seat")


def verify(secrets: Path, *options: str) -> bool:
    command = ["openssl", "verify", *options, "-CAfile", str(secrets / "ca.crt")]
    command.append(str(secrets / "broker.crt"))
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_the_brokers_certificate_is_good_for_its_names_and_no_other(tmp_path: Path) -> None:
    make(tmp_path, [SEAT])
    for name in ("broker", "localhost"):
        assert verify(tmp_path, "-verify_hostname", name, "-purpose", "sslserver")
    assert not verify(tmp_path, "-verify_hostname", "gateway")
    assert not verify(tmp_path, "-purpose", "sslclient")


def test_a_second_run_adds_a_gateway_and_changes_nothing_else(tmp_path: Path) -> None:
    make(tmp_path, [SEAT])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    known = make(tmp_path, [Gateway("trimworks", "gw-trim")])
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert [gateway.user for gateway in known] == ["seatworks_gw-seat", "trimworks_gw-trim"]
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {"mosquitto_acl", "mosquitto_passwd", "mqtt_trimworks_gw-trim_password"}


def test_no_other_user_of_the_host_gets_in(tmp_path: Path) -> None:
    make(tmp_path / "secrets", [SEAT])
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "secrets/ca.key").stat().st_mode) == 0o400


@pytest.mark.parametrize("text", ["seatworks", "a/b/c", "a/+", "a/#", "a b/c", "/x", "a/", "a_b/c"])
def test_refuses_a_name_that_is_no_topic_level(text: str) -> None:
    with pytest.raises(ValueError, match="group/node"):
        Gateway.parse(text)


def test_no_gateway_is_named_in_anothers_lines() -> None:
    blocks = acl([SEAT, Gateway("trimworks", "gw-trim")]).split("\n\n")
    (seat,) = (block for block in blocks if "user seatworks_gw-seat" in block)
    assert "trim" not in seat
    assert "topic read spBv1.0/seatworks/DCMD/gw-seat/#" in seat
    assert seat.count("#") == 1


def test_hashes_as_mosquitto_does() -> None:
    """Against what mosquitto_passwd 2.0 wrote for this password."""
    theirs = (
        "$7$101$OL8c5XazETfwfsfI$eAZldtydEby9rlNSVNxJQvhIg5GHDc2gyJ6xMjEnPmeDamKFKPjGFHMSr6i7q7Or"
        "Oc8J8BjXl9n0M+UxPYNpBg=="
    )
    salt = base64.b64decode(theirs.split("$")[3])
    assert mosquitto_hash("secret", salt) == theirs
