"""The status page: one HTML document without script or anything fetched from elsewhere, made anew
for each request and read by the people beside the machine."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any

from edge.status.words import Language, sentence, word

REFRESH_S = 5
_NUMBER = ' class="number"'
_MEGABYTE = 1024 * 1024
_STYLE = """
body { font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 0 auto; padding: 1rem;
  max-width: 75rem; color: #1c2126; background: #fff; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; }
p { margin: .2rem 0; } small { color: #59636e; }
.verdict { padding: .5rem .8rem; border-left: .4rem solid; margin: .8rem 0; }
.good { border-color: #1a7f37; background: #e9f6ec; } .bad { border-color: #b42318;
  background: #fdeceb; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid #d8dee4;
  vertical-align: top; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.number, .state, time { white-space: nowrap; }
.state::before { content: "● "; } .online::before { color: #1a7f37; }
.late::before, .connecting::before { color: #b26a00; } .offline::before { color: #b42318; }
progress { width: 16rem; height: 1rem; vertical-align: middle; }
@media (prefers-color-scheme: dark) { body { color: #e3e8ed; background: #14181c; }
  small { color: #9aa4ae; } .good { background: #12301b; } .bad { background: #3b1512; }
  th, td { border-color: #333c45; } }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'"
)


def page(told: dict[str, Any], language: Language) -> str:
    """The page that shows a `edge.status.report.report`."""

    def say(key: str) -> str:
        return escape(word(key, language))

    name = f"{told['gateway']['group']}/{told['gateway']['node']}"
    verdict = [
        f"<p>{escape(sentence(p['part'], p['kind'], p['detail'], language))}</p>"
        for p in told["problems"]
    ]
    heading = say("well") if told["well"] else say("not_well")
    return "".join(
        (
            f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
            f'<meta http-equiv="refresh" content="{REFRESH_S}">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(name)} · {heading}</title><style>{_STYLE}</style></head><body>",
            f"<h1>{say('title')} {escape(name)}</h1>",
            f"<small>{say('as_of')} {_instant(told['now'])} · {say('running_since')} "
            f"{_instant(told['started'])} · {say('version')} {escape(told['version'])}</small>",
            f'<div class="verdict {"good" if told["well"] else "bad"}"><strong>{heading}</strong>',
            *verdict,
            "</div>",
            f"<h2>{say('sources')}</h2>",
            _sources(told["sources"], language),
            f"<h2>{say('hub')}</h2>",
            _facts(_hub(told["uplink"], told["identity"], language), language),
            f"<h2>{say('journal')}</h2>",
            _journal(told["journal"], language),
            f"<h2>{say('calls')}</h2>",
            _facts(_calls(told["calls"], language), language),
            f"<h2>{say('log')}</h2>",
            _log(told["log"], language),
            "</body></html>",
        )
    )


def _sources(sources: Sequence[dict[str, Any]], language: Language) -> str:
    if not sources:
        return f"<p>{escape(word('none', language))}</p>"
    keys = (
        *("device", "state", "since", "last_heard"),
        *("clock_offset", "samples", "gaps", "nodes_missing", "reconnects"),
    )
    head = "".join(
        f'<th scope="col"{_NUMBER if at > 3 else ""}>{escape(word(key, language))}</th>'
        for at, key in enumerate(keys)
    )
    rows = []
    for source in sources:
        state = source["state"]
        offset = source["clock_offset_ms"]
        rows.append(
            f'<tr><th scope="row">{escape(source["device"])}<br>'
            f"<small>{escape(source['endpoint'])}</small></th>"
            f'<td class="state {escape(state)}">{escape(word(state, language))}</td>'
            f"<td>{_instant(source['since'])}</td>"
            f"<td>{_instant(source['last_heard'])}</td>"
            f"<td{_NUMBER}>{'' if offset is None else f'{offset:+.1f} ms'}</td>"
            + "".join(
                f"<td{_NUMBER}>{source[key]:,}</td>"
                for key in ("samples", "gaps", "refused_nodes", "reconnects")
            )
            + "</tr>"
        )
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _hub(
    uplink: dict[str, Any], identity: dict[str, Any], language: Language
) -> list[tuple[str, str]]:
    until = identity["not_after"]
    certificate = escape(word("certificate_details", language)).format(_instant(until))
    return [
        ("broker", escape(uplink["server"])),
        ("connected", _yes(uplink["connected"], language)),
        ("hub_online", _yes(uplink["host_online"], language)),
        ("last_answer", _instant(uplink["last_answer"])),
        ("backlog", f"{uplink['backlog']:,}"),
        *([("certificate", certificate)] if until else []),
    ]


def _calls(calls: dict[str, Any], language: Language) -> list[tuple[str, str]]:
    return [
        ("connected", _yes(calls["connected"], language)),
        ("calls_open", f"{calls['calls_open']:,}"),
        ("events_pending", f"{calls['events_pending']:,}"),
        *([("quarantined", f"{calls['quarantined']:,}")] if calls["quarantined"] else []),
    ]


def _journal(journal: dict[str, Any], language: Language) -> str:
    used, quota = journal["bytes"], max(1, journal["quota_bytes"])
    bar = (
        f'<progress max="{quota}" value="{min(used, quota)}">{used * 100 // quota} %</progress> '
        f"{_megabytes(used)} / {_megabytes(journal['quota_bytes'])}"
    )
    return _facts(
        [
            ("fill", bar),
            ("free", _megabytes(journal["free_bytes"])),
            ("waiting", f"{journal['records']:,}"),
            ("evicted", f"{journal['evicted'] + journal['expired']:,}"),
            ("damaged", f"{journal['corrupt']:,}"),
        ],
        language,
    )


def _log(lines: Sequence[dict[str, Any]], language: Language) -> str:
    if not lines:
        return f"<p>{escape(word('none', language))}</p>"
    rows = (
        f"<tr><td>{_instant(line['at'])}</td><td>{escape(line['level'])}</td>"
        f"<td>{escape(line['text'])}</td></tr>"
        for line in lines
    )
    return f'<div class="wide"><table>{"".join(rows)}</table></div>'


def _facts(facts: Sequence[tuple[str, str]], language: Language) -> str:
    """A table of names and values; values are HTML already."""
    rows = (
        f'<tr><th scope="row">{escape(word(key, language))}</th><td>{value}</td></tr>'
        for key, value in facts
    )
    return f"<table>{''.join(rows)}</table>"


def _yes(value: bool, language: Language) -> str:
    state = "online" if value else "offline"
    return f'<span class="state {state}">{escape(word("yes" if value else "no", language))}</span>'


def _instant(text: str | None) -> str:
    """An instant in this machine's own time: that is what the clock on the wall shows."""
    if text is None:
        return ""
    at = datetime.fromisoformat(text).astimezone()
    return f'<time datetime="{escape(text)}">{at:%Y-%m-%d %H:%M:%S}</time>'


def _megabytes(count: int) -> str:
    return f"{count / _MEGABYTE:,.1f} MB"
