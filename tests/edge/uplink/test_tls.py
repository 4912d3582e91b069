"""The uplink to a Mosquitto that lets nobody in without a certificate of its authority."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.broker import Mosquitto
from deploy.local.ports import free_port
from edge.link import Link, LinkError
from protocols.mqtt.broker import BrokerSettings
from tests.edge.hub import Hub
from tests.edge.uplink.test_node import GROUP, NODE, Gateway, running
from tests.edge.waiting import until
from tests.fixtures.certificates import Identity, make_identity
from tests.fixtures.required import refuse_absence

if Mosquitto.executable() is None:
    refuse_absence("mosquitto", "apt-get install mosquitto")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(Mosquitto.executable() is None, reason="needs Mosquitto"),
]


class Authority:
    """Signs certificates and writes them, PEM, below `directory`."""

    def __init__(self, directory: Path, name: str = "authority") -> None:
        self._identity: Identity = make_identity(name, authority=True, curve=True)
        self._directory = directory
        self.file, _ = self._identity.write(directory, name)

    def certify(self, name: str, *, ends_days: float = 1, file: str = "") -> tuple[Path, Path]:
        """Certificate and key of `name`, in files of that name or another."""
        made = make_identity(name, issuer=self._identity, ends_days=ends_days, curve=True)
        return made.write(self._directory, file or name)


class SecuredMosquitto(Mosquitto):
    """Plain for the hub on `port`; on `tls_port` clients prove themselves by certificate, and their
    name is the one in it."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self._authority = authority
        self.tls_port = free_port()
        super().__init__(directory)

    def _command(self) -> list[str | Path]:
        command = super()._command()
        certificate, key = self._authority.certify("broker")
        with (self.directory / "mosquitto.conf").open("a") as settings:
            settings.write(
                f"listener {self.tls_port} 127.0.0.1\n"
                f"cafile {self._authority.file}\ncertfile {certificate}\nkeyfile {key}\n"
                "require_certificate true\nuse_identity_as_username true\n"
            )
        return command


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secured(tmp_path: Path, authority: Authority) -> Iterator[SecuredMosquitto]:
    with SecuredMosquitto(tmp_path / "broker", authority) as broker:
        yield broker


def settings(
    broker: SecuredMosquitto, authority: Authority, proof: tuple[Path, Path] | None
) -> BrokerSettings:
    certificate, key = proof or (None, None)
    return BrokerSettings(
        host="127.0.0.1",
        port=broker.tls_port,
        ca_file=authority.file,
        cert_file=certificate,
        key_file=key,
        keepalive_s=5,
    )


async def test_a_gateway_with_its_certificate_is_heard(
    tmp_path: Path, secured: SecuredMosquitto, authority: Authority
) -> None:
    proof = authority.certify("gw-seat")
    made = Gateway(tmp_path / "data", brokers=[settings(secured, authority, proof)])
    with Hub(secured.port, GROUP, NODE) as hub:
        async with running(made) as gw:
            sent = await gw.append(500)
            await until(lambda: gw.journal.depth == 0, "the cursor")
    assert sorted(sample.value for sample in hub.samples) == sent


@pytest.mark.parametrize("proof", ["none", "stranger's", "run out"])
async def test_others_are_not_let_in(
    tmp_path: Path, secured: SecuredMosquitto, authority: Authority, proof: str
) -> None:
    given = None
    if proof == "stranger's":
        given = Authority(tmp_path / "other").certify("gw-seat")
    elif proof == "run out":
        given = authority.certify("gw-seat", ends_days=-0.1)
    link = Link(settings(secured, authority, given), "gw", clean_session=True)
    with pytest.raises(LinkError, match=f"broker 127.0.0.1:{secured.tls_port}: "):
        await link.connect()
    await link.close()


async def test_a_certificate_renewed_on_disk_is_used_at_the_next_connect(
    tmp_path: Path, secured: SecuredMosquitto, authority: Authority
) -> None:
    proof = authority.certify("gw-seat", ends_days=-0.1)
    made = Gateway(tmp_path / "data", brokers=[settings(secured, authority, proof)])
    with Hub(secured.port, GROUP, NODE) as hub:
        async with running(made) as gw:
            await gw.append()
            await until(lambda: gw.figures.uplink.server, "an attempt")
            assert not gw.figures.uplink.connected
            renewed = authority.certify("gw-seat", file="renewed")
            for old, new in zip(proof, renewed, strict=True):
                shutil.move(new, old)
            await until(lambda: gw.journal.depth == 0, "the cursor")
    assert len(hub.samples) == 1
