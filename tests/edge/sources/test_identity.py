"""The gateway's own certificate, and how its user is proven."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto import security_policies
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st

from edge.sources.opcua import SecuritySettings
from edge.sources.opcua.certificates import CertificateError, uris
from edge.sources.opcua.identity import (
    IdentityRefusedError,
    choose_token,
    expiry_notice,
    own_application,
)
from tests.fixtures.certificates import make_identity

ANONYMOUS = ua.UserTokenType.Anonymous
USER_NAME = ua.UserTokenType.UserName
CERTIFICATE = ua.UserTokenType.Certificate

POLICY = "http://opcfoundation.org/UA/SecurityPolicy#"
ENCRYPTING = ("Aes256_Sha256_RsaPss", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Basic256")
SIGNING = ENCRYPTING[:3]
UNSAFE = ("Basic128Rsa15", "ECC_nistP256", "None")


def settings_in(folder: Path) -> SecuritySettings:
    return SecuritySettings(
        certificate_file=folder / "pki" / "own.der",
        key_file=folder / "pki" / "own.key",
        trust_dir=folder,
    )


# The gateway's own certificate.


def test_it_is_made_once_as_the_standard_wants_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    made = own_application(settings)
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o600
    assert made.key.key_size >= 2048
    certificate = made.certificate
    assert [made.uri] == uris(certificate)
    assert made.uri.startswith("urn:")
    assert made.uri.endswith(":lineside:edge")
    certificate.verify_directly_issued_by(certificate)

    def extension(kind: type[x509.ExtensionType]) -> x509.ExtensionType:
        return certificate.extensions.get_extension_for_class(kind).value

    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [made.uri.split(":")[1]]
    assert extension(x509.ExtendedKeyUsage) == x509.ExtendedKeyUsage(
        [ExtendedKeyUsageOID.CLIENT_AUTH]
    )
    assert extension(x509.BasicConstraints) == x509.BasicConstraints(ca=False, path_length=None)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert usage.key_encipherment
    assert usage.data_encipherment
    assert expiry_notice(certificate, datetime.now(UTC)) is None

    again = own_application(settings)
    assert (again.certificate, again.uri) == (certificate, made.uri)
    assert sorted(file.name for file in settings.key_file.parent.iterdir()) == [
        "own.der",
        "own.key",
    ]


def test_sources_that_share_it_make_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with ThreadPoolExecutor(4) as threads:
        first, *others = threads.map(own_application, [settings] * 4)
    assert all(other.certificate == first.certificate for other in others)


def test_a_certificate_is_made_for_a_key_that_is_there(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    identity = make_identity("gateway")
    identity.write(tmp_path / "pki", "own")
    (tmp_path / "pki" / "own.pem").unlink()
    assert own_application(settings).certificate.public_key() == identity.key.public_key()


def test_one_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    root = make_identity("Plant CA", authority=True, key_number=8)
    identity = make_identity("gateway", uri="urn:plant:gateway", issuer=root, key_number=3)
    settings = settings_in(tmp_path)
    identity.write(tmp_path / "pki", "own")
    both = identity.certificate.public_bytes(
        serialization.Encoding.PEM
    ) + root.certificate.public_bytes(serialization.Encoding.PEM)
    settings.certificate_file.write_bytes(both)  # whatever its name says, it is PEM
    own = own_application(settings)
    assert own.uri == "urn:plant:gateway"
    assert own.issuers == (root.certificate,)
    assert settings.certificate_file.read_bytes() == both


def refusal(settings: SecuritySettings) -> str:
    with pytest.raises(CertificateError) as caught:
        own_application(settings)
    return str(caught.value)


def test_what_is_wrong_with_it_is_named(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    own = make_identity("gateway", uri="urn:x", key_number=3)
    own.write(tmp_path / "pki", "own")
    settings.certificate_file.write_bytes(make_identity("gateway", key_number=4).der)
    assert "own.key is not the key of " in refusal(settings)
    settings.certificate_file.write_bytes(make_identity("gateway", key_number=3).der)
    assert "own.der names no application URI" in refusal(settings)
    settings.certificate_file.write_bytes(b"nonsense")
    assert "own.der is no certificate (DER or PEM)" in refusal(settings)
    settings.certificate_file.write_bytes(own.der)
    settings.key_file.write_bytes(
        own.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "own.key is locked by a passphrase" in refusal(settings)
    settings.key_file.unlink()
    assert "own.der is there but its key " in refusal(settings)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "pki").write_text("in the way")
    assert refusal(settings_in(tmp_path)).startswith("the gateway's certificate cannot be made: ")


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=31), None),
        (timedelta(days=29, hours=1), "expires in 29 days, on "),
        (timedelta(seconds=-1), "has expired on "),
    ],
)
def test_expiry_is_said_thirty_days_ahead(left: timedelta, expected: str | None) -> None:
    certificate = make_identity("gateway").certificate
    notice = expiry_notice(certificate, certificate.not_valid_after_utc - left)
    assert (notice is None) if expected is None else (notice or "").startswith(expected)


# The user.


def token(kind: ua.UserTokenType, policy: str | None) -> ua.UserTokenPolicy:
    return ua.UserTokenPolicy(
        PolicyId=ua.String(f"{kind.name}-{policy}"),
        TokenType=kind,
        SecurityPolicyUri=ua.String(POLICY + policy) if policy is not None else None,
    )


def channel(name: str = "None", mode: str = "None_") -> security_policies.SecurityPolicy:
    policy = security_policies.SecurityPolicyNone()  # type: ignore[no-untyped-call]
    policy.URI = POLICY + name
    policy.Mode = ua.MessageSecurityMode[mode]
    return policy


def chosen(
    kind: ua.UserTokenType,
    offered: list[ua.UserTokenPolicy],
    policy: security_policies.SecurityPolicy,
    *,
    password_readable: bool = False,
) -> str:
    token = choose_token(kind, offered, policy, password_readable=password_readable)
    assert token.TokenType == kind
    assert any(token.PolicyId == other.PolicyId for other in offered)
    return str(token.SecurityPolicyUri).removeprefix(POLICY)


names = st.sampled_from([*ENCRYPTING, *UNSAFE, None])
channels = st.one_of(
    st.just(channel()),
    st.builds(
        channel,
        st.sampled_from(SIGNING),
        st.sampled_from(["Sign", "SignAndEncrypt"]),
    ),
)


@given(st.lists(names, max_size=3), channels)
@example(["None"], channel("Basic256Sha256", "Sign"))
@example(["None"], channel("Basic256Sha256", "SignAndEncrypt"))
def test_a_password_is_never_readable(
    offered: list[str | None], policy: security_policies.SecurityPolicy
) -> None:
    tokens = [token(USER_NAME, name) for name in offered]
    try:
        name = chosen(USER_NAME, tokens, policy)
    except IdentityRefusedError:
        inherited = policy.URI.removeprefix(POLICY)
        assert not {n or inherited for n in offered} & set(ENCRYPTING)
    else:
        hidden = policy.Mode == ua.MessageSecurityMode.SignAndEncrypt
        assert name in ENCRYPTING or (name == "None" and hidden)


@given(st.lists(names, max_size=3), channels)
def test_a_user_certificate_always_proves_something(
    offered: list[str | None], policy: security_policies.SecurityPolicy
) -> None:
    try:
        name = chosen(CERTIFICATE, [token(CERTIFICATE, n) for n in offered], policy)
    except IdentityRefusedError:
        inherited = policy.URI.removeprefix(POLICY)
        assert not {n or inherited for n in offered} & set(SIGNING)
    else:
        assert name in SIGNING


def test_the_policy_of_the_channel_comes_first() -> None:
    tokens = [token(USER_NAME, name) for name in ENCRYPTING]
    assert chosen(USER_NAME, tokens, channel()) == "Aes256_Sha256_RsaPss"
    assert chosen(USER_NAME, tokens, channel("Basic256Sha256", "Sign")) == "Basic256Sha256"
    inherited = [token(USER_NAME, None), token(USER_NAME, "Aes256_Sha256_RsaPss")]
    assert chosen(USER_NAME, inherited, channel("Basic256Sha256", "Sign")) == "Basic256Sha256"


def test_a_readable_password_must_be_asked_for() -> None:
    offered = [token(USER_NAME, "None")]
    with pytest.raises(IdentityRefusedError, match="everybody on the network could read it"):
        chosen(USER_NAME, offered, channel())
    assert chosen(USER_NAME, offered, channel(), password_readable=True) == "None"


def test_what_the_endpoint_takes_is_named() -> None:
    offered = [token(USER_NAME, "None"), token(CERTIFICATE, None), token(USER_NAME, None)]
    with pytest.raises(
        IdentityRefusedError,
        match="does not take anonymous users; it takes user name and password, user certificates",
    ):
        chosen(ANONYMOUS, offered, channel())
    with pytest.raises(IdentityRefusedError, match="it takes nobody"):
        chosen(ANONYMOUS, [], channel())
    with pytest.raises(IdentityRefusedError, match="only under Basic128Rsa15, ECC_nistP256, which"):
        chosen(
            USER_NAME,
            [token(USER_NAME, "Basic128Rsa15"), token(USER_NAME, "ECC_nistP256")],
            channel(),
        )
