"""One MQTT connection: made, used, refused, and ended by either side."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

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
    async with asyncio.timeout(60):
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
    async with asyncio.timeout(60):
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


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(LinkError, match=r"absent: No such file"):
        Link(BrokerSettings(username="gw", password_file=absent), "gw", clean_session=True)
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    for file in (absent, broken):
        with pytest.raises(LinkError, match=f"{file}: "):
            Link(BrokerSettings(ca_file=file), "gw", clean_session=True)


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
    heard: list[bytes] = []

    async def hear_until(payload: bytes) -> None:
        async with asyncio.timeout(60):
            while payload not in heard:
                message = await watcher.receive(1.0)
                if message is not None:
                    heard.append(message.payload)

    if polite:
        await link.close()
    else:
        link.abort()
        await hear_until(b"gone")
    # Of one that vanishes after it the will is heard after its own, if that is said at all.
    later = await connected(broker.port, "two", Will("will", b"later", 1, retain=False))
    later.abort()
    await hear_until(b"later")
    assert heard == [*expected, b"later"]
    await watcher.close()


async def test_a_second_client_of_the_same_name_takes_over(broker: LocalBroker) -> None:
    first = await connected(broker.port, "one")
    second = await connected(broker.port, "one")
    with pytest.raises(LinkError, match="connection ended"):
        await _last_word(first)
    assert await second.receive(0.01) is None
    await second.close()


@pytest.mark.parametrize(("bound", "most"), [("INBOX_LIMIT", 10), ("INBOX_BYTES", 10)])
async def test_an_inbox_that_is_not_read_stays_bounded(
    broker: LocalBroker, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(links, bound, most)
    link = await connected(broker.port, "one")
    await link.subscribe([("here", 0)])
    for n in range(30):
        link.publish("here", chr(ord("A") + n).encode(), 0)
    await until(lambda: link.dropped == 20, "what is too much")
    got = [message.payload async for message in _read(link)]
    assert got == [chr(ord("A") + n).encode() for n in range(10)]
    link.publish("here", b"more", 0)
    await until(lambda: link._inbox, "room for one more")
    await link.close()


async def test_over_tls_and_only_with_a_broker_it_trusts(
    broker: LocalBroker, tmp_path: Path
) -> None:
    certificate = certify(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, tmp_path / "key.pem")
    server = await asyncio.start_server(
        lambda reader, writer: relay(reader, writer, broker.port), "127.0.0.1", 0, ssl=context
    )
    port = server.sockets[0].getsockname()[1]
    trusting = BrokerSettings(host="127.0.0.1", port=port, ca_file=certificate, keepalive_s=5)
    link = Link(trusting, "one", clean_session=True)
    await link.connect()
    await link.subscribe([("here", 1)])
    for size in (1, 70_000, 200_000):
        link.publish("here", b"x" * size, 1)
    sizes: list[int] = []
    async with asyncio.timeout(60):
        while len(sizes) < 3:
            message = await link.receive(1.0)
            if message is not None:
                sizes.append(len(message.payload))
    assert sizes == [1, 70_000, 200_000]
    await link.close()
    with pytest.raises(LinkError, match="certificate verify failed"):
        await Link(BrokerSettings(host="127.0.0.1", port=port), "two", clean_session=True).connect()
    server.close()


def certify(directory: Path) -> Path:
    """A certificate for 127.0.0.1 that vouches for itself, and its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    (directory / "certificate.pem").write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
    )
    return directory / "certificate.pem"


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Pass bytes between a TLS connection and the broker."""
    inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))


async def _last_word(link: Link) -> None:
    """Read until the link ends."""
    async with asyncio.timeout(60):
        while True:
            await link.receive(None)


async def _read(link: Link) -> AsyncIterator[Message]:
    while (message := await link.receive(0.05)) is not None:
        yield message
