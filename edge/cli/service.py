"""`service`: the gateway as a service of systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.output import DEFAULT_PATH, AsJson, ConfigPath, fail, helped, show_json
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from edge.config import EdgeConfig

words = Catalogue(
    {
        "service": (
            "Run the gateway as a service of systemd: started with the PC, watched, shut in.",
            "以 systemd 服务运行网关：随机启动、受监视、受限制。",
        ),
        "install": (
            "Write the unit for this PC and this file, and have systemd check it. As root.",
            "为本机和该配置写入服务单元，并由 systemd 校验。需要 root。",
        ),
        "start": (
            "Start the service now and with the PC; if it runs, anew. As root.",
            "立即启动并设为随机启动；已运行则重新启动。需要 root。",
        ),
        "logs": ("Show what the service has said.", "显示服务日志。"),
        "user": ("User that the gateway runs as.", "运行网关的用户。"),
        "show": ("Print the unit; write nothing.", "只打印服务单元，不写入。"),
        "root": (
            "Install below this directory, as into an image; nothing is started or reloaded.",
            "安装到该目录下（如系统镜像）；不启动也不重载。",
        ),
        "follow": ("Go on as it comes.", "持续显示。"),
        "lines": ("So many of the last lines.", "最近的行数。"),
        "wrote": ("{path} written", "{path} 已写入"),
        "was": ("{path} was another one; it is kept as {kept}", "{path} 原内容保存为 {kept}"),
        "made": ("{path} belongs to {user} now", "{path} 现归 {user} 所有"),
        "readable": ("{path} can be read by {user} now", "{user} 现在可以读取 {path}"),
        "sound": ("systemd finds nothing wrong with it", "systemd 校验无误"),
        "no_analyze": (
            "systemd-analyze is not here: the unit was not checked",
            "没有 systemd-analyze：未校验服务单元",
        ),
        "unsound": ("systemd complains of {path}: {why}", "systemd 校验 {path} 报告：{why}"),
        "no_program": (
            "{path} is not there; install the gateway into a venv of its own, and call that one",
            "{path} 不存在；请把网关安装到独立的 venv 并从那里调用",
        ),
        "no_user": (
            "there is no user {user}; systemd-sysusers makes it, or: "
            "useradd --system --home /var/lib/lineside {user}",
            "没有用户 {user}；可用 systemd-sysusers 创建，或："
            "useradd --system --home /var/lib/lineside {user}",
        ),
        "unwritable": (
            "{path} cannot be written: {why}; run it as root (sudo)",
            "{path} 无法写入：{why}；请以 root 运行（sudo）",
        ),
        "no_systemd": (
            "{program} is not here: this system is not run by systemd; start `lineside-edge run` "
            "by what it has in its place",
            "没有 {program}：本系统不使用 systemd；请用其自带方式启动 `lineside-edge run`",
        ),
        "failed": ("{command}: failed: {why}", "{command}：失败：{why}"),
        "not_installed": (
            "the service is not installed; lineside-edge service install does it",
            "服务尚未安装；请运行 lineside-edge service install",
        ),
        "next": ("Then: lineside-edge service start", "然后：lineside-edge service start"),
        "started": (
            "started; lineside-edge watch shows what it reads",
            "已启动；lineside-edge watch 显示读取的内容",
        ),
    }
)
_UNITS = Path("etc/systemd/system")
_SYSUSERS = Path("usr/lib/sysusers.d/lineside.conf")
_USER = "lineside"


def add_to(app: typer.Typer) -> None:
    """These commands."""
    group = typer.Typer(help=words("service"), no_args_is_help=True, rich_markup_mode=None)
    for name, command in (("install", install), ("start", start), ("logs", logs)):
        group.command(name, help=helped(words(name), 0, 1, 2))(command)
    app.add_typer(group, name="service")


def install(
    config: ConfigPath = DEFAULT_PATH,
    user: Annotated[str, typer.Option(help=words("user"))] = _USER,
    show: Annotated[bool, typer.Option("--print", help=words("show"))] = False,
    root: Annotated[Path, typer.Option(help=words("root"))] = Path("/"),
    as_json: AsJson = False,
) -> None:
    """Write, check, make known."""
    from edge.config import ConfigError, load
    from edge.service.unit import NAME, sysusers, unit

    try:
        loaded = load(config)
    except ConfigError as error:
        fail(str(error), as_json=as_json)
    program = Path(sys.executable).parent / "lineside-edge"
    if not program.exists():
        fail(words("no_program", path=program), as_json=as_json)
    text = unit(loaded, config.absolute(), program, user)
    if show:
        typer.echo(text, nl=False)
        return
    said: list[str] = []
    path = root / _UNITS / NAME
    try:
        if user == _USER:
            said += _put(root / _SYSUSERS, sysusers())
        said += _put(path, text)
        if root == Path("/"):
            said += _give(loaded, config, user, as_json)
    except OSError as error:
        where = error.filename or path
        fail(words("unwritable", path=where, why=error.strerror), as_json=as_json)
    said.append(_verified(path, as_json))
    if root == Path("/"):
        _systemctl(["daemon-reload"], as_json)
        said.append(words("next"))
    if as_json:
        show_json({"unit": str(path), "said": said})
        return
    for line in said:
        typer.echo(line)


def start(as_json: AsJson = False) -> None:
    """Enable it, and start it anew."""
    from edge.service.unit import NAME

    if shutil.which("systemctl") and not (Path("/") / _UNITS / NAME).exists():
        fail(words("not_installed"), as_json=as_json)
    _systemctl(["enable", NAME], as_json)
    _systemctl(["restart", NAME], as_json)
    if as_json:
        show_json({"started": NAME})
    else:
        typer.echo(words("started"))


def logs(
    follow: Annotated[bool, typer.Option("--follow", "-f", help=words("follow"))] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help=words("lines"), min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """Hand over to journalctl."""
    from edge.service.unit import NAME

    program = shutil.which("journalctl")
    if program is None:
        fail(words("no_systemd", program="journalctl"), as_json=as_json)
    command = [program, "--no-pager", "-u", NAME, "-n", str(lines)]
    command += ["-f"] * follow + ["-o", "json"] * as_json
    sys.stdout.flush()
    os.execv(program, command)  # noqa: S606 - the system's own program, and no shell


def _put(path: Path, text: str) -> list[str]:
    """Write a file; another one in its place is kept. Raises `OSError`."""
    from edge.config.edit import backup_of

    said = []
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return []
        said.append(words("was", path=path, kept=backup_of(path)))
    path.write_text(text, encoding="utf-8")
    path.chmod(0o644)
    return [*said, words("wrote", path=path)]


def _give(config: EdgeConfig, file: Path, user: str, as_json: bool) -> list[str]:
    """Let the gateway's user read its file and its secrets, and write its directories."""
    from edge.service.unit import STATE_DIR, read_files, writable

    if user == _USER and (program := shutil.which("systemd-sysusers")):
        subprocess.run([program], check=False, capture_output=True)  # noqa: S603 - no input
    said = []
    try:
        for directory in writable(config):
            if directory != STATE_DIR:
                directory.mkdir(parents=True, exist_ok=True)
                for path in (directory, *directory.rglob("*")):  # a trial run left files of root
                    shutil.chown(path, user, user)
                said.append(words("made", path=directory, user=user))
        for path in (file.absolute(), *read_files(config)):
            if path.stat().st_uid == 0:
                shutil.chown(path, group=user)
                path.chmod((path.stat().st_mode | 0o040) & ~0o007)
                said.append(words("readable", path=path, user=user))
    except LookupError:
        fail(words("no_user", user=user), as_json=as_json)
    return said


def _verified(path: Path, as_json: bool) -> str:
    """What systemd itself says of the unit; ends the command if it complains."""
    program = shutil.which("systemd-analyze")
    if program is None:
        return words("no_analyze")
    judged = subprocess.run(  # noqa: S603 - a path as one word
        [program, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    complaint = (judged.stderr or judged.stdout).strip()
    if judged.returncode or complaint:
        fail(words("unsound", path=path, why=complaint), as_json=as_json)
    return words("sound")


def _systemctl(arguments: Sequence[str], as_json: bool) -> None:
    program = shutil.which("systemctl")
    if program is None:
        fail(words("no_systemd", program="systemctl"), as_json=as_json)
    done = subprocess.run(  # noqa: S603 - our own words
        [program, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        command = " ".join(["systemctl", *arguments])
        fail(words("failed", command=command, why=done.stderr.strip()), as_json=as_json)
