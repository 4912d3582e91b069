"""The API's description: FastAPI's own, with errors as they really look, what every operation has
in common, and an example of each request and answer.

An example stands with its model where somebody wrote one; of the others it is put together from the
fields, so that a new operation has one from its first day.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from hub.api import problems
from hub.api.once import HEADER

JSON = "application/json"
PROBLEM = "application/problem+json"
_MUTATING = ("post", "put", "patch", "delete")
_DEEPEST = 8

_ANY_MAY = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_CHANGES_MAY = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)
_DETAILS = {
    HTTPStatus.BAD_REQUEST: "Idempotency-Key: 1 to 255 printable ASCII characters in quotes",
    HTTPStatus.UNAUTHORIZED: "no bearer token",
    HTTPStatus.FORBIDDEN: "key mes (8c2f5e1ab0d4) has the roles auditor, and this wants one that "
    "may operate",
    HTTPStatus.NOT_FOUND: "no plant P7",
    HTTPStatus.CONFLICT: "the first request under this key is still under way; ask again",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body has more than 262144 bytes",
    HTTPStatus.UNPROCESSABLE_ENTITY: "body.production_no: String should have at least 1 character",
    HTTPStatus.TOO_MANY_REQUESTS: "this key or user asks too often; wait 4 s",
    HTTPStatus.SERVICE_UNAVAILABLE: "the database cannot be reached; ask again",
}
_KEY_PARAMETER = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "description": "The same request under the same key counts once, and gets the same answer for "
    "a day.",
    "schema": {"type": "string", "maxLength": 257},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}
_BY_NAME = {
    "plant": "P1",
    "line": "SEAT1",
    "supplier": "seatworks",
    "production_no": "0004711",
    "key": "P1/SEAT1/0004711/SEAT-FRONT/0",
    "part_group": "SEAT-FRONT",
    "part_no": "SF-SPORT",
    "colour": "RED",
    "model": "M1",
    "control_point": "TRIM-IN",
    "unloading_point": "DOCK-7",
    "rack": "SEAT1-00001",
    "shipment": "T-0815",
    "serial": "S-10477",
    "gateway": "seatworks/gw-seat",
    "tenant": "carmaker",
    "actor": "key mes (8c2f5e1ab0d4)",
    "currency": "EUR",
}
"""What fields of these names hold, as people of the trade write it."""


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of all routes."""
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    schemas = schema["components"]["schemas"]
    problem = problems.ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for model in schemas.values():
        if "examples" in model:
            model["examples"] = [_with_nulls(each, model, schemas) for each in model["examples"]]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1"):
                _add_common(path, method, operation)
            _correct_invalid(operation)
            _describe_streams(operation)
            _add_examples(operation, schemas)
    return schema


def _add_common(path: str, method: str, operation: dict[str, Any]) -> None:
    may = _ANY_MAY + (_CHANGES_MAY if method in _MUTATING else ())
    if "{" in path:
        may += (HTTPStatus.NOT_FOUND,)
    for status, said in problems.described(*may).items():
        operation["responses"].setdefault(str(status), said)
    if method in _MUTATING:
        operation.setdefault("parameters", []).append(_KEY_PARAMETER)


def _correct_invalid(operation: dict[str, Any]) -> None:
    if "422" in operation["responses"]:
        described = problems.described(HTTPStatus.UNPROCESSABLE_ENTITY)
        operation["responses"] |= {str(status): said for status, said in described.items()}
    operation["responses"] = dict(sorted(operation["responses"].items()))


def _describe_streams(operation: dict[str, Any]) -> None:
    """What an item of a stream looks like has no place of its own before OpenAPI 3.2."""
    for answer in operation["responses"].values():
        for media in answer.get("content", {}).values():
            if "itemSchema" in media:
                media["x-itemSchema"] = media.pop("itemSchema")
                media.setdefault("schema", {"type": "string"})


