"""The parts of the OpenAPI document that routes share."""

from typing import Any

PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code", "errors", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
        "request_id": {"type": ["string", "null"]},
    },
}
EXAMPLE: dict[str, Any] = {
    "type": "urn:descent:problem:invalid_payload",
    "title": "The payload is wrong",
    "status": 422,
    "detail": "/optimizer/lr must be greater than or equal to 0",
    "instance": "/v1/jobs",
    "code": "invalid_payload",
    "errors": [{"pointer": "/optimizer/lr", "detail": "must be greater than or equal to 0"}],
    "request_id": "req_01k0a8m3x5v7w9y1z3b5d7f9h1",
}
MEANINGS = {
    401: "No key, or a bad one",
    403: "The key lacks the scope",
    404: "Unknown, or another project's",
    405: "The route does not know this method",
    409: "The state does not allow it",
    412: "The job has changed",
    413: "The body is too large",
    422: "The payload is wrong",
    429: "Over quota",
    503: "The database, or a part that the answer needs, is away",
}


CODES = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "precondition_failed",
    413: "payload_too_large",
    422: "invalid_payload",
    429: "quota_exceeded",
    503: "unavailable",
}
SECONDS = {"description": "Seconds after which to ask again", "schema": {"type": "integer", "minimum": 0}}
HEADERS: dict[int, dict[str, Any]] = {429: {"Retry-After": SECONDS}, 503: {"Retry-After": SECONDS}}


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: what any can answer with, and what this one adds."""
    return {code: problem(code) for code in sorted({401, 403, 404, 422, 429, 503, *more})}


def problem(code: int) -> dict[str, Any]:
    """One error as the document shows it, with an example of its own."""
    example = EXAMPLE | {"status": code, "code": CODES[code], "type": f"urn:descent:problem:{CODES[code]}"}
    if code != 422:
        example |= {"title": MEANINGS[code], "detail": f"{MEANINGS[code]}.", "errors": []}
    media = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}
    found = {"description": MEANINGS[code], "content": {"application/problem+json": media}}
    return found | ({"headers": HEADERS[code]} if code in HEADERS else {})


def json_body(schema: dict[str, Any], example: Any, *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its body itself."""
    media = {"schema": schema, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": media}}}


def add_examples(document: dict[str, Any], by_schema: dict[str, Any], by_media_type: dict[str, str]) -> None:
    """To every reply that has none: its schema's, or for a list one with what it lists."""
    schemas = document["components"]["schemas"]
    replies = [
        reply
        for operations in document["paths"].values()
        for operation in operations.values()
        for reply in operation["responses"].values()
    ]
    for media_type, media in (pair for reply in replies for pair in reply.get("content", {}).items()):
        if "example" in media:
            continue
        found = by_media_type.get(media_type) or example_of(media["schema"], schemas, by_schema)
        if found is not None:
            media["example"] = found


def example_of(schema: dict[str, Any], schemas: dict[str, Any], by_schema: dict[str, Any]) -> Any:
    if schema.get("type") == "array":
        item = example_of(schema["items"], schemas, by_schema)
        return None if item is None else [item]
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in by_schema or name not in schemas:
        return by_schema.get(name)
    properties = schemas[name]["properties"]
    items = example_of(properties.get("data", {}), schemas, by_schema)
    if items is None:
        return None
    identity = items[0].get("id")
    whole = {"object": "list", "data": items, "first_id": identity, "last_id": identity, "has_more": False}
    whole["last_seq"] = items[0].get("seq")
    return {key: whole[key] for key in properties if key in whole}
