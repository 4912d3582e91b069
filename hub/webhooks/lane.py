"""Delivers what is to be told, at least once, in order for each subject.

A hub that delivers for a webhook holds a lease on it, so that several hubs share the work and no
two tell the same. An endpoint that does not answer (no connection, 408, 425, 429, 5xx) is left
alone for a while with all its messages; one that refuses a message (another answer) is asked again
with that one, and its subject waits while others go on. What is not taken for `give_up_days`
disables the webhook; 410 does at once, as Standard Webhooks has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import httpcore
import psycopg
from psycopg.rows import class_row

from hub.webhooks.settings import WebhookSettings
from hub.webhooks.signature import headers
from hub.webhooks.store import WEBHOOKS, disable_webhook
from hub.webhooks.targets import CheckedBackend, TargetError, Targets

logger = logging.getLogger(__name__)

POLL_S = 1.0
LONGEST_PAUSE_S = 3600.0
AT_ONCE = 8
"""Messages under way to one endpoint, each of another subject."""
BATCH = 32
LEASE = timedelta(seconds=60 * BATCH / AT_ONCE + 30)
"""Longer than a batch can take."""
KEEP_DELIVERED = timedelta(days=3)
KEEP_WAITING = timedelta(days=90)
CLEAN_EVERY_S = 600.0
RETRY_S = 1.0
MAX_READ_BYTES = 65_536
"""Of an answer, whose content says nothing to us."""
USER_AGENT = "Lineside-Webhooks/1"

_ENDPOINT_TROUBLE = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
)

_LEASE = """
UPDATE webhook SET leased_until = clock_timestamp() + %s WHERE id IN (
    SELECT id FROM webhook w
    WHERE disabled_at IS NULL AND retry_at <= clock_timestamp()
        AND leased_until <= clock_timestamp()
        AND EXISTS (SELECT FROM webhook_message m
            WHERE m.webhook = w.id AND m.delivered_at IS NULL AND m.due_at <= clock_timestamp())
    FOR UPDATE SKIP LOCKED)
RETURNING id, url, failures, failing_since, secret,
    CASE WHEN old_until > clock_timestamp() THEN old_secret END AS old_secret
"""
# The first of each subject that waits, if its time has come.
_HEADS = """
SELECT id, message_id, subject, body, attempts, made_at FROM webhook_message m
WHERE webhook = %s AND delivered_at IS NULL AND due_at <= clock_timestamp()
    AND NOT EXISTS (SELECT FROM webhook_message e WHERE e.webhook = m.webhook
        AND e.subject = m.subject AND e.delivered_at IS NULL AND e.id < m.id)
ORDER BY id LIMIT %s
"""
_DELIVERED = """
UPDATE webhook_message SET delivered_at = clock_timestamp(), attempts = attempts + 1,
    last_status = %s, last_error = NULL WHERE id = %s
"""
_FAILED = """
UPDATE webhook_message SET attempts = attempts + 1, last_status = %s, last_error = %s,
    due_at = clock_timestamp() + %s WHERE id = %s
"""
_GOOD = """
UPDATE webhook SET failing_since = NULL, failures = 0, last_error = NULL
WHERE id = %s AND failing_since IS NOT NULL
"""
_BAD = """
UPDATE webhook SET failing_since = coalesce(failing_since, clock_timestamp()),
    failures = failures + 1, last_error = %s, retry_at = clock_timestamp() + %s
WHERE id = %s RETURNING clock_timestamp() - failing_since
"""
_RELEASE = "UPDATE webhook SET leased_until = clock_timestamp() WHERE id = %s"
_RENEW = "UPDATE webhook SET leased_until = clock_timestamp() + %s WHERE id = %s"
_CLEAN = """
DELETE FROM webhook_message
WHERE delivered_at < clock_timestamp() - %s
    OR delivered_at IS NULL AND made_at < clock_timestamp() - %s
"""


@dataclass(frozen=True, slots=True)
class _Webhook:
    id: str
    url: str
    failures: int
    failing_since: datetime | None
    secret: bytes
    old_secret: bytes | None

    @property
    def secrets(self) -> list[bytes]:
        return [s for s in (self.secret, self.old_secret) if s is not None]


@dataclass(frozen=True, slots=True)
class _Message:
    id: int
    message_id: str
    subject: str
    body: str
    attempts: int
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one try. `status` None: no answer came, and `error` says why."""

    message: _Message
    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        return self.error is None

    @property
    def endpoint_fails(self) -> bool:
        """Whether the fault lies with the endpoint and not with this message."""
        return self.error is not None and (
            self.status is None
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
            or self.status in _ENDPOINT_TROUBLE
        )


