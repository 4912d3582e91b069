"""The Modbus source against a device by the npm package modbus-serial."""

from __future__ import annotations

from pathlib import Path

from deploy.local.ports import free_port
from protocols.modbus.values import Order, encode, encode_text
from tests.edge.sources.modbus.test_modbus import settings_for
from tests.edge.sources.reading import reading, run, until
from tests.fixtures.plc_peers import MODBUS_SERIAL, RunningPeer, needs_modbus_serial, run_peer

FLOATS = [f"holding:{2 * n}:float32" for n in range(150)]


async def put(device: RunningPeer, table: str, start: int, raw: bytes, unit: int = 1) -> None:
    words = [int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2)]
    await device.do("write", table=table, unit=unit, start=start, values=words)


@needs_modbus_serial
def test_modbus_serial_is_read_and_comes_back(tmp_path: Path) -> None:
    async def work() -> None:
        port = free_port()
        async with run_peer(MODBUS_SERIAL) as device:
            raw = b"".join(encode("float32", n * 0.5) for n in range(len(FLOATS)))
            await put(device, "holding", 0, raw)
            await put(device, "input", 0, encode("int32", -70_000, Order.CDAB), unit=7)
            await put(device, "input", 10, encode_text("S-0001", 8))
            await device.do("write", table="coil", unit=1, start=0, values=[True, False, True])
            await device.do("write", table="discrete", unit=1, start=9, values=[True])
            await device.do("start", port=port)
            other = {"name": "other", "address": "30001:int32", "unit_id": 7, "order": "CDAB"}
            more = ["input:10:string[8]", "coil:0:bool[3]", "discrete:9", "holding:900"]
            settings = settings_for(port, *FLOATS, other, *more, timeout_s=6)
            async with reading(tmp_path / "journal.sqlite", settings) as got:
                await until(lambda: got.devices.heard == ["oven online"])
                assert [got.values(tag) for tag in FLOATS] == [[n * 0.5] for n in range(150)]
                assert got.values("other") == [-70_000.0]
                found = [got.values(tag) for tag in more]
                assert found == [["S-0001"], [[True, False, True]], [1.0], []]
                (gap,) = got.gaps_but_late
                why = "refused: the unit has no such address (exception 2)"
                assert gap.cause == f"tag holding:900: holding:900:uint16 of unit 1: {why}"
                await device.do("stop")
                await until(lambda: got.figures.state == "offline")
                await put(device, "holding", 6, encode("float32", 99.5))
                await put(device, "holding", 900, b"\0\x05")
                await device.do("start", port=port)
                await until(lambda: got.values(FLOATS[3]) == [1.5, 99.5])
                await until(lambda: got.values("holding:900") == [5.0])

    run(work)
