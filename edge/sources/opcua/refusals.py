"""Why a PLC could not be reached or refused us, in words of the one who can put it right."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from asyncua import ua
from cryptography.exceptions import InvalidSignature

from edge.sources.opcua.certificates import CertificateError, describe
from edge.sources.opcua.config import OpcUaSettings
from edge.sources.opcua.identity import Application, IdentityRefusedError

_CODES = ua.StatusCodes


class NotOfferedError(ConnectionError):
    """The server has no such endpoint; the text says which it has."""


@dataclass
class Attempt:
    """One attempt to make a session, and how far it came."""

    endpoint: str
    settings: OpcUaSettings
    application: Application | None = None
    """What this gateway shows of itself; None on an unsecured channel."""
    logging_in: bool = False
    """The channel stands; what is refused now is the user."""

    @property
    def host(self) -> str:
        """Host of the address."""
        return urlsplit(self.endpoint).hostname or ""

    @property
    def port(self) -> int:
        """Port of the address; OPC UA's own if it has none."""
        return urlsplit(self.endpoint).port or 4840


def explain(error: Exception, attempt: Attempt) -> str:
    """What went wrong and what to do, without the address and without any secret."""
    if isinstance(error, (CertificateError, IdentityRefusedError, NotOfferedError)):
        return str(error)
    if isinstance(error, TimeoutError) and attempt.application is not None:
        return (
            f"did not answer within {attempt.settings.timeout_s:g} s while it was being secured, "
            "though it did before; it may not trust this gateway's certificate and not say so, or "
            "not have the key of the certificate that it shows. If the first: "
            f"{_import_ours(attempt.application, attempt)}"
        )
    if isinstance(error, TimeoutError):
        return (
            f"does not answer within {attempt.settings.timeout_s:g} s; is the PLC on, the cable "
            f"in, and port {attempt.port} open in all firewalls between?"
        )
    if isinstance(error, InvalidSignature):
        return (
            "the server does not prove that it has the key of the certificate it shows; somebody "
            "may sit in between, or its certificate was copied"
        )
    if isinstance(error, ua.UaStatusCodeError):
        return _of_status(error, attempt)
    if isinstance(error, OSError):
        return _of_network(error, attempt)
    return str(error) or type(error).__name__


def _of_network(error: OSError, attempt: Attempt) -> str:
    if error.filename is not None:
        return f"{error.filename} cannot be read: {error.strerror}"
    if isinstance(error, socket.gaierror):
        return (
            f"the name {attempt.host} is not known; write the PLC's address in its place, or "
            "enter the name in the network's DNS"
        )
    if isinstance(error, ConnectionRefusedError):
        return (
            f"nothing listens on port {attempt.port}; is the OPC UA server switched on in the "
            "PLC, and is the port right?"
        )
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return (
            f"there is no way to {attempt.host}; check this PC's network settings, the cable and "
            "the PLC's address"
        )
    reason = error.strerror or str(error) or type(error).__name__
    if attempt.logging_in or attempt.application is None:
        return f"the connection broke: {reason}"
    return (
        f"the server broke the connection off ({reason}) while it was being secured; most do so "
        f"to a certificate they do not trust: {_import_ours(attempt.application, attempt)}"
    )


def _of_status(error: ua.UaStatusCodeError, attempt: Attempt) -> str:
    code = error.code
    name = ua.StatusCode(ua.UInt32(code)).name
    sentence = _user_refused(code, attempt) if attempt.logging_in else None
    sentence = sentence or _gateway_refused(code, attempt) or _GENERAL.get(code)
    return f"{sentence} ({name})" if sentence else str(error)


def _user_refused(code: int, attempt: Attempt) -> str | None:
    settings = attempt.settings
    if settings.username is not None:
        who = f"the user {settings.username!r}"
        remedy = "check name and password, and the rights of that user at the server"
    elif settings.user_certificate_file is not None:
        who = f"the user of {settings.user_certificate_file}"
        remedy = (
            "import that certificate at the server among its trusted users (not among the "
            "trusted clients), and give the user the right to read"
        )
    else:
        who = "users without a name"
        remedy = "set username and password_file, or let the server allow anonymous users"
    if code in _USER_CODES:
        return f"the server refuses {who}; {remedy}"
    return None


