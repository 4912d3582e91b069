"""Keys, users, roles, limits and the audit log, over real HTTP and against a real provider."""

from __future__ import annotations

import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import get_args

import httpx
import pytest
from fastapi.routing import APIRoute
from psycopg import errors
from typer.testing import CliRunner, Result

from hub.api.app import create_app
from hub.api.context import Context
from hub.api.live import Live
from hub.api.settings import ApiSettings
from hub.cli import app as command
from hub.identity.caller import ALLOWS, Permission
from hub.identity.policy import BY_TAG, READING, permission_for
from hub.identity.settings import IdentitySettings, OidcSettings, RateSettings
from hub.monitoring.health import Workers
from hub.sequencing.searches import Searches
from hub.store import Database
from protocols.enrolment import AUTHORITY_PATH, ENROLMENT_PATH, RENEWAL_PATH
from protocols.proposal import ASK_PATH
from tests.hub.api.conftest import TOKEN
from tests.hub.calls.world import make_world
from tests.hub.identity.conftest import bearer
from tests.hub.identity.provider import Provider

PASS = {"production_no": "0000001", "passed_at": "2026-03-02T06:15:00Z"}
PASSES = "/v1/plants/P1/control-points/TRIM-IN/passes"


def make(hub: httpx.Client, role: str, days: int = 1) -> str:
    made = hub.post(
        "/v1/keys", json={"name": f"of {role}", "role": role, "days": days}, headers=bearer(TOKEN)
    )
    assert made.status_code == HTTPStatus.CREATED, made.text
    return str(made.json()["key"])


def status(hub: httpx.Client, token: str, method: str, path: str, body: object = None) -> int:
    return hub.request(method, path, json=body, headers=bearer(token)).status_code


def test_a_key_speaks_for_its_tenant_with_its_role_alone(hub: httpx.Client) -> None:
    key = make(hub, "plant")
    me = hub.get("/v1/me", headers=bearer(key)).json()
    assert me["tenant"] == "carmaker"
    assert me["actor"].startswith("key of plant (")
    assert (me["roles"], me["may"]) == (["plant"], ["decide", "operate", "read", "sequence"])
    assert status(hub, key, "POST", PASSES, PASS) == HTTPStatus.CREATED
    refused = hub.get("/v1/keys", headers=bearer(key))
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert refused.json()["detail"].endswith("this wants one that may administer: admin")
    unknown = hub.get("/v1/call", headers=bearer(key))
    assert unknown.json()["detail"] == (
        "there is no such path; /openapi.json describes all that there are"
    )


def test_roles_allow_what_they_say(hub: httpx.Client) -> None:
    asked = [("GET", "/v1/plants", None), ("POST", PASSES, PASS), ("GET", "/v1/audit", None)]
    for role, may in (("auditor", [1, 0, 1]), ("supplier", [1, 0, 0]), ("admin", [1, 1, 1])):
        key = make(hub, role)
        got = [status(hub, key, *each) < HTTPStatus.BAD_REQUEST for each in asked]
        assert got == [bool(each) for each in may], role


def test_every_route_wants_a_permission_that_some_role_has(database: Database) -> None:
    app = create_app(database, ApiSettings())
    routes = _routes(app.routes)
    used = {str(tag) for route in routes for tag in route.tags}
    assert BY_TAG.keys() - used <= {"exceptions", "modes", "webhooks"}
    for route in routes:
        for method in (route.methods or set()) - {"HEAD"}:
            wanted = permission_for(method, [str(tag) for tag in route.tags])
            assert wanted in get_args(Permission)
            assert (wanted == "read") <= (method in READING)
            if route.path.startswith("/v1/") and method not in READING:
                assert wanted not in ALLOWS["auditor"]
    # Whatever is described wants to know who asks, but for what must answer without.
    open_to_all = {
        route.path for route in routes if not _asks_who(route) and route.include_in_schema
    }
    enrolment = {AUTHORITY_PATH, ENROLMENT_PATH, RENEWAL_PATH, ASK_PATH}
    assert open_to_all == {"/healthz", "/readyz", *enrolment}


def _routes(found: Iterable[object]) -> list[APIRoute]:
    routes = []
    for each in found:
        if isinstance(each, APIRoute):
            routes.append(each)
        elif (included := getattr(each, "original_router", None)) is not None:
            routes += _routes(included.routes)
    return routes


def _asks_who(route: APIRoute) -> bool:
    waiting = [route.dependant]
    while waiting:
        dependant = waiting.pop()
        if getattr(dependant.call, "__name__", "") == "caller":
            return True
        waiting += dependant.dependencies
    return False


