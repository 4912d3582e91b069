"""The S7 source against a PLC by the native snap7 library."""

from __future__ import annotations

from pathlib import Path

from deploy.local.ports import free_port
from protocols.s7 import parse
from protocols.s7.types import TYPES, encode_text
from tests.edge.sources.reading import reading, run, until
from tests.edge.sources.s7.test_s7 import settings_for
from tests.fixtures.plc_peers import SNAP7, RunningPeer, needs_snap7, run_peer

TAGS = [f"DB1.DBD{4 * n}:REAL" for n in range(300)]
OTHERS = ["DB2.DBB0:STRING[20]", "DB2.DBX22.5", "MW10:INT", "I0.7", "QB3", "DB2.DBB24:DTL"]
MISSING = ["DB2.DBW60:INT", "DB9.DBW0:INT"]


async def put(plc: RunningPeer, address: str, raw: bytes) -> None:
    at = parse(address)
    area = f"DB{at.db}" if at.db else at.area
    await plc.do("write", area=area, start=at.byte, hex=raw.hex())


@needs_snap7
def test_native_snap7_is_read_and_comes_back(tmp_path: Path) -> None:
    async def work() -> None:
        port = free_port()
        async with run_peer(SNAP7) as plc:
            for area, size in {"DB1": 1200, "DB2": 40, "M": 64, "I": 16, "Q": 16}.items():
                await plc.do("add", area=area, size=size)
            for n, tag in enumerate(TAGS):
                await put(plc, tag, TYPES["REAL"].write(n * 0.5))
            await put(plc, OTHERS[0], encode_text("STRING", 20, "S-0001"))
            await put(plc, OTHERS[1], b"\x20")
            await put(plc, OTHERS[2], TYPES["INT"].write(-2))
            await put(plc, OTHERS[3], b"\x80")
            await put(plc, OTHERS[4], b"\x11")
            await put(plc, OTHERS[5], bytes.fromhex("07ea01010500000000000000"))
            await plc.do("start", port=port)
            settings = settings_for(port, *TAGS, *OTHERS, *MISSING, timeout_s=6)
            async with reading(tmp_path / "journal.sqlite", settings) as got:
                await until(lambda: got.devices.heard == ["press online"])
                assert [got.values(tag) for tag in TAGS] == [[n * 0.5] for n in range(len(TAGS))]
                found = [got.values(tag) for tag in OTHERS]
                assert found == [["S-0001"], [1.0], [-2.0], [1.0], [17.0], [1767225600000.0]]
                assert got.figures.refused_nodes == 2
                # On a busy machine polls that came too late leave gaps of their own.
                refused = [gap.cause.partition("refused: ")[2] for gap in got.gaps]
                whys = sorted(filter(None, refused))
                assert whys == [
                    "address out of range: the block or area is shorter (0x05)",
                    "there is no such block (0x0A)",
                ]
                await plc.do("stop")
                await until(lambda: got.figures.state == "offline")
                await put(plc, TAGS[7], TYPES["REAL"].write(99.5))
                await plc.do("add", area="DB9", size=2)
                await plc.do("start", port=port)
                await until(lambda: got.values(TAGS[7]) == [3.5, 99.5])
                await until(lambda: got.values("DB9.DBW0:INT") == [0.0])
                assert [gap for gap in got.gaps if "connection lost" in gap.cause]

    run(work)