def pause_s(first_s: float, failures: int) -> float:
    """How long to wait after so many failures: doubling, by half at random, so that many messages
    that failed at once do not come again at once."""
    longest = min(LONGEST_PAUSE_S, first_s * 2.0 ** min(failures, 30))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it


class WebhookLane:
    """A thread that delivers until it is stopped. `dsn` is of the role `lineside_ingest`."""

    def __init__(self, dsn: str, settings: WebhookSettings, loopback: bool) -> None:
        """`loopback`: endpoints may be on this machine. Raises `OSError` if the certificates cannot
        be read."""
        self._dsn = dsn
        self._settings = settings
        self._targets = Targets(settings.allow, loopback)
        self._tls = ssl.create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the messages under way, then end."""
        self._stopping.set()
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with contextlib.suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(wake.set)
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def trouble(self) -> str | None:
        """Endpoints that fail are their tenants' trouble, and are told to them."""
        return None

    def _run(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                asyncio.run(self._session())
                failing = False
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not failing:
                    text = str(error).strip().partition("\n")[0]
                    logger.warning("webhooks: the database is away, trying again: %s", text)
                failing = True
                self._stopping.wait(RETRY_S)
            except Exception:
                # A fault of ours must not end the lane for good, nor go by unseen.
                logger.exception("webhooks: stopped by an error, beginning anew")
                self._stopping.wait(RETRY_S)

    async def _session(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        async with (
            await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as listener,
            await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection,
            httpcore.AsyncConnectionPool(
                ssl_context=self._tls,
                max_connections=200,
                max_keepalive_connections=50,
                keepalive_expiry=30,
                network_backend=CheckedBackend(self._targets),
            ) as pool,
        ):
            await listener.execute(f"LISTEN {WEBHOOKS}")
            logger.info("webhooks: working")
            listening = asyncio.create_task(self._listen(listener, self._wake))
            serving: set[asyncio.Task[None]] = set()
            cleaned_at = float("-inf")
            try:
                while not self._stopping.is_set():
                    if time.monotonic() - cleaned_at > CLEAN_EVERY_S:
                        cleaned_at = time.monotonic()
                        await connection.execute(_CLEAN, (KEEP_DELIVERED, KEEP_WAITING))
                    for webhook in await self._lease(connection):
                        serving.add(asyncio.create_task(self._serve(pool, webhook)))
                    for task in [each for each in serving if each.done()]:
                        serving.discard(task)
                        task.result()
                    if listening.done():
                        listening.result()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), POLL_S)
                    self._wake.clear()
            finally:
                listening.cancel()
                await asyncio.gather(*serving, listening, return_exceptions=True)

    async def _listen(self, listener: psycopg.AsyncConnection, wake: asyncio.Event) -> None:
        async for _ in listener.notifies():
            wake.set()

    async def _lease(self, connection: psycopg.AsyncConnection) -> Sequence[_Webhook]:
        async with connection.cursor(row_factory=class_row(_Webhook)) as cursor:
            await cursor.execute(_LEASE, (LEASE,))
            return await cursor.fetchall()

    async def _serve(self, pool: httpcore.AsyncConnectionPool, webhook: _Webhook) -> None:
        """Deliver for one webhook until nothing is due, or it fails."""
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            try:
                while not self._stopping.is_set():
                    async with connection.cursor(row_factory=class_row(_Message)) as cursor:
                        await cursor.execute(_HEADS, (webhook.id, BATCH))
                        heads = await cursor.fetchall()
                    if not heads or not await self._deliver(connection, pool, webhook, heads):
                        break
                    await connection.execute(_RENEW, (LEASE, webhook.id))
            finally:
                await connection.execute(_RELEASE, (webhook.id,))

    async def _deliver(
        self,
        connection: psycopg.AsyncConnection,
        pool: httpcore.AsyncConnectionPool,
        webhook: _Webhook,
        heads: Sequence[_Message],
    ) -> bool:
        """Send each, and note what came of it. False: the endpoint is to be left alone."""
        down = asyncio.Event()
        places = asyncio.Semaphore(AT_ONCE)

        async def one(message: _Message) -> _Outcome | None:
            async with places:
                if down.is_set():
                    return None  # whatever it is, it is not tried on an endpoint that is down
                outcome = await self._post(pool, webhook, message)
                if outcome.endpoint_fails or outcome.status == HTTPStatus.GONE:
                    down.set()
                return outcome

        outcomes = [o for o in await asyncio.gather(*map(one, heads)) if o is not None]
        for outcome in outcomes:
            await self._note(connection, webhook, outcome)
        failed = next((o for o in outcomes if o.endpoint_fails), None)
        gone = any(o.status == HTTPStatus.GONE for o in outcomes)
        too_old = next((o for o in outcomes if o.error and self._is_too_old(o.message)), None)
        if gone:
            await self._disable(webhook, "the endpoint says that it is gone (410)")
        elif failed is not None:
            await self._leave_alone(connection, webhook, failed)
        elif too_old is not None:
            await self._disable(
                webhook, self._given_up(f"{too_old.message.subject}: {too_old.error}")
            )
        else:
            await connection.execute(_GOOD, (webhook.id,))
        return not (gone or failed or too_old)

    async def _post(
        self, pool: httpcore.AsyncConnectionPool, webhook: _Webhook, message: _Message
    ) -> _Outcome:
        body = message.body.encode()
        signed = headers(message.message_id, int(time.time()), body, webhook.secrets)
        asked = [("content-type", "application/json"), ("user-agent", USER_AGENT), *signed.items()]
        try:
            self._targets.check_url(webhook.url)
            async with (
                asyncio.timeout(self._settings.timeout_s),
                pool.stream("POST", webhook.url, headers=asked, content=body) as response,
            ):
                status = response.status
                read = 0
                async for part in response.aiter_stream():  # so that the connection can be kept
                    read += len(part)
                    if read > MAX_READ_BYTES:
                        break
        except TimeoutError:
            return _Outcome(message, None, f"no answer within {self._settings.timeout_s:g} s")
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            return _Outcome(message, None, f"{type(error).__name__}: {error}"[:300])
        except (TargetError, OSError, ValueError) as error:
            return _Outcome(message, None, str(error)[:300])
        good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
        return _Outcome(message, status, None if good else f"answered {status}")

    async def _note(
        self, connection: psycopg.AsyncConnection, webhook: _Webhook, outcome: _Outcome
    ) -> None:
        message = outcome.message
        if outcome.delivered:
            await connection.execute(_DELIVERED, (outcome.status, message.id))
            return
        wait_s = pause_s(self._settings.first_retry_s, message.attempts)
        # An endpoint that is left alone keeps all its messages; this one need not wait longer.
        wait = timedelta(0) if outcome.endpoint_fails else timedelta(seconds=wait_s)
        await connection.execute(_FAILED, (outcome.status, outcome.error, wait, message.id))
        logger.debug("webhook %s: %s: %s", webhook.id, message.message_id, outcome.error)

    async def _leave_alone(
        self, connection: psycopg.AsyncConnection, webhook: _Webhook, failed: _Outcome
    ) -> None:
        wait = timedelta(seconds=pause_s(self._settings.first_retry_s, webhook.failures))
        cursor = await connection.execute(_BAD, (failed.error, wait, webhook.id))
        row = await cursor.fetchone()
        if webhook.failing_since is None:
            logger.warning("webhook %s does not answer: %s", webhook.id, failed.error)
        if row is not None and row[0] > self._give_up:
            await self._disable(webhook, self._given_up(failed.error))

    async def _disable(self, webhook: _Webhook, reason: str) -> None:
        logger.warning("webhook %s is disabled: %s", webhook.id, reason)
        await asyncio.to_thread(self._disable_now, webhook.id, reason)

    def _disable_now(self, webhook: str, reason: str) -> None:
        with psycopg.connect(self._dsn) as connection:
            disable_webhook(connection, webhook, reason)

    @property
    def _give_up(self) -> timedelta:
        return timedelta(days=self._settings.give_up_days)

    def _given_up(self, error: str | None) -> str:
        return f"not taken for {self._settings.give_up_days:g} days: {error}"

    def _is_too_old(self, message: _Message) -> bool:
        return datetime.now(message.made_at.tzinfo) - message.made_at > self._give_up
