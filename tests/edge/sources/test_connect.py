"""Sessions with a server: secured, as a user, at the first address that works, and refused with a
reason that somebody can act on.

Another maker's server takes every policy, mode and kind of user; asyncua's own takes the commonest.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

from deploy.local.ports import free_port
from edge.sources.opcua import OpcUaSettings
from edge.sources.opcua.connect import ConnectFailedError, Connector, close, connect
from tests.edge.sources.plc import Plc, run_plc
from tests.edge.sources.test_node_opcua import subscribe
from tests.edge.waiting import until
from tests.fixtures.certificates import Identity, make_identity
from tests.fixtures.node_opcua import URI, NodeOpcua, needs_node_opcua, run_node_opcua

pytestmark = pytest.mark.anyio

POLICIES = ("Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss")
MODES = ("Sign", "SignAndEncrypt")
USER = make_identity("operator", key_number=5)
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[NodeOpcua]:
    """Takes all: every policy, every user, every client."""
    async with run_node_opcua(users={"reader": "right"}) as running:
        await running.trust(USER, user=True)
        yield running


def settings_for(endpoint: str, **settings: Any) -> OpcUaSettings:
    return OpcUaSettings(device="plc", endpoint=endpoint, **settings)


def secured(folder: Path, **settings: Any) -> dict[str, Any]:
    """Security with a certificate of our own and a trust list, both in the folder."""
    return {
        "certificate_file": folder / "own.pem",
        "key_file": folder / "own.key",
        "trust_dir": folder / "pki",
        **settings,
    }


def trust(folder: Path, identity: Identity, name: str = "server.der") -> None:
    """Put a certificate where a person would."""
    (folder / "pki" / "trusted").mkdir(parents=True, exist_ok=True)
    (folder / "pki" / "trusted" / name).write_bytes(identity.der)


async def refusal(settings: OpcUaSettings) -> str:
    """Why there is no session, without the address."""
    try:
        client = await connect(settings)
    except ConnectFailedError as error:
        text = str(error)
    else:
        await close(client, PATIENCE_S)
        raise AssertionError("a session was made")
    assert text.startswith(f"{settings.endpoint}: ")
    return text.removeprefix(f"{settings.endpoint}: ")


# Every policy, mode and kind of user, at another maker's server.


def users(folder: Path) -> list[tuple[str, dict[str, Path | str]]]:
    certificate, key = USER.write(folder, "user")
    password = folder / "password"
    password.write_text("right\nsecond line\n")
    return [
        ("AnonymousIdentityToken", {}),
        ("reader", {"username": "reader", "password_file": password}),
        ("X509IdentityToken", {"user_certificate_file": certificate, "user_key_file": key}),
    ]


@needs_node_opcua
@pytest.mark.parametrize(
    ("policy", "mode"), [("None", "None"), *((p, m) for p in POLICIES for m in MODES)]
)
async def test_each_policy_mode_and_user(
    server: NodeOpcua, tmp_path: Path, policy: str, mode: str
) -> None:
    trust(tmp_path, server.identity)
    security = None if policy == "None" else secured(tmp_path, policy=policy, mode=mode)
    for name, user in users(tmp_path):
        await server.has_no_sessions()
        client = await connect(settings_for(server.endpoint, security=security, **user))
        try:
            (session,) = await server.sessions()
        finally:
            await close(client, PATIENCE_S)
        shown = session["policy"].rpartition("#")[2].replace("_", "")
        assert (shown, session["mode"], session["user"]) == (policy, mode, name)


@needs_node_opcua
async def test_a_user_who_is_refused(server: NodeOpcua, tmp_path: Path) -> None:
    trust(tmp_path, server.identity)
    certificate, key = make_identity("stranger", key_number=6).write(tmp_path, "stranger")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"username": "reader", "password": "wr0ng"}, "the server refuses the user 'reader'; "),
        ({"username": "nobody", "password": "wr0ng"}, "the server refuses the user 'nobody'; "),
        (
            {"user_certificate_file": certificate, "user_key_file": key},
            f"the server refuses the user of {certificate}; import that certificate",
        ),
    ]
    for user, expected in wrong:
        for security in (None, secured(tmp_path)):
            said = await refusal(settings_for(server.endpoint, security=security, **user))
            assert said.startswith(expected)
            assert "wr0ng" not in said
    await server.has_no_sessions()


# Which server is believed.


@needs_node_opcua
async def test_an_unknown_server_is_refused_until_a_person_trusts_it(
    server: NodeOpcua, tmp_path: Path
) -> None:
    settings = settings_for(server.endpoint, security=secured(tmp_path))
    for _ in range(2):
        said = await refusal(settings)
        assert "the server's certificate is not trusted: CN=node-opcua (self-signed, " in said
        assert server.identity.fingerprint in said
        await server.has_no_sessions()
    (rejected,) = (tmp_path / "pki" / "rejected").iterdir()
    assert rejected.read_bytes() == server.identity.der
    trusted = tmp_path / "pki" / "trusted"
    assert f"mv '{rejected}' '{trusted}/'" in said
    rejected.rename(trusted / rejected.name)
    await close(await connect(settings), PATIENCE_S)


@needs_node_opcua
async def test_a_pinned_server(server: NodeOpcua, tmp_path: Path) -> None:
    file, _ = server.identity.write(tmp_path, "pinned")
    other = make_identity("other", key_number=7)
    other_file, _ = other.write(tmp_path, "other")
    own = {"certificate_file": tmp_path / "own.der", "key_file": tmp_path / "own.key"}
    plain = server.identity.fingerprint.replace(":", "").lower()
    for pin in (
        {"server_certificate_file": file},
        {"server_fingerprints": [other.fingerprint, plain]},
        {"trust_any_server": True},
    ):
        await close(await connect(settings_for(server.endpoint, security=own | pin)), PATIENCE_S)
    for wrong in (
        {"server_certificate_file": other_file},
        {"server_fingerprints": [other.fingerprint]},
    ):
        said = await refusal(settings_for(server.endpoint, security=own | wrong))
        assert said.startswith("the server shows another certificate than the pinned one: ")
        assert server.identity.fingerprint in said.partition("but pinned is")[0]
        assert other.fingerprint in said.partition("but pinned is")[2]


# The trust list's rules are tested in test_trust.py; here, that it is asked.
@needs_node_opcua
@pytest.mark.slow
async def test_servers_with_something_wrong(tmp_path: Path) -> None:
    root = make_identity("Plant CA", authority=True, key_number=8)
    expired = make_identity("expired", uri=URI, starts_days=-30, ends_days=-1, key_number=1)
    issued = make_identity("issued", uri=URI, issuer=root, key_number=2)
    trust(tmp_path, root, "root.der")
    trust(tmp_path, expired)
    async with run_node_opcua(identity=expired) as server:
        settings = settings_for(server.endpoint, security=secured(tmp_path))
        assert (await refusal(settings)).startswith("the server's certificate has expired: ")
        tolerant = settings_for(server.endpoint, security=secured(tmp_path, tolerate=["validity"]))
        await close(await connect(tolerant), PATIENCE_S)
    async with run_node_opcua(identity=issued) as server:
        settings = settings_for(server.endpoint, security=secured(tmp_path))
        await close(await connect(settings), PATIENCE_S)
        revoked = tmp_path / "pki" / "crl" / "plant.crl"
        revoked.write_bytes(root.revocations(issued))
        assert "has been revoked by its authority" in await refusal(settings)


@needs_node_opcua
async def test_a_server_whose_clock_is_behind_keeps_its_channel(server: NodeOpcua) -> None:
    await server.add("Clock", "Int32", 0)
    await server.shift_clock(-5 * 3_600_000)
    try:
        client = await connect(settings_for(server.endpoint))
        values = await subscribe(client, server, "Clock", 5000)
        await server.ramp(["Clock"], per_s=1000)
        for _ in range(8):
            await client.open_secure_channel(renew=True)
            await client.nodes.server_state.read_value()
            # some are answers to requests of the time before
            enough = values.messages + 3
            await until(lambda enough=enough: values.messages >= enough, "messages")  # type: ignore[misc]
        await close(client, PATIENCE_S)
    finally:
        await server.hold()
        await server.shift_clock(0)


# Who this gateway is to the server.


@needs_node_opcua
@pytest.mark.slow
async def test_a_server_that_does_not_trust_this_gateway(tmp_path: Path) -> None:
    async with run_node_opcua(trust_all=False) as server:
        trust(tmp_path, server.identity)
        settings = settings_for(server.endpoint, security=secured(tmp_path))
        said = await refusal(settings)
        assert said.startswith("the server does not trust this gateway's certificate; import ")
        assert str(tmp_path / "own.pem") in said
        own = make_identity("gateway", uri="urn:test:gateway", key_number=9)
        own.write(tmp_path, "trusted")
        await server.trust(own)
        files = {
            "certificate_file": tmp_path / "trusted.pem",
            "key_file": tmp_path / "trusted.key",
        }
        settings = settings_for(server.endpoint, security=secured(tmp_path, **files))
        await close(await connect(settings), PATIENCE_S)


@needs_node_opcua
async def test_a_certificate_that_soon_expires_is_said_once(
    server: NodeOpcua, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = make_identity("gateway", uri="urn:test:gateway", ends_days=20.5, key_number=9)
    own.write(tmp_path, "own")
    trust(tmp_path, server.identity)
    connector = Connector(settings_for(server.endpoint, security=secured(tmp_path)))
    with caplog.at_level(logging.INFO, "edge"):
        for _ in range(2):
            await close(await connector.connect(), PATIENCE_S)
    (said,) = [r.getMessage() for r in caplog.records if r.name.startswith("edge")]
    assert said.startswith("source plc: this gateway's certificate: expires in 20 days, on ")
    assert own.fingerprint in said


# What a server offers.


@needs_node_opcua
@pytest.mark.slow
async def test_a_server_that_offers_something_else(tmp_path: Path) -> None:
    async with run_node_opcua(
        policies=["Basic256Sha256"],
        modes=["Sign"],
        anonymous=False,
        users={"reader": "right"},
        capabilities={"maxSessions": 1},
    ) as server:
        trust(tmp_path, server.identity)
        assert (await refusal(settings_for(server.endpoint))).startswith(
            "does not offer an unsecured channel; it offers Basic256Sha256 with Sign. "
        )
        encrypted = settings_for(server.endpoint, security=secured(tmp_path))
        assert (await refusal(encrypted)).startswith(
            "does not offer Basic256Sha256 with SignAndEncrypt; it offers Basic256Sha256 with Sign."
        )
        signed = secured(tmp_path, mode="Sign")
        said = await refusal(settings_for(server.endpoint, security=signed))
        assert said.startswith("the endpoint does not take anonymous users; it takes ")
        assert "user name and password" in said
        user = {"username": "reader", "password": "right"}
        client = await connect(settings_for(server.endpoint, security=signed, **user))
        try:
            said = await refusal(settings_for(server.endpoint, security=signed, **user))
            assert said.startswith("the server has no session left; close other clients")
        finally:
            await close(client, PATIENCE_S)


# asyncua's own server.


class OneUser(UserManager):
    """Knows one user."""

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: Any = None,
        certificate: Any = None,
    ) -> User | None:
        known = (username, password) == ("reader", "right")
        return User(role=UserRole.User, name=username) if known else None


@asynccontextmanager
async def run_secured_plc(folder: Path, identity: Identity) -> AsyncIterator[Plc]:
    certificate, key = identity.write(folder, "plc")
    plc = Plc(free_port())
    plc.server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    await plc.server.init()
    await plc.server.set_application_uri(URI)
    await plc.server.load_certificate(str(certificate))
    await plc.server.load_private_key(str(key), format="pem")
    await plc.server.start()
    try:
        yield plc
    finally:
        await plc.server.stop()


async def test_a_secured_channel_with_asyncua(tmp_path: Path) -> None:
    identity = make_identity("plc", uri=URI, key_number=1)
    async with run_secured_plc(tmp_path, identity) as plc:
        settings = settings_for(plc.endpoint, security=secured(tmp_path))
        assert identity.fingerprint in await refusal(settings)
        trust(tmp_path, identity)
        client = await connect(settings)
        assert await client.get_namespace_array()
        await close(client, PATIENCE_S)
        assert "it offers Basic256Sha256 with SignAndEncrypt" in await refusal(
            settings_for(plc.endpoint)
        )


@pytest.mark.slow
async def test_a_server_with_the_certificate_of_another_and_not_its_key(tmp_path: Path) -> None:
    trusted = make_identity("plc", uri=URI, key_number=1)
    forged = Identity(trusted.certificate, make_identity("x", key_number=2).key)
    trust(tmp_path, trusted)
    async with run_secured_plc(tmp_path, forged) as plc:
        settings = settings_for(plc.endpoint, security=secured(tmp_path), timeout_s=3)
        assert "or not have the key of the certificate that it shows" in await refusal(settings)


async def test_a_password_is_not_shown_to_the_network(tmp_path: Path) -> None:
    user = {"username": "reader", "password": "right"}
    async with run_plc(users=OneUser()) as plc:  # has no certificate to encrypt for
        said = await refusal(settings_for(plc.endpoint, **user))
        assert said.startswith("the endpoint takes the password only unencrypted")
        readable = settings_for(plc.endpoint, send_password_readable=True, **user)
        await close(await connect(readable), PATIENCE_S)
        wrong = settings_for(
            plc.endpoint, username="reader", password="wr0ng", send_password_readable=True
        )
        said = await refusal(wrong)
        assert said.startswith("the server refuses the user 'reader'; check name and password")
        absent = settings_for(plc.endpoint, username="reader", password_file=tmp_path / "absent")
        assert (await refusal(absent)).startswith(f"{tmp_path / 'absent'} cannot be read: No such")
        assert "wr0ng" not in said


# Addresses.


@pytest.mark.slow
async def test_a_server_that_stands_by_is_left_for_one_that_has_data() -> None:
    async with run_plc() as standby, run_plc() as active:
        level = standby.server.get_node(ua.NodeId(ua.Int32(ua.ObjectIds.Server_ServiceLevel)))
        await level.write_value(ua.Variant(1, ua.VariantType.Byte))
        await close(await connect(settings_for(standby.endpoint)), PATIENCE_S)  # there is no other
        settings = settings_for(standby.endpoint, more_endpoints=[active.endpoint])
        connector = Connector(settings)
        tried: list[None] = []
        await close(await connector.connect(lambda: tried.append(None)), PATIENCE_S)
        assert connector.endpoint == active.endpoint
        assert len(tried) == 2
        await active.server.stop()
        with pytest.raises(
            ConnectFailedError, match=r"stands by and has no data \(service level 1"
        ):
            await connector.connect()
        await level.write_value(ua.Variant(200, ua.VariantType.Byte))
        await close(await connector.connect(), PATIENCE_S)
        assert connector.endpoint == standby.endpoint


@pytest.mark.slow
async def test_the_first_address_that_works_is_kept() -> None:
    port, other = free_port(), free_port()
    async with run_plc() as second:
        first = f"opc.tcp://127.0.0.1:{port}/"
        settings = settings_for(
            first, more_endpoints=[f"opc.tcp://127.0.0.1:{other}/", second.endpoint]
        )
        connector = Connector(settings)
        assert connector.endpoint == first
        await close(await connector.connect(), PATIENCE_S)
        assert connector.endpoint == second.endpoint
        async with run_plc(port=port):
            await close(await connector.connect(), PATIENCE_S)
            assert connector.endpoint == second.endpoint  # it still works
            await second.server.stop()
            await close(await connector.connect(), PATIENCE_S)
            assert connector.endpoint == first
    with pytest.raises(ConnectFailedError) as caught:
        await connector.connect()
    said = str(caught.value)
    assert said.startswith(f"no server can be used: {first}: nothing listens on port {port}; ")
    assert all(f"{e}: nothing listens" in said for e in [*settings.more_endpoints])


async def test_addresses_that_lead_nowhere() -> None:
    assert "nothing listens on port" in await refusal(
        settings_for(f"opc.tcp://127.0.0.1:{free_port()}")
    )
    assert "the name plc.invalid is not known" in await refusal(
        settings_for("opc.tcp://plc.invalid:4840", timeout_s=60)
    )
