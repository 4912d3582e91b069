"""How a gateway comes to its certificate. It has no key of the API: a token says who it is, or the
certificate that it renews."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from cryptography import x509
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hub.api.context import Shared, too_many
from hub.api.problems import Problem, described
from hub.fleet.authority import Authority, AuthorityError
from hub.fleet.enrolment import Enrolled, RefusedError, TooManyError, enrol, renew
from hub.fleet.proposals import answer
from protocols.enrolment import AUTHORITY_PATH, ENROLMENT_PATH, LARGEST_PEM, RENEWAL_PATH, Token
from protocols.proposal import ASK_PATH

router = APIRouter()

Pem = Annotated[str, StringConstraints(min_length=1, max_length=LARGEST_PEM)]
_PEM = "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n"
_REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\n…\n-----END CERTIFICATE REQUEST-----\n"
_REFUSED = described(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS)


class Enrolment(BaseModel):
    """A gateway that has nothing but its token."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"token": "lse_…", "request": _REQUEST}]},
    )

    token: str = Field(max_length=200)
    request: Pem = Field(description="certificate request (PKCS #10, PEM) of the gateway's own key")


class Renewal(BaseModel):
    """A gateway that has a certificate."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"certificate": _PEM, "request": _REQUEST, "signature": "MEUCIQ…"}]
        },
    )

    certificate: Pem = Field(description="the one in use (PEM)")
    request: Pem = Field(description="certificate request of a new key (PEM)")
    signature: str = Field(
        max_length=2048,
        description="of the request (DER), by the key in use, with SHA-256; base64",
    )


class Certificate(BaseModel):
    """What the gateway proves itself by from now on."""

    group: str
    node: str
    certificate: str = Field(examples=[_PEM])
    authority: str = Field(examples=[_PEM], description="what it trusts")
    not_after: datetime


class Question(BaseModel):
    """A gateway that asks whether a configuration is proposed to it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"certificate": _PEM, "question": '{"last": 3}', "signature": "MEUCIQ…"}]
        },
    )

    certificate: Pem = Field(description="the one in use (PEM)")
    question: str = Field(
        max_length=4096,
        description="JSON: `last`, and of a proposal just decided on `number`, `decision` "
        "(applied, refused, rolled_back) and `reason`",
    )
    signature: str = Field(
        max_length=2048,
        description="of `lineside proposal asked 1`, a line feed and the question, by the key in "
        "use, with SHA-256; base64",
    )


class Answer(BaseModel):
    """What is proposed, if anything is."""

    proposal: str | None = Field(description="JSON, as it is signed")
    signature: str | None = Field(
        description="of `lineside proposal 1`, a line feed and the proposal, by the authority, "
        "with SHA-256; base64"
    )


@router.get(
    AUTHORITY_PATH,
    tags=["enrolment"],
    summary="The hub's certificate authority",
    response_class=PlainTextResponse,
    responses=_REFUSED,
)
def authority(shared: Shared, request: Request) -> str:
    """PEM. Whoever asks compares it with the fingerprint in their token before they trust it."""
    _admitted(shared, request)
    return _authority(shared)[0].pem


@router.post(
    ENROLMENT_PATH,
    tags=["enrolment"],
    summary="Get a gateway's first certificate",
    responses=_REFUSED,
)
def first(asked: Enrolment, shared: Shared, request: Request) -> Certificate:
    """For a one-time token of `lineside-hub gateways add`. Asked again with the same key it gives
    the same certificate; with another key it is refused."""
    with _asked(shared, request) as (signer, days):
        token = Token.parse(asked.token)
        with shared.own() as connection:
            made = enrol(connection, signer, token, asked.request, days)
    return _answer(made, signer)


@router.post(
    RENEWAL_PATH,
    tags=["enrolment"],
    summary="Renew a gateway's certificate",
    responses=_REFUSED,
)
def next_one(asked: Renewal, shared: Shared, request: Request) -> Certificate:
    """The certificate in use says who asks, and its key signs the request. Both are good until the
    older one expires."""
    with _asked(shared, request) as (signer, days):
        signature = base64.b64decode(asked.signature, validate=True)
        with shared.own() as connection:
            made = renew(connection, signer, asked.certificate, asked.request, signature, days)
    return _answer(made, signer)


@router.post(ASK_PATH, tags=["enrolment"], summary="Ask for a proposal", responses=_REFUSED)
def proposal(asked: Question, shared: Shared, request: Request) -> Answer:
    """A gateway that takes proposals asks now and then, and says what came of the last one."""
    with _asked(shared, request) as (signer, _):
        signature = base64.b64decode(asked.signature, validate=True)
        certificate = x509.load_pem_x509_certificate(asked.certificate.encode())
        with shared.own() as connection:
            found = answer(connection, signer, certificate, asked.question, signature)
    if found is None:
        return Answer(proposal=None, signature=None)
    return Answer(proposal=found[0], signature=base64.b64encode(found[1]).decode())


@contextmanager
def _asked(shared: Shared, request: Request) -> Iterator[tuple[Authority, float]]:
    """What signs, and for how many days. What is refused within counts against who asks, and
    becomes the problem that answers it."""
    address = _admitted(shared, request)
    signing = _authority(shared)
    try:
        yield signing
    except TooManyError as error:
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, str(error)) from None
    except RefusedError as refused:
        shared.rates.refuse(address)
        raise Problem(HTTPStatus.FORBIDDEN, str(refused)) from None
    except ValueError as error:
        shared.rates.refuse(address)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


def _admitted(shared: Shared, request: Request) -> str:
    """The address that asks. Raises `Problem` 429 for one that has been refused too often."""
    address = request.client.host if request.client else ""
    wait = shared.rates.shut_out(address) or shared.rates.ask(address, "enrolment")
    if wait is not None:
        raise too_many(wait, "too many wrong tokens or certificates came from this address")
    return address


def _authority(shared: Shared) -> tuple[Authority, float]:
    """What signs, and for how many days. Raises `Problem` 404."""
    if shared.signing is None:
        raise Problem(HTTPStatus.NOT_FOUND, "this hub signs no gateways")
    try:
        return Authority.load(shared.signing), shared.signing.days
    except AuthorityError:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "this hub signs no gateways: lineside-hub ca show says why",
        ) from None


def _answer(made: Enrolled, signer: Authority) -> Certificate:
    return Certificate(
        group=made.group,
        node=made.node,
        certificate=made.certificate,
        authority=signer.pem,
        not_after=made.not_after,
    )
