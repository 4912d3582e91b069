"""`discover`, against servers and devices that run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua

from deploy.local.ports import free_port
from edge.config import load
from edge.discover.opcua import browse, find, suggest
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.connect import close, connect
from firmware_sim.device.settings import DeviceSettings
from firmware_sim.modbus.unit import run_modbus
from firmware_sim.s7.plc import run_s7
from firmware_sim.vision import CameraSettings, run_camera
from firmware_sim.vision.camera import NODE
from tests.edge.cli.invoke import invoke, invoke_json
from tests.edge.sources.plc import URI, Plc, run_plc
from tests.fixtures.node_opcua import needs_node_opcua, run_node_opcua

pytestmark = pytest.mark.anyio
STILL = DeviceSettings(cycle_s=1000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "edge.yaml"


def text_of(path: Path) -> str:
    return path.read_text()


def replace_in(path: Path, old: str, new: str) -> None:
    path.write_text(text_of(path).replace(old, new, 1))


def comments_of(path: Path) -> list[str]:
    return [line for line in text_of(path).splitlines() if "#" in line]


def password_in(directory: Path) -> Path:
    path = directory / "plc.password"
    path.write_text("secret\n")
    path.chmod(0o600)
    return path


def trust_what_was_rejected(pki: Path) -> None:
    """As the refusal says."""
    (rejected,) = (pki / "rejected").iterdir()
    rejected.rename(pki / "trusted" / rejected.name)


async def command(*words: str | Path) -> tuple[int, Any]:
    return await asyncio.to_thread(invoke_json, *words)


async def a_press(plc: Plc) -> None:
    """An object with values of many types, units, a folder further down, and what is no value."""
    objects = plc.server.get_objects_node()
    press = await objects.add_object("ns=2;s=Press", "2:Press")
    force = await press.add_variable("ns=2;s=Press.Force", "2:Force", 1.5)
    unit = ua.EUInformation(DisplayName=ua.LocalizedText("kN"))
    await force.add_property(2, "EngineeringUnits", unit)
    await press.add_variable("ns=2;s=Press.Serial", "2:Serial", "0012")
    await press.add_variable("ns=2;s=Press.Empty", "2:Empty", None, ua.VariantType.Null)
    secret = await press.add_variable("ns=2;s=Press.Secret", "2:Secret", 1)
    for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        await secret.write_attribute(attribute, ua.DataValue(ua.Variant(0, ua.VariantType.Byte)))
    deep = await press.add_object("ns=2;s=Press.Deep", "2:Deep")
    await deep.add_variable("ns=2;s=Press.Deep.Count", "2:Count", 7)
    await deep.add_reference(press, ua.ObjectIds.Organizes)  # a ring


async def test_a_tree_with_values_types_and_units() -> None:
    async with run_plc() as plc:
        await a_press(plc)
        settings = OpcUaSettings(device="x", endpoint=plc.endpoint)
        servers, offers = await find(settings)
        assert servers[0].urls == (plc.endpoint,)
        assert [(offer.policy, offer.users) for offer in offers] == [
            ("None", ("Anonymous", "UserName"))
        ]
        client = await connect(settings)
        try:
            tree = await browse(client, "i=85", depth=8, limit=100)
            flat = await browse(client, "i=85", depth=1, limit=100)
            few = await browse(client, "i=85", depth=8, limit=2)
        finally:
            await close(client, 5)
    found = {"/".join(node.path): node for node in tree.nodes}
    assert list(found) == [
        *("Press", "Press/Force", "Press/Serial", "Press/Empty", "Press/Secret", "Press/Deep"),
        "Press/Deep/Count",
    ]
    assert (found["Press/Force"].type, found["Press/Force"].value) == ("Double", 1.5)
    assert found["Press/Secret"].why_not == "BadUserAccessDenied"
    assert (tree.cut_at_limit, tree.cut_at_depth) == (False, False)
    assert (flat.cut_at_limit, flat.cut_at_depth) == (False, True)
    assert (few.cut_at_limit, len(few.nodes)) == (True, 2)
    assert suggest(tree, taken=["Press/Serial"]) == [
        {"name": "Press/Force", "node": f"nsu={URI};s=Press.Force", "unit": "kN"},
        {"name": "Press/Serial (2)", "node": f"nsu={URI};s=Press.Serial"},
        {"name": "Press/Deep/Count", "node": f"nsu={URI};s=Press.Deep.Count"},
    ]


async def test_what_is_found_is_put_into_the_file_once(file: Path) -> None:
    async with run_plc() as plc:
        await a_press(plc)
        await command("init", "--config", file, "--yes", "--address", plc.endpoint)
        comments = comments_of(file)
        options = ("--write", file, "--only", "Press/*e*")
        code, told = await command("discover", "opcua", plc.endpoint, *options)
        assert (code, told["written"]["tags"]) == (0, 3)
        assert [source.device for source in load(file, {}).sources] == ["press-1"]
        assert [tag.name for tag in load(file, {}).sources[0].tags] == [
            *("Press/Force", "Press/Serial", "Press/Deep/Count")
        ]
        assert comments_of(file) == comments
        before = text_of(file)
        code, told = await command("discover", "opcua", plc.endpoint, *options)
        assert (code, told["written"]["tags"]) == (0, 0)
        assert text_of(file) == before
        assert (await command("check", "--config", file))[0] == 0

        code, told = await command("discover", "opcua", plc.endpoint, "--only", "Oven/*")
        assert (code, "called like Oven/*" in told["error"]) == (1, True)
        code, said = await asyncio.to_thread(invoke, "discover", "opcua", plc.endpoint)
        assert code == 0
        assert "Force  Double  1.5 kN" in said
        assert "Secret" in said
        only = ("--only", "Press/Deep/*")
        code, said = await asyncio.to_thread(invoke, "discover", "opcua", plc.endpoint, *only)
        assert code == 0
        assert ("Count" in said, "Force" in said, "Secret" in said) == (True, False, False)


async def test_the_results_of_a_vision_system_are_suggested_and_written_once(file: Path) -> None:
    async with run_camera(CameraSettings(port=free_port(), cycle_s=0)) as camera:
        await command("init", "--config", file, "--yes", "--address", camera.endpoint)
        code, told = await command("discover", "opcua", camera.endpoint)
        suggested = {"node": "i=2253", "serial": "PartId.Id"}
        assert (code, told["results"]) == (0, {"machine_vision": suggested})
        code, said = await asyncio.to_thread(
            invoke, "discover", "opcua", camera.endpoint, "--write", file
        )
        assert (code, "the model Machine Vision" in said) == (0, True)
        assert "takes results that come as events now" in said
        (source,) = load(file, {}).sources
        assert isinstance(source, OpcUaSettings)
        assert source.machine_vision is not None
        assert source.machine_vision.node == "i=2253"
        before = text_of(file)
        code, told = await command("discover", "opcua", camera.endpoint, "--write", file)
        assert (code, told["written"]["results"], text_of(file)) == (0, False, before)

        # A server that does not tell events itself: the first object that does. A new source.
        server = camera.teller.server.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.Server)))
        await server.set_event_notifier([])
        options = ("--device", "eye", "--write", file)
        code, told = await command("discover", "opcua", camera.endpoint, *options)
        assert (code, told["written"]["results"], told["written"]["new_source"]) == (0, True, True)
        eye = load(file, {}).sources[1]
        assert isinstance(eye, OpcUaSettings)
        assert eye.machine_vision is not None
        assert eye.machine_vision.node == NODE
        assert (await command("check", "--config", file))[0] == 0


@needs_node_opcua
async def test_results_of_another_makers_server(file: Path) -> None:
    async with run_node_opcua(nodesets=["machineryResult"]) as server:
        where = ("discover", "opcua", server.endpoint, "--limit", "20", "--write", file)
        await command("init", "--config", file, "--yes", "--address", server.endpoint)
        code, told = await command(*where)
        assert code == 0, told
        assert told["results"]["machinery_result"]["serial"] == "PartId"
        assert told["written"]["results"]
        (source,) = load(file, {}).sources
        assert isinstance(source, OpcUaSettings)
        assert source.machinery_result is not None
        # A source takes those of one model: whoever has chosen keeps what was chosen.
        replace_in(file, "  machinery_result:", "  machine_vision:")
        assert (await command("check", "--config", file))[0] == 0
        code, told = await command(*where)
        assert (code, told["written"]["results"]) == (0, False), told


async def test_what_cannot_be_reached_says_what_to_do(file: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    code, told = await command("discover", "opcua", nobody)
    assert (code, "nothing listens on port" in told["error"]) == (1, True)
    code, told = await command("discover", "opcua", nobody, "--write", file)
    assert (code, "init writes one" in told["error"]) == (1, True)


@needs_node_opcua
async def test_another_makers_server_behind_a_password_and_a_secured_channel(file: Path) -> None:
    async with run_node_opcua(users={"reader": "secret"}, anonymous=False) as server:
        await server.add("Torque", "Double", 2.5)
        await command("init", "--config", file, "--yes")
        password = password_in(file.parent)
        given: tuple[str | Path, ...] = (
            *("--user", "reader", "--password-file", password, "--node", "i=85"),
            *("--security", "Basic256Sha256", "--pki", file.parent / "pki"),
            *("--device", "robot", "--write", file, "--only", "*Torque"),
        )
        code, told = await command("discover", "opcua", server.endpoint, *given)
        assert (code, "is not trusted" in told["error"]) == (1, True), told
        trust_what_was_rejected(file.parent / "pki")
        code, told = await command("discover", "opcua", server.endpoint, *given)
        assert (code, told["written"]["new_source"]) == (0, True), told
        source = next(s for s in load(file, {}).sources if s.device == "robot")
        assert isinstance(source, OpcUaSettings)
        assert [tag.node for tag in source.tags] == [server.node("Torque")]
        assert "password_file: plc.password" in text_of(file)
        assert "secret" not in text_of(file)
        assert {offer["policy"] for offer in told["endpoints"]} >= {"None", "Basic256Sha256"}
        assert told["results"] == {}
        # From now on the file says how it is reached. So does one that named but the address.
        code, told = await command("discover", "opcua", server.endpoint, "--write", file)
        assert code == 0, told
        other = file.with_name("other.yaml")
        await command("init", "--config", other, "--yes", "--address", server.endpoint)
        swapped = [other if word is file else word for word in given]
        swapped.remove("--device")
        swapped.remove("robot")
        code, told = await command("discover", "opcua", server.endpoint, *swapped)
        assert (code, told["written"]["new_source"]) == (0, False), told
        (source,) = load(other, {}).sources
        assert isinstance(source, OpcUaSettings)
        assert (source.username, source.password_file) == ("reader", password)
        assert source.security is not None
        assert source.security.trust_dir == file.parent / "pki"


async def test_a_host_is_asked_on_the_usual_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    async with run_plc(Force=1.5) as one, run_plc(Force=2.5) as other:
        ports = [int(plc.endpoint.rstrip("/").rpartition(":")[2]) for plc in (one, other)]
        monkeypatch.setattr("edge.discover.opcua.PORTS", dict.fromkeys([ports[0], free_port()], ""))
        code, told = await command("discover", "opcua", "127.0.0.1")
        assert (code, [tag["name"] for tag in told["tags"]]) == (0, ["Force"])
        monkeypatch.setattr("edge.discover.opcua.PORTS", dict.fromkeys(ports, ""))
        code, said = await asyncio.to_thread(invoke, "discover", "opcua", "127.0.0.1")
        assert (code, "name the one to browse" in said) == (0, True)
    code, told = await command("discover", "opcua", "127.0.0.1")
    assert (code, "nothing listens on the usual ports" in told["error"]) == (1, True)


async def test_symbols_of_a_plc_that_answers(file: Path, tmp_path: Path) -> None:
    symbols = tmp_path / "press.db"
    symbols.write_text(
        """\
