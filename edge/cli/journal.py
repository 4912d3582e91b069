"""`journal`: what is kept on this PC, whether or not the agent runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.cli.output import (
    DEFAULT_PATH,
    NOT_RUNNING,
    WELL,
    WRONG,
    AsJson,
    ConfigPath,
    data_dir_named,
    fail,
    helped,
    printer,
    reason,
    show_json,
)
from edge.cli.words import Catalogue

if TYPE_CHECKING:
    from edge.journal.looking import JournalFile
    from edge.journal.records import Stored, Tag

words = Catalogue(
    {
        "journal": (
            "Look into what is kept on this PC; nothing is changed.",
            "查看本机保存的数据，不作任何改动。",
        ),
        "ls": (
            "The journal's files, and what is in them.",
            "列出本地缓存文件及其内容。",
        ),
        "show": ("The last records, or those from an offset on.", "显示最近或指定偏移起的记录。"),
        "export": (
            "Write records as JSON Lines: to keep, to look at, to replay; or results of inspection "
            "as Q-DAS DFQ. '-' is standard output.",
            "把记录导出为 JSON Lines：供保存、查看或回放；或把检验结果导出为 Q-DAS DFQ。"
            "“-”为标准输出。",
        ),
        "verify": (
            "Check the file: its structure, and the checksum of every row.",
            "校验文件：结构与每行的校验和。",
        ),
        "data_dir": (
            "The journal's directory, in place of the file's data_dir.",
            "缓存目录，代替配置中的 data_dir。",
        ),
        "count": ("How many records at most.", "最多记录数。"),
        "first": ("From this offset on.", "从该偏移开始。"),
        "after": ("Up to this offset, without it.", "到该偏移为止（不含）。"),
        "device": ("Of this device alone.", "仅该设备。"),
        "file": ("File to write, .gz for a packed one.", "目标文件，.gz 则压缩。"),
        "format": ("jsonl or dfq.", "jsonl 或 dfq。"),
        "time_zone": (
            "Time zone of the times in a DFQ, such as Europe/Berlin; else this PC's.",
            "DFQ 中时间的时区，如 Asia/Shanghai；否则为本机时区。",
        ),
        "encoding": ("Encoding of a DFQ.", "DFQ 的编码。"),
        "dfq_alone": (
            "--device and --time-zone go with --format dfq",
            "--device 和 --time-zone 只用于 --format dfq",
        ),
        "no_zone": ("there is no time zone {name!r} here", "没有时区 {name!r}"),
        "no_encoding": ("there is no encoding {name!r}", "没有编码 {name!r}"),
        "not_in_encoding": (
            "{text!r} cannot be written as {encoding}; give --encoding utf-8-sig or gbk",
            "{text!r} 无法以 {encoding} 写出；请用 --encoding utf-8-sig 或 gbk",
        ),
        "results_exported": ("{count} results written to {path}", "已将 {count} 条结果写入 {path}"),
        "file_column": ("file", "文件"),
        "bytes": ("bytes", "字节"),
        "stream": (
            "stream {epoch}: {first} … {next}, committed below {watermark}, {waiting} wait for the "
            "hub",
            "流 {epoch}：{first} … {next}，{watermark} 以下已提交，{waiting} 条等待中心",
        ),
        "tombstones": (
            "{count} tombstones stand for {offsets} records that are gone",
            "{count} 个墓碑代表 {offsets} 条已丢失的记录",
        ),
        "kind": ("kind", "类别"),
        "rows": ("rows", "行数"),
        "from": ("from", "从"),
        "to": ("to", "到"),
        "samples": ("{class_} samples", "{class_} 采样"),
        "gaps": ("gaps", "数据缺口"),
        "exported": ("{count} records written to {path}", "已将 {count} 条记录写入 {path}"),
        "sound": (
            "{path} is sound: {rows} records read",
            "{path} 完好：已读取 {rows} 条记录",
        ),
        "unsound": ("{path} is damaged:", "{path} 已损坏："),
        "bad_rows": ("records {first} to {last}", "记录 {first} 至 {last}"),
        "what_then": (
            "The agent reads on without them, and a gap says so at the hub; nothing need be done.",
            "网关会跳过这些记录，并在中心标记为缺口；无需处理。",
        ),
    }
)


class Format(StrEnum):
    """Of what is exported."""

    JSONL = "jsonl"
    DFQ = "dfq"


DataDir = Annotated[Path | None, typer.Option(help=words("data_dir"))]
First = Annotated[int | None, typer.Option(help=words("first"))]
_CLASSES = {0: "low", 1: "normal", 2: "high"}


def add_to(app: typer.Typer) -> None:
    """These commands."""
    group = typer.Typer(help=words("journal"), no_args_is_help=True, rich_markup_mode=None)
    for name, command in (("ls", ls), ("show", show), ("export", export), ("verify", verify)):
        group.command(name, help=helped(words(name), WELL, WRONG, NOT_RUNNING))(command)
    app.add_typer(group, name="journal")


def ls(
    config: ConfigPath = DEFAULT_PATH, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Files, position, classes."""
    with _opened(config, data_dir, as_json) as journal:
        told = summary(journal)
    if as_json:
        show_json(told)
        return
    from rich.table import Table

    files = Table(words("file_column"), words("bytes"), box=None, pad_edge=False)
    for name, size in told["files"].items():
        files.add_row(name, f"{size:,}")
    kept = Table(
        *(words(key) for key in ("kind", "rows", "bytes", "from", "to")), box=None, pad_edge=False
    )
    for each in told["kept"]:
        kind = words("gaps") if each["kind"] == "gap" else words("samples", class_=each["class"])
        counts = (f"{each['rows']:,}", f"{each['bytes']:,}")
        kept.add_row(kind, *counts, str(each["first"]), str(each["last"]))
    _print(files)
    typer.echo(words("stream", **told["stream"]))
    _print(kept)
    if told["tombstones"]["count"]:
        typer.echo(words("tombstones", **told["tombstones"]))


