"""What is recorded: a gateway and the hub, each a process, through all that a session can meet.

Two devices, two brokers with a recording proxy before each, and a stranger who sends what others
would. Every step waits for what shows in the recording or the database, never for a time alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

from deploy.local.broker import EmbeddedBroker, LocalBroker, Mosquitto
from deploy.local.ports import free_port
from edge.config import EdgeConfig
from hub.store import Database
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug import DataType, Metric, Payload, encode
from tests.conformance.packets import Publish
from tests.conformance.proxy import RecordingProxy, Tape
from tests.conformance.recording import Ended, Plant, Record, Recording, Seen, Subject
from tests.conformance.rules import UNDER_WAY_MS
from tests.edge.plant import Child, agent
from tests.edge.sources.plc import START, Plc, run_plc
from tests.edge.waiting import until
from tests.fixtures.postgres import PASSWORDS
from tests.fixtures.sparkplug_schema import payload_class
from tests.hub.ingest.node import Node

GROUP, NODE, HOST = "seatworks", "gw-seat", "lineside-hub"
FOREIGN = "trimworks", "gw-trim"
DEVICES = ("press", "oven")
TAGS: dict[str, Any] = {"Force": 0.5, "Count": 0, "Running": False, "Program": "none"}
UNCERTAIN = 0x4000_0000
SUBJECT = Subject(
    edge_client=f"lineside-{GROUP}-{NODE}",
    host_client=f"lineside-ingest-{HOST}",
    group=GROUP,
    node=NODE,
    host=HOST,
    reorder_ms=5000,  # longer than the host stands still between two messages of one node
)
WAIT_S = 60.0


async def record(directory: Path, database: Database) -> Recording:
    """Play the whole scenario; takes about a minute."""
    async with _world(directory, database) as world:
        for step in (
            _waits_for_its_own_host,
            _sends_changes,
            _is_reborn_on_command,
            _loses_a_device_and_gets_it_back,
            _hears_an_old_state,
            _foreign_node_loses_messages,
            _host_leaves_and_comes_back,
            _broker_dies,
            _edge_is_killed,
            _host_is_killed,
            _all_stop_in_order,
        ):
            await step(world)
        return Recording(world.tape.records, SUBJECT)


class World:
    """All that takes part."""

    def __init__(self, directory: Path, database: Database) -> None:
        self.directory = directory
        self.database = database
        self.tape = Tape()
        kind = Mosquitto if Mosquitto.executable() is not None else EmbeddedBroker
        self.brokers: dict[str, LocalBroker] = {
            name: kind(directory / f"broker-{name}") for name in ("a", "b")
        }
        self.proxies = {
            name: RecordingProxy(name, broker.port, self.tape)
            for name, broker in self.brokers.items()
        }
        self.plc_ports = {device: free_port() for device in DEVICES}
        self.plcs: dict[str, Plc] = {}
        self.plants: dict[str, AsyncExitStack] = {}
        self.count = 0

    def settings(self, name: str) -> dict[str, Any]:
        """One broker, through its proxy."""
        port = self.proxies[name].port
        return {"host": "127.0.0.1", "port": port, "tls": False, "keepalive_s": 30}

    def start_processes(self) -> None:
        """Make hub and gateway, not started: the proxies' ports are known by now."""
        self.hub = _hub(self)
        self.edge = agent(_edge_config(self), self.directory)

    async def start_plant(self, device: str) -> None:
        """Let the device run, or run again."""
        self.plants[device] = stack = AsyncExitStack()
        self.plcs[device] = await stack.enter_async_context(
            run_plc(port=self.plc_ports[device], at_ms=_plant_ms(), **TAGS)
        )

    async def change(self, times: int = 3) -> None:
        """New values of all tags of all devices."""
        for _ in range(times):
            self.count += 1
            values = (self.count + 0.5, self.count, bool(self.count % 2), f"p{self.count}")
            for plc in self.plcs.values():
                for name, value in zip(TAGS, values, strict=True):
                    await plc.set(name, value, at_ms=_plant_ms())
            await asyncio.sleep(0.1)

    def messages(self, kind: str, *, sent: bool = True) -> list[Record]:
        """Recorded messages of the gateway's topics of this kind."""
        middle = f"spBv1.0/{GROUP}/{kind}/{NODE}"
        return [
            r
            for r in self.tape.records
            if isinstance(r.packet, Publish)
            and r.sent == sent
            and r.packet.topic.startswith(middle)
        ]

    async def next(self, kind: str, what: str, more_than: int) -> Record:
        """Wait for a message of the gateway beyond those there were."""
        await until(lambda: len(self.messages(kind)) > more_than, what, WAIT_S)
        return self.messages(kind)[more_than]

    async def stored(self, what: str) -> None:
        """Wait until the newest values are in the database."""
        query = (
            "SELECT max(value) FROM sample s JOIN tag t ON t.id = s.tag_id WHERE t.name = 'Count'"
        )
        newest = self.count
        await self.shows(lambda: self.ask(query)[0][0] == newest, what)

    async def shows(self, condition: Callable[[], bool], what: str) -> None:
        await until(condition, what, WAIT_S)

    def look(self, after: str) -> Seen:
        """What the hub shows of the gateway now."""
        ((online,),) = self.ask(
            "SELECT online FROM gateway_status JOIN gateway ON id = gateway WHERE node_id = %s",
            NODE,
        ) or ((False,),)
        devices = self.ask(
            "SELECT d.name, d.online, floor(extract(epoch FROM d.since) * 1000)::bigint"
            " FROM device d JOIN gateway g ON g.id = d.gateway"
            " WHERE g.node_id = %s AND d.name <> ''",
            NODE,
        )
        return Seen(after, online, {name: (there, since) for name, there, since in devices})

    def ask(self, query: str, *arguments: Any) -> list[tuple[Any, ...]]:
        with self.database.connect("ingest", autocommit=True) as connection:
            return connection.execute(query, arguments).fetchall()

    @property
    def server(self) -> str:
        """The server on which the gateway gave birth last."""
        return self.messages("NBIRTH")[-1].server


