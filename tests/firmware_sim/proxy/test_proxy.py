"""Faults between two programs, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.local.ports import free_port
from firmware_sim.proxy.control import send_command, serve_control
from firmware_sim.proxy.faults import FaultCommand, FaultCommandError, Faults, parse_command
from firmware_sim.proxy.proxy import FaultProxy

PATIENCE_S = 60.0
BRIEF_S = 0.15
"""How long an answer is waited for that must not come."""

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Sends back what it gets, and ends its side when the client has ended; gives its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def play(story: Callable[[FaultProxy], Awaitable[None]]) -> None:
    async def scene() -> None:
        async with (
            asyncio.timeout(PATIENCE_S),
            echo_server() as port,
            FaultProxy("127.0.0.1", port) as proxy,
        ):
            await story(proxy)

    asyncio.run(scene())


async def connect(proxy: FaultProxy) -> Pair:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def echoes(pair: Pair, data: bytes) -> bool:
    """Send data and wait until it comes back."""
    pair[1].write(data)
    return await pair[0].readexactly(len(data)) == data


async def falls_silent(pair: Pair, data: bytes) -> bool:
    """Send data; whether nothing comes back for a while, and the connection stands."""
    pair[1].write(data)
    try:
        async with asyncio.timeout(BRIEF_S):
            await pair[0].readexactly(len(data))
    except TimeoutError:
        return True
    return False


def test_a_healthy_line_carries_all_bytes_and_the_end() -> None:
    async def story(proxy: FaultProxy) -> None:
        reader, writer = await connect(proxy)
        data = bytes(range(256)) * 8192
        writer.write(data)
        writer.write_eof()
        assert await reader.read(-1) == data

    play(story)


def test_a_cut_resets_connections_and_refuses_new_ones_until_it_heals() -> None:
    async def story(proxy: FaultProxy) -> None:
        old = await connect(proxy)
        assert await echoes(old, b"before")
        port = proxy.port
        await proxy.make("cut")
        with pytest.raises(ConnectionResetError):
            await old[0].readexactly(1)
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await connect(proxy)
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))  # it stays the proxy's
        await proxy.make("none")
        assert proxy.port == port
        assert await echoes(await connect(proxy), b"after")

    play(story)


def test_a_cut_heals_by_itself_after_its_time() -> None:
    async def story(proxy: FaultProxy) -> None:
        await proxy.make("cut", seconds=0.05)
        while proxy.faults.cut:  # noqa: ASYNC110  a proxy tells nobody that it has healed
            await asyncio.sleep(0.01)
        assert await echoes(await connect(proxy), b"after")

    play(story)


def test_a_fault_begun_again_takes_the_place_of_the_first() -> None:
    async def story(proxy: FaultProxy) -> None:
        await proxy.make("cut", seconds=0.02)
        await proxy.make("cut")
        await asyncio.sleep(0.1)
        assert proxy.faults.cut
        await proxy.make("none")
        await proxy.make("cut", seconds=30)
        await proxy.make("none")
        assert proxy.faults == Faults()

    play(story)


def test_a_half_open_line_swallows_and_resets_what_lost_bytes() -> None:
    async def story(proxy: FaultProxy) -> None:
        speaking, silent = await connect(proxy), await connect(proxy)
        assert await echoes(speaking, b"before")
        assert await echoes(silent, b"before")
        await proxy.make("half_open")
        assert await falls_silent(speaking, b"lost")
        assert not speaking[0].at_eof()
        fresh = await connect(proxy)
        assert await falls_silent(fresh, b"lost too")
        await proxy.make("none")
        for broken in (speaking, fresh):
            with pytest.raises(ConnectionResetError):
                await broken[0].readexactly(1)
        assert await echoes(silent, b"after")

    play(story)


def test_a_delay_holds_bytes_back_in_order() -> None:
    async def story(proxy: FaultProxy) -> None:
        pair = await connect(proxy)
        assert await echoes(pair, b"before")
        await proxy.make("delay", 0.2)
        assert await falls_silent(pair, b"one")
        await proxy.make("none")
        pair[1].write(b"two")
        assert await pair[0].readexactly(6) == b"onetwo"

    play(story)


def test_a_throttle_lets_all_bytes_through_slowly() -> None:
    async def story(proxy: FaultProxy) -> None:
        pair = await connect(proxy)
        await proxy.make("throttle", 1000)
        assert await falls_silent(pair, b"x" * 500)
        await proxy.make("none")
        pair[1].write_eof()
        assert await pair[0].read(-1) == b"x" * 500

    play(story)


def test_drops_reset_connections_and_the_line_stays_open() -> None:
    async def story(proxy: FaultProxy) -> None:
        await proxy.make("drop", 1.0)
        pair = await connect(proxy)
        pair[1].write(b"x")
        with pytest.raises(ConnectionResetError):
            await pair[0].readexactly(1)
        await proxy.make("none")
        assert await echoes(await connect(proxy), b"after")

    play(story)


def test_a_target_that_is_away_resets_the_client() -> None:
    async def story(proxy: FaultProxy) -> None:
        async with FaultProxy("127.0.0.1", free_port()) as dead:
            pair = await connect(dead)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await pair[0].readexactly(1)

    play(story)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ({"fault": "delay"}, "delay takes a value"),
        ({"fault": "cut", "value": 1}, "cut takes no value"),
        ({"fault": "throttle", "value": 0}, "above 0"),
        ({"fault": "drop", "value": 2}, "from 0 to 1"),
        ({"fault": "flood"}, "fault: "),
        ({"fault": "cut", "secs": 1}, "secs: "),
        ({"fault": "cut", "seconds": 0}, "seconds: "),
    ],
)
def test_a_bad_command_is_refused(command: dict[str, Any], reason: str) -> None:
    with pytest.raises(FaultCommandError, match=reason):
        parse_command(json.dumps(command).encode())


def test_the_control_port_obeys_and_refuses() -> None:
    async def story(proxy: FaultProxy) -> None:
        async with serve_control(proxy, "127.0.0.1", 0) as port:
            answer = await send_command("127.0.0.1", port, FaultCommand(fault="delay", value=0.5))
            assert json.loads(answer)["faults"]["delay_s"] == 0.5
            assert proxy.faults.delay_s == 0.5
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"fault": "flood"}\n{"fault": "none"}\n')
            assert json.loads(await reader.readline())["ok"] is False
            assert json.loads(await reader.readline())["ok"] is True
            writer.close()
            assert proxy.faults == Faults()

    play(story)
