"""A source that is read by address: whether it answers, and what it says to each tag."""

from __future__ import annotations

from collections.abc import AsyncIterator

from edge.cli.words import Catalogue
from edge.discover.polled import device_of, read_once
from edge.doctor.finding import Finding, failed, ok, warning
from edge.sources.modbus.config import ModbusSettings
from edge.sources.polled.link import LinkError
from edge.sources.s7.config import S7Settings

words = Catalogue(
    {
        "answers": (
            "{place} answers; {count} of {all} tags can be read",
            "{place} 有应答；{all} 个变量中有 {count} 个可读",
        ),
        "refused": ("tag {tag} ({address}): {why}", "变量 {tag}（{address}）：{why}"),
        "s7": (
            "is the number right, the block long enough, not 'optimized', and PUT/GET permitted?",
            "编号是否正确、数据块是否足够长、是否取消“优化的块访问”、是否允许 PUT/GET？",
        ),
        "modbus": (
            "does the manual count from 0 or from 1, and is the unit id right?",
            "手册地址是从 0 还是从 1 开始？从站号是否正确？",
        ),
        "in_use": (
            "{place} is the running agent's; see lineside-edge status",
            "{place} 正由运行中的网关使用；请看 lineside-edge status",
        ),
    }
)


async def look(settings: S7Settings | ModbusSettings, *, running: bool) -> AsyncIterator[Finding]:
    """Read each tag once. Not over a serial line that the agent uses: two would talk at once."""
    part = f"source {settings.device}"
    if running and isinstance(settings, ModbusSettings) and settings.serial_port is not None:
        yield warning(part, words("in_use", place=settings.endpoint))
        return
    device = device_of(settings)
    try:
        answers = await read_once(device)
    except LinkError as error:
        yield failed(part, str(error))
        return
    bad = [(at, answer) for at, answer in enumerate(answers) if answer.why_not]
    count = len(answers) - len(bad)
    what = words("answers", place=settings.endpoint, count=count, all=len(answers))
    yield ok(part, what) if count else failed(part, what)
    for at, answer in bad:
        said = {"tag": settings.tags[at].name, "address": device.subject(at)}
        yield failed(part, words("refused", **said, why=answer.why_not), words(settings.kind))
