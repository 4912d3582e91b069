"""`watch`: the running gateway in a terminal, from its local status and its journal."""

from __future__ import annotations

import fnmatch
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.agent import ask_agent
from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, data_dir_named, fail, helped
from edge.cli.words import LANGUAGE, Catalogue

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edge.status.live import Live

words = Catalogue(
    {
        "watch": (
            "Show live values, quality, rates, lateness and the journal's depth until Ctrl-C.",
            "实时显示值、质量、速率、延迟和缓存深度，直到 Ctrl-C。",
        ),
        "device": ("Of this device alone.", "仅该设备。"),
        "only": (
            "Tags whose name is like this, with * and ?; may be given several times.",
            "只取名称匹配的变量，可用 * 和 ?；可重复给出。",
        ),
        "every": ("Seconds between two looks.", "刷新间隔，秒。"),
        "once": ("Look once, and end.", "只显示一次。"),
        "rate": ("samples/s", "采样/秒"),
        "age": ("last sample", "最近采样"),
        "ago": ("{age:.1f} s ago", "{age:.1f} 秒前"),
        "source": ("source", "数据源"),
        "state": ("state", "状态"),
        "tag": ("tag", "变量"),
        "value": ("value", "值"),
        "verdict.ok": ("ok", "合格"),
        "verdict.nok": ("not ok", "不合格"),
        "verdict.unknown": ("not judged", "未判定"),
        "quality": ("quality", "质量"),
        "good": ("good", "好"),
        "uncertain": ("uncertain", "不确定"),
        "bad": ("bad", "坏"),
        "time": ("time", "时间"),
        "more": (
            "… {count} more; --only shows those you name",
            "… 另有 {count} 个；可用 --only 筛选",
        ),
        "depth": (
            "journal: {records:,} records wait for the hub, {bytes:.1f} MB",
            "本地缓存：{records:,} 条等待中心，{bytes:.1f} MB",
        ),
    }
)
_QUALITIES = {192: ("good", "green"), 64: ("uncertain", "yellow"), 0: ("bad", "red")}
_STATES = {"online": "green", "late": "yellow", "connecting": "yellow", "offline": "red"}
_MEGABYTE = 1024 * 1024


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("watch")))(watch)


@dataclass(frozen=True, slots=True)
class Look:
    """All that is shown at a time."""

    told: dict[str, Any]
    """The agent's report."""
    values: list[Live]
    rates: dict[str, float | None]
    """Samples a second by device; None before the second look."""


def watch(
    config: ConfigPath = DEFAULT_PATH,
    device: Annotated[str | None, typer.Option(help=words("device"))] = None,
    only: Annotated[list[str] | None, typer.Option(help=words("only"))] = None,
    every: Annotated[float, typer.Option(help=words("every"), min=0.2, max=3600)] = 1.0,
    once: Annotated[bool, typer.Option("--once", help=words("once"))] = False,
    as_json: AsJson = False,
) -> None:
    """Look again and again. As JSON each look is a document on a line."""
    from edge.journal.looking import LookError
    from edge.status.live import LiveValues

    told = ask_agent(config, "GET", "/status.json", as_json=as_json)  # ends if none runs
    try:
        with LiveValues(data_dir_named(config, as_json=as_json)) as live:
            looker = _Looker(config, live, device, only, as_json)
            if once or as_json:
                looker.print(told, every, once=once)
            else:
                looker.show(told, every)
    except LookError as error:
        fail(str(error), as_json=as_json)
    except KeyboardInterrupt:
        return


class _Looker:
    def __init__(
        self,
        config: Path,
        live: Any,
        device: str | None,
        only: list[str] | None,
        as_json: bool,
    ) -> None:
        self._config = config
        self._live = live
        self._device = device
        self._only = only
        self._as_json = as_json
        self._counts: dict[str, tuple[float, int]] = {}

    def print(self, told: dict[str, Any], every: float, *, once: bool) -> None:
        """Without taking the terminal over."""
        from rich.console import Console

        look = self._look(told)
        while True:
            if once:  # a rate takes two looks
                look = self._next(every)
            if self._as_json:
                typer.echo(_document(look))
            else:
                Console(highlight=False).print(_shown(look, None))
            if once:
                return
            look = self._next(every)

    def show(self, told: dict[str, Any], every: float) -> None:
        """In the whole terminal, until interrupted."""
        from rich.console import Console
        from rich.live import Live as Screen

        console = Console(highlight=False)
        with Screen(console=console, screen=True, auto_refresh=False) as screen:
            look = self._look(told)
            while True:
                above = len(look.told["sources"]) + len(look.told["problems"]) + 5
                screen.update(_shown(look, max(1, console.height - above)), refresh=True)
                look = self._next(every)

    def _next(self, every: float) -> Look:
        time.sleep(every)
        return self._look(ask_agent(self._config, "GET", "/status.json", as_json=self._as_json))

    def _look(self, told: dict[str, Any]) -> Look:
        values = [live for live in self._live.look() if self._wanted(live)]
        return Look(told, values, {s["device"]: self._rate(s) for s in told["sources"]})

    def _wanted(self, live: Live) -> bool:
        if self._device is not None and live.device != self._device:
            return False
        return not self._only or any(fnmatch.fnmatchcase(live.name, like) for like in self._only)

    def _rate(self, source: dict[str, Any]) -> float | None:
        now, samples = time.monotonic(), int(source["samples"])
        before = self._counts.get(source["device"])
        self._counts[source["device"]] = now, samples
        if before is None or now <= before[0]:
            return None
        return max(0.0, (samples - before[1]) / (now - before[0]))


