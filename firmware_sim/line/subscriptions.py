"""Subscriptions as a good PLC keeps them, on top of asyncua's server.

asyncua 2.1 differs from the standard where a gateway's promise depends on it, and each is put
right here: an overflowing queue sets the Overflow bit (Part 4, StatusCode), a deadband is measured
from the last report and not from the last value, a message stays republishable until it is
acknowledged, republishing what is gone is an error, a transferred subscription answers the publish
requests of its new session, and one whose session timed out lives on for its own lifetime.
Notifications also skip the deep copy of each value, which costs more than all else on the way: the
values written here are immutable.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AddressSpace
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.monitored_item_service import (
    MonitoredItemData,
    MonitoredItemService,
    MonitoredItemValues,
)
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.status_codes import StatusCodes

OVERFLOW = 0x0000_0480
"""InfoType DataValue and its Overflow bit, within a status code."""

_ANYBODY = User(role=UserRole.Anonymous)


class KeptValues(MonitoredItemValues):
    """The value that came and the one reported before it, kept as they are."""

    def set_current_datavalue(self, cur_val: ua.DataValue) -> None:
        self.current_dvalue = cur_val

    def reported(self) -> None:
        """The value that came is reported: the next is measured against it."""
        self.old_dvalue = self.current_dvalue


class PlcMonitoredItems(MonitoredItemService):
    """Monitored items that do not copy what they are told."""

    def _make_monitored_item_common(
        self, params: ua.MonitoredItemCreateRequest
    ) -> tuple[ua.MonitoredItemCreateResult, MonitoredItemData]:
        result, item = super()._make_monitored_item_common(params)
        item.mvalue = KeptValues()
        return result, item


class PlcSubscription(InternalSubscription):
    """Marks what overflowed, and holds messages until they are acknowledged."""

    async def _enqueue_event(
        self,
        mid: int,
        eventdata: ua.MonitoredItemNotification | ua.EventFieldList,
        size: int,
        queue: dict[int, list[Any]],
    ) -> None:
        item = self.monitored_item_srv._monitored_items.get(mid)
        if item is not None and isinstance(item.mvalue, KeptValues):
            item.mvalue.reported()
        waiting = queue.get(mid)
        full = waiting is not None and 0 < size <= len(waiting)
        await super()._enqueue_event(mid, eventdata, size, queue)
        # A queue of one is meant to hold the newest value only; the standard sets no bit there.
        if full and size > 1 and isinstance(eventdata, ua.MonitoredItemNotification):
            _mark_overflow(queue[mid][0])

    def republish(self, nb: int) -> ua.NotificationMessage:
        result = self._not_acknowledged_results.get(nb)
        if result is None:
            raise ServiceError(StatusCodes.BadMessageNotAvailable)
        message: ua.NotificationMessage = result.NotificationMessage
        return message


class PlcSubscriptionService(SubscriptionService):
    """Makes `PlcSubscription`s, and lets them move between sessions."""

    def __init__(self, aspace: AddressSpace, iserver: InternalServer) -> None:
        super().__init__(aspace, iserver)
        self._server = iserver

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        if len(self.subscriptions) >= self._server.max_subscriptions:
            raise ServiceError(StatusCodes.BadTooManySubscriptions)
        self._sub_id_counter += 1
        number = self._sub_id_counter
        result = ua.CreateSubscriptionResult()
        result.SubscriptionId = number
        result.RevisedPublishingInterval = params.RequestedPublishingInterval
        result.RevisedLifetimeCount = self._clamp_lifetime_count(params.RequestedLifetimeCount)
        result.RevisedMaxKeepAliveCount = self._clamp_keep_alive_count(
            params.RequestedMaxKeepAliveCount
        )
        subscription = PlcSubscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=lambda: self.subscriptions.pop(number, None),
            no_acks_limit=self._server.max_unacked_messages_per_subscription,
            max_queue_size=self._server.max_monitored_item_queue_size,
            publishing_enabled=params.PublishingEnabled,
        )
        subscription.monitored_item_srv = PlcMonitoredItems(subscription, self.aspace)
        await subscription.start()
        self.subscriptions[number] = subscription
        return result

    def republish(self, params: ua.RepublishParameters) -> ua.NotificationMessage:
        subscription = self.subscriptions.get(params.SubscriptionId)
        if subscription is None:
            raise ServiceError(StatusCodes.BadSubscriptionIdInvalid)
        return subscription.republish(params.RetransmitSequenceNumber)

    async def transfer_subscriptions(
        self,
        params: ua.TransferSubscriptionsParameters,
        session_id: ua.NodeId,
        callback: Callable[..., Any],
    ) -> list[ua.TransferResult]:
        results = await super().transfer_subscriptions(params, session_id, callback)
        # The callback is a method of the connection's processor, which also holds the publish
        # requests; without this the subscription waits for those of the connection it left.
        processor = callback.__self__  # type: ignore[attr-defined]  # a bound method
        for number in params.SubscriptionIds:
            subscription = self.subscriptions.get(number)
            if subscription is not None:
                subscription.pub_request_callback = processor.get_publish_request
        return results


class PlcSession(InternalSession):
    """Leaves its subscriptions behind when it times out."""

    async def close_session(self, delete_subs: bool = True) -> None:
        timed_out = asyncio.current_task() is self._timeout_task
        await super().close_session(delete_subs and not timed_out)


def use_plc_subscriptions(iserver: InternalServer) -> None:
    """Give a server that has not started these subscriptions in place of asyncua's."""

    def create_session(name: str, user: User = _ANYBODY, external: bool = False) -> InternalSession:
        return PlcSession(
            iserver,
            iserver.aspace,
            iserver.subscription_service,
            name,
            user=user,
            external=external,
        )

    iserver.create_session = create_session  # type: ignore[method-assign]
    service = PlcSubscriptionService(iserver.aspace, iserver)
    iserver.subscription_service = service
    iserver.isession.subscription_service = service


def _mark_overflow(notification: ua.MonitoredItemNotification) -> None:
    value = notification.Value
    code = value.StatusCode.value if value.StatusCode is not None else 0
    marked = ua.StatusCode(ua.UInt32(code | OVERFLOW))
    notification.Value = dataclasses.replace(value, StatusCode=marked)