_USER_CODES = {
    _CODES.BadUserAccessDenied,
    _CODES.BadIdentityTokenRejected,
    _CODES.BadIdentityTokenInvalid,
    _CODES.BadUserSignatureInvalid,
    _CODES.BadCertificateUntrusted,
    _CODES.BadCertificateInvalid,
    _CODES.BadCertificateTimeInvalid,
    _CODES.BadCertificateChainIncomplete,
    _CODES.BadSecurityChecksFailed,
}


def _gateway_refused(code: int, attempt: Attempt) -> str | None:
    own = attempt.application
    if own is None:
        return None
    shown = describe(own.certificate)
    file = attempt.settings.security and attempt.settings.security.certificate_file
    match code:
        case (
            _CODES.BadCertificateUntrusted
            | _CODES.BadSecurityChecksFailed
            | _CODES.BadCertificateInvalid
            | _CODES.BadCertificateChainIncomplete
        ):
            return (
                "the server does not trust this gateway's certificate; "
                f"{_import_ours(own, attempt)}"
            )
        case _CODES.BadCertificateTimeInvalid | _CODES.BadCertificateIssuerTimeInvalid:
            return (
                f"by the server's clock this gateway's certificate is not valid: {shown}; set the "
                f"server's clock, or if it has expired remove {file} for a new one to be made"
            )
        case _CODES.BadCertificateUriInvalid:
            return (
                f"the server finds another application URI in this gateway's certificate than "
                f"{own.uri}: {shown}; remove {file} for a new one to be made"
            )
        case _CODES.BadCertificateHostNameInvalid:
            return (
                f"the server misses this PC's host name in the gateway's certificate: {shown}; "
                f"remove {file} for a new one to be made"
            )
        case _CODES.BadCertificateRevoked | _CODES.BadCertificateIssuerRevoked:
            return f"the authority has revoked this gateway's certificate: {shown}; get a new one"
        case _CODES.BadCertificateRevocationUnknown | _CODES.BadCertificateIssuerRevocationUnknown:
            return (
                "the server has no revocation list of the authority of this gateway's "
                f"certificate: {shown}; import that list at the server"
            )
        case _CODES.BadCertificateUseNotAllowed | _CODES.BadCertificatePolicyCheckFailed:
            return (
                f"this gateway's certificate is not of the kind the server wants: {shown}; it "
                "wants RSA of 2048 to 4096 bits, SHA-256, client authentication"
            )
    return None


def _import_ours(own: Application, attempt: Attempt) -> str:
    security = attempt.settings.security
    file = security.certificate_file if security is not None else "it"
    return (
        f"import {file} at the server among its trusted clients (many have it among their "
        f"rejected ones by now): {describe(own.certificate)}"
    )


_GENERAL = {
    _CODES.BadTooManySessions: (
        "the server has no session left; close other clients or raise its limit. A session that "
        "was not closed goes by itself after a minute or more"
    ),
    _CODES.BadTcpServerTooBusy: "the server has too many connections; close other clients",
    _CODES.BadTcpNotEnoughResources: "the server has too many connections; close other clients",
    _CODES.BadTcpEndpointUrlInvalid: (
        "the server does not know this address as its own; write it as the server shows it, with "
        "the path behind the port"
    ),
    _CODES.BadSecurityPolicyRejected: (
        "the server does not allow this security policy; set another in security.policy"
    ),
    _CODES.BadSecurityModeRejected: (
        "the server does not allow this mode; set another in security.mode"
    ),
    _CODES.BadSecurityModeInsufficient: (
        "the server wants a better secured channel for this; set security, with mode: "
        "SignAndEncrypt"
    ),
    _CODES.BadNonceInvalid: "the server refuses the random number of this session; try again",
    _CODES.BadServerHalted: "the server is halted; start the PLC's program or its OPC UA server",
    _CODES.BadShutdown: "the server shuts down",
    _CODES.BadOutOfMemory: "the server has no memory left; close other clients, or restart it",
    _CODES.BadResourceUnavailable: "the server has something missing that it needs for a session",
    _CODES.BadLicenseNotAvailable: "the server has no licence for this; see its maker",
}
