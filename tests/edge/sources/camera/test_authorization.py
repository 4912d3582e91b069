"""How a viewer proves who it is, against the examples of the standards."""

from __future__ import annotations

import hashlib
import re

import pytest

from edge.sources.camera.authorization import NoSchemeError, authorization, in_bytes, in_text

REALM = "http-auth@example.org"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def challenge(algorithm: str) -> str:
    return (
        f'Digest realm="{REALM}", qop="auth, auth-int", algorithm={algorithm}, nonce="{NONCE}", '
        f'opaque="{OPAQUE}"'
    )


def answer(*challenges: str) -> str:
    return authorization(challenges, "GET", "/dir/index.html", "Mufasa", "Circle of Life", CNONCE)


def test_digest_as_rfc_7616_has_it() -> None:
    """RFC 7616, 3.9.1: two challenges, the better one first; and one alone."""
    sha256 = "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    for offered in (["SHA-256", "MD5"], ["MD5", "SHA-256"]):
        said = answer(*map(challenge, offered))
        assert f'response="{sha256}"' in said
        assert f'opaque="{OPAQUE}"' in said
    both = answer(", ".join(map(challenge, ("SHA-256", "MD5"))))
    assert f'response="{sha256}"' in both
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in answer(challenge("MD5"))


def test_digest_of_old_cameras() -> None:
    """RFC 2617, 3.5 with qop; RFC 2069 without, by its corrected example."""
    old = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    said = authorization(
        [f'{old}, qop="auth,auth-int", opaque="5ccc069c403ebaf9f0171e9517f40e41"'],
        *("GET", "/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b"),
    )
    assert 'response="6629fae49393a05397450978507c4ef1"' in said
    assert authorization([old], "GET", "/dir/index.html", "Mufasa", "CircleOfLife").endswith(
        'response="1949323746fe6a43ef61f9606e7febea"'
    )


def test_a_realm_in_another_encoding_is_said_as_it_came() -> None:
    realm = "摄像头".encode("gbk")
    asked = b'Digest realm="' + realm + b'", nonce="n"'
    said = in_bytes(authorization([in_text(asked)], "GET", "/", "viewer", "sim"))
    assert b'realm="' + realm + b'"' in said
    secret = hashlib.md5(b"viewer:" + realm + b":sim").hexdigest()
    what = hashlib.md5(b"GET:/").hexdigest()
    right = hashlib.md5(f"{secret}:n:{what}".encode()).hexdigest()
    assert f'response="{right}"'.encode() in said


def test_basic_only_where_there_is_nothing_better() -> None:
    basic = 'Basic realm="x", charset="UTF-8"'
    said = authorization([basic], "GET", "/", "Aladdin", "open sesame")
    assert said == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert answer(basic, challenge("MD5")).startswith("Digest ")
    assert answer(f"{basic}, {challenge('SHA-512-256')}").startswith("Basic ")


@pytest.mark.parametrize("offered", ["Negotiate", "", challenge("TIGER"), 'Digest realm="x"'])
def test_what_is_not_known_is_refused(offered: str) -> None:
    with pytest.raises(NoSchemeError, match=re.escape("neither Basic nor Digest")):
        answer(offered)
