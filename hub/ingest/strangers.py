"""Nodes that speak without being registered: refused, said once, counted."""

from __future__ import annotations

import logging

import psycopg

logger = logging.getLogger(__name__)

_STORE_EVERY_S = 5.0
_MAX_NAME = 200
"""Characters of a name that are kept: anybody may send any topic, and an index has little room."""
_MAX_NAMED = 1000
"""Names kept; of more than these the log says so once, and they are not counted."""


class Strangers:
    """The refused nodes of one worker, bounded in number."""

    def __init__(self) -> None:
        self._named: set[tuple[str, str]] = set()
        self._counts: dict[tuple[str, str], int] = {}
        self._stored_at = 0.0
        self._full = False

    def heard(self, group: str, node: str) -> None:
        """It is not registered, and sent a message."""
        key = group, node = group[:_MAX_NAME], node[:_MAX_NAME]
        if key not in self._named:
            if len(self._named) >= _MAX_NAMED:
                if not self._full:
                    logger.warning("more than %d unregistered nodes; no more named", _MAX_NAMED)
                    self._full = True
                return
            self._named.add(key)
            logger.warning("%s/%s is not registered: its messages are refused", group, node)
        self._counts[key] = self._counts.get(key, 0) + 1

    def due(self, now_s: float) -> bool:
        """Whether counts are to be stored now."""
        if not self._counts or now_s - self._stored_at < _STORE_EVERY_S:
            return False
        self._stored_at = now_s
        return True

    def store(self, conn: psycopg.Connection) -> None:
        """Add the counts to table `unregistered_node`."""
        with conn.transaction(), conn.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO unregistered_node AS u (group_id, node_id, messages)"
                " VALUES (%s, %s, %s) ON CONFLICT (group_id, node_id) DO UPDATE"
                " SET messages = u.messages + excluded.messages, last_at = now()",
                [(group, node, count) for (group, node), count in self._counts.items()],
            )
        self._counts.clear()
