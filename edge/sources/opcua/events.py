"""Events of a server that tell results: how they are asked for, and what becomes of them.

They come in the same subscription as values, and are acknowledged, asked for again and taken over
with it. A subscription that is made anew does not bring the events of the time without one: that
time is a gap, whether there were any or not.
"""

from __future__ import annotations

import hashlib
import logging
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from asyncua import Client, ua
from asyncua.ua.ua_binary import variant_to_binary

from edge.journal import Gap, SampleBatch, TelemetryJournal
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.connect import node_id
from edge.sources.opcua.gaps import GapWatch
from edge.sources.opcua.structures import TypeBook
from edge.sources.opcua.values import Unreadable, jsonable
from edge.sources.opcua.vision import Findings
from edge.sources.opcua.vision_config import MachineVisionSettings
from edge.sources.results import Results
from edge.status import Condition, SourceFigures
from protocols.inspection import Result
from protocols.opcua.machine_vision import NAMESPACE, RESULT_FIELDS, RESULT_READY

logger = logging.getLogger(__name__)

_OF_EVERY_EVENT = ("EventType", "EventId", "Time", "SourceName", "Message")
_FIELDS = (*_OF_EVERY_EVENT, *RESULT_FIELDS)
_QUEUE_OVERFLOW = ua.NodeId(ua.Int32(ua.ObjectIds.EventQueueOverflowEventType))
_FILTER_REFUSALS = frozenset(
    {
        ua.StatusCodes.BadMonitoredItemFilterInvalid,
        ua.StatusCodes.BadMonitoredItemFilterUnsupported,
        ua.StatusCodes.BadEventFilterInvalid,
        ua.StatusCodes.BadContentFilterInvalid,
        ua.StatusCodes.BadFilterOperatorUnsupported,
        ua.StatusCodes.BadFilterNotAllowed,
    }
)
_HEARD_EVERY_US = 10_000_000
_SLACK_US = 1_000_000
_BROKEN = (ValueError, TypeError, AttributeError, LookupError, OverflowError, struct.error)