DATA_BLOCK "Press"
{ S7_Optimized_Access := 'FALSE' }
STRUCT
  Force : Real;   // at the ram
  Beyond : Array[0..99] of LReal;
END_STRUCT;
BEGIN
END_DATA_BLOCK
"""
    )
    await command("init", "--config", file, "--yes")
    code, told = await command("discover", "s7", symbols)
    assert (code, "which number has block Press?" in told["error"]) == (1, True)
    async with run_s7(STILL) as plc:
        plc.memory.blocks[5] = bytearray(20)
        plc.memory.put("DB5.DBD0:REAL", 2.5)
        where = ("--number", "Press=5", "--host", "127.0.0.1", "--port", str(plc.port))
        code, told = await command("discover", "s7", symbols, *where, "--write", file)
        assert code == 0, told
        assert told["values"]["Press/Force"] == {"value": 2.5, "why_not": ""}
        assert told["values"]["Press/Beyond"]["why_not"]
        assert told["written"]["tags"] == 1
        code, said = await asyncio.to_thread(invoke, "discover", "s7", symbols, *where)
        assert (code, "at the ram" in said, "1 of them are not written" in said) == (0, True, True)
    source: Any = load(file, {}).sources[1]
    assert (source.kind, source.port, source.tags[0].address) == ("s7", plc.port, "DB5.DBD0:REAL")


async def test_symbols_take_the_place_of_the_sample_s(file: Path, tmp_path: Path) -> None:
    table = tmp_path / "press.sdf"
    table.write_text('"Force","DB5.DBD0","REAL","at the ram"\n')
    async with run_s7(STILL) as plc:
        plc.memory.blocks[5] = bytearray(4)
        where = f"127.0.0.1:{plc.port}"
        await command("init", "--config", file, "--yes", "--kind", "s7", "--address", where)
        there = ("--host", "127.0.0.1", "--port", str(plc.port), "--write", file)
        code, told = await command("discover", "s7", table, *there)
    assert (code, told["written"]["new_source"]) == (0, False)
    (source,) = load(file, {}).sources
    assert [tag.name for tag in source.tags] == ["Force"]


async def test_a_map_of_registers(file: Path, tmp_path: Path) -> None:
    registers = tmp_path / "oven.csv"
    registers.write_text("name;address;type;unit;scale\nTop;30008;int16;degC;0,1\nLid;coil:5;;;\n")
    await command("init", "--config", file, "--yes")
    code, told = await command("discover", "modbus", registers, "--write", file)
    assert (code, "give --host" in told["error"]) == (1, True)
    async with run_modbus(STILL) as device:
        device.memory.put("input:7:int16", 250)
        device.memory.put("coil:5", True)
        port = int(device.endpoint.rpartition(":")[2])
        where = ("--host", "127.0.0.1", "--port", str(port), "--write", file)
        code, told = await command("discover", "modbus", registers, *where)
        assert (code, told["written"]["tags"]) == (0, 2), told
        assert {name: answer["value"] for name, answer in told["values"].items()} == {
            "Top": 250,
            "Lid": True,
        }
        assert (await command("discover", "modbus", registers, *where))[1]["written"]["tags"] == 0
    source: Any = load(file, {}).sources[1]
    assert [(t.name, t.scale, t.unit) for t in source.tags] == [
        ("Top", 0.1, "degC"),
        ("Lid", 1.0, ""),
    ]
