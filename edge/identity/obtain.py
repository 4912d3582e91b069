"""Gets a gateway's certificate from the hub, by a token or by the one in use."""

from __future__ import annotations

import base64
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.identity.files import Enrolment, IdentityFiles
from edge.identity.https import AskError
from edge.identity.hub import Hub
from edge.identity.keys import (
    check_later,
    check_times,
    gateway_name,
    key_pem,
    next_key,
    pem_of,
    read_key,
    renewal_time,
    request_for,
)
from protocols.enrolment import ENROLMENT_PATH, RENEWAL_PATH, Token


def enrol(files: IdentityFiles, hub: Hub, token: Token, group: str, node: str) -> Enrolment:
    """The first certificate, for a token. Raises `AskError`, `OSError`, `ValueError`."""
    authority = hub.authority(token.authority)
    files.make_folder()
    key = next_key(files)
    request = request_for(key, gateway_name(group, node))
    answer = hub.post(authority, ENROLMENT_PATH, {"token": str(token), "request": pem_of(request)})
    proof, enrolment = _checked(hub.url, authority, key, answer, (group, node))
    files.keep(proof, enrolment, authority)
    return enrolment


def renew(files: IdentityFiles, before: Enrolment, url: str) -> Enrolment:
    """The next certificate, kept beside the one in force: it is for the agent to try it before it
    takes its place. Raises `AskError`, `OSError`, `ValueError`."""
    proof = files.proof.read_bytes()
    old_key = read_key(proof)
    certificate = x509.load_pem_x509_certificate(proof)
    authority = files.authority.read_text()
    key = next_key(files)
    request = request_for(key, gateway_name(before.group, before.node))
    signature = old_key.sign(
        request.public_bytes(serialization.Encoding.DER), ec.ECDSA(hashes.SHA256())
    )
    hub = Hub(url)
    answer = hub.post(
        authority,
        RENEWAL_PATH,
        {
            "certificate": pem_of(certificate),
            "request": pem_of(request),
            "signature": base64.b64encode(signature).decode(),
        },
    )
    made, enrolment = _checked(hub.url, authority, key, answer, (before.group, before.node))
    check_later(certificate, made, hub.url)
    files.stage(made, enrolment)
    return enrolment


def _checked(
    hub: str,
    authority: str,
    key: ec.EllipticCurvePrivateKey,
    answer: dict[str, Any],
    who: tuple[str, str],
) -> tuple[str, Enrolment]:
    """Key and certificate (PEM), if it is what was asked for, and what is to be known of it."""
    if (answer.get("group"), answer.get("node")) != who:
        raise AskError(
            f"the token is for gateway {answer.get('group')}/{answer.get('node')}, this is "
            f"{who[0]}/{who[1]}: correct `gateway:` in the file, or ask for another token"
        )
    pem = str(answer.get("certificate"))
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
    except (ValueError, TypeError, InvalidSignature):
        raise AskError(f"{hub} gave a certificate that is none of its authority") from None
    if certificate.public_key() != key.public_key():
        raise AskError(f"{hub} gave a certificate for another key")
    check_times(certificate, hub)
    ends = certificate.not_valid_after_utc
    return key_pem(key) + pem, Enrolment(hub, *who, ends, renewal_time(certificate))
