"""Every operation says what it takes, what it answers, and what can go wrong, with examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from hub.api.app import create_app
from hub.api.once import HEADER
from hub.api.openapi import JSON, PROBLEM
from hub.api.settings import ApiSettings
from hub.store import Database

MUTATING = {"post", "put", "patch", "delete"}


@pytest.fixture
def schema(database: Database) -> dict[str, Any]:
    return create_app(database, ApiSettings()).openapi()


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def wrong_example(schema: dict[str, Any], media: dict[str, Any]) -> str | None:
    """Why the example of a media type does not fit its own schema."""
    if "example" not in media and "examples" not in media:
        return "has no example"
    example = media.get("example")
    if "examples" in media:
        (first, *_) = media["examples"].values()
        example = first["value"]
    whole = {"components": schema["components"]} | media["schema"]
    validator = jsonschema_rs.Draft202012Validator(whole)
    error = next(iter(validator.iter_errors(example)), None)
    return None if error is None else f"{list(error.instance_path)}: {error.message}"[:300]


def test_the_description_is_valid_openapi(schema: dict[str, Any]) -> None:
    as_sent = json.loads(json.dumps(schema))
    assert as_sent["openapi"].startswith("3.1.")
    errors = OPENAPI_31_VALIDATOR.iter_errors(as_sent)
    assert [f"{list(e.instance_path)}: {e.message}"[:300] for e in errors] == []


def test_every_list_that_grows_is_read_page_by_page(schema: dict[str, Any]) -> None:
    """Those without pages are as many as somebody has set up, or has asked for."""
    whole = {
        "/v1/plants", "/v1/plants/{plant}/lines", "/v1/plants/{plant}/modes", "/v1/gateways",
        "/v1/plants/{plant}/kpis", "/v1/webhooks",
        "/v1/keys", "/v1/plants/{plant}/searches", "/v1/sequencing/searches", "/v1/tags",
        "/v1/latest",
    }  # fmt: skip
    found = set()
    for method, path, operation in operations(schema):
        answer = operation["responses"].get("200", {}).get("content", {}).get(JSON, {})
        if method == "get" and answer.get("schema", {}).get("type") == "array":
            found.add(path)
    assert found <= whole


def test_every_operation_has_examples_that_fit(schema: dict[str, Any]) -> None:
    found = []
    for method, path, operation in operations(schema):
        contents = {"body": operation.get("requestBody", {}).get("content", {})}
        contents |= {s: a.get("content", {}) for s, a in operation["responses"].items()}
        for where, content in contents.items():
            for kind in (JSON, PROBLEM):
                if kind in content and (why := wrong_example(schema, content[kind])):
                    found.append(f"{method.upper()} {path} {where}: {why}")
    assert found == []


def test_every_operation_lists_its_problems(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        if not path.startswith("/v1"):
            continue
        assert operation.get("summary"), path
        assert operation.get("tags"), path
        wanted = {"401", "403", "429", "503"}
        if method in MUTATING:
            wanted |= {"400", "409", "422"}
            assert HEADER in [p["name"] for p in operation["parameters"]], path
        if any(p["in"] == "path" for p in operation.get("parameters", [])):
            wanted |= {"404"} if "{" in path else set()
        assert wanted <= operation["responses"].keys(), (method, path)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert PROBLEM in answer["content"], (method, path, status)