def _document(look: Look) -> str:
    import json

    from edge.journal.looking import instant

    told = {
        "now": look.told["now"],
        "well": look.told["well"],
        "problems": look.told["problems"],
        "journal": look.told["journal"],
        "sources": [
            {**source, "samples_per_s": look.rates[source["device"]]}
            for source in look.told["sources"]
        ],
        "values": [
            {
                "device": live.device,
                "tag": live.name,
                "value": live.sample.value,
                "unit": live.unit,
                "quality": live.sample.quality,
                "time": instant(live.sample.time_us),
            }
            for live in look.values
        ],
    }
    return json.dumps(told, ensure_ascii=False)


def _shown(look: Look, room: int | None) -> RenderableType:
    """All of it, with at most `room` rows of values."""
    from rich.console import Group
    from rich.text import Text

    from edge.status.words import sentence, word

    told, journal = look.told, look.told["journal"]
    gateway = f"{told['gateway']['group']}/{told['gateway']['node']}"
    depth = words("depth", records=journal["records"], bytes=journal["bytes"] / _MEGABYTE)
    parts: list[RenderableType] = [Text.assemble((gateway, "bold"), f"  {depth}")]
    parts += [
        Text(sentence(p["part"], p["kind"], p["detail"], LANGUAGE), "red") for p in told["problems"]
    ] or [Text(word("well", LANGUAGE), "green")]
    parts += [_sources(look), _values(look.values, len(look.values) if room is None else room)]
    return Group(*parts)


def _sources(look: Look) -> RenderableType:
    from datetime import datetime

    from rich.table import Table
    from rich.text import Text

    from edge.status.words import word

    table = Table(box=None, pad_edge=False)
    for key in ("source", "state", "rate", "age"):
        table.add_column(words(key), justify="right" if key in ("rate", "age") else "left")
    now = datetime.fromisoformat(look.told["now"])
    for source in look.told["sources"]:
        rate, last = look.rates[source["device"]], source["last_sample"]
        age = "-"
        if last is not None:
            age = words("ago", age=(now - datetime.fromisoformat(last)).total_seconds())
        table.add_row(
            Text(source["device"]),
            Text(word(source["state"], LANGUAGE), _STATES[source["state"]]),
            "-" if rate is None else f"{rate:,.1f}",
            age,
        )
    return table


def _values(values: list[Live], room: int) -> RenderableType:
    from datetime import datetime

    from rich.table import Table
    from rich.text import Text

    from protocols.inspection import RESULT

    table = Table(box=None, pad_edge=False)
    for key in ("source", "tag", "value", "quality", "time"):
        table.add_column(words(key), no_wrap=True)
    for live in values[:room]:
        sample = live.sample
        key, style = _QUALITIES.get(sample.quality, ("bad", "red"))
        at = datetime.fromtimestamp(sample.time_us / 1e6).astimezone()
        shown = _result(sample.value) if live.name == RESULT else ""
        table.add_row(
            Text(live.device),
            Text(live.name),
            Text(shown or f"{_short(sample.value)} {live.unit}".strip()),
            Text(words(key), style),
            f"{at:%H:%M:%S}.{at.microsecond // 1000:03}",
        )
    if len(values) > room:
        table.caption = words("more", count=len(values) - room)
    return table


def _result(text: Any) -> str:
    """A result of inspection as people read it; empty for what is none."""
    from protocols.inspection import parse_result

    try:
        found = parse_result(str(text))
    except ValueError:
        return ""
    value = "" if found.value is None else f"{found.value:.6g} {found.unit}".strip()
    parts = (found.serial or "-", found.characteristic, value, words(f"verdict.{found.verdict}"))
    return "  ".join(filter(None, parts))


def _short(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
