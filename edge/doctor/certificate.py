"""The certificates that this gateway proves itself by at its brokers: until when they are good, and
whether who renews them can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.cli.words import Catalogue
from edge.config import EdgeConfig
from edge.doctor.finding import Finding, failed, ok, warning
from edge.identity.files import IdentityFiles
from edge.identity.settings import EstSettings

words = Catalogue(
    {
        "part": ("certificate", "证书"),
        "good": ("{path} is good until {ends}", "{path} 有效期至 {ends}"),
        "ends": ("{path} ends {ends}", "{path} 将于 {ends} 到期"),
        "ended": ("{path} has ended {ends}", "{path} 已于 {ends} 过期"),
        "early": ("{path} is good from {starts} on", "{path} 自 {starts} 起有效"),
        "unread": ("{path} cannot be read: {why}", "{path} 无法读取：{why}"),
        "ask_renewal": (
            "the agent renews it by itself: does it run, and does it reach {url}?",
            "网关会自动续期：网关是否在运行？能否访问 {url}？",
        ),
        "ask_password": (
            "ask the operator of {url} for a password, then lineside-edge enrol",
            "请向 {url} 的运营方索取密码，然后执行 lineside-edge enrol",
        ),
        "asked": (
            "{url}: an EST server, its certificate is of one in {trusted}",
            "{url}：EST 服务器，其证书由 {trusted} 中的机构签发",
        ),
        "check_est": (
            "certificates are not renewed meanwhile: does this PC reach it, and are the url, label "
            "and ca_file of identity.est right?",
            "其间证书无法续期：本机能否访问？identity.est 的 url、label、ca_file 是否正确？",
        ),
        "of_none": (
            "no broker is shown a certificate that this gateway got by enrolling",
            "未向任何消息服务器出示本网关登记所得的证书",
        ),
        "of_hub": (
            "{path} is of the hub, and renewed there, though the file names {url}",
            "{path} 由中心签发并续期，但配置文件指定的是 {url}",
        ),
        "of_nobody": (
            "{path} was got by EST, and is not renewed: the file has no identity.est any more",
            "{path} 通过 EST 取得，无法续期：配置文件已无 identity.est",
        ),
        "put_back": (
            "put it back, or enrol at the hub: lineside-edge enrol --hub",
            "请恢复该项，或向中心申请：lineside-edge enrol --hub",
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


@dataclass(frozen=True, slots=True)
class _Kept:
    """A certificate that the agent renews."""

    url: str
    """Where."""
    anew: str
    """What to do once it cannot any more."""


def look(config: EdgeConfig) -> Iterator[Finding]:
    """Each certificate once."""
    files = IdentityFiles.of(config.data_dir)
    seen: set[Path] = set()
    for settings in config.brokers:
        path = settings.cert_file
        if path is None or path in seen:
            continue
        seen.add(path)
        if files.prove(settings):
            yield _one(path, _kept(config, files))
            yield from _at_odds(path, config, files)
        else:
            yield _one(path, None)
    if (est := config.identity.est) is not None:
        if not any(map(files.prove, config.brokers)):
            yield warning(words("part"), words("of_none"), words("ask_password", url=est.url))
        yield _server(est)


def _kept(config: EdgeConfig, files: IdentityFiles) -> _Kept | None:
    est, certified = config.identity.est, _by_hub(files)
    if certified is None:
        return None
    if certified:
        return _Kept(certified, words("ask_token"))
    return _Kept(est.url, words("ask_password", url=est.url)) if est is not None else None


def _by_hub(files: IdentityFiles) -> str | None:
    """The hub that gave the certificate; empty if it was not the hub; None if that is not known."""
    try:
        enrolment = files.enrolment()
    except (OSError, ValueError):
        return None
    return enrolment.hub or "" if enrolment else None


def _at_odds(path: Path, config: EdgeConfig, files: IdentityFiles) -> Iterator[Finding]:
    """Whether the certificate is of whom the file names."""
    est, certified = config.identity.est, _by_hub(files)
    if est is not None and certified:
        what = words("of_hub", path=path, url=est.url)
        yield warning(words("part"), what, words("ask_password", url=est.url))
    if est is None and certified == "":
        yield failed(words("part"), words("of_nobody", path=path), words("put_back"))


def _server(settings: EstSettings) -> Finding:
    from edge.identity.est import Est  # with cryptography, as below
    from edge.identity.https import AskError

    try:
        Est(settings).authority()
    except AskError as error:
        return warning(words("part"), str(error), words("check_est"))
    return ok(words("part"), words("asked", url=settings.url, trusted=settings.ca_file))


def _one(path: Path, kept: _Kept | None) -> Finding:
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
    anew = kept.anew if kept is not None else words("ask_token")
    if now >= ends:
        return failed(part, words("ended", path=path, ends=day), anew)
    if ends - now < (ends - starts) * _LATE:
        remedy = words("ask_renewal", url=kept.url) if kept is not None else anew
        return warning(part, words("ends", path=path, ends=day), remedy)
    return ok(part, words("good", path=path, ends=day))
