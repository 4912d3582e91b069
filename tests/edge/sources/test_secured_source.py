"""A whole source on a secured channel: refused until its server is trusted, then all it is said to
do holds as on an unsecured one."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from firmware_sim.proxy.proxy import FaultProxy
from tests.edge.sources.reading import reading, settings_for
from tests.edge.waiting import until
from tests.fixtures.node_opcua import needs_node_opcua, run_node_opcua

pytestmark = [pytest.mark.anyio, pytest.mark.slow, needs_node_opcua]


async def test_a_secured_source_loses_nothing_over_a_cut(tmp_path: Path) -> None:
    pki = tmp_path / "pki"
    async with (
        run_node_opcua(users={"reader": "right"}) as server,
        FaultProxy("127.0.0.1", server.port) as proxy,
    ):
        await server.add("Force", "Double", 0.0)
        settings = settings_for(
            f"opc.tcp://127.0.0.1:{proxy.port}/",
            {"name": "Force", "node": server.node("Force")},
            queue_size=2000,
            publishing_ms=50,
            username="reader",
            password="right",
            security={
                "policy": "Aes256Sha256RsaPss",
                "certificate_file": pki / "own.pem",
                "key_file": pki / "own.key",
                "trust_dir": pki,
            },
        )
        async with reading(tmp_path / "journal.sqlite", settings) as got:
            await until(lambda: got.figures.state == "offline", "the refusal")
            assert server.identity.fingerprint in got.figures.reason
            await server.has_no_sessions()
            (rejected,) = (pki / "rejected").iterdir()
            rejected.rename(pki / "trusted" / rejected.name)

            await until(lambda: got.figures.state == "online", "the session")
            await server.ramp(["Force"], per_s=200)
            await until(lambda: got.figures.samples > 100, "the first values")
            await proxy.make("cut", seconds=0.3)
            await until(lambda: got.figures.reconnects >= 1, "the session after the cut")
            last = (await server.hold())["Force"]
            await until(lambda: last in got.values("Force"), "the last value")
            assert Counter(got.values("Force")) == Counter(map(float, range(last + 1)))
            assert not got.gaps
            (session,) = [s for s in await server.sessions() if s["subscriptions"]]
            assert session["user"] == "reader"
            assert session["mode"] == "SignAndEncrypt"
