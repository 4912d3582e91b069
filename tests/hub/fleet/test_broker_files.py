"""The broker's files from the registry, read by a real Mosquitto: who gets in, who may what."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Process
from hub.cli import app
from hub.fleet.broker_files import broker_files
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings
from tests.fixtures.certificates import Identity, make_identity
from tests.fixtures.mosquitto import Client, let_in, mosquitto, reaching_hub
from tests.hub.calls.world import make_world

SEAT, TRIM = "seatworks/gw-seat", "trimworks/gw-trim"
CERTIFIED = Callable[..., BrokerSettings]

pytestmark = pytest.mark.usefixtures("configured")


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["broker", "config", *map(str, arguments)])


@pytest.fixture
def authority() -> Identity:
    return make_identity("Lineside CA", authority=True, curve=True)


@pytest.fixture
def files(tmp_path: Path, configured: None, database: Database, authority: Identity) -> Path:
    """The folder of a broker that two gateways are registered for."""
    make_world(database, cars=0)
    folder = tmp_path / "broker"
    port = free_port()
    written = command("--for", "mosquitto", "--out", folder, "--port", str(port))
    assert written.exit_code == 0
    assert f"broker.crt and broker.key of the broker are not in {folder}" in written.output
    certificate, _ = authority.write(folder, "ca")
    certificate.rename(folder / "ca.crt")
    server = make_identity("broker", issuer=authority, curve=True)
    certificate, key = server.write(folder, "broker")
    certificate.rename(folder / "broker.crt")
    key.rename(folder / "broker.key")
    return folder


def port_of(folder: Path) -> int:
    settings = (folder / "mosquitto.conf").read_text()
    return int(settings.partition("\nlistener ")[2].split()[0])


@pytest.fixture
def broker(tmp_path: Path, files: Path) -> Iterator[Process]:
    port = port_of(files)
    settings = (files / "mosquitto.conf").read_text()
    loopback = settings.replace(f"listener {port}", f"listener {port} {LOOPBACK}")
    with mosquitto(tmp_path, loopback, port) as process:
        yield process


@pytest.fixture
def certified(tmp_path: Path, files: Path, authority: Identity) -> CERTIFIED:
    """Settings of a client with a certificate for a name."""

    def settings(name: str, issuer: Identity = authority, **how: float) -> BrokerSettings:
        made = make_identity(name, issuer=issuer, curve=True, server=False, **how)  # type: ignore[arg-type]
        certificate, key = made.write(tmp_path / "clients", name.replace("/", "_"))
        return BrokerSettings(
            host="localhost",
            port=port_of(files),
            ca_file=files / "ca.crt",
            cert_file=certificate,
            key_file=key,
        )

    return settings


@pytest.mark.usefixtures("broker")
def test_lets_in_who_has_a_certificate_of_the_authority_and_nobody_else(
    files: Path, certified: CERTIFIED
) -> None:
    assert let_in(certified(SEAT))
    stranger = make_identity("Lineside CA", authority=True, curve=True)
    assert not let_in(certified(SEAT, issuer=stranger))
    assert not let_in(certified(SEAT, ends_days=-0.5))
    assert not let_in(
        BrokerSettings(host="localhost", port=port_of(files), ca_file=files / "ca.crt")
    )


@pytest.mark.usefixtures("broker")
def test_a_gateway_speaks_for_itself_alone_whatever_name_it_gives(certified: CERTIFIED) -> None:
    own = [
        *(f"spBv1.0/seatworks/{kind}/gw-seat" for kind in ("NBIRTH", "NDATA", "NDEATH")),
        *(f"spBv1.0/seatworks/{kind}/gw-seat/S1" for kind in ("DBIRTH", "DDATA", "DDEATH")),
        "lineside/v1/seatworks/gw-seat/events",
        "lineside/v1/seatworks/gw-seat/calls/ack",
    ]
    forged = [
        "spBv1.0/trimworks/NBIRTH/gw-trim",
        "spBv1.0/trimworks/DDATA/gw-trim/T1",
        "spBv1.0/seatworks/NBIRTH/other",
        "spBv1.0/seatworks/NCMD/gw-seat",
        "spBv1.0/STATE/other-hub",
        "lineside/v1/trimworks/gw-trim/events",
        "lineside/v1/trimworks/gw-trim/calls/ack",
        "lineside/v1/seatworks/gw-seat/calls",
    ]
    # The name that it gives in its CONNECT is another's: the one in the certificate counts.
    pretending = certified(SEAT).model_copy(update={"username": TRIM})
    assert reaching_hub(certified("hub"), pretending, own + forged) == set(own)


@pytest.mark.usefixtures("broker")
def test_a_gateway_hears_what_is_meant_for_it_alone(certified: CERTIFIED) -> None:
    with Client(certified(SEAT), "listener") as gateway, Client(certified("hub"), "hub") as hub:
        for topic in ("#", "spBv1.0/seatworks/NCMD/gw-seat", "lineside/v1/+/+/calls"):
            gateway.subscribe(topic)
        hub.publish("lineside/v1/trimworks/gw-trim/calls")
        hub.publish("spBv1.0/trimworks/NCMD/gw-trim")
        hub.publish("lineside/v1/seatworks/gw-seat/calls")
        assert gateway.heard.get(timeout=60) == "lineside/v1/seatworks/gw-seat/calls"


@pytest.mark.usefixtures("broker")
def test_a_node_that_is_not_registered_can_say_nothing(certified: CERTIFIED) -> None:
    topics = ["spBv1.0/seatworks/NBIRTH/gw-new", "lineside/v1/seatworks/gw-new/events"]
    assert reaching_hub(certified("hub"), certified("seatworks/gw-new"), topics) == set()


def test_a_further_gateway_is_missed_by_check_and_let_in_after_a_reload(
    files: Path, broker: Process, database: Database, certified: CERTIFIED
) -> None:
    port = str(port_of(files))
    same = ("--for", "mosquitto", "--port", port)
    assert command(*same, "--check", files).exit_code == 0
    with database.connect("ingest") as connection:
        connection.execute(
            "INSERT INTO gateway (owner, partner, group_id, node_id) "
            "VALUES ('seatworks', 'carmaker', 'seatworks', 'gw-new')"
        )
    missed = command(*same, "--check", files)
    assert (missed.exit_code, "acl differ" in missed.output) == (1, True)
    assert "wrote acl for 3" in command(*same, "--out", files).output
    assert command(*same, "--check", files).exit_code == 0
    assert broker.pid is not None

    os.kill(broker.pid, signal.SIGHUP)
    topic = "spBv1.0/seatworks/NBIRTH/gw-new"
    while reaching_hub(certified("hub"), certified("seatworks/gw-new"), [topic]) != {topic}:
        assert broker.running


def test_an_edi_supplier_is_no_gateway_of_the_broker(tmp_path: Path, database: Database) -> None:
    make_world(database, cars=0)
    with database.connect("ingest") as connection:
        connection.execute("UPDATE gateway SET transport = 'edi' WHERE node_id = 'gw-trim'")
    assert command("--for", "emqx", "--out", tmp_path).exit_code == 0
    rights = (tmp_path / "acl.conf").read_text()
    assert '{allow, {username, "seatworks/gw-seat"}, publish, [' in rights
    assert "gw-trim" not in rights
    assert rights.rstrip().endswith("{deny, all}.")


@pytest.mark.parametrize("node", ["x" * 60, 'a"b', "a\nb", " a", "${clientid}", "%c"])
def test_a_name_that_a_file_cannot_carry_is_refused(node: str) -> None:
    with pytest.raises(ValueError, match=r"choose another|shorter names"):
        broker_files("mosquitto", [("seatworks", node)], "lineside-hub", 8883, "/etc")


def test_says_what_is_wrong_with_its_use(tmp_path: Path) -> None:
    assert command("--for", "mosquitto").exit_code == 2
    assert command("--for", "mosquitto", "--out", tmp_path, "--check", tmp_path).exit_code == 2
    nothing = command("--for", "mosquitto", "--check", tmp_path)
    assert (nothing.exit_code, "mosquitto.conf, acl differ" in nothing.output) == (1, True)
