"""Events of a server that tell results: how they are asked for, and what becomes of them.

They come in the same subscription as values, and are acknowledged, asked for again and taken over
with it. A subscription that is made anew does not bring the events of the time without one: that
time is a gap, whether there were any or not; unless the system still holds the last result that
was seen and all after it (`missed.py`). Results come in about the order in which they were made:
several may have been made at one time, and a slow one may come after those made since.
"""

from __future__ import annotations

import hashlib
import json
import logging
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from asyncua import Client, ua
from asyncua.ua.ua_binary import variant_to_binary

from edge.journal import Gap, Origin, SampleBatch, TelemetryJournal
from edge.sources.opcua.companion import Companion
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import node_id
from edge.sources.opcua.findings import Findings
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.result_config import ResultSettings
from edge.sources.opcua.structures import TypeBook, subtypes
from edge.sources.opcua.values import Unreadable, jsonable
from edge.sources.results import Results
from edge.status import Condition, SourceFigures
from protocols.inspection import Result

logger = logging.getLogger(__name__)

_OF_EVERY_EVENT = ("EventType", "EventId", "Time", "SourceName", "Message")
_QUEUE_OVERFLOW = ua.NodeId(ua.Int32(ua.ObjectIds.EventQueueOverflowEventType))
_FILTER_REFUSALS = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadEventFilterInvalid,
        ua.StatusCodes.BadContentFilterInvalid,
        ua.StatusCodes.BadFilterOperatorUnsupported,
        ua.StatusCodes.BadFilterOperandCountMismatch,
        ua.StatusCodes.BadFilterOperandInvalid,
        ua.StatusCodes.BadFilterElementInvalid,
        ua.StatusCodes.BadFilterLiteralInvalid,
        ua.StatusCodes.BadFilterNotAllowed,
    }
)
_MOST_TYPES = 100
_HEARD_EVERY_US = 10_000_000
_REMEMBERED = 50
"""Results, of the last that were seen: by these a held one is known to be another. One of an old
time among them has those made since fetched again, which the hub counts once."""
_SLACK_US = 1_000_000
_BROKEN = (ValueError, TypeError, AttributeError, LookupError, OverflowError, struct.error)


