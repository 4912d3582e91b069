"""One MQTT connection: made, used, refused, and ended by either side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.broker import LocalBroker
from deploy.local.ports import free_port
from edge import link as links
from edge.link import Link, LinkError, Message
from protocols.mqtt.broker import BrokerSettings, Will
from tests.edge.waiting import until

pytestmark = pytest.mark.anyio


def settings(port: int) -> BrokerSettings:
    return BrokerSettings(host="127.0.0.1", port=port, tls=False, keepalive_s=5)


async def connected(port: int, name: str, will: Will | None = None) -> Link:
    made = Link(settings(port), name, clean_session=True, will=will)
    await made.connect()
    return made


async def test_messages_arrive_in_order(broker: LocalBroker) -> None:
    link = await connected(broker.port, "one")
    await link.subscribe([("here/#", 1)])
    for n in range(300):
        link.publish(f"here/{n % 3}", str(n).encode(), 0)
    got: list[int] = []
    async with asyncio.timeout(10):
        while len(got) < 300:
            message = await link.receive(1.0)
            if message is not None:
                got.append(int(message.payload))
    assert got == list(range(300))
    await link.close()


async def test_receive_ends_by_time_and_by_nudge(broker: LocalBroker) -> None:
    link = await connected(broker.port, "one")
    assert await link.receive(0.0) is None
    assert await link.receive(0.01) is None
    asyncio.get_running_loop().call_later(0.05, link.nudge)
    async with asyncio.timeout(5):
        assert await link.receive(None) is None
    await link.close()
    with pytest.raises(LinkError, match="ended"):
        await link.receive(None)
    with pytest.raises(LinkError, match="ended"):
        link.publish("here", b"", 0)


async def test_nobody_listens() -> None:
    port = free_port()
    with pytest.raises(LinkError, match=f"broker 127.0.0.1:{port}: .*refused"):
        await connected(port, "one")


async def test_the_broker_goes_away(broker: LocalBroker) -> None:
    link = await connected(broker.port, "one")
    broker.kill()
    with pytest.raises(LinkError, match="connection ended"):
        await _last_word(link)
    await link.close()


@pytest.mark.parametrize(("polite", "expected"), [(True, []), (False, [b"gone"])])
async def test_the_will_is_said_only_of_those_who_vanish(
    broker: LocalBroker, polite: bool, expected: list[bytes]
) -> None:
    watcher = await connected(broker.port, "watcher")
    await watcher.subscribe([("will", 1)])
    link = await connected(broker.port, "one", Will("will", b"gone", 1, retain=False))
    if polite:
        await link.close()
    else:
        link.abort()
    heard = []
    for _ in range(20):
        message = await watcher.receive(0.05)
        if message is not None:
            heard.append(message.payload)
    assert heard == expected
    await watcher.close()


async def test_a_second_client_of_the_same_name_takes_over(broker: LocalBroker) -> None:
    first = await connected(broker.port, "one")
    second = await connected(broker.port, "one")
    with pytest.raises(LinkError, match="connection ended"):
        await _last_word(first)
    assert await second.receive(0.01) is None
    await second.close()


async def test_an_inbox_that_is_not_read_stays_bounded(
    broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "INBOX_LIMIT", 10)
    link = await connected(broker.port, "one")
    await link.subscribe([("here", 0)])
    for n in range(30):
        link.publish("here", str(n).encode(), 0)
    await until(lambda: link.dropped == 20, "what is too much")
    got = [message.payload async for message in _read(link)]
    assert got == [str(n).encode() for n in range(10)]
    await link.close()


async def _last_word(link: Link) -> None:
    """Read until the link ends."""
    async with asyncio.timeout(10):
        while True:
            await link.receive(None)


async def _read(link: Link) -> AsyncIterator[Message]:
    while (message := await link.receive(0.05)) is not None:
        yield message
