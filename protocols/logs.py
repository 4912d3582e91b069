"""The log of a process: lines for people, or JSON objects, one a line, and no secret in either."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

HIDDEN = "(hidden)"


class LogForm(StrEnum):
    """How a log is written."""

    TEXT = "text"
    JSON = "json"


_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_SECRETS = (
    re.compile(r"\b(lsk|lse)_[0-9a-f]{12}_\S+"),
    re.compile(r"\b(whsec)_[A-Za-z0-9+/=]{8,}"),
    re.compile(r"(?i)\b(bearer|basic) +[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(r"\b(eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"),
    re.compile(
        r"(?i)(password|passwd|secret|token)[\"']?\s*[=:]\s*"
        r"(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|[^\s,;&]+)"
    ),
    re.compile(
        r"(-----BEGIN )[A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
)
"""API keys and tokens, webhook secrets, headers, JSON web tokens, settings, keys. What the first
group finds stays, so that it can be told what was there."""
_IN_ADDRESSES = (
    re.compile(r"(//)(?:[^/\s:@]*:[^/\s@]+|[^/\s@\"']+)(?=@)"),
    re.compile(
        r"(?i)(\b[a-z][a-z0-9+.-]{0,15}://[^\s?\"']{0,500}\?)"
        r"(?:[^\s\"']|[\"'](?=[^\s,:;\])}]))+"  # a quotation mark at its end is not of it
    ),
)
"""User and password, and what is asked for: some devices want user and password there. Bounded, so
that a long line without any costs no more than others."""
NAMED_SO = r"(?:[\w-]*(?:password|passwd|secret|token|credential)|pin)"
"""Keys of settings that are secrets."""
_NAMED_SO = re.compile(NAMED_SO, re.IGNORECASE)


def redacted(text: str) -> str:
    """A text without what has the form of a secret."""
    for form in _SECRETS:
        text = form.sub(lambda found: f"{found[1]} {HIDDEN}", text)
    return with_bare_addresses(text)


def with_bare_addresses(text: str) -> str:
    """A text whose addresses name host and path alone."""
    for form in _IN_ADDRESSES:
        text = form.sub(rf"\g<1>{HIDDEN}", text)
    return text


def with_bare_settings(value: Any) -> Any:
    """Settings, as plain values, without those that are secrets and with bare addresses."""
    if isinstance(value, dict):
        return {
            key: HIDDEN if _NAMED_SO.fullmatch(str(key)) else with_bare_settings(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [with_bare_settings(inner) for inner in value]
    return with_bare_addresses(value) if isinstance(value, str) else value


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": redacted(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = redacted(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)


def set_up(form: LogForm, *, verbose: bool = False) -> logging.Handler:
    """Log to the standard error output, by the handler that is returned."""
    handler = logging.StreamHandler(sys.stderr)
    write_as(handler, form)
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # each glyph of each label, else
    return handler


def write_as(handler: logging.Handler, form: LogForm) -> None:
    """Have a handler write its lines in this form."""
    handler.setFormatter(_Json() if form is LogForm.JSON else _Text(_TEXT))
