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
    "example": {
        "type": "urn:descent:problem:invalid_spec",
        "title": "The payload is wrong",
        "status": 422,
        "detail": "/optimizer/lr must be greater than or equal to 0",
        "instance": "/v1/jobs",
        "code": "invalid_spec",
        "errors": [{"pointer": "/optimizer/lr", "detail": "must be greater than or equal to 0"}],
        "request_id": "req_01k0a8m3x5v7w9y1z3b5d7f9h1",
    },
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


def errors(*more: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: what any can answer with, and what this one adds."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    codes = sorted({401, 403, 404, 422, 503, *more})
    return {code: {"description": MEANINGS[code], "content": content} for code in codes}


def json_body(schema: dict[str, Any], example: Any, *, required: bool = True) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its body itself."""
    media = {"schema": schema, "example": example}
    return {"requestBody": {"required": required, "content": {"application/json": media}}}