@asynccontextmanager
async def _world(directory: Path, database: Database) -> AsyncIterator[World]:
    world = World(directory, database)
    with contextlib.ExitStack() as open_parts:
        for broker in world.brokers.values():
            open_parts.enter_context(broker)
        for proxy in world.proxies.values():
            open_parts.enter_context(proxy)
        with database.connect("ingest", autocommit=True) as connection:
            connection.execute(
                "INSERT INTO tenant VALUES ('carmaker', 'Car maker', 'oem'),"
                " ('seatworks', 'Seatworks', 'supplier'), ('trimworks', 'Trimworks', 'supplier')"
            )
            for group, node in ((GROUP, NODE), FOREIGN):
                connection.execute(
                    "INSERT INTO gateway (owner, partner, group_id, node_id)"
                    " VALUES (%s, 'carmaker', %s, %s)",
                    [group, group, node],
                )
        world.start_processes()
        open_parts.enter_context(world.hub)
        open_parts.enter_context(world.edge)
        try:
            for device in DEVICES:
                await world.start_plant(device)
            yield world
        finally:
            for plant in world.plants.values():
                await plant.aclose()


# --- the steps ---------------------------------------------------------------------------------


async def _waits_for_its_own_host(world: World) -> None:
    """A host of another name is online: no birth. Then its own comes."""
    for name in world.proxies:
        await _publish(world, name, "spBv1.0/STATE/somebody", _state(online=True), retain=True)
    await asyncio.to_thread(world.edge.start)
    connects = len({*world.proxies}) + 1
    edge = SUBJECT.edge_client
    await until(
        lambda: sum(_client_id(r) == edge for r in world.tape.records) > connects,
        "the gateway to try each server",
        WAIT_S,
    )
    assert not world.messages("NBIRTH")
    await asyncio.to_thread(world.hub.start)
    await world.next("DBIRTH", "the births", len(DEVICES) - 1)
    await until(lambda: all(online for online, _ in world.look("").devices.values()), "the hub")


async def _sends_changes(world: World) -> None:
    """Values of all types, one of them uncertain."""
    await world.change()
    await world.plcs["press"].set("Force", 99.0, at_ms=_plant_ms(), status=UNCERTAIN)
    await world.change()
    await world.stored("live values")
    ndata = len(world.messages("NDATA"))
    await world.change(20)
    await world.next("NDATA", "the gateway's own data", ndata)
    await world.stored("more live values")


async def _is_reborn_on_command(world: World) -> None:
    """Somebody's command, at QoS 1 and without a time."""
    births = len(world.messages("NBIRTH"))
    payload = payload_class()()
    metric = payload.metrics.add()
    metric.name, metric.datatype, metric.boolean_value = "Node Control/Rebirth", 11, True
    await _publish(world, world.server, _topic("NCMD"), payload.SerializeToString(), qos=1)
    await world.next("NBIRTH", "the rebirth", births)
    await world.change()
    await world.stored("values after the rebirth")


