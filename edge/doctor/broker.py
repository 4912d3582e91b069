"""A broker: whether it lets this gateway in, whether the hub is on it, and the rights on topics.

The right to publish is tried with MQTT 5, whose brokers say it when they refuse: with a death
certificate of a session that never was, which every host passes over (Sparkplug 3.0, 5.2). The
client id is another than the agent's, which goes on undisturbed.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from edge.cli.words import Catalogue
from edge.config import EdgeConfig
from edge.doctor.finding import Finding, failed, ok, warning
from edge.link import Link, LinkError
from protocols.jis.topics import jis_topic
from protocols.mqtt.broker import BrokerSettings, make_client
from protocols.sparkplug import encode
from protocols.sparkplug.session import HostState, StateError, death_payload
from protocols.sparkplug.topics import command_subscriptions, node_topic, state_topic

words = Catalogue(
    {
        "connected": ("lets this gateway in{how}", "允许本网关接入{how}"),
        "by_tls": (", over TLS", "（通过 TLS）"),
        "check_server": (
            "is the address right, the port open in all firewalls between, and the hub's CA in "
            "ca_file?",
            "地址是否正确、途经的防火墙是否开放该端口、ca_file 是否为中心的 CA？",
        ),
        "check_file": (
            "put it there, or correct its path below broker: in the file; a gateway with a "
            "certificate needs no password",
            "请放置该文件，或在配置的 broker: 下更正路径；已有证书的网关不需要密码",
        ),
        "check_user": (
            "check username and password; the hub's operator knows both",
            "请核对用户名和密码；中心运营方知道这两项",
        ),
        "subscribed": ("may hear {topic}", "可订阅 {topic}"),
        "not_subscribed": ("may not hear {topic}: {why}", "不可订阅 {topic}：{why}"),
        "published": ("may publish as {group}/{node}", "可以 {group}/{node} 的身份发布"),
        "not_published": (
            "may not publish {topic}: {why}",
            "不可发布 {topic}：{why}",
        ),
        "ask_rights": (
            "ask the hub's operator for the rights of {group}/{node}; does the user belong to "
            "this name?",
            "请向中心运营方申请 {group}/{node} 的权限；该用户是否对应此名称？",
        ),
        "not_told": (
            "does not say whether publishing is allowed ({why})",
            "不告知是否允许发布（{why}）",
        ),
        "hub_online": ("the hub {host} is online here", "中心 {host} 在此在线"),
        "hub_offline": ("the hub {host} is not online here", "中心 {host} 在此不在线"),
        "hub_unheard": (
            "nothing is heard of a hub {host} here",
            "此处没有中心 {host} 的消息",
        ),
        "check_host": (
            "is hub.host_id right, and does the hub use this broker? Until then all is kept on "
            "this PC",
            "hub.host_id 是否正确？中心是否使用此服务器？在此之前数据保存在本机",
        ),
    }
)
_STATE_S = 3.0
"""A retained message comes at once; so long is waited for it."""
_ANSWER_S = 10.0


def _why(part: str, error: LinkError) -> str:
    """Without the broker's name, which the finding says already."""
    return str(error).removeprefix(f"{part}: ")


async def look(config: EdgeConfig, settings: BrokerSettings) -> AsyncIterator[Finding]:
    """One broker."""
    part = f"broker {settings.place}"
    gateway = config.gateway
    client_id = f"lineside-{gateway.group}-{gateway.node}-doctor"
    try:
        link = Link(settings, client_id, clean_session=True)
    except LinkError as error:
        yield failed(part, _why(part, error), words("check_file"))
        return
    try:
        await link.connect()
        yield ok(part, words("connected", how=words("by_tls") if settings.tls else ""))
        async for finding in _hearing(part, config, link):
            yield finding
    except LinkError as error:
        refused = "refused: " in str(error)
        todo = words("check_user" if refused else "check_server")
        yield failed(part, _why(part, error), todo)
        return
    finally:
        await link.close()
    yield await asyncio.to_thread(_publishing, part, config, settings, client_id)


async def _hearing(part: str, config: EdgeConfig, link: Link) -> AsyncIterator[Finding]:
    """Subscriptions as the agent makes them, and what the hub says of itself."""
    group, node = config.gateway.group, config.gateway.node
    topics = [state_topic(config.hub.host_id), *command_subscriptions(group, node)]
    topics += [jis_topic(group, node, "calls"), jis_topic(group, node, "events/ack")]
    remedy = words("ask_rights", group=group, node=node)
    for topic in topics:
        try:
            await link.subscribe([(topic, 1)])
        except LinkError as error:
            why = str(error).rpartition(": ")[2]
            yield failed(part, words("not_subscribed", topic=topic, why=why), remedy)
        else:
            yield ok(part, words("subscribed", topic=topic))
    yield await _hub(part, config.hub.host_id, link)


async def _hub(part: str, host: str, link: Link) -> Finding:
    deadline = time.monotonic() + _STATE_S
    while (left_s := deadline - time.monotonic()) > 0:
        message = await link.receive(left_s)
        if message is None or message.topic != state_topic(host):
            continue
        with suppress(StateError):
            if HostState.parse(message.payload).online:
                return ok(part, words("hub_online", host=host))
            return warning(part, words("hub_offline", host=host), words("check_host"))
    return warning(part, words("hub_unheard", host=host), words("check_host"))


def _publishing(part: str, config: EdgeConfig, settings: BrokerSettings, client_id: str) -> Finding:
    """The right to publish, tried; blocks."""
    group, node = config.gateway.group, config.gateway.node
    topic = node_topic(group, "NDEATH", node)
    reasons: list[str] = []
    answered = threading.Event()
    client = make_client(
        settings, client_id, clean_session=None, version=MQTTProtocolVersion.MQTTv5
    )

    def on_connect(_c: object, _d: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            reasons.append(f"MQTT 5: {reason}")
            answered.set()
            return
        certificate = encode(death_payload(_never_used(config), int(time.time() * 1000)))
        client.publish(topic, certificate, qos=1)

    def on_publish(_c: object, _d: object, _m: int, reason: ReasonCode, _p: object) -> None:
        reasons.append(str(reason) if reason.is_failure else "")
        answered.set()

    def on_disconnect(*_: object) -> None:
        answered.set()

    client.on_connect, client.on_publish, client.on_disconnect = (
        on_connect,
        on_publish,
        on_disconnect,
    )
    try:
        client.connect(settings.host, settings.port, settings.keepalive_s)
    except OSError as error:
        return warning(part, words("not_told", why=error))
    client.loop_start()
    try:
        answered.wait(_ANSWER_S)
    finally:
        client.disconnect()
        client.loop_stop()
    if not reasons or reasons[0].startswith("MQTT 5"):
        return ok(part, words("not_told", why="".join(reasons) or "MQTT 3.1.1"))
    if reasons[0]:
        what = words("not_published", topic=topic, why=reasons[0])
        return failed(part, what, words("ask_rights", group=group, node=node))
    return ok(part, words("published", group=group, node=node))


def _never_used(config: EdgeConfig) -> int:
    """A number of a session far from the one in use: hosts pass over a death that bears it."""
    try:
        last = int((config.data_dir / "bdseq").read_text())
    except (OSError, ValueError):
        last = 0
    return (last + 128) % 256
