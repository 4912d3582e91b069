"""Broker settings: TLS unless on loopback, secrets from files and out of sight."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from protocols.mqtt.broker import BrokerSettings, make_client


def test_tls_is_the_default() -> None:
    assert BrokerSettings(host="broker.example").tls


def test_plain_tcp_beyond_loopback_is_refused() -> None:
    with pytest.raises(ValidationError, match="only on loopback"):
        BrokerSettings(host="broker.example", tls=False)


def test_a_certificate_needs_its_key() -> None:
    with pytest.raises(ValidationError, match="go together"):
        BrokerSettings(cert_file=Path("gateway.crt"))


def test_a_password_comes_once_and_with_its_user() -> None:
    with pytest.raises(ValidationError, match="not both"):
        BrokerSettings(username="gw", password=SecretStr("x"), password_file=Path("p"))
    with pytest.raises(ValidationError, match="needs a username"):
        BrokerSettings(password=SecretStr("x"))


def test_a_password_comes_from_its_file_and_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret\n")
    settings = BrokerSettings(username="gw", password_file=file)
    assert settings.secret() == "s3cret"
    file.write_text("")
    assert settings.secret() == ""
    inline = BrokerSettings(username="gw", password=SecretStr("s3cret"))
    assert inline.secret() == "s3cret"
    assert "s3cret" not in repr(inline)


def test_a_client_is_configured_but_not_connected() -> None:
    client = make_client(BrokerSettings(tls=False), "gw-1", clean_session=False)
    assert not client.is_connected()