def test_a_revoked_or_expired_key_is_refused(hub: httpx.Client, database: Database) -> None:
    key = make(hub, "plant")
    key_id = key.split("_")[1]
    with database.connect("ingest", autocommit=True) as connection:
        connection.execute("UPDATE api_key SET expires_at = now() - interval '1 second'")
        assert status(hub, key, "GET", "/v1/plants") == HTTPStatus.UNAUTHORIZED
        connection.execute("UPDATE api_key SET expires_at = now() + interval '1 day'")
        assert status(hub, key, "GET", "/v1/plants") == HTTPStatus.OK
    assert status(hub, TOKEN, "DELETE", f"/v1/keys/{key_id}") == HTTPStatus.NO_CONTENT
    deadline = time.monotonic() + 60
    while status(hub, key, "GET", "/v1/plants") == HTTPStatus.OK:  # remembered for some seconds
        assert time.monotonic() < deadline
        time.sleep(0.2)
    listed = hub.get("/v1/keys", headers=bearer(TOKEN)).json()
    assert [(each["id"], each["revoked_at"] is not None) for each in listed] == [(key_id, True)]
    assert key.split("_", 2)[2] not in str(listed)


def test_the_database_holds_no_key(hub: httpx.Client, database: Database) -> None:
    secret = make(hub, "plant").split("_", 2)[2]
    with database.connect("ingest") as connection:
        rows = connection.execute("SELECT k::text, encode(secret_hash, 'escape') FROM api_key k")
        assert secret not in str(rows.fetchall())
    with database.connect("api") as connection, pytest.raises(errors.InsufficientPrivilege):
        connection.execute("SELECT secret_hash FROM api_key")


def test_wrong_keys_are_refused_and_then_made_to_wait(hub: httpx.Client) -> None:
    key = make(hub, "plant")
    wrong = [key[:-1] + ("A" if key[-1] != "A" else "B"), "lsk_x_y", "nonsense", "a.b.c"]
    for token in wrong:
        answer = hub.get("/v1/plants", headers=bearer(token))
        assert answer.status_code == HTTPStatus.UNAUTHORIZED, token
        assert answer.headers["content-type"] == "application/problem+json"
    for _ in range(10):
        answer = hub.get("/v1/plants", headers=bearer("lsk_x_y"))
    assert answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
    assert 1 <= int(answer.headers["retry-after"]) <= 60


def test_who_asks_too_often_waits_and_others_do_not(hub: httpx.Client) -> None:
    key = make(hub, "plant")
    answer, asked = status(hub, key, "GET", "/v1/me"), 1
    assert answer == HTTPStatus.OK
    # Sixty in ten seconds are let pass: on a slow machine those may begin anew meanwhile.
    while answer == HTTPStatus.OK:
        answer, asked = status(hub, key, "GET", "/v1/me"), asked + 1
    assert (answer, asked > 60) == (HTTPStatus.TOO_MANY_REQUESTS, True)
    assert status(hub, TOKEN, "GET", "/v1/me") == HTTPStatus.OK


def test_users_are_known_by_their_groups(hub: httpx.Client, users: Provider) -> None:
    me = hub.get("/v1/me", headers=bearer(users.token())).json()
    assert (me["tenant"], me["actor"], me["roles"]) == (
        "carmaker",
        "user ann@example.org",
        ["plant"],
    )
    seats = hub.get("/v1/me", headers=bearer(users.token(groups=["seats", "others"]))).json()
    assert (seats["tenant"], seats["roles"]) == ("seatworks", ["supplier"])


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"aud": "another"}, "not accepted"),
        ({"iss": "https://elsewhere.example"}, "not accepted"),
        ({"exp": 1}, "not accepted"),
        ({"groups": ["nobody"]}, "none of the user's groups"),
        ({"groups": ["planners", "seats"]}, "several tenants"),
    ],
)
def test_tokens_that_are_not_for_us_are_refused(
    hub: httpx.Client, users: Provider, changed: dict[str, object], why: str
) -> None:
    answer = hub.get("/v1/me", headers=bearer(users.token(**changed)))
    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert why in answer.json()["detail"]


def test_a_forged_signature_is_refused(hub: httpx.Client, users: Provider) -> None:
    head, claims, signature = users.token().split(".")
    other = users.token(groups=["checkers"]).split(".")[1]
    none = "eyJhbGciOiJub25lIn0"
    for forged in (f"{head}.{other}.{signature}", f"{none}.{claims}.", f"{head}.{claims}."):
        answer = hub.get("/v1/me", headers=bearer(forged))
        assert answer.status_code == HTTPStatus.UNAUTHORIZED


