"""A tightening controller: whether it answers, who it is, and what of Open Protocol it has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from edge.cli.words import Catalogue
from edge.doctor.finding import Finding, failed, ok, warning
from edge.sources.open_protocol.config import OpenProtocolSettings
from edge.sources.open_protocol.link import Link, RefusedError
from edge.sources.open_protocol.starting import FIRST_REVISION, start
from edge.sources.polled.link import LinkError
from protocols.open_protocol import DataError, Message, make, newest, read, read_tightening
from protocols.open_protocol.errors import ALREADY, NOT_FOUND, REVISIONS

words = Catalogue(
    {
        "answers": (
            "{place} answers: {name}, Open Protocol {version}, start revision {revision}, link "
            "acknowledgements {links}",
            "{place} 有应答：{name}，Open Protocol {version}，启动版本 {revision}，"
            "链路层确认 {links}",
        ),
        "yes": ("yes", "有"),
        "no": ("no", "无"),
        "in_use": (
            "{place} may have room for one client, which the running agent is; see lineside-edge "
            "status",
            "{place} 可能只允许一个客户端，正由运行中的网关使用；请看 lineside-edge status",
        ),
        "refused": (
            "is Open Protocol switched on and licensed, and is there room for one more client?",
            "Open Protocol 是否已启用并获授权？是否还能再接入一个客户端？",
        ),
        "latest": (
            "old results are given, in revision {revision}; the newest is {number}",
            "可读取历史结果，版本 {revision}；最新编号 {number}",
        ),
        "together": (
            "results of several spindles are told (MID 0101)",
            "可发送多轴同步拧紧结果（MID 0101）",
        ),
        "not_together": (
            "results of several spindles are not told: {why}",
            "无法发送多轴同步拧紧结果：{why}",
        ),
        "not_together_do": (
            "name the address of the master controller, or take multi_spindle out",
            "请填写主控制器的地址，或删除 multi_spindle",
        ),
        "no_results": ("it holds no result yet", "控制器中尚无结果"),
        "no_old": (
            "old results are not given: {why}",
            "无法读取历史结果：{why}",
        ),
        "no_old_do": (
            "what is tightened while the link is away will be a gap; have the controller keep and "
            "give its results (MID 0064)",
            "断线期间的拧紧结果将成为缺口；请让控制器保存并提供历史结果（MID 0064）",
        ),
        "clock": (
            "its clock is {off:+.0f} s from this PC's, in the time zone {zone}",
            "其时钟与本机相差 {off:+.0f} 秒（时区 {zone}）",
        ),
        "clock_do": (
            "correct time_zone, set the clock, or let the gateway do so: set_time: true",
            "请更正 time_zone、校准时钟，或由网关校准：set_time: true",
        ),
        "no_clock": ("it does not tell its time: {why}", "控制器不提供时间：{why}"),
    }
)
_CLOCK_OFF_S = 5.0


async def look(settings: OpenProtocolSettings, *, running: bool) -> AsyncIterator[Finding]:
    """Start a communication and ask; nothing stays subscribed, is set or disabled. Not while the
    agent runs: many controllers have room for one client."""
    part, place = f"source {settings.device}", settings.endpoint
    if running:
        yield warning(part, words("in_use", place=place))
        return
    try:
        link = await Link.open(
            settings.host,
            settings.port,
            timeout_s=settings.timeout_s,
            keep_alive_s=settings.keep_alive_s,
            heard=lambda: None,
        )
    except LinkError as error:
        yield failed(part, str(error))
        return
    hearing = asyncio.create_task(link.run())
    asking = asyncio.create_task(_findings(settings, link, part))
    try:
        await asyncio.wait([hearing, asking], return_when=asyncio.FIRST_COMPLETED)
        if asking.done():
            for finding in asking.result():
                yield finding
        elif (lost := hearing.exception()) is not None:
            yield failed(part, f"{place}: {lost}", words("refused"))
    finally:
        for task in (hearing, asking):
            task.cancel()
        await asyncio.gather(hearing, asking, return_exceptions=True)
        await link.close()


async def _findings(settings: OpenProtocolSettings, link: Link, part: str) -> list[Finding]:
    place = settings.endpoint
    try:
        offers = settings.link_acknowledgements
        answer = await start(link, FIRST_REVISION, offers_numbers=offers)
        said = read(answer, settings.text_encoding)
        found = [
            ok(
                part,
                words(
                    "answers",
                    place=place,
                    name=said["controller"],
                    version=said.get("protocol_version") or "?",
                    revision=answer.revision,
                    links=words("yes" if link.sequenced else "no"),
                ),
            ),
            await _clock(settings, link, part),
            await (_together if settings.multi_spindle else _latest)(settings, link, part),
        ]
        with contextlib.suppress(RefusedError, LinkError):
            await link.ask(Message(3))
    except (RefusedError, LinkError, DataError) as error:
        return [failed(part, f"{place}: {error}", words("refused"))]
    return found


async def _clock(settings: OpenProtocolSettings, link: Link, part: str) -> Finding:
    try:
        at = read(await link.ask(Message(80), answer=81))["at"]
    except RefusedError as error:
        return warning(part, words("no_clock", why=error))
    if not isinstance(at, datetime):
        return warning(part, words("no_clock", why="-"))
    zone = UTC if settings.time_zone == "UTC" else ZoneInfo(settings.time_zone)
    off_s = (at.replace(tzinfo=zone) - datetime.now(UTC)).total_seconds()
    what = words("clock", off=off_s, zone=settings.time_zone)
    if abs(off_s) > _CLOCK_OFF_S:
        return warning(part, what, words("clock_do"))
    return ok(part, what)


async def _together(_settings: OpenProtocolSettings, link: Link, part: str) -> Finding:
    """Whether it would tell results of several spindles; the subscription is ended at once."""
    try:
        await link.ask(Message(100))
        await link.ask(Message(103))
    except RefusedError as error:
        if error.code not in ALREADY:
            return failed(part, words("not_together", why=error), words("not_together_do"))
    return ok(part, words("together"))


async def _latest(settings: OpenProtocolSettings, link: Link, part: str) -> Finding:
    revision = min(settings.revision or newest(65), newest(65))
    while True:
        asked = make(64, {"tightening_id": 0}, revision)
        try:
            answer = await link.ask(asked, answer=65)
        except RefusedError as error:
            if error.code == NOT_FOUND:
                return ok(part, words("no_results"))
            if error.code in REVISIONS and revision > 1:
                revision -= 1
                continue
            return warning(part, words("no_old", why=error), words("no_old_do"))
        number = read_tightening(answer, settings.torque_unit, settings.text_encoding).id
        return ok(part, words("latest", revision=revision, number=number))
