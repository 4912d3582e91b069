"""API keys, the audit log, and whom a request speaks for, over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from hub.api.context import Admitted, Shared, Tenant
from hub.api.problems import Problem, described
from hub.identity import audit
from hub.identity.caller import ALLOWS, Permission, Role
from hub.identity.keys import KeyInfo, list_keys, make_key, revoke_key

router = APIRouter(prefix="/v1")

LONGEST_DAYS = 730
_REFUSED = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


class Me(BaseModel):
    """Whom the request speaks for."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tenant": "carmaker",
                    "actor": "key mes (8c2f5e1ab0d4)",
                    "roles": ["plant"],
                    "may": ["decide", "operate", "read", "sequence"],
                }
            ]
        }
    )

    tenant: str
    actor: str = Field(description="as the audit log names them")
    roles: list[Role]
    may: list[Permission]


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "mes", "role": "plant", "days": 365}]},
    )

    name: str = Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")
    role: Role
    days: int = Field(default=365, ge=1, le=LONGEST_DAYS, description="until it expires")


class Key(BaseModel):
    """What may be known of a key."""

    id: str
    name: str
    role: Role
    made_at: datetime
    made_by: str
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")

    @classmethod
    def of(cls, info: KeyInfo) -> Key:
        return cls.model_validate(info, from_attributes=True)


class MadeKey(BaseModel):
    """A key as it is shown this once."""

    key: str = Field(examples=["lsk_8c2f5e1ab0d4_…"])
    expires_at: datetime


class AuditEntry(BaseModel):
    """One change."""

    id: int
    at: datetime
    actor: str
    via: str = Field(description="api, cli or edi")
    what: str


class AuditPage(BaseModel):
    """Changes, the newest first. `next` goes into `before` for the following page."""

    items: list[AuditEntry]
    next: int | None


@router.get("/me", tags=["me"], summary="Whom I speak for", responses=_REFUSED)
def me(caller: Admitted) -> Me:
    """The tenant whose rows the request sees, and what it may do."""
    may: set[Permission] = set().union(*(ALLOWS[role] for role in caller.roles))
    return Me(tenant=caller.tenant, actor=caller.actor, roles=sorted(caller.roles), may=sorted(may))


@router.get("/keys", tags=["keys"], summary="API keys", responses=_REFUSED)
def keys(tenant: Tenant, shared: Shared) -> list[Key]:
    """All keys of the tenant, past and revoked ones too; never the keys themselves."""
    with shared.reading(tenant) as connection:
        return [Key.of(info) for info in list_keys(connection, tenant)]


@router.post(
    "/keys",
    tags=["keys"],
    status_code=HTTPStatus.CREATED,
    summary="Make an API key",
    responses=_REFUSED,
)
def add_key(new: NewKey, caller: Admitted, shared: Shared, response: Response) -> MadeKey:
    """The key is in this answer and nowhere else: the hub keeps a hash of it."""
    response.headers["Cache-Control"] = "no-store"
    expires_at = datetime.now(UTC) + timedelta(days=new.days)
    with shared.writing() as connection:
        key = make_key(connection, caller.tenant, new.name, new.role, expires_at, caller.actor)
    return MadeKey(key=key, expires_at=expires_at)


@router.delete(
    "/keys/{key_id}",
    tags=["keys"],
    status_code=HTTPStatus.NO_CONTENT,
    summary="Revoke an API key",
    responses=_REFUSED | described(HTTPStatus.NOT_FOUND),
)
def end_key(
    key_id: Annotated[str, Path(max_length=32, examples=["8c2f5e1ab0d4"])],
    tenant: Tenant,
    shared: Shared,
) -> None:
    """It is refused from now on, by each hub within some seconds."""
    with shared.writing() as connection:
        if not revoke_key(connection, tenant, key_id):
            raise Problem(HTTPStatus.NOT_FOUND, f"no key {key_id}")


@router.get("/audit", tags=["audit"], summary="Audit log", responses=_REFUSED)
def audit_log(
    tenant: Tenant,
    shared: Shared,
    before: Annotated[int, Query(ge=1, le=audit.NEWEST)] = audit.NEWEST,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AuditPage:
    """Every change that was made for the tenant over the API, by a command or a message."""
    with shared.reading(tenant) as connection:
        found = audit.entries(connection, tenant, before, limit)
    return AuditPage(
        items=[AuditEntry.model_validate(entry, from_attributes=True) for entry in found],
        next=found[-1].id if len(found) == limit else None,
    )