def test_a_provider_may_change_its_key(
    hub: httpx.Client, users: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.identity.oidc._AGAIN_S", 0.0)
    assert hub.get("/v1/me", headers=bearer(users.token())).status_code == HTTPStatus.OK
    users.roll_key()
    assert hub.get("/v1/me", headers=bearer(users.token())).status_code == HTTPStatus.OK


def test_a_browser_signs_in_and_out(hub: httpx.Client, users: Provider) -> None:
    with httpx.Client(base_url=hub.base_url, follow_redirects=True, timeout=60) as browser:
        assert browser.get("/v1/me").status_code == HTTPStatus.UNAUTHORIZED
        landed = browser.get("/sign-in", params={"to": "/healthz"})
        assert landed.url.path == "/healthz"
        assert browser.get("/v1/me").json()["actor"] == "user ann@example.org"
        foreign = browser.post(PASSES, json=PASS, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == HTTPStatus.UNAUTHORIZED
        ours = browser.post(PASSES, json=PASS, headers={"Sec-Fetch-Site": "same-origin"})
        assert ours.status_code == HTTPStatus.CREATED
        browser.post("/sign-in/out")
        assert browser.get("/v1/me").status_code == HTTPStatus.UNAUTHORIZED


def test_a_sign_in_of_another_browser_is_not_finished(hub: httpx.Client, users: Provider) -> None:
    with httpx.Client(base_url=hub.base_url, timeout=60) as attacker:
        begun = attacker.get("/sign-in")
        back = httpx.get(begun.headers["location"], timeout=60).headers["location"]
    with httpx.Client(timeout=60) as victim:
        assert victim.get(back).status_code == HTTPStatus.BAD_REQUEST
    leads_out = hub.get("/sign-in", params={"to": "//elsewhere.example"})
    assert leads_out.status_code == HTTPStatus.SEE_OTHER


def test_changes_are_in_the_audit_log_and_stay_there(
    hub: httpx.Client, database: Database, users: Provider
) -> None:
    key = make(hub, "plant")
    hub.post(PASSES, json=PASS, headers=bearer(users.token()))
    hub.post(PASSES, json={**PASS, "production_no": "unknown"}, headers=bearer(key))
    hub.get("/v1/plants", headers=bearer(key))
    told = hub.get("/v1/audit", headers=bearer(users.token(groups=["checkers"]))).json()["items"]
    assert [(entry["actor"], entry["what"]) for entry in told] == [
        ("user ann@example.org", f"POST {PASSES}"),
        ("token", "POST /v1/keys"),
    ]
    with database.connect("ingest") as connection:
        for harm in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit", "TRUNCATE audit"):
            with pytest.raises(errors.InsufficientPrivilege), connection.transaction():
                connection.execute(harm.encode())


def test_a_query_that_takes_too_long_is_ended(database: Database) -> None:
    rate = RateSettings(query_s=0.05)
    make_world(database)
    with database.pool("api") as reading, database.pool("ingest") as writing:
        shared = Context(
            reading,
            writing,
            Live(database.dsn("ingest")),
            Searches(1),
            ApiSettings(),
            IdentitySettings(rate=rate),
            Workers({}),
        )
        with pytest.raises(errors.QueryCanceled), shared.reading("carmaker") as connection:
            connection.execute("SELECT pg_sleep(100)")


def test_an_issuer_off_this_machine_is_https() -> None:
    with pytest.raises(ValueError, match="must be https"):
        OidcSettings(issuer="http://id.example.org", client_id="x")


def test_keys_by_command(configured: None, database: Database) -> None:
    make_world(database)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(command, list(arguments))

    unknown = run("keys", "add", "carmakr", "mes")
    assert unknown.exit_code == 1
    assert "no tenant 'carmakr'; did you mean carmaker?" in unknown.output
    assert "did you mean carmaker?" in run("keys", "list", "carmakr").output
    assert "did you mean carmaker?" in run("audit", "carmakr").output
    assert "did you mean plant?" in run("keys", "add", "carmaker", "mes", "--role", "plan").output
    made = run("keys", "add", "carmaker", "mes", "--days", "10")
    key_id = made.stdout.split("_")[1]
    assert made.stdout.startswith("lsk_")
    assert key_id in run("keys", "list", "carmaker").output
    assert run("keys", "revoke", "seatworks", key_id).exit_code == 1
    assert run("keys", "revoke", "carmaker", key_id).exit_code == 0
    assert "revoked" in run("keys", "list", "carmaker").output
    told = run("audit", "carmaker").output.splitlines()
    assert [line.split("  ")[-1] for line in told] == [
        f"keys revoke {key_id}",
        "keys add mes --role plant",
    ]
