"""Subscriptions in the database. What is to be told is written by its own triggers."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

import psycopg
from psycopg.rows import class_row

from hub.calls.exceptions import close_exception, open_exception
from hub.calls.refused import RefusedError
from hub.webhooks.signature import draw_secret, shown

Topic = Literal["calls", "changes", "events", "exceptions", "shipments"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
MAX_WEBHOOKS = 20
OLD_SECRET_SIGNS = timedelta(hours=24)
WEBHOOKS = "lineside_webhooks"
"""Channel: there is something to tell."""
DEAD = "webhook_dead"

_ADD = """
INSERT INTO webhook (id, owner, url, topics, note, secret, made_by)
SELECT %(id)s, %(owner)s, %(url)s, %(topics)s, %(note)s, %(secret)s, %(by)s
WHERE (SELECT count(*) FROM webhook WHERE owner = %(owner)s) < %(most)s
RETURNING id
"""
_SHOWN = """
SELECT w.id, w.url, w.topics, w.note, w.made_at, w.made_by, w.disabled_at, w.disabled_reason,
    w.failing_since, w.last_error,
    (SELECT count(*) FROM webhook_message m WHERE m.webhook = w.id AND m.delivered_at IS NULL)
        AS waiting
FROM webhook w WHERE w.owner = %(owner)s AND (%(id)s::text IS NULL OR w.id = %(id)s)
ORDER BY w.made_at, w.id
"""
_ROTATE = """
UPDATE webhook SET old_secret = secret, old_until = %s, secret = %s WHERE owner = %s AND id = %s
RETURNING id
"""
_REMOVE = "DELETE FROM webhook WHERE owner = %s AND id = %s RETURNING id"
_ENABLE = """
UPDATE webhook SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL, failures = 0,
    last_error = NULL, retry_at = clock_timestamp()
WHERE owner = %s AND id = %s RETURNING id
"""
_DISABLE = """
UPDATE webhook SET disabled_at = clock_timestamp(), disabled_reason = %s
WHERE id = %s AND disabled_at IS NULL RETURNING owner, url
"""
_TEST = """
INSERT INTO webhook_message (owner, webhook, topic, subject, body)
SELECT owner, id, 'test', 'test', %s FROM webhook WHERE owner = %s AND id = %s
RETURNING id
"""
_MESSAGES = """
SELECT id, message_id, topic, subject, made_at, attempts, last_status, last_error, delivered_at
FROM webhook_message WHERE webhook = %s AND owner = %s AND id < %s ORDER BY id DESC LIMIT %s
"""
# An exception belongs to a plant: one of the tenant's own, or one it delivers to.
_PLANT = """
SELECT id FROM plant WHERE owner = %(owner)s
UNION ALL SELECT plant FROM supplier_line WHERE partner = %(owner)s LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class WebhookInfo:
    """A subscription, without its secret."""

    id: str
    url: str
    topics: list[Topic]
    note: str
    made_at: datetime
    made_by: str
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    last_error: str | None
    waiting: int


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """What became of one message."""

    id: int
    message_id: str
    topic: str
    subject: str
    made_at: datetime
    attempts: int
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None


def add_webhook(
    connection: psycopg.Connection,
    owner: str,
    url: str,
    topics: Sequence[Topic],
    note: str,
    by: str,
) -> tuple[str, str]:
    """Subscribe; (id, secret): the only time that the secret is told. The URL has been checked.

    Raises `RefusedError` if the tenant has as many as it may.
    """
    secret = draw_secret()
    values = {
        "id": f"wh_{secrets.token_hex(8)}",
        "owner": owner,
        "url": url,
        "topics": sorted(set(topics)),
        "note": note,
        "secret": secret,
        "by": by,
        "most": MAX_WEBHOOKS,
    }
    row = connection.execute(_ADD, values).fetchone()
    if row is None:
        raise RefusedError(f"there are {MAX_WEBHOOKS} webhooks already; delete one first")
    return str(row[0]), shown(secret)


def list_webhooks(
    connection: psycopg.Connection, owner: str, webhook: str | None = None
) -> list[WebhookInfo]:
    """A tenant's subscriptions, oldest first; of one id: that one, or none."""
    with connection.cursor(row_factory=class_row(WebhookInfo)) as cursor:
        return cursor.execute(_SHOWN, {"owner": owner, "id": webhook}).fetchall()


def rotate_secret(connection: psycopg.Connection, owner: str, webhook: str) -> str | None:
    """A new secret; the old one signs beside it for a day. None: no such webhook."""
    secret = draw_secret()
    until = datetime.now(UTC) + OLD_SECRET_SIGNS
    row = connection.execute(_ROTATE, (until, secret, owner, webhook)).fetchone()
    return None if row is None else shown(secret)


def remove_webhook(connection: psycopg.Connection, owner: str, webhook: str) -> bool:
    """End a subscription, with all it has not told. False: no such webhook."""
    removed = connection.execute(_REMOVE, (owner, webhook)).fetchone() is not None
    if removed:
        _close(connection, owner, webhook, "deleted")
    return removed


def enable_webhook(connection: psycopg.Connection, owner: str, webhook: str) -> bool:
    """Try again what was disabled, or fails. False: no such webhook."""
    enabled = connection.execute(_ENABLE, (owner, webhook)).fetchone() is not None
    if enabled:
        _close(connection, owner, webhook, "enabled")
        connection.execute("SELECT pg_notify(%s, '')", (WEBHOOKS,))
    return enabled


def disable_webhook(connection: psycopg.Connection, webhook: str, reason: str) -> None:
    """Give an endpoint up, and let its owner know."""
    row = connection.execute(_DISABLE, (reason, webhook)).fetchone()
    if row is None:
        return
    owner, url = row
    plant = connection.execute(_PLANT, {"owner": owner}).fetchone()
    if plant is not None:
        open_exception(
            connection,
            DEAD,
            webhook,
            owner=owner,
            plant=plant[0],
            at=datetime.now(UTC),
            detail={"url": url, "reason": reason},
        )


def send_test(connection: psycopg.Connection, owner: str, webhook: str) -> int | None:
    """Write a message that says it is a test; its number. None: no such webhook."""
    at = datetime.now(UTC).isoformat()
    body = json.dumps({"type": "test", "timestamp": at, "data": {"webhook": webhook}})
    row = connection.execute(_TEST, (body, owner, webhook)).fetchone()
    if row is None:
        return None
    connection.execute("SELECT pg_notify(%s, '')", (WEBHOOKS,))
    return int(row[0])


def list_messages(
    connection: psycopg.Connection, owner: str, webhook: str, before: int, limit: int
) -> list[MessageInfo]:
    """What was and is to be told, newest first, below the number `before`."""
    with connection.cursor(row_factory=class_row(MessageInfo)) as cursor:
        return cursor.execute(_MESSAGES, (webhook, owner, before, limit)).fetchall()


def _close(connection: psycopg.Connection, owner: str, webhook: str, decision: str) -> None:
    plant = connection.execute(_PLANT, {"owner": owner}).fetchone()
    if plant is not None:
        close_exception(connection, plant[0], DEAD, webhook, owner, decision)
