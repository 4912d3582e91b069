"""Asks the hub for a proposal, checks it, and leaves the file that would come of it.

For a process of its own (`python -m edge.proposals`): keys, YAML and the model's checks take more
memory and time than the agent has to spare.
"""

from __future__ import annotations

import base64
import binascii
import io
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from ruamel.yaml import YAML

from edge.config import ConfigError, EdgeConfig, fingerprint, load
from edge.identity.files import IdentityFiles
from edge.identity.https import AskError
from edge.identity.hub import Hub
from edge.proposals.files import ProposalFiles
from edge.proposals.merge import merged, refusals
from edge.proposals.settings import ProposalSettings
from edge.reload import refusals as reload_refusals
from protocols.proposal import (
    ASK_PATH,
    Asked,
    Proposal,
    ProposalError,
    signed_proposal,
    signed_question,
)


class ForgedError(Exception):
    """What came is not signed by the hub's authority, or is for another gateway."""


def ask(path: Path) -> int | None:
    """Tell the hub what was decided, and ask. Returns the number of a proposal whose file now lies
    beside the configuration; None if there is none, or it was refused, which the hub is told.

    Raises `AskError`, `ForgedError`, `ConfigError`, `OSError`, `ValueError`.
    """
    running = load(path)
    settings = running.hub.proposals
    if settings is None:
        return None
    files = ProposalFiles(path, running.data_dir)
    proposal = _asked(files, running)
    if proposal is None:
        return None
    refused = _stage(files, running, settings, proposal)
    if not refused:
        return proposal.number
    files.note(proposal.number, "refused", "\n".join(refused))
    _asked(files, running)
    return None


def _asked(files: ProposalFiles, running: EdgeConfig) -> Proposal | None:
    identity = IdentityFiles.of(running.data_dir)
    enrolled = identity.enrolment()
    if enrolled is None:
        raise AskError("this gateway is not enrolled: lineside-edge enrol")
    if enrolled.hub is None:
        raise AskError("the hub takes questions only of gateways that it has certified itself")
    proof = identity.proof.read_bytes()
    key = serialization.load_pem_private_key(proof, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AskError(f"{identity.proof}: the key is none that enrolling makes")
    certificate = x509.load_pem_x509_certificate(proof)
    authority = identity.authority.read_text()
    notes = files.notes()
    question = Asked(notes.last, None if notes.told else notes.decided).text()
    signature = key.sign(signed_question(question), ec.ECDSA(hashes.SHA256()))
    answer = Hub(enrolled.hub).post(
        authority,
        ASK_PATH,
        {
            "certificate": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "question": question,
            "signature": base64.b64encode(signature).decode(),
        },
    )
    if notes.decided is not None and not notes.told:
        files.told(notes)
    if answer.get("proposal") is None:
        return None
    return believed(authority, answer, (running.gateway.group, running.gateway.node), notes.last)


def believed(
    authority: str, answer: dict[str, Any], who: tuple[str, str], last: int
) -> Proposal | None:
    """The proposal of an answer; None for one that was decided on. Raises `ForgedError`."""
    text, told = str(answer.get("proposal")), str(answer.get("signature"))
    try:
        signature = base64.b64decode(told, validate=True)
        signer = x509.load_pem_x509_certificate(authority.encode()).public_key()
        _verify(signer, signature, signed_proposal(text))
        proposal = Proposal.parse(text)
    except (InvalidSignature, binascii.Error, ProposalError, ValueError) as error:
        raise ForgedError(f"a proposal is not of the hub's authority: {error!r}") from None
    if (proposal.group, proposal.node) != who:
        raise ForgedError(f"a proposal is for {proposal.group}/{proposal.node}, not for us")
    return proposal if proposal.number > last else None


def _verify(signer: object, signature: bytes, data: bytes) -> None:
    if isinstance(signer, ec.EllipticCurvePublicKey):
        signer.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    elif isinstance(signer, rsa.RSAPublicKey):
        signer.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    else:
        raise InvalidSignature


def _stage(
    files: ProposalFiles, running: EdgeConfig, settings: ProposalSettings, proposal: Proposal
) -> list[str]:
    """Write the file that comes of it. Returns why it is refused; nothing is left then."""
    here = fingerprint(running)
    if proposal.base not in (None, here):
        return [f"it was made for the configuration {proposal.base}, and {here} runs"]
    yaml = YAML(typ="rt")
    tree: dict[str, Any] = yaml.load(files.config.read_text("utf-8"))
    refused = refusals(settings, tree, proposal.sections)
    if refused:
        return refused
    merged(tree, proposal.sections)
    text = io.StringIO()
    yaml.dump(tree, text)
    try:
        files.candidate.write_text(text.getvalue(), "utf-8")
        files.candidate.chmod(files.config.stat().st_mode & 0o777)
    except OSError as error:
        return [f"{files.candidate} cannot be written: {error.strerror}"]
    try:
        found = load(files.candidate)
    except ConfigError as error:
        refused = [f"{p.where}: {p.what}" if p.where else p.what for p in error.problems]
    else:
        refused = reload_refusals(running, found)
    if refused:
        files.candidate.unlink(missing_ok=True)
    return refused