async def _loses_a_device_and_gets_it_back(world: World) -> None:
    deaths, births = len(world.messages("DDEATH")), len(world.messages("DBIRTH"))
    world.tape.note(Plant("press", there=False))
    await world.plants["press"].aclose()
    del world.plcs["press"]
    await world.next("DDEATH", "the device's death", deaths)
    await world.shows(lambda: not world.look("").devices["press"][0], "the device as offline")
    world.tape.note(world.look("DDEATH"))
    await world.change()
    world.tape.note(Plant("press", there=True))
    await world.start_plant("press")
    await world.next("DBIRTH", "the device's birth", births)
    await world.shows(lambda: world.look("").devices["press"][0], "the device as online")


async def _hears_an_old_state(world: World) -> None:
    """A will that comes late. The gateway stays, the host says otherwise."""
    await _publish(world, world.server, f"spBv1.0/STATE/{HOST}", _state(online=False, at_ms=1000))
    await asyncio.sleep(1.0)
    await world.change()
    await world.stored("values after the old state")


async def _foreign_node_loses_messages(world: World) -> None:
    """One is lost for good; another comes late, but within the reorder time-out."""
    speed = "SELECT max(value) FROM sample s JOIN tag t ON t.id = s.tag_id WHERE t.name = 'Speed'"
    with Node(_At(world.proxies[world.server].port), *FOREIGN, name="stranger") as node:  # type: ignore[arg-type]
        node.node_birth(_foreign_metrics())
        for value in (1, 2):
            node.node_data(_foreign_metrics(value))
        await world.shows(lambda: world.ask(speed)[0][0] == 2, "the foreign node's values")
        await asyncio.to_thread(node.all_is_at_the_broker)
        node.forget_rebirths()  # until it was born the host has asked it for that
        node.seq.take()
        node.node_data(_foreign_metrics(3))
        await asyncio.to_thread(node.asked_for_rebirth)
        node.node_birth(_foreign_metrics())
        missed, later = node.seq.take(), node.seq.take()
        for number in (later, missed):
            node.publish("NDATA", _foreign_data(number))
            await asyncio.sleep(0.2)
        await asyncio.sleep(1.5 * SUBJECT.reorder_ms / 1000)  # what comes late leads to no request


async def _host_leaves_and_comes_back(world: World) -> None:
    """The gateway dies by itself, keeps what comes, and sends it as history."""
    births, deaths = len(world.messages("NBIRTH")), len(world.messages("NDEATH"))
    await asyncio.to_thread(world.hub.stop)
    await world.next("NDEATH", "the gateway's death", deaths)
    await world.change()
    await asyncio.to_thread(world.hub.start)
    await world.next("NBIRTH", "the birth for the host's return", births)
    await world.change()
    await world.stored("backlog and live values")


async def _broker_dies(world: World) -> None:
    births, name = len(world.messages("NBIRTH")), world.server
    world.brokers[name].kill()
    await world.next("NBIRTH", "the birth on the other server", births)
    assert world.server != name
    restarted_at = len(world.tape.records)
    world.brokers[name].start()
    await world.change()
    await world.stored("values by the other server")
    await until(
        lambda: any(
            _client_id(r) == SUBJECT.host_client and r.server == name
            for r in world.tape.records[restarted_at:]
        ),
        "the host on the restarted broker",
        WAIT_S,
    )


async def _edge_is_killed(world: World) -> None:
    births = len(world.messages("NBIRTH"))
    world.edge.kill()
    await world.shows(lambda: not world.look("").online, "the gateway as offline")
    world.tape.note(world.look("NDEATH"))
    await asyncio.to_thread(world.edge.start)
    await world.next("NBIRTH", "the birth after the kill", births)
    await world.change()
    await world.stored("values after the kill")


async def _host_is_killed(world: World) -> None:
    """Its will says that it is offline."""
    births, deaths = len(world.messages("NBIRTH")), len(world.messages("NDEATH"))
    world.hub.kill()
    await world.next("NDEATH", "the gateway's death", deaths)
    await asyncio.to_thread(world.hub.start)
    await world.next("NBIRTH", "the birth for the host's return", births)
    await world.change()
    await world.stored("values after that")


async def _all_stop_in_order(world: World) -> None:
    await asyncio.to_thread(world.edge.stop)
    await world.shows(lambda: not world.look("").online, "the gateway as offline")
    world.tape.note(world.look("NDEATH"))
    await asyncio.sleep(1.25 * UNDER_WAY_MS / 1000)  # so that a death that was lost is missed
    await asyncio.to_thread(world.hub.stop)
    await world.shows(lambda: _all_ended(world.tape.records), "the end of each connection")


