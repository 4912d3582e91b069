"""`doctor`, against a PLC, devices and brokers that run, each with something wrong."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from deploy.local.broker import LocalBroker, Mosquitto
from deploy.local.ports import free_port
from edge.config import EdgeConfig
from edge.doctor import broker as broker_doctor
from edge.doctor import collector as collector_doctor
from edge.doctor import folder as folders
from edge.doctor import machine, opcua, polled, rounds
from edge.doctor.finding import Finding, worst
from edge.sources.modbus import ModbusSettings
from edge.sources.opcua import OpcUaSettings
from edge.sources.qdas import QdasSettings
from edge.sources.s7 import S7Settings
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.modbus.unit import run_modbus
from firmware_sim.s7.plc import run_s7
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug.session import HostState
from protocols.traces import TraceSettings
from tests.edge.cli.invoke import invoke, invoke_json
from tests.edge.sources.plc import run_plc
from tests.fixtures.collector import collector
from tests.fixtures.node_opcua import URI as NODE_OPCUA_URI
from tests.fixtures.node_opcua import needs_node_opcua, run_node_opcua

pytestmark = pytest.mark.anyio
STILL = DeviceSettings(cycle_s=1000)
needs_mosquitto = pytest.mark.skipif(Mosquitto.executable() is None, reason="no mosquitto here")


async def all_of(findings: AsyncIterator[Finding]) -> list[Finding]:
    return [finding async for finding in findings]


def bad(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(f.verdict, f.what, f.remedy) for f in findings if f.verdict != "ok"]


def config_of(directory: Path, **more: Any) -> EdgeConfig:
    return EdgeConfig.model_validate(
        {
            "version": 1,
            "gateway": {"group": "g", "node": "n"},
            "data_dir": directory / "data",
            "status": {"port": 0},
            **more,
        }
    )


async def test_each_node_that_is_wrong_says_how() -> None:
    async with run_plc(Torque=1.5, Serial="0012", Gone=1.0) as plc:
        await plc.add("Secret", 1)
        for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            none = ua.DataValue(ua.Variant(0, ua.VariantType.Byte))
            await plc.nodes["Secret"].write_attribute(attribute, none)
        await plc.set("Gone", 1.0, status=ua.StatusCodes.BadSensorFailure)
        tags: dict[str, dict[str, Any]] = {
            "fine": {"node": "ns=2;s=Torque", "deadband": 0.1},
            "typo": {"node": "ns=2;s=Torqe"},
            "elsewhere": {"node": "nsu=urn:other;s=Torque"},
            "text": {"node": "ns=2;s=Serial", "deadband": 0.1, "scale": 2},
            "closed": {"node": "ns=2;s=Secret"},
            "broken": {"node": "ns=2;s=Gone"},
        }
        settings = OpcUaSettings.model_validate(
            {
                "device": "plc",
                "endpoint": plc.endpoint,
                "more_endpoints": [f"opc.tcp://127.0.0.1:{free_port()}"],
                "tags": [{"name": name, **tag} for name, tag in tags.items()],
            }
        )
        found = await all_of(opcua.look(settings))
    told = bad(found)
    assert ("warning", "1 of 6 nodes are there, can be read, and fit", "") in told
    assert (
        "failed",
        "tag typo: the server has no node ns=2;s=Torqe",
        "did you mean ns=2;s=Torque?",
    ) in told
    assert any(v == "failed" and "tag elsewhere" in what and remedy for v, what, remedy in told)
    assert any("deadband, scale mean nothing" in what for _, what, _ in told)
    assert any(v == "failed" and "tag closed: BadUserAccess" in what for v, what, _ in told)
    assert ("warning", "tag broken: has no good value now (BadSensorFailure)", "") in told
    assert any(v == "failed" and "nothing listens on port" in what for v, what, _ in told)
    assert worst(found) == "failed"
    assert [f.what for f in found if "clock is" in f.what]


@needs_node_opcua
async def test_a_server_that_does_not_trust_us_is_told_how_by_its_maker(tmp_path: Path) -> None:
    async with run_node_opcua(trust_all=False, policies=["Basic256Sha256"]) as server:
        security = {
            "certificate_file": tmp_path / "own.der",
            "key_file": tmp_path / "own.pem",
            "server_fingerprints": [server.identity.fingerprint],
        }
        settings = OpcUaSettings.model_validate(
            {"device": "robot", "endpoint": server.endpoint, "security": security}
        )
        found = await all_of(opcua.look(settings))
    assert found[0].verdict == "ok"
    assert "Basic256Sha256 SignAndEncrypt" in found[0].what
    assert (found[1].verdict, "own.der" in found[1].what) == ("failed", True)
    assert "from the server's folder pki/rejected to pki/trusted/certs" in found[1].remedy


@needs_node_opcua
async def test_a_system_must_tell_events_of_the_model_of_its_results() -> None:
    sets = ["machineVision", "machineryResult"]
    async with run_node_opcua(nodesets=sets) as server, run_plc() as plc:
        verdicts = {}
        for key, title in (
            ("machine_vision", "Machine Vision"),
            ("machinery_result", "Machinery Result"),
        ):
            for endpoint, verdict in ((server.endpoint, "ok"), (plc.endpoint, "failed")):
                settings = OpcUaSettings.model_validate(
                    {"device": "machine", "endpoint": endpoint, key: {}}
                )
                *_, last = await all_of(opcua.look(settings))
                assert last.verdict == verdict
                assert f"the model {title}" in last.what
                assert verdict == "ok" or f"remove {key}" in last.remedy
        for name, endpoint, node in (
            ("server", server.endpoint, "i=2253"),
            ("camera", server.endpoint, f"nsu={NODE_OPCUA_URI};s=Camera"),
            ("folder", server.endpoint, "i=85"),
            ("no model", plc.endpoint, "i=2253"),
        ):
            settings = OpcUaSettings.model_validate(
                {"device": "camera", "endpoint": endpoint, "machine_vision": {"node": node}}
            )
            found = await all_of(opcua.look(settings))
            verdicts[name] = (found[-1].verdict, found[-1].what)
    assert [verdict for verdict, _ in verdicts.values()] == ["ok", "ok", "failed", "failed"]
    assert "node i=85 tells no events" in verdicts["folder"][1]
    assert "does not have the model" in verdicts["no model"][1]


async def test_each_address_of_a_device_is_read() -> None:
    async with run_s7(STILL) as plc:
        plc.memory.blocks[1] = bytearray(8)
        tags = [
            {"name": "there", "address": "DB1.DBD0:REAL"},
            {"name": "beyond", "address": "DB1.DBD100:REAL"},
            {"name": "nowhere", "address": "DB77.DBW0:INT"},
        ]
        place = {"host": "127.0.0.1", "port": plc.port, "timeout_s": 5}
        settings = S7Settings.model_validate(
            {"kind": "s7", "device": "press", "tags": tags, **place}
        )
        found = await all_of(polled.look(settings, running=False))
    assert [f.verdict for f in found] == ["ok", "failed", "failed"]
    assert "1 of 3 tags can be read" in found[0].what
    assert "tag beyond (DB1.DBD100:REAL)" in found[1].what
    (gone,) = await all_of(polled.look(settings, running=False))
    assert gone.verdict == "failed"


async def test_a_watched_folder_and_the_files_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    settings = QdasSettings.model_validate(
        {
            "kind": "qdas",
            "device": "room",
            "watch_dir": folder,
            "archive_dir": tmp_path / "no" / "a",
        }
    )
    (gone,) = await all_of(folders.look(settings))
    assert (gone.verdict, "findmnt -T" in gone.remedy) == ("failed", True)
    (tmp_path / "no").write_text("a file")
    folder.mkdir()
    (folder / "a.dfq").write_text("K2002/1 A\n1\n2\n")
    (folder / "b.dfq").write_text("K2002/1 A\nwhat\n")
    (folder / "c.dfd").write_text("K2002/1 A\n")
    found = await all_of(folders.look(settings))
    assert [f.verdict for f in found] == ["ok", "failed", "warning", "ok", "warning"]
    told = [f.what for f in found]
    assert "3 files wait" in told[0]
    assert "files cannot be moved" in told[1]
    assert "c.dfd waits for its other half" in told[2]
    assert "a.dfq can be read: 2 results" in told[3]
    assert "b.dfq would be set aside: b.dfq:2: 'what' is neither" in told[4]
    assert sorted(path.name for path in folder.iterdir()) == ["a.dfq", "b.dfq", "c.dfd"]


def test_where_a_station_is_entered_and_whether_it_can_be(tmp_path: Path) -> None:
    described = {"kind": "manual", "device": "hand 3", "characteristics": [{"name": "Gap"}]}
    for port, verdict, what in (
        (9485, "ok", "entered by hand at http://127.0.0.1:9485/entry/hand%203"),
        (0, "failed", "there is no page to enter its results at"),
    ):
        config = config_of(tmp_path, sources=[described], board={"port": port})
        found = rounds.entered(config, config.stations[0])
        assert (found.verdict, found.what) == (verdict, what)
        file = tmp_path / f"{port}.yaml"
        file.write_text(config.model_dump_json(by_alias=True))
        _, told = invoke_json("check", "--config", file)
        warned = [w["what"] for w in told["warnings"] if w["where"] == "sources[0]"]
        assert bool(warned) == (verdict == "failed")


async def test_units_of_modbus_answer_each_for_themselves() -> None:
    async with run_modbus(STILL) as device:
        device.memory.put("holding:0:int16", 1)
        settings = ModbusSettings.model_validate(
            {
                "kind": "modbus",
                "device": "oven",
                "host": "127.0.0.1",
                "port": device.port,
                "timeout_s": 5,
                "tags": [
                    {"name": "there", "address": "holding:0:int16"},
                    {"name": "not", "address": "holding:9000:int16"},
                ],
            }
        )
        found = await all_of(polled.look(settings, running=True))
    assert [f.verdict for f in found] == ["ok", "failed"]
    line = settings.model_copy(update={"host": None, "serial_port": "/dev/ttyUSB0"})
    (left,) = await all_of(polled.look(line, running=True))
    assert (left.verdict, "the running agent's" in left.what) == ("warning", True)


class Guarded(Mosquitto):
    """A Mosquitto that lets a gateway publish nothing but its births."""

    def _command(self) -> list[str | Path]:
        command = super()._command()
        access = self.directory / "acl"
        access.write_text("topic readwrite spBv1.0/STATE/#\ntopic write spBv1.0/g/NBIRTH/n\n")
        settings = Path(command[2])
        settings.write_text(f"{settings.read_text()}acl_file {access}\n")
        return command


def say_online(broker: LocalBroker) -> None:
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, tls=False)
    client = make_client(settings, "hub", clean_session=True)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    state = HostState(online=True, timestamp=1).dump()
    client.publish("spBv1.0/STATE/lineside-hub", state, qos=1, retain=True).wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


async def look_at(broker: LocalBroker, directory: Path) -> list[Finding]:
    settings = BrokerSettings(host="127.0.0.1", port=broker.port, tls=False)
    return await all_of(broker_doctor.look(config_of(directory), settings))


async def test_a_broker_with_the_hub_on_it(tmp_path: Path, broker: LocalBroker) -> None:
    await asyncio.to_thread(say_online, broker)
    found = await look_at(broker, tmp_path)
    assert bad(found) == []
    assert "the hub lineside-hub is online here" in [f.what for f in found]
    last = "does not say" if broker.kind == "embedded" else "may publish as g/n"
    assert last in found[-1].what


@needs_mosquitto
async def test_a_broker_that_refuses_what_we_publish(tmp_path: Path) -> None:
    with Guarded(tmp_path / "broker") as broker:
        told = bad(await look_at(broker, tmp_path))
    assert ("warning", "nothing is heard of a hub lineside-hub here") in [t[:2] for t in told]
    assert told[-1][0] == "failed"
    assert told[-1][1] == "may not publish spBv1.0/g/NDEATH/n: Not authorized"
    assert "rights of g/n" in told[-1][2]
    (gone,) = await look_at(broker, tmp_path)
    assert (gone.verdict, "firewalls" in gone.remedy) == ("failed", True)


def test_this_machine(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        config = config_of(
            tmp_path,
            status={"port": port},
            journal={"keep_free_mb": 10**9},
        )
        found = list(machine.look(config))
    told = bad(found)
    assert any(f"port {port} of the status page is taken" in what for _, what, _ in told)
    assert any(v == "failed" and "keep_free_mb" in remedy for v, _, remedy in told)
    assert any("confirms a write in" in f.what for f in found)
    assert any("clock" in f.what for f in found)
    assert list(tmp_path.iterdir()) == []


def test_the_exit_code_is_the_worst(tmp_path: Path) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(
        f"""\
version: 1
gateway: {{group: g, node: n}}
data_dir: data
status: {{port: 0}}
broker: {{host: 127.0.0.1, port: {free_port()}, tls: false}}
"""
    )
    code, told = invoke_json("doctor", "--config", file)
    assert (code, told["worst"], told["failed"]) == (1, "failed", 1)
    code, said = invoke("doctor", "--config", file)
    assert (code, "1 failed" in said, "-> is the address right" in said) == (1, True, True)
    file.write_text("version: 1")
    assert invoke("doctor", "--config", file)[0] == 1


def test_a_collector_that_takes_spans_and_one_that_has_gone() -> None:
    with collector() as seen:
        settings = TraceSettings(endpoint=seen.url)
        assert collector_doctor.look(settings).verdict == "ok"
    gone = collector_doctor.look(settings)
    assert (gone.verdict, "refused" in gone.what) == ("warning", True)
    assert "trace.endpoint" in gone.remedy
