"""The OpenAPI document is whole: an example for every body that fits its schema, plain names, every reference known."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from app.main import create_app

DOCUMENT = create_app().openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
WITHOUT_BODY = {"204", "304"}


def bodies(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, media object) of the request and of each reply."""
    for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {media_type}", media
    for status, reply in operation["responses"].items():
        assert status in WITHOUT_BODY or reply["content"], f"{status} says nothing of its body"
        for media_type, media in reply.get("content", {}).items():
            yield f"{status} {media_type}", media


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_body_has_an_example_that_fits(name: str) -> None:
    for where, media in bodies(OPERATIONS[name]):
        assert "example" in media, f"{where} has no example"
        schema = media["schema"] | {"components": DOCUMENT["components"]}
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        found = [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(media["example"])]
        assert not found, f"{where}: {found}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_tells_of_itself(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert all(reply["description"] for reply in operation["responses"].values())
    for status in {"429", "503"} & set(operation["responses"]):
        if "application/problem+json" in operation["responses"][status]["content"]:
            assert "Retry-After" in operation["responses"][status]["headers"]


def test_names_are_plain_and_stand_once() -> None:
    """Client generators make functions of operation ids, and classes of schemas and their titles."""
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert all(name.isidentifier() and name.islower() for name in ids)
    titles = [schema.get("title", name) for name, schema in DOCUMENT["components"]["schemas"].items()]
    assert [name for name, count in Counter(ids + titles).items() if count > 1] == []


def test_a_default_fits_its_own_schema() -> None:
    def walk(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "default" in value and not isinstance(value["default"], dict):
                yield value
            value = list(value.values())
        for child in value if isinstance(value, list) else ():
            yield from walk(child)

    for schema in walk([DOCUMENT["components"]["schemas"], DOCUMENT["paths"]]):
        whole = schema | {"components": DOCUMENT["components"]}
        assert jsonschema_rs.Draft202012Validator(whole).is_valid(schema["default"]), schema


def test_the_document_is_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    jsonschema_rs.meta.validate(
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": DOCUMENT["components"]["schemas"]}
    )


def test_a_change_has_no_defaults() -> None:
    """A generated client would send them, and change what nobody meant to change."""
    for name in ("Change", "ProjectChange", "WebhookChange"):
        properties = DOCUMENT["components"]["schemas"][name]["properties"]
        assert [key for key, schema in properties.items() if schema.get("default") is not None] == []
