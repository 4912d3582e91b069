"""Configurations proposed to gateways over HTTP. Only who runs a gateway may propose to it here;
the hub's operator does it on the hub's machine."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from hub.api.context import Admitted, Context, Shared, Tenant
from hub.api.problems import Problem, described
from hub.fleet import proposals, registry
from hub.fleet.authority import Authority, AuthorityError

router = APIRouter(prefix="/v1/gateways", tags=["proposals"])

_FOUND = described(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_SECTIONS: dict[str, JsonValue] = {"journal": {"quota_mb": 4096}}


class NewProposal(BaseModel):
    """Sections of a gateway's configuration, each in the place of the one that is there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"sections": _SECTIONS, "base": "5e1ab0d48c2f97a3"}]},
    )

    sections: dict[str, JsonValue] = Field(min_length=1, max_length=20)
    base: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[0-9a-f]+$",
        description="fingerprint of the configuration it is made for; null: of any",
    )


class Numbered(BaseModel):
    """A proposal that was made."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"number": 4}]})

    number: int


class Proposal(BaseModel):
    """A proposal, and what came of it."""

    number: int
    sections: dict[str, JsonValue] = Field(
        examples=[_SECTIONS], description="as proposed, without secrets"
    )
    base: str | None
    made_at: datetime
    made_by: str
    fetched_at: datetime | None = Field(description="when the gateway got it")
    decision: str | None = Field(
        description="applied, refused, rolled_back; superseded by a later one; null: not yet"
    )
    reason: str
    decided_at: datetime | None


class ProposalPage(BaseModel):
    """Proposals, the newest first. `next` goes into `before` for the following page."""

    items: list[Proposal]
    next: int | None


@router.post(
    "/{group}/{node}/proposals",
    status_code=HTTPStatus.CREATED,
    summary="Propose a configuration",
    responses=_FOUND,
)
def propose(group: str, node: str, new: NewProposal, caller: Admitted, shared: Shared) -> Numbered:
    """Signed by the hub. The gateway checks it, takes it if its own file allows, and goes back by
    itself if it then does not reach the hub. One that it has not decided on is superseded."""
    gateway = _own(shared, caller.tenant, group, node)
    if shared.signing is None:
        raise Problem(HTTPStatus.CONFLICT, "this hub signs nothing")
    try:
        signer = Authority.load(shared.signing)
        with shared.writing() as connection:
            number = proposals.propose(
                *(connection, signer, gateway, f"{group}/{node}"),
                *(new.sections, new.base, caller.actor),
            )
    except AuthorityError:
        raise Problem(
            HTTPStatus.CONFLICT, "this hub signs nothing: lineside-hub ca show says why"
        ) from None
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"body.sections: {error}") from None
    return Numbered(number=number)


@router.get("/{group}/{node}/proposals", summary="Proposals to a gateway", responses=_FOUND)
def history(
    group: str,
    node: str,
    tenant: Tenant,
    shared: Shared,
    before: Annotated[int, Query(ge=1, le=proposals.NEWEST)] = proposals.NEWEST,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> ProposalPage:
    """What was proposed, by whom, and what the gateway made of it."""
    gateway = _own(shared, tenant, group, node)
    with shared.reading(tenant) as connection:
        found = proposals.history(connection, gateway.id, before, limit)
    return ProposalPage(
        items=[
            Proposal(
                number=each.number,
                sections=each.sections,
                base=each.base,
                made_at=each.made_at,
                made_by=each.made_by,
                fetched_at=each.fetched_at,
                decision=each.decision,
                reason=each.reason,
                decided_at=each.decided_at,
            )
            for each in found
        ],
        next=found[-1].number if len(found) == limit else None,
    )


def _own(shared: Context, tenant: str, group: str, node: str) -> registry.Registered:
    """A gateway that the tenant runs. Raises `Problem` 404, for those of others too."""
    with shared.reading(tenant) as connection:
        found = registry.find(connection, f"{group}/{node}")
    if found is None or found.owner != tenant:
        raise Problem(HTTPStatus.NOT_FOUND, f"you run no gateway {group}/{node}")
    return found
