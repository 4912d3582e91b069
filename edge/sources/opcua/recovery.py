"""Going on with the subscription that an earlier session left at the server, or an earlier run of
the agent: what is remembered for that, and how it is taken over."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncua import Client, ua

from edge.sources.opcua.companion import VISION
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.publishing import Receipts

logger = logging.getLogger(__name__)

_NEVER = (
    ua.StatusCodes.BadServiceUnsupported,
    ua.StatusCodes.BadNotSupported,
    ua.StatusCodes.BadNotImplemented,
    ua.StatusCodes.BadUserAccessDenied,
    ua.StatusCodes.BadInsufficientClientProfile,
)
"""What a server says that lets no other session go on with a subscription, or not this user's."""


@dataclass(slots=True)
class Memory:
    """What must be known of a subscription to go on with it.

    Its `marks` are kept in the journal in the transaction of the last message taken, so that after
    a restart, however it came, the numbering is exactly as far as the samples are.
    """

    device: str
    of: str
    """Mark of the settings that the monitored items were made by."""
    receipts: Receipts = field(default_factory=Receipts)
    server: str = ""
    """Endpoint and start time of the server that has the subscription."""
    keepalive_s: float = 0.0
    """How long the server may say nothing of it."""
    refused: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Position of each tag whose node the server refuses: since when (µs), and the gap's cause."""
    former: list[tuple[int, str]] = field(default_factory=list)
    """Gaps that are open of what is not known to be asked for any more: since when, and cause."""
    transferable: bool = True
    """The server has not said that it cannot let another session go on with a subscription."""
    items: dict[int, int] = field(default_factory=dict)
    """The server's number of each monitored item, by position."""
    mending: bool = False
    """Monitored items are being added or taken away: if the session ends before that is known to be
    done, nobody knows which there are, and going on could double values."""
    loaded: bool = False
    """It is what an earlier source of the device left, and maybe not all of that is durable yet."""
    outdated: int = 0
    """Number of a subscription whose monitored items are not those of the settings any more."""
    _text: str = ""

    def begin(self, server: str, subscription_id: int, keepalive_s: float) -> None:
        """There is a new subscription, with all its monitored items."""
        self.server, self.keepalive_s = server, keepalive_s
        self.receipts.begin(subscription_id)
        self.changed()

    def doubt(self) -> None:
        """Do not go on with a subscription of which it is not known what it monitors."""
        if self.mending:
            self.outdated = self.receipts.subscription_id
            self.receipts.begin(0)
            self.mending = False
            self.changed()

    def changed(self) -> None:
        """Something of it, other than the numbers, is different."""
        self._text = ""

    def marks(self, device: str) -> dict[str, str]:
        """The bookmarks of all that must outlive this process; what changes with each message is
        short, and what is long is there only if it has changed since the last time."""
        marks = {}
        if not self._text:
            self._text = json.dumps(
                {
                    "of": self.of,
                    "server": self.server,
                    "subscription": self.receipts.subscription_id,
                    "keepalive_s": self.keepalive_s,
                    "mending": self.mending,
                    "refused": [[p, us, cause] for p, (us, cause) in self.refused.items()],
                }
            )
            marks[f"{device}/items"] = json.dumps(list(self.items.items()))
        marks[device] = f"{self.receipts.taken} {self._text}"
        return marks

    @classmethod
    def load(cls, bookmarks: Mapping[str, str], settings: OpcUaSettings) -> Memory:
        """What an earlier run kept, if its settings made the same monitored items."""
        memory = cls(settings.device, mark_of(settings))
        taken, _, rest = bookmarks.get(settings.device, "").partition(" ")
        kept = json.loads(rest or "{}")
        if not kept:
            return memory
        memory.server = kept["server"]
        if kept["of"] != memory.of or kept["mending"]:
            memory.outdated = kept["subscription"]
            memory.former = [(us, cause) for _, us, cause in kept["refused"]]
        else:
            memory.keepalive_s = kept["keepalive_s"]
            memory.refused = {p: (us, cause) for p, us, cause in kept["refused"]}
            memory.items = dict(json.loads(bookmarks[f"{settings.device}/items"]))
            memory.receipts.begin(kept["subscription"])
            memory.receipts.taken = int(taken)
            memory.loaded = True
        return memory


def mark_of(settings: OpcUaSettings) -> str:
    """Short text that is another one if the monitored items are to be others."""
    items = settings.model_dump_json(
        include={"publishing_ms", "sampling_ms", "queue_size", "read", "tags", "endpoint"}
    )
    if settings.results is not None:
        model, wanted = settings.results
        items += wanted.model_dump_json(include={"node", "queue_size"})
        items += "" if model is VISION else model.namespace
    return hashlib.sha256(items.encode()).hexdigest()[:16]


async def identify(client: Client) -> str:
    """Which server this is, and since when it runs: small numbers name subscriptions, and a server
    that was restarted gives them out again. Empty if it does not say."""
    node = client.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServerStatus_StartTime)))
    try:
        return f"{client.server_url.geturl()} {(await node.read_value()).isoformat()}"
    except (ua.UaError, AttributeError):
        return ""


async def let_go(client: Client, memory: Memory, server: str) -> None:
    """Have the server forget a subscription of former settings, which it would go on to fill."""
    number, memory.outdated = memory.outdated, 0
    if not number or not server or memory.server != server:
        return
    parameters = ua.TransferSubscriptionsParameters(
        SubscriptionIds=[number], SendInitialValues=False
    )
    try:
        (result,) = await client.uaclient.transfer_subscriptions(parameters)
        if result.StatusCode.is_good():
            await client.uaclient.delete_subscriptions([number])
    except ua.UaStatusCodeError as error:  # its lifetime will end it
        logger.info(
            "source %s: subscription %d cannot be let go of: %s", memory.device, number, error
        )


async def take_over(client: Client, memory: Memory, server: str) -> list[int] | None:
    """Have the remembered subscription answer this session. Returns the numbers of the messages
    that the server holds of it; None: there is none to go on with."""
    number = memory.receipts.subscription_id
    if not number or not server or memory.server != server:
        return None
    parameters = ua.TransferSubscriptionsParameters(
        SubscriptionIds=[number],
        SendInitialValues=False,  # the journal has them
    )
    try:
        (result,) = await client.uaclient.transfer_subscriptions(parameters)
        result.StatusCode.check()
    except ua.UaStatusCodeError as error:
        if error.code in _NEVER:
            memory.transferable = False
        logger.info(
            "source %s: subscription %d cannot be gone on with: %s", memory.device, number, error
        )
        return None
    logger.info("source %s: subscription %d is gone on with", memory.device, number)
    return list(result.AvailableSequenceNumbers or ())