class ResultEvents:
    """The events that tell one device's results. Their monitored item has the position and client
    handle after those of the tags."""

    def __init__(
        self,
        settings: OpcUaSettings,
        model: Companion,
        wanted: ResultSettings[str],
        journal: TelemetryJournal,
        gaps: GapWatch,
        figures: SourceFigures,
    ) -> None:
        self.position = len(settings.tags)
        self.model = model
        self.node = wanted.node
        self.types = TypeBook(settings.device)
        self._device = settings.device
        self._said = (*_OF_EVERY_EVENT, *model.fields)
        self._wanted = wanted.queue_size
        self._gaps = gaps
        self._results = Results(settings.device, journal, figures, wanted.forms)
        self._findings = Findings(settings.device, wanted, self._results)
        self._slack_us = _SLACK_US + 1000 * settings.publishing_ms
        self._bookmark = f"{settings.device}/events"
        kept = json.loads(journal.bookmarks.get(self._bookmark) or "{}")
        self._heard_us: int = kept.get("heard", 0)
        """Until when nothing can have been missed; 0: nothing was subscribed before."""
        self._began_us: int = kept.get("began", self._heard_us)
        """When it was first subscribed: what was made before is not asked for."""
        self._seen: dict[str, int] = dict(kept.get("seen", ()))
        """Key and time of each of the last results that were seen, the last one last."""
        self._before: tuple[int, dict[str, int]] | None = None
        """What was heard and seen before the monitored item was made, until `resume` has accounted
        for the time between: messages that come meanwhile say nothing of that time."""
        if before := kept.get("before"):
            self._before = (before[0], dict(before[1]))
        self._fetched: frozenset[tuple[object, ...]] = frozenset()
        """Results that were fetched: those made after the subscription come as events too."""
        self._source: str = kept.get("source", "")
        """Who told it."""
        self._queue: int = kept.get("queue", wanted.queue_size)
        """Events that the server's queue takes."""
        self._unmarked = False
        self._marked_us = self._heard_us
        self._unreadable = Condition(logger, f"source {settings.device}: results")
        self._fields = Condition(logger, f"source {settings.device}: fields of results")
        self._filters = True
        self._subtypes: list[ua.NodeId] = []
        """Of the event's type."""

    async def prepare(self, client: Client) -> None:
        """Ask what structures the server has, and what types are made of the event's. What it does
        not tell stays unread."""
        try:
            await self.types.learn_structures(client)
            namespaces = await client.get_namespace_array()
            if self.model.namespace in namespaces:
                index = namespaces.index(self.model.namespace)
                self._subtypes = await subtypes(client, self._result_ready(index), _MOST_TYPES)
        except ua.UaError as error:
            logger.info("%s: structures are not known: %s", self._device, error)

    def _result_ready(self, index: int) -> ua.NodeId:
        return ua.NodeId(ua.Int32(self.model.event_type), ua.Int16(index))

    def request(self, namespaces: list[str]) -> ua.MonitoredItemCreateRequest:
        """The monitored item. Raises `ValueError` if the server has no such thing."""
        if self.model.namespace not in namespaces:
            raise ValueError(f"the server does not have the model {self.model.namespace}")
        index = namespaces.index(self.model.namespace)
        result_ready = self._result_ready(index)
        base = ua.NodeId(ua.Int32(ua.ObjectIds.BaseEventType))
        wanted = ua.EventFilter(
            SelectClauses=[
                *(_select(base, name, 0) for name in _OF_EVERY_EVENT),
                *(_select(result_ready, name, index) for name in self.model.fields),
            ]
        )
        if self._filters:
            types = [result_ready, *self._subtypes]
            wanted.WhereClause = ua.ContentFilter(Elements=[_of_types(types, base)])
        return ua.MonitoredItemCreateRequest(
            ItemToMonitor=ua.ReadValueId(
                NodeId=node_id(self.node, namespaces),
                AttributeId=ua.AttributeIds.EventNotifier,
            ),
            MonitoringMode=ua.MonitoringMode.Reporting,
            RequestedParameters=ua.MonitoringParameters(
                ClientHandle=ua.UInt32(self.position),
                SamplingInterval=0,
                Filter=wanted,
                QueueSize=self._wanted,
                DiscardOldest=True,
            ),
        )

    def fallback(self, status: ua.StatusCode) -> bool:
        """Whether to ask again, for all events: the server cannot tell them apart by their type."""
        again = self._filters and status.value in _FILTER_REFUSALS
        self._filters = self._filters and not again
        return again

    def accepted(self, queue_size: int) -> None:
        """The server has the monitored item, with a queue of so many events."""
        self._queue = queue_size or self._wanted
        # If the session was lost before that time was accounted for, it goes on.
        self._before = self._until_then()

    def _until_then(self) -> tuple[int, dict[str, int]]:
        """What was heard and seen before the time that is to be accounted for."""
        return self._before or (self._heard_us, dict(self._seen))

    @property
    def resumes(self) -> bool:
        """Whether there is a time without a subscription to account for."""
        heard_us, _ = self._until_then()
        return bool(heard_us)

    def resume(
        self, held: Sequence[ua.ExtensionObject], now_us: int, *, whole: bool
    ) -> list[SampleBatch | Gap]:
        """The records of a time without a subscription, of the results that the system holds, and
        whether those are all that it holds. Without the last one seen among them it is not known
        what was forgotten."""
        since_us, seen = self._until_then()
        self._before, self._heard_us = None, now_us
        if not since_us:
            self._began_us = now_us
            return []
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        from_us = min(seen.values(), default=since_us)
        if len(seen) < _REMEMBERED:  # these are all: one made before them may still come
            from_us = min(from_us, self._began_us)
        last = next(reversed(seen), None)
        seen |= self._seen
        found: list[list[Result]] = []
        for each in held:
            try:
                found.append(self._of_held(each, now))
            except (*_BROKEN, Unreadable) as error:
                self._unreadable.fail(f"a result that the system holds: {str(error)[:200]}")
                whole = False
        told = sorted(filter(None, found), key=lambda results: results[0].measured_at)
        known = whole and any(results[0].key == last for results in told)
        missed = [
            results for results in told if _us(results[0]) >= from_us and results[0].key not in seen
        ]
        for results in missed:
            self._see(results[0])
        fresh = [*chain.from_iterable(missed)]
        self._fetched = frozenset(map(_said, fresh))
        batches = self._results.batches(fresh, Origin.HISTORY)
        if known:
            return [*batches]
        cause = f"{self.model.what}: {self._gaps.interruption}"
        return [Gap.ended(self._device, since_us, now_us, cause), *batches]

    def _of_held(self, held: ua.ExtensionObject, now: datetime) -> list[Result]:
        fields = self.model.held(jsonable(held, self.types.expand))
        fields["SourceName"] = self._source
        digest = hashlib.sha256(held.Body or b"").hexdigest()
        return self._findings.of(fields, now=now, sha256=digest)

    def _see(self, result: Result) -> None:
        """Remember it as the last."""
        self._seen.pop(result.key, None)
        self._seen[result.key] = _us(result)
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._source = result.tool or self._source
        self._unmarked = True

    def hear(self, until_us: int) -> None:
        """The server has told all that it had until then."""
        self._heard_us = max(self._heard_us, until_us - self._slack_us)

    def due(self, now_us: int) -> bool:
        """Whether `marks` should be kept now."""
        return self._unmarked or (
            self._heard_us != self._marked_us and now_us - self._marked_us > _HEARD_EVERY_US
        )

    def marks(self) -> dict[str, str]:
        """The bookmark of what was heard."""
        self._marked_us, self._unmarked = self._heard_us, False
        kept = {
            "heard": self._heard_us,
            "began": self._began_us,
            "seen": [*self._seen.items()],
            "source": self._source,
            "queue": self._queue,
        }
        if self._before is not None:
            heard_us, seen = self._before
            kept["before"] = [heard_us, [*seen.items()]]
        return {self._bookmark: json.dumps(kept)}

    def take(self, events: Sequence[Any], now_us: int) -> list[SampleBatch | Gap]:
        """The records of some events, gaps first. One that cannot be read is a gap. So is it when
        they fill the server's queue: not all servers say that they dropped what came before."""
        fresh: list[Result] = []
        gaps: list[Gap] = []
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        ours = [event for event in events if event.ClientHandle == self.position]
        overflowed = len(ours) >= self._queue
        for event in ours:
            try:
                results = self._results_of(event.EventFields, now)
            except _OverflowError:
                overflowed = True
            except _BROKEN as error:
                what = f"an event cannot be read: {str(error)[:200]}"
                self._unreadable.fail(f"{what}; it is lost, and a gap says so")
                gaps.append(Gap(self._device, now_us, now_us, f"{self.model.what}: {what}"))
            else:
                self._unreadable.recover()
                fresh += [result for result in results if _said(result) not in self._fetched]
                if results:
                    self._see(results[0])
        if overflowed:
            gaps.append(self._overflow(now_us))
        return [*gaps, *self._results.batches(fresh)]

    def _overflow(self, now_us: int) -> Gap:
        cause = f"{self.model.what}: the server's queue of {self._queue} was full"
        return Gap.ended(self._device, self._heard_us or None, now_us, cause)

    def _results_of(self, values: Sequence[ua.Variant], now: datetime) -> list[Result]:
        if len(values) != len(self._said):
            raise ValueError(f"it has {len(values)} fields, not the {len(self._said)} asked for")
        said = dict(zip(self._said, values, strict=True))
        if said["EventType"].Value == _QUEUE_OVERFLOW:
            raise _OverflowError
        if said[self.model.fields[0]].Value is None:  # another event: the server does not filter
            return []
        digest = hashlib.sha256()
        for value in values:
            digest.update(variant_to_binary(value))
        fields = self.model.flat(self._read(said))
        return self._findings.of(fields, now=now, sha256=digest.hexdigest())

    def _read(self, said: dict[str, ua.Variant]) -> dict[str, Any]:
        """The fields as plain values; one that cannot be read is as if it were not there."""
        fields: dict[str, Any] = {}
        broken = []
        for name, variant in said.items():
            value = variant.Value
            try:
                plain = value if isinstance(value, datetime) else jsonable(value, self.types.expand)
                fields[name] = plain
            except Unreadable as error:
                broken.append(f"{name}: {error}")
        if broken:
            self._fields.fail("; ".join(broken[:3]))
        else:
            self._fields.recover()
        return fields


def _said(result: Result) -> tuple[object, ...]:
    """What makes two tellings of a result the same: one that was judged anew since is another."""
    return result.key, result.characteristic, result.value, result.verdict


def _us(result: Result) -> int:
    return round(result.measured_at.timestamp() * 1e6)


class _OverflowError(Exception):
    """The event says that events were dropped."""


def _of_types(types: Sequence[ua.NodeId], base: ua.NodeId) -> ua.ContentFilterElement:
    """Events of one of these types. That of a subtype is of its type, too, but not to all servers
    (asyncua 2.1): where there are any, each is named."""
    operands: list[Any] = [ua.LiteralOperand(Value=ua.Variant(each)) for each in types]
    if len(types) == 1:
        return ua.ContentFilterElement(ua.FilterOperator.OfType, operands)
    return ua.ContentFilterElement(
        ua.FilterOperator.InList, [_select(base, "EventType", 0), *operands]
    )


def _select(event_type: ua.NodeId, name: str, namespace: int) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=event_type,
        BrowsePath=[ua.QualifiedName(name, ua.UInt16(namespace))],
        AttributeId=ua.AttributeIds.Value,
    )
