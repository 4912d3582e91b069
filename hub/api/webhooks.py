"""Webhooks over HTTP: subscribe, rotate the secret, try, and see what became of each message."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from hub.api.context import Admitted, Context, Shared, Tenant
from hub.api.problems import Problem, described
from hub.calls.refused import RefusedError
from hub.webhooks import store
from hub.webhooks.store import TOPICS, Topic
from hub.webhooks.targets import MAX_URL, TargetError

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

NEWEST = 2**63 - 1
WebhookId = Annotated[
    str, Path(max_length=32, pattern=r"^[^\x00]+$", examples=["wh_8c2f5e1ab0d44f10"])
]
_REFUSED = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_FOUND = _REFUSED | described(HTTPStatus.NOT_FOUND)
_EXAMPLE: dict[str, JsonValue] = {
    "id": "wh_8c2f5e1ab0d44f10",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwTLaU1Zl8oNo=",
}


class NewWebhook(BaseModel):
    """A subscription to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "url": "https://mes.example.org/lineside",
                    "topics": ["calls", "changes", "exceptions"],
                    "note": "MES of the plant",
                }
            ]
        },
    )

    url: str = Field(max_length=MAX_URL, description="https, to the public internet")
    topics: list[Topic] = Field(min_length=1, max_length=len(TOPICS))
    note: str = Field(default="", max_length=200, pattern=r"^[^\x00]*$")


class Webhook(BaseModel):
    """A subscription."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "id": "wh_8c2f5e1ab0d44f10",
                    "url": "https://mes.example.org/lineside",
                    "topics": ["calls", "changes", "exceptions"],
                    "note": "MES of the plant",
                    "made_at": "2026-03-02T06:15:00Z",
                    "made_by": "key admin (8c2f5e1ab0d4)",
                    "disabled_at": None,
                    "disabled_reason": None,
                    "failing_since": None,
                    "last_error": None,
                    "waiting": 0,
                }
            ]
        },
    )

    id: str
    url: str
    topics: list[Topic]
    note: str
    made_at: datetime
    made_by: str
    disabled_at: datetime | None = Field(description="since then nothing is told any more")
    disabled_reason: str | None
    failing_since: datetime | None = Field(description="null: its last answer was good")
    last_error: str | None
    waiting: int = Field(description="messages that are not delivered")


class Secret(BaseModel):
    """What messages are signed with, shown this once."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str
    secret: str = Field(description="as Standard Webhooks has it: whsec_ and base64")


class Sent(BaseModel):
    """A message that was written to be delivered."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"message": 4711}]})

    message: int


class Message(BaseModel):
    """A message, and what became of it."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    message_id: str = Field(description="the header webhook-id, the same each time it is sent")
    topic: str
    subject: str = Field(description="messages of one subject are told in order")
    made_at: datetime
    attempts: int
    last_status: int | None = Field(description="of the last answer; null: none came")
    last_error: str | None
    delivered_at: datetime | None


class MessagePage(BaseModel):
    """Messages, the newest first. `next` goes into `before` for the following page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "id": 4711,
                            "message_id": "msg_0b5f0e4f8f2d4c0c9d0a4f6f6a1d2e3f",
                            "topic": "calls",
                            "subject": "P1/SEAT1/0004711/SEAT-FRONT/0",
                            "made_at": "2026-03-02T06:15:00Z",
                            "attempts": 2,
                            "last_status": 503,
                            "last_error": "answered 503",
                            "delivered_at": None,
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    items: list[Message]
    next: int | None


@router.get("", summary="Webhooks", responses=_REFUSED)
def webhooks(tenant: Tenant, shared: Shared) -> list[Webhook]:
    """The tenant's subscriptions, and how each endpoint answers."""
    with shared.reading(tenant) as connection:
        return [Webhook.model_validate(w) for w in store.list_webhooks(connection, tenant)]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    summary="Subscribe",
    responses=_REFUSED | described(HTTPStatus.CONFLICT),
)
def add_webhook(new: NewWebhook, caller: Admitted, shared: Shared, response: Response) -> Secret:
    """From now on what changes is posted there, signed, at least once, in order for each call. The
    secret is in this answer and nowhere else."""
    try:
        shared.targets.check_url(new.url)
    except TargetError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"body.url: {error}") from None
    response.headers["Cache-Control"] = "no-store"
    try:
        with shared.writing() as connection:
            webhook, secret = store.add_webhook(
                connection, caller.tenant, new.url, new.topics, new.note, caller.actor
            )
    except RefusedError as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    return Secret(id=webhook, secret=secret)


@router.get("/{webhook}", summary="A webhook", responses=_FOUND)
def webhook(webhook: WebhookId, tenant: Tenant, shared: Shared) -> Webhook:
    """A subscription, and how its endpoint answers."""
    return _find(shared, tenant, webhook)


@router.delete(
    "/{webhook}", status_code=HTTPStatus.NO_CONTENT, summary="End a webhook", responses=_FOUND
)
def remove_webhook(webhook: WebhookId, tenant: Tenant, shared: Shared) -> None:
    """What it has not been told it will never be told."""
    with shared.writing() as connection:
        if not store.remove_webhook(connection, tenant, webhook):
            raise _unknown(webhook)


@router.post("/{webhook}/secret", summary="Rotate the secret", responses=_FOUND)
def rotate_secret(webhook: WebhookId, tenant: Tenant, shared: Shared, response: Response) -> Secret:
    """A new secret, shown this once. For a day messages carry a signature by the old one too."""
    response.headers["Cache-Control"] = "no-store"
    with shared.writing() as connection:
        secret = store.rotate_secret(connection, tenant, webhook)
    if secret is None:
        raise _unknown(webhook)
    return Secret(id=webhook, secret=secret)


@router.post("/{webhook}/enable", summary="Enable a webhook again", responses=_FOUND)
def enable_webhook(webhook: WebhookId, tenant: Tenant, shared: Shared) -> Webhook:
    """Messages that waited when it was disabled are told now; what came since is not."""
    with shared.writing() as connection:
        if not store.enable_webhook(connection, tenant, webhook):
            raise _unknown(webhook)
    return _find(shared, tenant, webhook)


@router.post(
    "/{webhook}/test", status_code=HTTPStatus.ACCEPTED, summary="Send a test", responses=_FOUND
)
def send_test(webhook: WebhookId, tenant: Tenant, shared: Shared) -> Sent:
    """A message of type `test`; what becomes of it stands in the webhook's messages."""
    with shared.writing() as connection:
        message = store.send_test(connection, tenant, webhook)
    if message is None:
        raise _unknown(webhook)
    return Sent(message=message)


@router.get("/{webhook}/messages", summary="Messages of a webhook", responses=_FOUND)
def messages(
    webhook: WebhookId,
    tenant: Tenant,
    shared: Shared,
    before: Annotated[int, Query(ge=1, le=NEWEST)] = NEWEST,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> MessagePage:
    """What was and is to be told. Delivered messages are kept for three days."""
    _find(shared, tenant, webhook)
    with shared.reading(tenant) as connection:
        found = store.list_messages(connection, tenant, webhook, before, limit)
    return MessagePage(
        items=[Message.model_validate(each) for each in found],
        next=found[-1].id if len(found) == limit else None,
    )


def _find(shared: Context, tenant: str, webhook: str) -> Webhook:
    with shared.reading(tenant) as connection:
        found = store.list_webhooks(connection, tenant, webhook)
    if not found:
        raise _unknown(webhook)
    return Webhook.model_validate(found[0])


def _unknown(webhook: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"no webhook {webhook}")
