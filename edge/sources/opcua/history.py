"""Reading from the server's history what its subscription lost.

A tag's history is believed to be whole between the last sample before the loss and the first one
after it if it has both of these, or has one no further from each than the tag is sampled apart;
what is not covered so becomes the gap. Samples at those two instants are known and not stored
again; another value of the very same microsecond is not told from them, nor from the last one that
an earlier session has read of a debt.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from asyncua import Client, ua

from edge.journal import Gap, JournalError, SampleBatch, TelemetryJournal
from edge.journal.records import Origin
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.gaps import Debt, GapWatch, listed
from edge.sources.opcua.intake import Intake
from edge.sources.opcua.subscription import ITEMS_PER_REQUEST, Subscription
from edge.sources.opcua.values import EPOCH, time_of
from edge.status import SourceFigures

logger = logging.getLogger(__name__)

VALUES_PER_NODE = 1000
"""Values of one tag in one answer."""
_NODES_PER_REQUEST = 10
_LATE_TRIES = 3
"""A historian may be slower than the subscription: it is asked so often for the newest values."""
_LATE_S = 2.0
_SESSION_OVER = (
    ua.StatusCodes.BadSessionIdInvalid,
    ua.StatusCodes.BadSessionClosed,
    ua.StatusCodes.BadSecureChannelIdInvalid,
    ua.StatusCodes.BadSecureChannelClosed,
    ua.StatusCodes.BadTimeout,
)


class Ledger:
    """The debts of one device. Each is in the journal from the moment its loss was noticed until
    it is settled, so that a restart does not forget it."""

    def __init__(self, device: str, journal: TelemetryJournal) -> None:
        self.debts: dict[str, Debt] = {}
        """By the name of its bookmark; oldest first."""
        self.more = asyncio.Event()
        """There are debts."""
        self._prefix = f"{device}/history/"
        kept = sorted(
            (int(name.removeprefix(self._prefix)), name)
            for name in journal.bookmarks
            if name.startswith(self._prefix)
        )
        for _, name in kept:
            self.debts[name] = _debt(journal.bookmarks[name])
            self.more.set()
        self._numbers = itertools.count(kept[-1][0] + 1 if kept else 0)

    def add(self, debts: Iterable[Debt]) -> dict[str, str]:
        """Note new debts; their bookmarks."""
        marks = {}
        for debt in debts:
            name = f"{self._prefix}{next(self._numbers)}"
            self.debts[name] = debt
            marks[name] = written(debt)
            self.more.set()
        return marks

    def settle(self, name: str) -> dict[str, str]:
        """A debt is no more; its bookmark."""
        del self.debts[name]
        if not self.debts:
            self.more.clear()
        return {name: ""}


def written(debt: Debt) -> str:
    """A debt as its bookmark."""
    return json.dumps([debt.cause, debt.since_us, debt.tags, debt.lost])


def _debt(text: str) -> Debt:
    cause, since_us, *losses = json.loads(text)
    tags, lost = ({tag: (a, b) for tag, (a, b) in part.items()} for part in losses)
    return Debt(cause, since_us, tags, lost)


async def tags_with_history(
    client: Client, settings: OpcUaSettings, subscription: Subscription
) -> set[str]:
    """The tags whose history this session may read, by their nodes' UserAccessLevel."""
    if not settings.backfill:
        return set()
    nodes = list((await subscription.nodes(list(range(len(settings.tags))))).items())
    kept = set()
    for at in range(0, len(nodes), ITEMS_PER_REQUEST):
        chunk = nodes[at : at + ITEMS_PER_REQUEST]
        levels = await client.uaclient.read_attributes(
            [node for _, node in chunk], ua.AttributeIds.UserAccessLevel
        )
        for (position, _), level in zip(chunk, levels, strict=True):
            value = level.Value.Value if level.Value is not None else None
            if isinstance(value, int) and value >> ua.AccessLevel.HistoryRead & 1:
                kept.add(settings.tags[position].name)
    return kept


