"""What is said of a refusal: what, where, and what to do; never a secret."""

from __future__ import annotations

import errno
import os
import socket

import pytest
from asyncua import ua
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.identity import Application
from edge.sources.opcua.refusals import Attempt, explain
from tests.fixtures.certificates import make_identity

OWN = make_identity("gateway", uri="urn:test:gateway", key_number=9)
assert isinstance(OWN.key, RSAPrivateKey)
SHOWN = Application(OWN.certificate, (), OWN.key, "urn:test:gateway")
CODES = ua.StatusCodes


def attempt(*, secured: bool, logging_in: bool = False, **user: str) -> Attempt:
    files = {"certificate_file": "pki/own.pem", "key_file": "pki/own.key", "trust_dir": "pki"}
    settings = OpcUaSettings.model_validate(
        {
            "device": "plc",
            "endpoint": "opc.tcp://plc.example:4841",
            "security": files if secured else None,
            **user,
        }
    )
    found = Attempt(settings.endpoint, settings, logging_in=logging_in)
    if secured:
        found.application = SHOWN
    return found


def status(code: int) -> Exception:
    with pytest.raises(ua.UaStatusCodeError) as caught:
        ua.StatusCode(ua.UInt32(code)).check()
    return caught.value


@pytest.mark.parametrize(
    ("code", "what", "remedy"),
    [
        (CODES.BadCertificateUntrusted, "does not trust this gateway's", "import pki/own.pem at"),
        (CODES.BadSecurityChecksFailed, "does not trust this gateway's", "import pki/own.pem at"),
        (CODES.BadCertificateUriInvalid, "another application URI", "remove pki/own.pem"),
        (CODES.BadCertificateTimeInvalid, "by the server's clock", "set the server's clock"),
        (CODES.BadCertificateHostNameInvalid, "misses this PC's host name", "remove pki/own.pem"),
        (CODES.BadCertificateRevoked, "the authority has revoked", "get a new one"),
        (CODES.BadCertificateUseNotAllowed, "not of the kind the server wants", "2048 to 4096"),
        (CODES.BadCertificateRevocationUnknown, "no revocation list", "import that list"),
    ],
)
def test_our_certificate_refused(code: int, what: str, remedy: str) -> None:
    said = explain(status(code), attempt(secured=True))
    assert what in said
    assert remedy in said
    assert OWN.fingerprint in said
    assert said.endswith(f" ({ua.StatusCode(ua.UInt32(code)).name})")


@pytest.mark.parametrize(
    ("user", "who", "remedy"),
    [
        ({}, "users without a name", "set username and password_file"),
        ({"username": "reader", "password": "hush"}, "the user 'reader'", "check name and pass"),
        (
            {"user_certificate_file": "u.pem", "user_key_file": "u.key"},
            "the user of u.pem",
            "among its trusted users",
        ),
    ],
)
@pytest.mark.parametrize(
    "code",
    [CODES.BadUserAccessDenied, CODES.BadIdentityTokenRejected, CODES.BadCertificateUntrusted],
)
def test_our_user_refused(user: dict[str, str], who: str, remedy: str, code: int) -> None:
    said = explain(status(code), attempt(secured=True, logging_in=True, **user))
    assert said.startswith(f"the server refuses {who}; ")
    assert remedy in said
    assert "hush" not in said
    assert "own.pem" not in said


def test_a_server_that_has_no_room() -> None:
    said = explain(status(CODES.BadTooManySessions), attempt(secured=False))
    assert said.startswith("the server has no session left; close other clients or raise its limit")
    assert said.endswith("(BadTooManySessions)")


def test_any_other_code_is_shown_as_the_standard_names_it() -> None:
    assert "BadDataLost" in explain(status(CODES.BadDataLost), attempt(secured=True))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "does not answer within 5 s; is the PLC on, the cable in, and port 4841 "),
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "the name plc.example is not known; "),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), "nothing listens on port 4841; is the "),
        (OSError(errno.EHOSTUNREACH, "no route"), "there is no way to plc.example; check this "),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "secrets/plc"),
            "secrets/plc cannot be read: No such file",
        ),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "the connection broke: reset"),
        (InvalidSignature(), "the server does not prove that it has the key of the certificate"),
        (ValueError("odd"), "odd"),
    ],
)
def test_what_the_network_does(error: Exception, expected: str) -> None:
    assert explain(error, attempt(secured=False)).startswith(expected)


def test_a_server_that_falls_silent_while_it_is_secured() -> None:
    said = explain(TimeoutError(), attempt(secured=True))
    assert said.startswith("did not answer within 5 s while it was being secured")
    assert "import pki/own.pem at the server" in said


def test_a_channel_that_is_broken_off_while_it_is_secured() -> None:
    error = ConnectionError("connection lost")
    assert "import pki/own.pem at the server" in explain(error, attempt(secured=True))
    later = explain(error, attempt(secured=True, logging_in=True))
    assert later == "the connection broke: connection lost"