def _add_examples(operation: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    body = operation.get("requestBody", {}).get("content", {}).get(JSON)
    if body is not None:
        _add_example(body, schemas, whole=False)
    for status, answer in operation["responses"].items():
        content = answer.get("content", {})
        if JSON in content:
            _add_example(content[JSON], schemas, whole=True)
        if PROBLEM in content:
            content[PROBLEM] = content[PROBLEM] | {"example": _problem(HTTPStatus(int(status)))}


def _problem(status: HTTPStatus) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": int(status),
        "detail": _DETAILS.get(status, status.description),
    }


def _add_example(media: dict[str, Any], schemas: Mapping[str, Any], *, whole: bool) -> None:
    if "example" not in media and "examples" not in media:
        media["example"] = example_of(media.get("schema", {}), schemas, whole=whole)


def example_of(
    schema: Mapping[str, Any],
    schemas: Mapping[str, Any],
    *,
    whole: bool,
    name: str = "",
    depth: int = 0,
) -> Any:
    """A value of a schema. whole: with the fields that need not be there too."""
    if "$ref" in schema:
        target = schemas[str(schema["$ref"]).rpartition("/")[2]]
        return example_of(target | {k: v for k, v in schema.items() if k != "$ref"}, schemas,
                          whole=whole, name=name, depth=depth)  # fmt: skip
    for written in ("examples", "enum"):
        if schema.get(written):
            return schema[written][0]
    for written in ("example", "const"):
        if written in schema:
            return schema[written]
    if depth > _DEEPEST:
        return None
    for choices in ("anyOf", "oneOf", "allOf"):
        if choices in schema:
            known = [each for each in schema[choices] if each.get("type") != "null"]
            return example_of(
                known[0] if known else {}, schemas, whole=whole, name=name, depth=depth
            )

    def inner(of: Mapping[str, Any], called: str) -> Any:
        return example_of(of, schemas, whole=whole, name=called, depth=depth + 1)

    match schema.get("type"):
        case "object":
            needed = schema.get("required", [])
            fields = schema.get("properties", {})
            value = {n: inner(of, n) for n, of in fields.items() if whole or n in needed}
            more = schema.get("additionalProperties")
            if not fields and isinstance(more, Mapping):
                value[_BY_NAME["part_group"]] = inner(more, "")
            return value
        case "array":
            if "prefixItems" in schema:
                return [inner(of, "") for of in schema["prefixItems"]]
            return [inner(schema.get("items", {}), name)] * max(1, schema.get("minItems", 1))
        case "string":
            return _text(schema, name)
        case "integer" | "number" as kind:
            return _number(schema, kind)
        case "boolean":
            return bool(schema.get("default", False))
        case _:
            return schema.get("default")


def _with_nulls(value: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """An example with the nulls that FastAPI has left out of it."""
    if "$ref" in schema:
        return _with_nulls(value, schemas[str(schema["$ref"]).rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        kinds = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return _with_nulls(value, kinds[0], schemas) if len(kinds) == 1 and value else value
    if isinstance(value, list):
        return [_with_nulls(each, schema.get("items", {}), schemas) for each in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    missing = [name for name in schema.get("required", []) if name not in value]
    known = {n: _with_nulls(v, fields.get(n, {}), schemas) for n, v in value.items()}
    return known | {name: None for name in missing if _may_be_null(fields.get(name, {}))}


def _may_be_null(schema: Mapping[str, Any]) -> bool:
    return any(each.get("type") == "null" for each in schema.get("anyOf", []))


def _text(schema: Mapping[str, Any], name: str) -> str:
    match schema.get("format"):
        case "date-time":
            return "2026-03-02T06:15:00Z"
        case "date":
            return "2026-03-02"
        case "time":
            return "06:15:00"
    return str(schema.get("default") or _BY_NAME.get(name) or "text")


def _number(schema: Mapping[str, Any], kind: str) -> int | float:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    if "default" in schema and schema["default"] is not None:
        return int(schema["default"]) if kind == "integer" else float(schema["default"])
    value = max(1, least + ("exclusiveMinimum" in schema))
    most = schema.get("maximum", value)
    return int(min(value, most)) if kind == "integer" else min(value, most)