class VisionEvents:
    """The events of one device's vision system. Its monitored item has the position and client
    handle after those of the tags."""

    def __init__(
        self,
        settings: OpcUaSettings,
        vision: MachineVisionSettings,
        journal: TelemetryJournal,
        gaps: GapWatch,
        figures: SourceFigures,
    ) -> None:
        self.position = len(settings.tags)
        self.node = vision.node
        self.types = TypeBook(settings.device)
        self._device = settings.device
        self._queue_size = settings.queue_size
        self._gaps = gaps
        self._results = Results(settings.device, journal, figures, vision.forms)
        self._findings = Findings(settings.device, vision, self._results)
        self._slack_us = _SLACK_US + 1000 * settings.publishing_ms
        self._bookmark = f"{settings.device}/events"
        self._heard_us = int(journal.bookmarks.get(self._bookmark) or 0)
        """Until when nothing can have been missed; 0: nothing was subscribed before."""
        self._marked_us = self._heard_us
        self._unreadable = Condition(logger, f"source {settings.device}: results")
        self._fields = Condition(logger, f"source {settings.device}: fields of results")
        self._filters = True

    async def prepare(self, client: Client) -> None:
        """Ask what structures the server has. What it does not tell stays unread."""
        try:
            await self.types.learn_structures(client)
        except ua.UaError as error:
            logger.info("%s: structures are not known: %s", self._device, error)

    def request(self, namespaces: list[str]) -> ua.MonitoredItemCreateRequest:
        """The monitored item. Raises `ValueError` if the server has no such thing."""
        if NAMESPACE not in namespaces:
            raise ValueError(f"the server does not have the model {NAMESPACE}")
        index = namespaces.index(NAMESPACE)
        result_ready = ua.NodeId(ua.Int32(RESULT_READY), ua.Int16(index))
        base = ua.NodeId(ua.Int32(ua.ObjectIds.BaseEventType))
        wanted = ua.EventFilter(
            SelectClauses=[
                *(_select(base, name, 0) for name in _OF_EVERY_EVENT),
                *(_select(result_ready, name, index) for name in RESULT_FIELDS),
            ]
        )
        if self._filters:
            of_type = ua.ContentFilterElement(
                FilterOperator=ua.FilterOperator.OfType,
                FilterOperands=[ua.LiteralOperand(Value=ua.Variant(result_ready))],
            )
            wanted.WhereClause = ua.ContentFilter(Elements=[of_type])
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
                QueueSize=self._queue_size,
                DiscardOldest=True,
            ),
        )

    def fallback(self, status: ua.StatusCode) -> bool:
        """Whether to ask again, for all events: the server cannot tell them apart by their type."""
        again = self._filters and status.value in _FILTER_REFUSALS
        self._filters = self._filters and not again
        return again

    def missed(self, now_us: int) -> list[Gap]:
        """A subscription is made anew: what cannot be known of the time without one."""
        since_us, self._heard_us = self._heard_us, now_us
        if not since_us:
            return []
        cause = f"machine vision results: {self._gaps.interruption}"
        return [Gap(self._device, min(since_us, now_us), now_us, cause)]

    def hear(self, now_us: int) -> None:
        """The server has told all it had."""
        self._heard_us = max(self._heard_us, now_us - self._slack_us)

    def due(self, now_us: int) -> bool:
        """Whether `marks` should be kept now."""
        return self._heard_us != self._marked_us and now_us - self._marked_us > _HEARD_EVERY_US

    def marks(self) -> dict[str, str]:
        """The bookmark of what was heard."""
        self._marked_us = self._heard_us
        return {self._bookmark: str(self._heard_us)}

    def take(self, events: Sequence[Any], now_us: int) -> list[SampleBatch | Gap]:
        """The records of some events, gaps first. One that cannot be read is a gap."""
        results: list[Result] = []
        gaps: list[Gap] = []
        now = datetime.fromtimestamp(now_us / 1e6, UTC)
        for event in events:
            if event.ClientHandle != self.position:
                continue
            try:
                results += self._results_of(event.EventFields, now)
            except _OverflowError:
                gaps.append(self._gap(now_us, "the server's queue of events overflowed"))
            except _BROKEN as error:
                what = f"an event cannot be read: {str(error)[:200]}"
                self._unreadable.fail(f"{what}; it is lost, and a gap says so")
                gaps.append(Gap(self._device, now_us, now_us, f"machine vision results: {what}"))
            else:
                self._unreadable.recover()
        return [*gaps, *self._results.batches(results)]

    def _gap(self, now_us: int, why: str) -> Gap:
        since_us = min(self._heard_us, now_us) or None
        return Gap(self._device, since_us, now_us, f"machine vision results: {why}")

    def _results_of(self, values: Sequence[ua.Variant], now: datetime) -> list[Result]:
        if len(values) != len(_FIELDS):
            raise ValueError(f"it has {len(values)} fields, not the {len(_FIELDS)} asked for")
        said = dict(zip(_FIELDS, values, strict=True))
        if said["EventType"].Value == _QUEUE_OVERFLOW:
            raise _OverflowError
        if said["ResultId"].Value is None:  # another event, of a server that does not filter
            return []
        digest = hashlib.sha256()
        for value in values:
            digest.update(variant_to_binary(value))
        fields = self._read(said)
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


class _OverflowError(Exception):
    """The event says that events were dropped."""


def _select(event_type: ua.NodeId, name: str, namespace: int) -> ua.SimpleAttributeOperand:
    return ua.SimpleAttributeOperand(
        TypeDefinitionId=event_type,
        BrowsePath=[ua.QualifiedName(name, ua.UInt16(namespace))],
        AttributeId=ua.AttributeIds.Value,
    )
