"""Which certificates of servers are believed, and what is said of the others."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.sources.opcua import SecuritySettings
from edge.sources.opcua.certificates import CertificateError, split_chain
from edge.sources.opcua.trust import check_server
from tests.fixtures.certificates import Identity, make_identity

URI = "urn:test:plc"
ROOT = make_identity("Plant CA", authority=True, key_number=8)
BETWEEN = make_identity("Hall CA", authority=True, issuer=ROOT, key_number=9)
STRANGER = make_identity("Plant CA", authority=True, key_number=7)  # of the same name
MUTE = make_identity("Plant CA", authority=True, signs=False, key_number=8)
SERVER = make_identity("plc", uri=URI, hosts=("127.0.0.1", "Plc.Example"), key_number=1)
ISSUED = make_identity("plc", uri=URI, hosts=("127.0.0.1",), issuer=BETWEEN, key_number=1)


def check(
    folder: Path,
    *chain: Identity,
    uri: str = URI,
    host: str = "127.0.0.1",
    **settings: Any,
) -> None:
    settings.setdefault("trust_dir", folder)
    security = SecuritySettings(certificate_file=Path("x"), key_file=Path("x"), **settings)
    check_server([identity.certificate for identity in chain], uri, host, security)


def put(folder: Path, where: str, *identities: Identity) -> None:
    (folder / where).mkdir(parents=True, exist_ok=True)
    for n, identity in enumerate(identities):
        identity.write(folder / where, f"{n}")
        (folder / where / f"{n}.key").unlink()


def refusal(folder: Path, *chain: Identity, **more: Any) -> str:
    with pytest.raises(CertificateError) as caught:
        check(folder, *chain, **more)
    return str(caught.value)


def test_a_server_in_the_list(tmp_path: Path) -> None:
    put(tmp_path, "trusted", SERVER)
    check(tmp_path, SERVER)
    check(tmp_path, SERVER, host="plc.example")
    double = make_identity("plc", uri=URI, key_number=1)  # alike in all but its serial number
    assert refusal(tmp_path, double).startswith("the server's certificate is not trusted: CN=plc")


@pytest.mark.parametrize(
    ("trusted", "issuers", "chain"),
    [
        ([ROOT], [BETWEEN], [ISSUED]),
        ([ROOT], [], [ISSUED, BETWEEN]),
        ([BETWEEN], [], [ISSUED]),
        ([ISSUED], [], [ISSUED]),
        ([SERVER, ROOT], [BETWEEN], [ISSUED]),
    ],
)
def test_a_server_of_a_trusted_authority(
    tmp_path: Path, trusted: list[Identity], issuers: list[Identity], chain: list[Identity]
) -> None:
    put(tmp_path, "trusted", *trusted)
    put(tmp_path, "issuers", *issuers)
    check(tmp_path, *chain)


@pytest.mark.parametrize(
    ("trusted", "issuers", "chain"),
    [
        ([], [], [SERVER]),
        ([], [ROOT, BETWEEN], [ISSUED]),  # known, but not trusted
        ([ROOT], [], [ISSUED]),  # what is between is missing
        ([STRANGER], [BETWEEN], [ISSUED]),
        ([SERVER], [], [ISSUED, BETWEEN, ROOT]),  # what it sends is not trusted for that
        ([SERVER], [], [make_identity("x", uri=URI, issuer=SERVER, key_number=3)]),
        ([MUTE], [], [make_identity("x", uri=URI, issuer=MUTE, key_number=3)]),
    ],
)
def test_a_server_of_nobody(
    tmp_path: Path, trusted: list[Identity], issuers: list[Identity], chain: list[Identity]
) -> None:
    put(tmp_path, "trusted", *trusted)
    put(tmp_path, "issuers", *issuers)
    said = refusal(tmp_path, *chain)
    assert said.startswith("the server's certificate is not trusted: ")
    assert chain[0].fingerprint in said
    (rejected,) = (tmp_path / "rejected").iterdir()
    assert rejected.read_bytes() == chain[0].der
    assert f"mv '{rejected}' '{tmp_path / 'trusted'}/'" in said
    assert ("authority" in said) == (chain[0] is not SERVER)


def test_a_device_of_the_authority_that_is_no_server(tmp_path: Path) -> None:
    device = make_identity("robot", uri=URI, issuer=ROOT, server=False, key_number=3)
    put(tmp_path, "trusted", ROOT)
    assert "is not trusted" in refusal(tmp_path, device)


def test_what_its_authority_has_revoked(tmp_path: Path) -> None:
    put(tmp_path, "trusted", ROOT)
    put(tmp_path, "issuers", BETWEEN)
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "root.crl").write_bytes(ROOT.revocations(SERVER))
    (tmp_path / "crl" / "hall.crl").write_bytes(BETWEEN.revocations())
    check(tmp_path, ISSUED)
    (tmp_path / "crl" / "hall.crl").write_bytes(BETWEEN.revocations(ISSUED))
    assert "has been revoked by its authority" in refusal(tmp_path, ISSUED)
    (tmp_path / "crl" / "hall.crl").write_bytes(BETWEEN.revocations())
    (tmp_path / "crl" / "root.crl").write_bytes(ROOT.revocations(BETWEEN))
    assert "has been revoked by its authority" in refusal(tmp_path, ISSUED)
    (tmp_path / "crl" / "root.crl").write_bytes(b"nonsense")
    assert "root.crl is no revocation list" in refusal(tmp_path, ISSUED)
    (tmp_path / "crl" / "root.crl").write_bytes(STRANGER.revocations())
    assert "root.crl is not signed by CN=Plant CA" in refusal(tmp_path, ISSUED)


def test_a_trusted_server_that_its_authority_has_revoked(tmp_path: Path) -> None:
    put(tmp_path, "trusted", ISSUED)
    put(tmp_path, "issuers", BETWEEN)
    (tmp_path / "crl").mkdir()
    (tmp_path / "crl" / "hall.crl").write_bytes(BETWEEN.revocations(ISSUED))
    assert "has been revoked by its authority" in refusal(tmp_path, ISSUED)


@pytest.mark.parametrize(
    ("fault", "expected", "tolerance"),
    [
        ({"starts_days": -9, "ends_days": -1}, "has expired: CN=plc", "validity"),
        ({"starts_days": 1, "ends_days": 9}, "is not yet valid: CN=plc", "validity"),
        ({"uri": "urn:other"}, f"calls itself {URI}, but its certificate is that of urn:o", "uri"),
        ({"uri": None}, "its certificate is that of no application URI: ", "uri"),
        ({"hosts": ("10.0.0.9",)}, "as 127.0.0.1, but its certificate is that of 10.0.0.9", "host"),
        ({"hosts": ()}, "its certificate is that of no host", "host"),
    ],
)
def test_what_is_wrong_is_named_and_may_be_tolerated(
    tmp_path: Path, fault: dict[str, Any], expected: str, tolerance: str
) -> None:
    for n, issuer in enumerate((None, ROOT)):
        folder = tmp_path / str(n)
        server = make_identity("plc", **({"uri": URI, "issuer": issuer, "key_number": 1} | fault))
        put(folder, "trusted", issuer or server)
        others = [t for t in ("host", "uri", "validity") if t != tolerance]
        said = refusal(folder, server, tolerate=others)
        assert expected in said
        assert f"tolerate: [{tolerance}]" in said
        check(folder, server, tolerate=[tolerance])


def test_a_pinned_server_is_itself_by_whatever_name(tmp_path: Path) -> None:
    check(tmp_path, SERVER, uri="urn:x", host="x", server_fingerprints=[SERVER.fingerprint])
    expired = make_identity("plc", uri=URI, starts_days=-9, ends_days=-1, key_number=1)
    assert "has expired" in refusal(tmp_path, expired, server_fingerprints=[expired.fingerprint])


def test_a_key_that_the_policies_cannot_use(tmp_path: Path) -> None:
    curve = make_identity("plc", uri=URI, curve=True)
    put(tmp_path, "trusted", curve)
    assert refusal(tmp_path, curve).startswith("the server's certificate has no RSA key")


def test_no_certificate(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("the server shows no certificate")


def test_something_else_in_the_list_is_named(tmp_path: Path) -> None:
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "readme.txt").write_text("put certificates here")
    assert "Left out: " in (said := refusal(tmp_path, SERVER))
    assert "readme.txt is no certificate (DER or PEM)" in said
    put(tmp_path, "trusted", SERVER)
    check(tmp_path, SERVER)


def test_rejected_ones_cannot_fill_the_disk(tmp_path: Path) -> None:
    rejected = tmp_path / "rejected"
    rejected.mkdir()
    for n in range(60):
        (rejected / f"old-{n}.der").write_bytes(b"x")
        os.utime(rejected / f"old-{n}.der", (n, n))
    refusal(tmp_path, SERVER)
    kept = {file.name for file in rejected.iterdir()}
    assert len(kept) == 50
    assert "old-59.der" in kept
    assert "old-10.der" not in kept


def test_a_rejected_one_stays_for_whoever_is_told_to_move_it(tmp_path: Path) -> None:
    rejected = tmp_path / "rejected"
    rejected.mkdir()
    ahead = time.time() + 3600  # the clock was set back since
    for n in range(60):
        (rejected / f"old-{n}.der").write_bytes(b"x")
        os.utime(rejected / f"old-{n}.der", (ahead + n, ahead + n))
    said = refusal(tmp_path, SERVER)
    kept = {file.name: file for file in rejected.iterdir()}
    assert len(kept) == 50
    assert "old-10.der" not in kept
    (mine,) = (file for file in kept.values() if file.read_bytes() == SERVER.der)
    assert f"mv '{mine}' " in said


def test_a_name_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    refusal(tmp_path, make_identity("../../etc/passwd", uri=URI, key_number=1))
    (rejected,) = (tmp_path / "rejected").iterdir()
    assert rejected.name.startswith("etc-passwd-")


@given(st.lists(st.sampled_from([SERVER, ISSUED, BETWEEN, ROOT]), max_size=4))
def test_a_chain_is_split_into_what_it_was_made_of(identities: list[Identity]) -> None:
    chain = b"".join(identity.der for identity in identities)
    assert split_chain(chain) == [identity.certificate for identity in identities]


@given(st.binary(min_size=1, max_size=40))
def test_no_chain_is_read_from_anything_else(content: bytes) -> None:
    with pytest.raises(CertificateError):
        split_chain(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x0c\x05press", b"\x0c\x05\xb7ress"),  # a name that is no UTF-8
        (b"\x0c\x05press", b"\x03\x05\0ress"),  # a name of bits
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x6e"),  # a version that there is not
    ],
)
def test_a_certificate_that_is_read_only_in_part_is_none(old: bytes, new: bytes) -> None:
    spoiled = make_identity("press").der.replace(old, new)
    with pytest.raises(CertificateError):
        split_chain(spoiled)