class Backfill:
    """Settles the debts of one device within one session, one after the other."""

    def __init__(
        self,
        client: Client,
        settings: OpcUaSettings,
        journal: TelemetryJournal,
        subscription: Subscription,
        gaps: GapWatch,
        ledger: Ledger,
        figures: SourceFigures,
    ) -> None:
        self._client = client
        self._settings = settings
        self._journal = journal
        self._subscription = subscription
        self._gaps = gaps
        self._ledger = ledger
        self._figures = figures
        self._positions = {tag.name: at for at, tag in enumerate(settings.tags)}
        # With filters of its own: those of the live values have gone on.
        self._intake = Intake(settings, journal, hold=False)
        self._nodes_per_request = _NODES_PER_REQUEST
        self._newest: dict[str, list[tuple[object, ...]]] = {}
        """By tag of the debt that is read: what was stored of the instant that it has reached. The
        next answer may begin with more of the same microsecond, and with these again."""

    async def run(self) -> None:
        """Read what is owed, and what will be, until cancelled. Raises if the session is lost."""
        while True:
            await self._ledger.more.wait()
            name, debt = next(iter(self._ledger.debts.items()))
            try:
                await self._settle(name, debt)
            except (OSError, ua.UaError, JournalError):
                raise
            except Exception:  # a history that nobody can read must not stop the live values
                logger.exception("%s: history cannot be read", self._settings.device)
                debt.lost.update(debt.tags)
                debt.tags.clear()

    async def _settle(self, name: str, debt: Debt) -> None:
        """Read one debt, some tags at a time; what history does not have becomes a gap."""
        self._newest.clear()
        for tag in [tag for tag in debt.tags if tag not in self._gaps.kept]:
            debt.lost[tag] = debt.tags.pop(tag)
        for tries_left in range(_LATE_TRIES, -1, -1):
            waiting = list(debt.tags)
            while waiting:
                tags, waiting = self._some(waiting)
                waiting += await self._read(name, debt, tags, last_try=not tries_left)
            if not debt.tags:
                break
            await asyncio.sleep(_LATE_S)
        gaps = []
        if debt.lost:
            since_us = min(from_us for from_us, _ in debt.lost.values())
            to_us = max(to_us for _, to_us in debt.lost.values())
            cause = f"{debt.cause}: not in the PLC's history: {listed(sorted(debt.lost))}"
            from_us = min(max(since_us, debt.since_us), to_us)
            gaps.append(Gap(self._settings.device, from_us, to_us, cause))
            self._figures.gaps += 1
        await self._journal.submit(*gaps, bookmarks=self._ledger.settle(name))

    def _some(self, tags: list[str]) -> tuple[list[str], list[str]]:
        """As many as one request may name, and the rest."""
        return tags[: self._nodes_per_request], tags[self._nodes_per_request :]

    async def _read(self, name: str, debt: Debt, tags: list[str], *, last_try: bool) -> list[str]:
        """Read some tags to the end, and take them off the debt. Those that have not come as far as
        they should stay, unless this is the last try. Returns those that are to be read on: there
        were too many at a time, or the server broke off."""
        nodes = await self._subscription.nodes([self._positions[tag] for tag in tags])
        start_us = min(debt.tags[tag][0] for tag in tags)
        end_us = max(debt.tags[tag][1] for tag in tags)
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=_instant(start_us),
            EndTime=_instant(end_us + 1000),  # the end is not included
            NumValuesPerNode=VALUES_PER_NODE,
            ReturnBounds=False,
        )
        begun: set[str] = set()
        postponed: list[str] = []
        points: dict[str, bytes | None] = {
            tag: None for tag in tags if self._positions[tag] in nodes
        }
        while points:
            wanted = list(points)
            results = await self._request(
                details, [(nodes[self._positions[tag]], points[tag]) for tag in wanted]
            )
            if results is None:
                return tags
            items: list[ua.MonitoredItemNotification] = []
            for tag, result in zip(wanted, results, strict=True):
                reached_us = debt.tags[tag][0]
                items += self._fresh(debt, tag, _values(result), begun)
                # A server that does not come on would be asked for ever.
                stuck = points[tag] is not None and debt.tags[tag][0] == reached_us
                if result.ContinuationPoint and not stuck:
                    points[tag] = result.ContinuationPoint
                    continue
                del points[tag]
                came_on = debt.tags[tag][0] > reached_us or start_us < reached_us
                if self._is_short_of_points(result) or (came_on and _is_cut_off(result)):
                    postponed.append(tag)
            await self._store(items, {name: written(debt)})
        for tag in tags:
            if tag in postponed:
                continue
            reached_us, to_us = debt.tags[tag]
            if to_us - reached_us > self._step_us(tag):
                if tag in begun and not last_try:
                    continue
                debt.lost[tag] = (debt.lost.get(tag, (reached_us, 0))[0], to_us)
            del debt.tags[tag]
        return postponed

    def _is_short_of_points(self, result: ua.HistoryReadResult) -> bool:
        """The server has no continuation point left for this node; of fewer it may have enough."""
        if result.StatusCode.value != ua.StatusCodes.BadNoContinuationPoints:
            return False
        fewer = max(1, self._nodes_per_request // 2)
        if fewer == self._nodes_per_request:
            return False
        self._nodes_per_request = fewer
        return True

    def _fresh(
        self, debt: Debt, tag: str, values: list[ua.DataValue], begun: set[str]
    ) -> list[ua.MonitoredItemNotification]:
        """Those of a tag's values, in order of time, that were lost; notes how far they reach."""
        from_us, to_us = debt.tags[tag]
        reached_us = from_us
        before = self._newest.get(tag)
        newest = [*(before or ())]
        items = []
        for value in values:
            time_us = time_of(value, -1)
            if not reached_us <= time_us <= to_us:
                continue
            if tag not in begun:
                begun.add(tag)
                if time_us - from_us > self._step_us(tag):
                    debt.lost[tag] = (from_us, time_us)
            if time_us > reached_us:
                reached_us, before, newest = time_us, [], []
            if before is None or time_us == to_us:
                continue
            same = _same(value)
            if same in before:
                continue
            newest.append(same)
            items.append(
                ua.MonitoredItemNotification(ClientHandle=self._positions[tag], Value=value)
            )
        if before is not None:
            self._newest[tag] = newest
        debt.tags[tag] = (reached_us, to_us)
        return items

    async def _request(
        self, details: ua.ReadRawModifiedDetails, nodes: list[tuple[ua.NodeId, bytes | None]]
    ) -> list[ua.HistoryReadResult] | None:
        """One HistoryRead; None: it is to be tried with fewer nodes."""
        parameters = ua.HistoryReadParameters(
            HistoryReadDetails=details,
            TimestampsToReturn=ua.TimestampsToReturn.Both,
            ReleaseContinuationPoints=False,
            NodesToRead=[
                ua.HistoryReadValueId(NodeId=node, ContinuationPoint=point) for node, point in nodes
            ],
        )
        try:
            return list(await self._client.uaclient.history_read(parameters))
        except ua.UaStatusCodeError as error:
            if error.code == ua.StatusCodes.BadTooManyOperations and len(nodes) > 1:
                self._nodes_per_request = max(1, len(nodes) // 2)
                return None
            if error.code in _SESSION_OVER:
                raise
            logger.warning("%s: no history after all: %s", self._settings.device, error)
            status = ua.StatusCode(ua.UInt32(error.code))
            return [ua.HistoryReadResult(StatusCode=status) for _ in nodes]

    async def _store(
        self, items: list[ua.MonitoredItemNotification], marks: dict[str, str]
    ) -> None:
        """Append values of history; returns when they are durable."""
        if not items:
            return
        message = ua.NotificationMessage(
            NotificationData=[ua.DataChangeNotification(MonitoredItems=items)]
        )
        records = self._intake.take(message, time.time_ns() // 1000)
        batches = [record for record in records if isinstance(record, SampleBatch)]
        for batch in batches:
            batch.origin = Origin.HISTORY
            self._figures.backfilled += len(batch)
        if batches:
            await self._journal.submit(*batches, bookmarks=marks)

    def _step_us(self, tag: str) -> int:
        sampling_ms = self._settings.tags[self._positions[tag]].sampling_ms
        return 1000 * (self._settings.sampling_ms if sampling_ms is None else sampling_ms)


def _is_cut_off(result: ua.HistoryReadResult) -> bool:
    """Whether the server gave as many values as it was asked for at most, and no way to go on. Some
    give none although they have more (asyncua's): it is asked again from where it has come."""
    return not result.ContinuationPoint and len(_values(result)) >= VALUES_PER_NODE


def _same(value: ua.DataValue) -> tuple[object, ...]:
    """What is the same of a value that is given again: a server may stamp it anew, and NaN is not
    equal to itself."""
    return repr(value.Value), value.StatusCode, value.SourceTimestamp, value.SourcePicoseconds


def _values(result: ua.HistoryReadResult) -> list[ua.DataValue]:
    """The values of one node's answer; none if the server refused it."""
    data = result.HistoryData
    if result.StatusCode.is_bad() or not isinstance(data, ua.HistoryData):
        return []
    return [value for value in data.DataValues or () if value.Value is not None]


def _instant(time_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=time_us)
