"""OpenAPI 3.1, made from the declared routes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from server import __version__
from server.accounts.actions import RULES, Rule
from server.web import parameters
from server.web.routing import Route

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, for a person."},
        "code": {"type": "string", "description": "What happened, for a program; stable."},
        "request_id": {"type": "string"},
        "label": {"type": "string", "description": "With `speaker-name-taken`: the speaker who has the name."},
    },
}


def errors_of(route: Route) -> list[int]:
    """Every status of a problem that a route may answer with."""
    codes = {421, 429, *route.errors}
    if RULES[route.action] is not Rule.EVERYBODY:
        codes |= {401, 403}
    if route.query is not None or route.accepts is not None:
        codes.add(400)
    if route.accepts is not None:
        codes |= {408, 413, 415}
    if "{" in route.path:
        codes.add(404)
    return sorted(codes)


def document(routes: list[Route]) -> dict[str, Any]:
    """The whole API as an OpenAPI document."""
    shown = [route for route in routes if route.documented]
    models = sorted(
        {model for route in shown for model in (route.body, route.answer) if model}, key=lambda m: m.__name__
    )
    template = "#/components/schemas/{model}"
    _, definitions = models_json_schema([(model, "serialization") for model in models], ref_template=template)
    paths: dict[str, Any] = {}
    for route in shown:
        paths.setdefault(plain(route.path), {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Clearcast",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": {**definitions["$defs"], "Problem": PROBLEM}},
    }


def plain(path: str) -> str:
    return re.sub(r"\{(\w+):[^}]*\}", r"{\1}", path)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "tags": [route.tag],
        "x-action": route.action.value,
        "responses": {str(route.status): _success(route)},
    }
    for status in errors_of(route):
        operation["responses"][str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    taken = [*_path_parameters(route), *_query_parameters(route.query), *_header_parameters(route)]
    if taken:
        operation["parameters"] = taken
    if route.accepts is not None:
        sound = {"format": "binary"} if route.accepts.startswith("audio/") else {}
        schema = _reference(route.body) if route.body is not None else {"type": "string", **sound}
        operation["requestBody"] = {"required": True, "content": {route.accepts: {"schema": schema}}}
    return operation


def _operation_id(route: Route) -> str:
    # The four OPTIONS routes share one handler; the address tells them apart.
    name = route.handler.__name__.strip("_")
    return name if route.method != "OPTIONS" else name + re.sub(r"\W+", "_", plain(route.path)).rstrip("_")


def _success(route: Route) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.media_type is not None and route.status not in (101, 204):
        schema = _reference(route.answer) if route.answer is not None else {"type": "string"}
        response["content"] = {route.media_type: {"schema": schema}}
    if route.gives:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in route.gives.items()
        }
    return response


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", plain(route.path))
    return [{"name": name, "in": "path", "required": True, "schema": parameters.schema(name)} for name in names]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in route.takes.items()
    ]


def _query_parameters(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema()
    known, required = schema.get("$defs", {}), schema.get("required", ())
    found = []
    for name, field in schema.get("properties", {}).items():
        whole = _whole(field, known)
        described = {key: value for key, value in whole.items() if key not in ("title", "description")}
        parameter: dict[str, Any] = {"name": name, "in": "query", "required": name in required, "schema": described}
        if "description" in field:
            parameter["description"] = field["description"]
        found.append(parameter)
    return found


def _whole(value: Any, known: dict[str, Any]) -> Any:
    """A piece of a schema with what it refers to in place: parameters have no definitions of their own."""
    if isinstance(value, list):
        return [_whole(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    meant = _whole(known[value["$ref"].rpartition("/")[2]], known) if "$ref" in value else {}
    return meant | {key: _whole(item, known) for key, item in value.items() if key != "$ref"}
