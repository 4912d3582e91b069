"""What partners, scanners and machines hand over: AQDEF, EDIFACT, codes, enrolment, proposals."""

from __future__ import annotations

import base64
from contextlib import suppress
from datetime import UTC, datetime
from email.message import Message
from pathlib import Path
from zoneinfo import ZoneInfo

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from edge.identity.est import certificates, wait_s
from edge.identity.https import Answer, AskError
from protocols.aqdef import AqdefError
from protocols.aqdef import read as read_aqdef
from protocols.aqdef.results import results
from protocols.edifact.contrl import acknowledge
from protocols.edifact.interchange import read_interchange, write_interchange
from protocols.edifact.messages import read_content
from protocols.edifact.problems import EdifactError, Problem
from protocols.edifact.profile import EdiProfile
from protocols.enrolment import Token, fingerprint
from protocols.labels.envelope import make_envelope, make_gs1_envelope, parse_envelope
from protocols.labels.gs1 import Element, parse_elements
from protocols.labels.identifiers import Datum, parse_datum
from protocols.proposal import Asked, Decided, Proposal, ProposalError
from protocols.vin import parse_vin
from tests.fuzz.target import Target

_PROTOCOLS = Path(__file__).parents[1] / "protocols"
_AT = datetime(2026, 3, 2, 6, tzinfo=UTC)


def aqdef() -> Target:
    """Files of measuring rooms, and the results in them."""
    zone = ZoneInfo("Asia/Shanghai")
    golden = sorted((_PROTOCOLS / "aqdef" / "golden").glob("*.df*"))
    corpus = [each.read_bytes() for each in golden]

    def run(data: bytes) -> None:
        results(read_aqdef([("x.dfq", data)]), sha256="0a" * 32, zone=zone, otherwise=_AT)

    words = [
        b"K0001/1 1,5\n", b"K0001/0 1\n", b"K0004 ", b"31.12.9999/23:59:59", b"K2002/99999 x\n",
        b"K0100 99999\n", b"\x14", b"\x0f", b"1e308", b"K1001/99999 ", b"K2142/0 mm\n",
        b"\xef\xbb\xbf",
    ]  # fmt: skip
    return Target(corpus, run, (AqdefError,), words)


def edifact() -> Target:
    """Interchanges, the content of their messages, and the answer to them."""
    profile = EdiProfile()
    corpus = [
        each.read_bytes() for each in sorted((_PROTOCOLS / "edifact" / "golden").glob("*.edi"))
    ]

    def run(data: bytes) -> None:
        interchange = read_interchange(data)
        problems: list[Problem] = []
        for message in interchange.messages:
            try:
                read_content(message, profile)
            except EdifactError as error:
                problems += error.problems
        with suppress(EdifactError):
            write_interchange(acknowledge(interchange, problems, "1", _AT.replace(tzinfo=None)))

    words = [
        b"'", b"+", b":", b"?", b"SEQ+1'", b"9" * 40, b"UNH+1+DELJIT:D:97A:UN'", b"UNT+2+1'",
        b"UNZ+1+1'", b"UNA:+.? '", b"\xff", b"CPS+1'", b"DTM+137:99991231235959:204'", b"NAN",
    ]  # fmt: skip
    return Target(corpus, run, (EdifactError,), words)


def codes() -> Target:
    """What scanners read: envelopes, GS1 elements, data identifiers, VINs."""
    data = [Datum("1J", "UN123456789A4711"), Datum("V", "100234567"), Datum("Q", "12.5")]
    elements = [Element("01", "09501101530003"), Element("10", "LOT7"), Element("21", "S1")]
    corpus = [
        make_envelope(data).encode(), make_gs1_envelope(elements).encode(), b"]d20109501101530003",
        b"10LOT7\x1d21S1", b"1JUN123456789A4711", b"1M8GDM9AXKP042788",
    ]  # fmt: skip

    def run(data: bytes) -> None:
        text = data.decode(errors="replace")
        for parse in (parse_envelope, parse_elements, parse_datum, parse_vin):
            with suppress(ValueError):
                parse(text)

    return Target(corpus, run, (), [b"\x1d", b"\x1e", b"\4", b"06", b"05", b"]d2", b"\xd9\xa3"])


def est() -> Target:
    """Certificates in an EST server's answer, and what it says of the time to wait."""
    headers = Message()
    headers["Content-Type"] = "application/pkcs7-mime"
    one = x509.load_der_x509_certificate((Path(__file__).parent / "certificate.der").read_bytes())
    message = pkcs7.serialize_certificates([one], serialization.Encoding.DER)

    def run(data: bytes) -> None:
        for body in (data, base64.b64encode(data)):
            with suppress(AskError):
                certificates("https://ca.example.org", Answer(200, headers, body))
        wait_s(data.decode("latin-1"))

    words = [
        b"\x30\x80",
        b"\0\0",
        b"\x06\x09*\x86H\x86\xf7\r\x01\x07\x02",
        b"\x30\x84\xff\xff\xff\xff",
    ]
    return Target(
        [message, base64.b64encode(message), b"Fri, 31 Dec 9999 23:59:59 GMT"], run, (), words
    )


def enrolment() -> Target:
    """Tokens, certificates as text, proposals and the questions for them."""
    token = Token("0a" * 6, "0b" * 16, "0c" * 32)
    pem = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    corpus = [
        str(token).encode(),
        pem + pem,
        Proposal("acme", "gw1", 3, "0d" * 32, {"sources": [{"device": "press"}]}).text().encode(),
        Asked(2, Decided(3, "refused", "no such source")).text().encode(),
    ]

    def run(data: bytes) -> None:
        text = data.decode(errors="replace")
        for read in (Token.parse, fingerprint):
            with suppress(ValueError):
                read(text)
        for parse in (Proposal.parse, Asked.parse):
            with suppress(ProposalError):
                parse(text)

    words = [b"null", b"true", b"-1", b"1e999", b"[" * 2000, b'{"last":', b"9" * 4500, b"\\ud800"]
    return Target(corpus, run, (), words)