def show(
    config: ConfigPath = DEFAULT_PATH,
    data_dir: DataDir = None,
    first: First = None,
    count: Annotated[int, typer.Option(help=words("count"), min=1, max=100_000)] = 10,
    device: Annotated[str | None, typer.Option(help=words("device"))] = None,
    as_json: AsJson = False,
) -> None:
    """Records, a sample a line."""
    with _opened(config, data_dir, as_json) as journal:
        position, tags = journal.position(), journal.tags()
        begin = position.next - count if first is None else first + position.base
        if device is not None and first is None:
            begin = position.first_kept
        found: deque[Stored] = deque(maxlen=count)
        for stored in journal.read(begin, position.next):
            if device is not None and getattr(stored.record, "device", None) != device:
                continue
            found.append(stored)
            if first is not None and len(found) == count:
                break
    if as_json:
        show_json([_plain(stored, position.base, tags) for stored in found])
        return
    for stored in found:
        for line in _lines(stored, position.base, tags):
            typer.echo(line)


def export(
    file: Annotated[Path, typer.Argument(help=words("file"))],
    config: ConfigPath = DEFAULT_PATH,
    data_dir: DataDir = None,
    first: First = None,
    after: Annotated[int | None, typer.Option(help=words("after"))] = None,
    form: Annotated[Format, typer.Option("--format", help=words("format"))] = Format.JSONL,
    device: Annotated[str | None, typer.Option(help=words("device"))] = None,
    time_zone: Annotated[str | None, typer.Option(help=words("time_zone"))] = None,
    encoding: Annotated[str, typer.Option(help=words("encoding"))] = "utf-8-sig",
    as_json: AsJson = False,
) -> None:
    """Write a recording, or the results in it."""
    from edge import recording

    if form is Format.JSONL and (device or time_zone):
        raise typer.BadParameter(words("dfq_alone"))
    as_dfq = form is Format.DFQ
    write = _dfq_writer(device, time_zone, encoding) if as_dfq else recording.write
    gateway = _gateway(config)
    with _opened(config, data_dir, as_json) as journal:
        position = journal.position()
        begin = position.first_kept if first is None else first + position.base
        end = position.next if after is None else after + position.base
        try:
            count = write(journal, file, gateway, begin, end)
        except OSError as error:
            fail(f"{file}: {error.strerror or error}", as_json=as_json)
        except UnicodeEncodeError as error:
            text = error.object[error.start : error.end]
            fail(words("not_in_encoding", text=text, encoding=encoding), as_json=as_json)
    if str(file) == "-":
        return
    what = "results" if as_dfq else "records"
    if as_json:
        show_json({what: count, "file": str(file)})
    else:
        said = "results_exported" if as_dfq else "exported"
        typer.echo(words(said, count=count, path=file))


def _dfq_writer(
    device: str | None, time_zone: str | None, encoding: str
) -> Callable[[JournalFile, Path, str, int, int], int]:
    """A writer of results, used as the one of recordings."""
    from zoneinfo import ZoneInfo

    from edge.results_file import write_dfq

    try:
        zone = None if time_zone is None else ZoneInfo(time_zone)
    except (ValueError, OSError, LookupError):
        raise typer.BadParameter(words("no_zone", name=time_zone)) from None
    try:
        "".encode(encoding)
    except LookupError:
        raise typer.BadParameter(words("no_encoding", name=encoding)) from None

    def write(journal: JournalFile, path: Path, _gateway: str, first: int, after: int) -> int:
        return write_dfq(journal, path, first, after, device=device, zone=zone, encoding=encoding)

    return write


