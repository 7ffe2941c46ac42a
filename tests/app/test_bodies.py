"""What a body is refused for before anybody looks at what it means."""

import pytest

from app.bodies import parse
from app.errors import InvalidPayload


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"name": "a", "name": "a"}', "/name"),
        (b'{"optimizer": {"groups": [{}, {"lr": 1, "params": "x", "lr": 2}]}}', "/optimizer/groups/1/lr"),
        (b'{"a/b~": {"": 0, "": {}}}', "/a~1b~0/"),
        (b'{"x": 1, "\\u0078": 1}', "/x"),
        (b'{"a": {"x": 1, "x": 2}, "a": 3}', "/a"),
    ],
)
def test_a_key_that_stands_twice_is_refused(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidPayload) as refused:
        parse(body)
    assert refused.value.errors[0]["pointer"] == pointer


def test_equal_keys_of_different_objects_are_none_of_these() -> None:
    assert parse(b'[{"a": {"a": 1}}, {"a": 1}]') == [{"a": {"a": 1}}, {"a": 1}]
