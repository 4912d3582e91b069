"""The words of the status page and of `lineside-edge status`, in English and Chinese.

Reasons that come from a PLC, a broker or the log stay as they are: they are searched for by their
text.
"""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]

_LANGUAGES: dict[str, Language] = {"en": "en", "zh": "zh", "*": "en"}

_WORDS: dict[str, tuple[str, str]] = {
    # the page
    "title": ("Gateway", "网关"),
    "well": ("All is well", "一切正常"),
    "not_well": ("Needs attention", "需要处理"),
    "as_of": ("as of", "截至"),
    "running_since": ("running since", "启动于"),
    "version": ("version", "版本"),
    "hub": ("Connection to the hub", "与中心的连接"),
    "sources": ("Sources", "数据源"),
    "journal": ("Journal", "本地缓存"),
    "calls": ("Calls", "排序要货"),
    "log": ("Last warnings", "最近的告警"),
    "none": ("none", "无"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    # the hub
    "broker": ("Broker", "消息服务器"),
    "connected": ("Connected", "已连接"),
    "hub_online": ("Hub online", "中心在线"),
    "last_answer": ("Last answer of the hub", "中心最近应答"),
    "backlog": ("Records of the backlog", "待补传记录"),
    # sources
    "device": ("Device", "设备"),
    "state": ("State", "状态"),
    "since": ("Since", "自"),
    "last_heard": ("Last heard", "最近收到"),
    "clock_offset": ("Clock offset", "时钟偏差"),
    "samples": ("Samples", "采样数"),
    "gaps": ("Gaps", "数据缺口"),
    "nodes_missing": ("Nodes refused", "被拒节点"),
    "reconnects": ("Reconnects", "重连次数"),
    "connecting": ("connecting", "连接中"),
    "online": ("online", "在线"),
    "late": ("late", "迟到"),
    "offline": ("offline", "离线"),
    # the journal
    "fill": ("Disk in use, of its quota", "已用空间 / 配额"),
    "free": ("Free disk", "磁盘剩余"),
    "waiting": ("Records waiting for the hub", "等待上传的记录"),
    "evicted": ("Evicted records", "因空间不足丢弃的记录"),
    "damaged": ("Damaged records", "损坏的记录"),
    # the calls
    "calls_open": ("Calls waiting for the PLC", "等待 PLC 处理的要货"),
    "quarantined": ("Records of no use (see the log)", "无法使用的记录（见日志）"),
    "events_pending": ("Events waiting for the hub", "等待上传的事件"),
    # the table of the command line
    "part": ("Part", "部分"),
    "details": ("Details", "详情"),
    "uplink_details": (
        "{}; backlog {:,} records; last answer {}",
        "{}；待补传 {:,} 条；最近应答 {}",
    ),
    "journal_full": ("full", "已满"),
    "journal_well": ("well", "正常"),
    "journal_details": (
        "{:,.1f} of {:,.0f} MB; {:,} records wait; {:,} evicted",
        "{:,.1f} / {:,.0f} MB；{:,} 条等待上传；{:,} 条已丢弃",
    ),
    "calls_details": (
        "{:,} calls wait for the PLC, {:,} events for the hub; {:,} records of no use",
        "{:,} 条要货等待 PLC，{:,} 个事件等待中心；{:,} 条记录无法使用",
    ),
    "certificate": ("Certificate", "证书"),
    "certificate_details": ("good until {}", "有效期至 {}"),
    # what is not well; {} is the problem's detail
    "problem.broker_away": ("no connection to the broker", "未连接到消息服务器"),
    "problem.hub_away": (
        "the hub is not online; samples are kept until it is",
        "中心不在线，数据保存在本地直到恢复",
    ),
    "problem.disk_full": (
        "the disk takes nothing more; sources wait until there is room",
        "磁盘已满，数据源等待空间释放",
    ),
    "problem.connecting": ("is being connected {}", "正在连接 {}"),
    "problem.late": ("is late: {}", "数据迟到：{}"),
    "problem.offline": ("is not read: {}", "无法读取：{}"),
    "problem.nodes_refused": (
        "nodes refused by the server: {}; the log names them",
        "服务器拒绝了 {} 个节点，详见日志",
    ),
    "problem.certificate_ends": (
        "is not renewed yet and ends {}",
        "尚未续期，到期时间 {}",
    ),
    "problem.certificate_ended": (
        "has ended {}; enrol this gateway anew",
        "已过期 {}；请重新登记本网关",
    ),
    "problem.certificate_unread": ("cannot be read: {}", "无法读取：{}"),
    "part.certificate": ("certificate", "证书"),
    "part.uplink": ("uplink", "上行"),
    "part.calls": ("calls", "排序要货"),
    "part.journal": ("journal", "本地缓存"),
    "part.source": ("source", "数据源"),
}


def word(key: str, language: Language) -> str:
    """A word or sentence. Raises `KeyError` for a key that has none."""
    return _WORDS[key][0 if language == "en" else 1]


def sentence(part: str, kind: str, detail: str, language: Language) -> str:
    """A problem as it is read: which part, and what of it."""
    name, _, device = part.partition(" ")
    said = word(f"problem.{kind}", language).format(detail).strip()
    return f"{word(f'part.{name}', language)} {device}".strip() + f": {said}"


def preferred(accept_language: str) -> Language:
    """The language of a request by its Accept-Language header (RFC 9110, 12.5.4): the one of ours
    with the greatest weight, English if none is named."""
    best: tuple[float, Language] = (0.0, "en")
    for choice in accept_language.split(","):
        tag, *parameters = [part.strip().lower() for part in choice.split(";")]
        language = _LANGUAGES.get(tag.split("-")[0])
        if language is None:
            continue
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if weight > best[0]:
            best = weight, language
    return best[1]