def verify(
    config: ConfigPath = DEFAULT_PATH, data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Read all of it."""
    with _opened(config, data_dir, as_json) as journal:
        structure = journal.structure()
        unsound = journal.unsound()
        position = journal.position()
        bad, at = [], position.first_kept
        for at, hole in journal.damaged(position.first_kept, position.next):  # noqa: B007
            if hole is not None:
                bad.append((hole[0] - position.base, hole[1] - position.base - 1))
        path = journal.path
    sound = not (structure or unsound or bad)
    read = at - position.first_kept
    if as_json:
        told = {"sound": sound, "records": read, "structure": structure, "tables": unsound}
        show_json({**told, "damaged": [list(each) for each in bad]})
    elif sound:
        typer.echo(words("sound", path=path, rows=f"{read:,}"))
    else:
        typer.echo(words("unsound", path=path), err=True)
        for said in (*structure, *unsound):
            typer.echo(f"  {said}", err=True)
        for low, high in bad:
            typer.echo(f"  {words('bad_rows', first=low, last=high)}", err=True)
        typer.echo(words("what_then"), err=True)
    raise typer.Exit(WELL if sound else WRONG)


def summary(journal: JournalFile) -> dict[str, Any]:
    """What `ls` tells, as a document."""
    from edge.journal.looking import instant

    position = journal.position()
    count, offsets = journal.tombstones()
    directory = journal.path.parent
    kept = []
    for each in journal.kept():
        told = asdict(each)
        kept.append(
            {
                "kind": each.kind,
                "class": _CLASSES.get(each.row_class, ""),
                "rows": told["rows"],
                "bytes": told["bytes"],
                "first": "" if each.first_us is None else instant(each.first_us),
                "last": "" if each.last_us is None else instant(each.last_us),
            }
        )
    return {
        "files": {
            path.name: path.stat().st_size
            for path in sorted(directory.glob("*.sqlite*"))
            if path.is_file()
        },
        "stream": {
            "epoch": position.epoch,
            "first": position.first_kept - position.base,
            "next": position.next - position.base,
            "watermark": position.watermark - position.base,
            "waiting": position.next - position.watermark,
        },
        "set_aside": position.set_aside,
        "tags": len(journal.tags()),
        "kept": kept,
        "tombstones": {"count": count, "offsets": offsets},
    }


@contextmanager
def _opened(config: Path, data_dir: Path | None, as_json: bool) -> Iterator[JournalFile]:
    """The journal file; ends the command with the reason if it cannot be looked into."""
    from edge.journal.looking import JournalFile, LookError

    directory = data_dir_named(config, as_json=as_json) if data_dir is None else data_dir
    try:
        with JournalFile(directory / "journal.sqlite") as journal:
            yield journal
    except (LookError, LookupError, OSError) as error:
        fail(reason(error), as_json=as_json)


def _gateway(config: Path) -> str:
    """GROUP/NODE of the file; empty if it does not say."""
    from edge.config import ConfigError, load

    try:
        gateway = load(config).gateway
    except ConfigError:
        return ""
    return f"{gateway.group}/{gateway.node}"


def _plain(stored: Stored, base: int, tags: dict[int, Tag]) -> dict[str, Any]:
    from edge.journal.looking import instant, samples_of
    from edge.journal.records import SampleBatch
    from edge.recording import plain

    told = plain(stored, base)
    if isinstance(stored.record, SampleBatch):
        told["samples"] = [
            {
                "tag": sample.tag.name if sample.tag is not None else None,
                "time": instant(sample.time_us),
                "value": sample.value,
                "quality": sample.quality,
            }
            for sample in samples_of(stored.record, tags)
        ]
    return told


def _lines(stored: Stored, base: int, tags: dict[int, Tag]) -> Iterator[str]:
    told = _plain(stored, base, tags)
    head = f"{told['offset']}  {told['kind']}"
    if told["kind"] != "samples":
        rest = {k: v for k, v in told.items() if k not in ("offset", "kind")}
        yield f"{head}  " + "  ".join(f"{key}={value}" for key, value in rest.items())
        return
    yield f"{head}  {told['device']}  {told['class']}  {told['origin']}"
    for sample in told["samples"]:
        quality = "" if sample["quality"] == 192 else f"  quality {sample['quality']}"
        yield f"    {sample['time']}  {sample['tag'] or '?'} = {sample['value']}{quality}"


def _print(table: Any) -> None:
    printer().print(table)
