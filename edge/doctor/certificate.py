"""The certificates that this gateway proves itself by at its brokers: until when they are good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from edge.cli.words import Catalogue
from edge.config import EdgeConfig
from edge.doctor.finding import Finding, failed, ok, warning
from edge.identity.files import IdentityFiles

words = Catalogue(
    {
        "part": ("certificate", "证书"),
        "good": ("{path} is good until {ends}", "{path} 有效期至 {ends}"),
        "ends": ("{path} ends {ends}", "{path} 将于 {ends} 到期"),
        "ended": ("{path} has ended {ends}", "{path} 已于 {ends} 过期"),
        "early": ("{path} is good from {starts} on", "{path} 自 {starts} 起有效"),
        "unread": ("{path} cannot be read: {why}", "{path} 无法读取：{why}"),
        "ask_renewal": (
            "the agent renews it by itself: does it run, and does it reach {hub}?",
            "网关会自动续期：网关是否在运行？能否访问 {hub}？",
        ),
        "ask_token": (
            "ask the hub's operator for a token, then lineside-edge enrol",
            "请向中心运营方索取令牌，然后执行 lineside-edge enrol",
        ),
        "check_clock": ("is this PC's clock right?", "本机时钟是否正确？"),
        "check_file": ("is it a certificate, and may this user read it?", "是证书吗？可读吗？"),
    }
)
_LATE = 1 / 4
"""Of a certificate's time. One that is renewed by itself has never so little left."""


def look(config: EdgeConfig) -> Iterator[Finding]:
    """Each certificate once."""
    files = IdentityFiles.of(config.data_dir)
    seen: set[Path] = set()
    for settings in config.brokers:
        path = settings.cert_file
        if path is not None and path not in seen:
            seen.add(path)
            yield _one(path, _hub(files) if files.prove(settings) else None)


def _hub(files: IdentityFiles) -> str | None:
    try:
        enrolment = files.enrolment()
    except (OSError, ValueError):
        return None
    return enrolment.hub if enrolment else None


def _one(path: Path, hub: str | None) -> Finding:
    """`hub`: where this one is renewed, if it is by itself."""
    from cryptography import x509  # 20 MiB, for a gateway that has one

    part = words("part")
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return failed(part, words("unread", path=path, why=error), words("check_file"))
    starts, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    now, day = datetime.now(UTC), f"{ends:%Y-%m-%d %H:%M} UTC"
    if now < starts:
        what = words("early", path=path, starts=f"{starts:%Y-%m-%d %H:%M} UTC")
        return failed(part, what, words("check_clock"))
    if now >= ends:
        return failed(part, words("ended", path=path, ends=day), words("ask_token"))
    if ends - now < (ends - starts) * _LATE:
        remedy = words("ask_renewal", hub=hub) if hub else words("ask_token")
        return warning(part, words("ends", path=path, ends=day), remedy)
    return ok(part, words("good", path=path, ends=day))