# --- the parts ---------------------------------------------------------------------------------


class _At:
    """Where a `Node` finds its broker."""

    host = "127.0.0.1"

    def __init__(self, port: int) -> None:
        self.port = port


def _hub(world: World) -> Child:
    """The hub's ingest, as its command starts it."""
    host, port, name = (
        _parameter(world.database.conninfo, key) for key in ("host", "port", "dbname")
    )
    first, *more = (world.settings(name) for name in world.proxies)
    environment = {
        "DATA_DIR": str(world.directory / "hub"),
        "DATABASE__HOST": host,
        "DATABASE__PORT": port,
        "DATABASE__NAME": name,
        "DATABASE__SSLMODE": "disable",
        "DATABASE__PROGRAMS": "",
        **{f"DATABASE__{role.upper()}_PASSWORD": said for role, said in PASSWORDS.items()},
        **{f"BROKER__{key.upper()}": str(value) for key, value in first.items()},
        "INGEST__REORDER_S": str(SUBJECT.reorder_ms / 1000),
        "MORE_BROKERS": json.dumps(more),
        "HOST_ID": HOST,
    }
    command = [
        sys.executable,
        "-c",
        "from hub.cli import main; main()",
        "serve",
        "--only",
        "ingest",
    ]
    given = [f"LINESIDE_HUB_{name}={value}" for name, value in environment.items()]
    return Child(["env", *given, *command], world.directory / "hub.log")


def _parameter(conninfo: str, name: str) -> str:
    return dict(part.split("=", 1) for part in conninfo.split(" "))[name]


def _edge_config(world: World) -> EdgeConfig:
    first, *more = (world.settings(name) for name in world.proxies)
    return EdgeConfig.model_validate(
        {
            "version": 1,
            "gateway": {"group": GROUP, "node": NODE},
            "data_dir": world.directory / "data",
            "broker": first,
            "more_brokers": more,
            "uplink": {"host_wait_s": 1.5},
            "status": {"port": 0},
            "journal": {"keep_free_mb": 0, "commit_ms": 20},
            "sources": [
                {
                    "device": device,
                    "endpoint": f"opc.tcp://127.0.0.1:{world.plc_ports[device]}/",
                    "publishing_ms": 50,
                    "tags": [
                        {"name": name, "node": f"ns=2;s={name}", "unit": "kN" if n == 0 else ""}
                        for n, name in enumerate(TAGS)
                    ],
                }
                for device in DEVICES
            ],
        }
    )


async def _publish(
    world: World, server: str, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False
) -> None:
    """What somebody else says through the proxy of a server."""
    client = make_client(
        BrokerSettings.model_validate(world.settings(server)),
        f"somebody-{time.monotonic_ns()}",
        clean_session=True,
    )

    def say() -> None:
        client.connect("127.0.0.1", world.proxies[server].port)
        client.loop_start()
        said: mqtt.MQTTMessageInfo = client.publish(topic, payload, qos, retain)
        said.wait_for_publish(60)
        client.disconnect()
        client.loop_stop()

    await asyncio.to_thread(say)


def _state(*, online: bool, at_ms: int | None = None) -> bytes:
    now_ms = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    return json.dumps({"online": online, "timestamp": now_ms}).encode()


def _topic(kind: str) -> str:
    return f"spBv1.0/{GROUP}/{kind}/{NODE}"


def _client_id(record: Record) -> str:
    return str(getattr(record.packet, "client_id", ""))


def _all_ended(records: list[Record]) -> bool:
    """Whether the connections of gateway and host are all over."""
    ours = (SUBJECT.edge_client, SUBJECT.host_client)
    begun = {record.connection for record in records if _client_id(record) in ours}
    return begun <= {record.connection for record in records if isinstance(record.packet, Ended)}


def _plant_ms() -> int:
    """Now, as the test servers count it."""
    return round((time.time() - START.timestamp()) * 1000)


def _foreign_metrics(value: int | None = None) -> list[Any]:
    now_ms = time.time_ns() // 1_000_000
    speed = Metric("Speed", timestamp=now_ms, datatype=DataType.Int64, value=value or 0)
    if value is not None:
        return [speed]
    return [
        Metric("bdSeq", timestamp=now_ms, datatype=DataType.Int64, value=0),
        Metric("Node Control/Rebirth", timestamp=now_ms, datatype=DataType.Boolean, value=False),
        speed,
    ]


def _foreign_data(seq: int) -> bytes:
    return encode(Payload(time.time_ns() // 1_000_000, _foreign_metrics(seq), seq))
