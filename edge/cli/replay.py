"""`replay`: a recording into a test hub."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, reason, show_json
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from edge.config import EdgeConfig

words = Catalogue(
    {
        "replay": (
            "Send a recording of `journal export` to a test hub, as the gateway that the file "
            "names, until the hub has committed it. Refuses the name of the recorded gateway, and "
            "that of one that runs here.",
            "把 `journal export` 的记录以配置所示网关的身份发送到测试中心，直到中心全部提交。"
            "拒绝使用被记录网关或本机正在运行网关的名称。",
        ),
        "file": ("The recording.", "记录文件。"),
        "runs": (
            "an agent runs as {gateway} in {path}; replaying would take its connection. Stop it, "
            "or give a file with a gateway.node of its own",
            "{path} 中有网关以 {gateway} 运行，回放会抢占其连接。请停止它，或使用另有 "
            "gateway.node 的配置",
        ),
        "begins": (
            "{count} records of {recorded} go to {broker} as {gateway}",
            "{recorded} 的 {count} 条记录以 {gateway} 发送至 {broker}",
        ),
        "left": ("{count} left", "剩余 {count}"),
        "waits": ("{count} left; waits: {why}", "剩余 {count}，等待：{why}"),
        "done": ("the hub has committed all {count} records", "中心已提交全部 {count} 条记录"),
        "timeout": ("Give up after so many seconds; 0: never.", "多少秒后放弃；0 表示不放弃。"),
        "gave_up": (
            "given up: the hub has not committed {count} of the records",
            "已放弃：有 {count} 条记录未被中心提交",
        ),
    }
)


def add_to(app: typer.Typer) -> None:
    """This command."""
    app.command(help=helped(words("replay")))(replay)


def replay(
    file: Annotated[Path, typer.Argument(help=words("file"))],
    config: ConfigPath = DEFAULT_PATH,
    timeout: Annotated[float, typer.Option(help=words("timeout"), min=0)] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Check that it may be, and send."""
    from edge.config import ConfigError, load
    from edge.recording import RecordingError
    from edge.replay import ReplayError, check
    from edge.status.client import NotRunningError, ask

    try:
        loaded = load(config)
        recorded = check(loaded, file)
    except (ConfigError, ReplayError, RecordingError, OSError) as error:
        fail(reason(error), as_json=as_json)
    gateway = f"{loaded.gateway.group}/{loaded.gateway.node}"
    try:
        ask(loaded.data_dir, "GET", "/status.json")
    except NotRunningError:
        pass
    else:
        fail(words("runs", gateway=gateway, path=loaded.data_dir), as_json=as_json)
    try:
        with tempfile.TemporaryDirectory(prefix="lineside-replay-") as directory:
            count = asyncio.run(
                _replay(loaded, file, Path(directory), recorded, timeout or None, as_json)
            )
    except (RecordingError, OSError) as error:
        fail(reason(error), as_json=as_json)
    if as_json:
        show_json({"records": count, "recorded": recorded, "gateway": gateway})
    else:
        typer.echo(words("done", count=count))


async def _replay(
    config: EdgeConfig,
    file: Path,
    directory: Path,
    recorded: str,
    timeout_s: float | None,
    as_json: bool,
) -> int:
    from edge.replay import load, send

    def told(left: int, in_the_way: str) -> None:
        if as_json:
            return
        key = "waits" if in_the_way else "left"
        said = {"why": in_the_way} if in_the_way else {}
        typer.echo(words(key, count=left, **said), err=True)

    journal = await load(file, directory)
    try:
        count = journal.depth
        if not as_json:
            gateway = f"{config.gateway.group}/{config.gateway.node}"
            said = {"recorded": recorded or "?", "gateway": gateway, "broker": config.broker.place}
            typer.echo(words("begins", count=count, **said))
        try:
            async with asyncio.timeout(timeout_s):
                await send(config, journal, directory, told)
        except TimeoutError:
            fail(words("gave_up", count=journal.depth), as_json=as_json)
    finally:
        await journal.close()
    return count
