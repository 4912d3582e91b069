"""This PC: the disk of the journal, the ports that are served, the clock."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from edge.cli.words import Catalogue
from edge.config import EdgeConfig
from edge.doctor.finding import Finding, failed, ok, warning
from edge.status.client import NotRunningError, ask

words = Catalogue(
    {
        "part": ("machine", "本机"),
        "running": (
            "an agent runs in {path}, version {version}",
            "{path} 中有网关正在运行，版本 {version}",
        ),
        "not_running": ("no agent runs in {path}", "{path} 中没有网关在运行"),
        "unwritable": ("{path} cannot be written: {why}", "{path} 无法写入：{why}"),
        "give_rights": (
            "give this user the directory, or run this as the gateway's user: "
            "sudo -u lineside lineside-edge doctor …",
            "请把该目录授权给当前用户，或以网关用户运行：sudo -u lineside lineside-edge doctor …",
        ),
        "sync": (
            "the disk of {path} confirms a write in {median:.1f} ms, {worst:.1f} ms at worst",
            "{path} 所在磁盘确认一次写入需 {median:.1f} ms，最长 {worst:.1f} ms",
        ),
        "sync_slow": (
            "samples wait for it; use a disk with power-loss protection, or a larger "
            "journal.commit_ms",
            "采样会因此等待；请使用带掉电保护的磁盘，或增大 journal.commit_ms",
        ),
        "volatile": (
            "{path} is on {kind}, which forgets all when the power goes",
            "{path} 位于 {kind}，断电后数据全部丢失",
        ),
        "network_disk": (
            "{path} is on {kind}: SQLite's locks and syncs cannot be relied on there",
            "{path} 位于 {kind}：SQLite 的锁与同步在其上不可靠",
        ),
        "move": ("give data_dir a place on a disk of this PC", "请把 data_dir 放在本机磁盘上"),
        "free": ("{free} MB are free for the journal", "本地缓存可用空间 {free} MB"),
        "free_little": (
            "free the disk, or lower journal.quota_mb: it may grow to {quota} MB",
            "请清理磁盘或降低 journal.quota_mb：缓存最多会增长到 {quota} MB",
        ),
        "free_little_pictures": (
            "free the disk, or lower journal.quota_mb or pictures.quota_mb: they may grow to "
            "{quota} MB",
            "请清理磁盘或降低 journal.quota_mb、pictures.quota_mb：最多会增长到 {quota} MB",
        ),
        "free_none": (
            "below journal.keep_free_mb ({keep}) the journal grows no more; free the disk",
            "低于 journal.keep_free_mb（{keep}）时缓存不再增长；请清理磁盘",
        ),
        "port": ("port {port} of the {page} is free", "{page}端口 {port} 可用"),
        "port_ours": ("port {port} of the {page} is the agent's", "{page}端口 {port} 由网关使用"),
        "port_taken": (
            "port {port} of the {page} is taken: {why}",
            "{page}端口 {port} 已被占用：{why}",
        ),
        "port_move": (
            "see who has it (ss -ltnp 'sport = :{port}'), or set {key}",
            "查看占用者（ss -ltnp 'sport = :{port}'），或修改 {key}",
        ),
        "status_page": ("status page", "状态页"),
        "board": ("board", "看板"),
        "clock": (
            "this PC's clock is kept by a time service, within {error:.1f} ms",
            "本机时钟由时间服务校准，误差 {error:.1f} ms 以内",
        ),
        "clock_free": (
            "no time service keeps this PC's clock",
            "没有时间服务校准本机时钟",
        ),
        "clock_set": (
            "enable one: systemctl enable --now systemd-timesyncd, or chrony, with the plant's "
            "NTP server",
            "请启用：systemctl enable --now systemd-timesyncd 或 chrony，并使用工厂的 NTP 服务器",
        ),
    }
)
_WRITES = 20
_BLOCK = 4096
_SLOW_MS = 1000.0
_MEGABYTE = 1024 * 1024
_VOLATILE = ("tmpfs", "ramfs")
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs")


def look(config: EdgeConfig) -> Iterator[Finding]:
    """All about this PC."""
    running = _agent(config.data_dir)
    yield ok(
        words("part"),
        words("running", path=config.data_dir, version=running)
        if running
        else words("not_running", path=config.data_dir),
    )
    yield from _disk(config)
    yield from _ports(config, bool(running))
    yield _clock()


def _agent(data_dir: Path) -> str:
    """The version of the agent that runs there; empty if none does."""
    try:
        return str(ask(data_dir, "GET", "/status.json")[1].get("version", "?"))
    except NotRunningError:
        return ""


def _disk(config: EdgeConfig) -> Iterator[Finding]:
    part = words("part")
    there = next(p for p in (config.data_dir, *config.data_dir.parents) if p.exists())
    try:
        times_ms = _sync_times_ms(there)
    except OSError as error:
        said = words("unwritable", path=there, why=error.strerror)
        yield failed(part, said, words("give_rights"))
        return
    median = statistics.median(times_ms)
    what = words("sync", path=there, median=median, worst=max(times_ms))
    if median > _SLOW_MS:
        yield failed(part, what, words("sync_slow"))
    elif median > config.journal.commit_ms:
        yield warning(part, what, words("sync_slow"))
    else:
        yield ok(part, what)
    kind = _file_system(there)
    if kind in _VOLATILE:
        yield warning(part, words("volatile", path=there, kind=kind), words("move"))
    elif kind in _NETWORK:
        yield warning(part, words("network_disk", path=there, kind=kind), words("move"))
    yield _free(config, there)


def _sync_times_ms(directory: Path) -> list[float]:
    """How long each of a few small writes takes until the disk confirms it. Raises `OSError`."""
    path = directory / f".doctor.{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        path.unlink()
        times_ms = []
        for _ in range(_WRITES):
            begin = time.perf_counter()
            os.write(descriptor, bytes(_BLOCK))
            os.fdatasync(descriptor)
            times_ms.append((time.perf_counter() - begin) * 1000)
        return times_ms
    finally:
        os.close(descriptor)


def _file_system(path: Path) -> str:
    """The kind of file system that a directory is on; empty if the system does not say."""
    try:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
    except OSError:
        return ""
    found = ("", "")
    for mount in mounts:
        _, place, kind, *_ = mount.split(" ")
        where = place.replace("\\040", " ")
        if path.resolve().is_relative_to(where) and len(where) >= len(found[0]):
            found = where, kind
    return found[1]


def _free(config: EdgeConfig, there: Path) -> Finding:
    part, journal = words("part"), config.journal
    free = shutil.disk_usage(there).free // _MEGABYTE
    file = config.data_dir / "journal.sqlite"
    used = file.stat().st_size // _MEGABYTE if file.exists() else 0
    quota, too_little = journal.quota_mb, "free_little"
    if config.has_cameras:
        quota, too_little = quota + config.pictures.quota_mb, "free_little_pictures"
        used += sum(f.stat().st_size for f in (config.data_dir / "pictures").glob("*")) // _MEGABYTE
    what = words("free", free=free)
    if free < journal.keep_free_mb:
        return failed(part, what, words("free_none", keep=journal.keep_free_mb))
    if free + used < quota + journal.keep_free_mb:
        return warning(part, what, words(too_little, quota=quota))
    return ok(part, what)


def _ports(config: EdgeConfig, running: bool) -> Iterator[Finding]:
    served = [("status.port", words("status_page"), config.status.host, config.status.port)]
    if config.has_board:
        served.append(("board.port", words("board"), config.board.host, config.board.port))
    for key, page, host, port in served:
        if not port:
            continue
        why = _taken(host, port)
        if not why:
            yield ok(words("part"), words("port", port=port, page=page))
        elif running:
            yield ok(words("part"), words("port_ours", port=port, page=page))
        else:
            remedy = words("port_move", port=port, key=key)
            what = words("port_taken", port=port, page=page, why=why)
            yield failed(words("part"), what, remedy)


def _taken(host: str, port: int) -> str:
    """Why nobody can listen there; empty if one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


class _Timex(ctypes.Structure):
    """The beginning of `struct timex` (adjtimex(2)) on Linux, and room for the rest."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    ]


_UNSYNCHRONISED = 0x0040
"""STA_UNSYNC."""


def _clock() -> Finding:
    """Whether the kernel's clock is kept, as the kernel itself says: whichever service does it."""
    told = _Timex()
    if ctypes.CDLL(None).adjtimex(ctypes.byref(told)) < 0 or told.status & _UNSYNCHRONISED:
        return warning(words("part"), words("clock_free"), words("clock_set"))
    return ok(words("part"), words("clock", error=told.maxerror / 1000))
