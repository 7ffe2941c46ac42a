"""The ground under every component: numbers, tables as tagged unions, rules that name their culprit."""

import difflib
import math
from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

LARGEST_SINGLE = 3.4028234663852886e38
MAX_INTEGER = 2**53  # beyond it, JSON numbers lose digits in many clients


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PydanticCustomError("number", "must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PydanticCustomError("number", "must be a finite number")
    return number


def _integer(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise PydanticCustomError("integer", "must be a whole number")
    if abs(value) > MAX_INTEGER:
        raise PydanticCustomError("integer", "is too large a number")
    if value != int(value):
        raise PydanticCustomError("integer", "must be a whole number")
    return int(value)


def _boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise PydanticCustomError("boolean", "must be true or false")
    return value


Number = Annotated[float, BeforeValidator(_number)]
Integer = Annotated[int, BeforeValidator(_integer)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]

NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Single = Annotated[Number, Field(ge=-LARGEST_SINGLE, le=LARGEST_SINGLE)]  # what float32 holds
Probability = Annotated[Number, Field(ge=0, le=1)]
Momentum = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[Integer, Field(ge=1)]
Index = Annotated[Integer, Field(ge=0)]
Size = Annotated[Integer, Field(ge=1, le=2**31 - 1)]

MAX_LIST = 10_000


def shape_of(value: Any) -> str:
    return "list" if isinstance(value, list | tuple) else "one"


# A value, or a list with one for each parameter group.
PerGroup = Annotated[
    Annotated[Number, Tag("one")] | Annotated[list[Number], Field(min_length=1, max_length=MAX_LIST), Tag("list")],
    Discriminator(shape_of),
]


class Complaint(NamedTuple):
    """What a rule found: the path below the component (keys and indices) and a sentence."""

    path: tuple[str | int, ...]
    detail: str


def refuse(title: str, complaints: list[Complaint]) -> ValidationError:
    """The complaints as one error, which pydantic joins to the place where it was raised."""
    return ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(type=PydanticCustomError("rule", "{detail}", {"detail": c.detail}), loc=c.path, input=None)
            for c in complaints
        ],
    )


def closest(word: str, offered: list[str]) -> str:
    """A hint for a misspelt word: the nearest one when there is one, and the whole list."""
    lower = {name.lower(): name for name in offered}
    near = difflib.get_close_matches(word.lower()[:100], lower, n=1, cutoff=0.6)
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    return f"{hint}there are: {', '.join(offered)}" if offered else "nothing is taken here"


class Section(BaseModel):
    """A part of the spec. Unknown keys are refused; `rules` says what torch would refuse or trip over."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), defer_build=True)

    def rules(self) -> Iterator[Complaint]:
        """Everything wrong that takes more than one key to see."""
        return iter(())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        found: dict[str, Any] = handler(schema)
        _name_limits(handler.resolve_ref_schema(found))
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: Any) -> Any:
        if not isinstance(value, dict | cls):
            raise PydanticCustomError("object", "must be an object")
        try:
            section = handler(value)
        except ValidationError as error:
            raise _explain(cls, error) from None
        complaints = list(section.rules())
        if complaints:
            raise refuse(cls.__name__, complaints)
        return section


class Component(Section):
    """A part with variants: `type` is torch's name of this one."""

    type: str


LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


def _name_limits(schema: Any) -> None:
    """Limits behind a validator of ours keep pydantic's names in its JSON Schema: give them JSON Schema's."""
    for value in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _name_limits(value)
    if isinstance(schema, dict):
        for ours, theirs in LIMITS.items():
            if ours in schema and not isinstance(schema[ours], dict):
                schema[theirs] = schema.pop(ours)


# Instead of pydantic's, which speak of Python's types.
SENTENCES = {
    "missing": "is required",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "string_type": "must be text",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
}


def _explain(cls: type[BaseModel], error: ValidationError) -> ValidationError:
    details: list[InitErrorDetails] = []
    for line in error.errors(include_url=False, include_input=False):
        message = line["msg"]
        if line["type"] == "extra_forbidden" and len(line["loc"]) == 1:
            offered = [name for name in _keys(cls) if name != "type"]
            message = f"unknown key; {closest(str(line['loc'][0]), offered)}"
        elif line["type"] in SENTENCES:
            message = SENTENCES[line["type"]].format(**line.get("ctx", {}))
        elif message.startswith("Input should"):
            message = message.replace("Input should", "must", 1)
        details.append(
            InitErrorDetails(
                type=PydanticCustomError("rule", "{detail}", {"detail": message}), loc=line["loc"], input=None
            )
        )
    return ValidationError.from_exception_data(cls.__name__, details)


def _keys(cls: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in cls.model_fields.items()]


class Table(dict[str, type[Component]]):
    """The components of one kind by their `type`: in an `Annotated`, the tagged union over them.

    `shorthand`: a plain string stands for `{"type": string}`.
    """

    def __init__(self, kind: str, *, shorthand: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.shorthand = shorthand

    def add(self, *classes: type[Component]) -> None:
        for cls in classes:
            self[cls.model_fields["type"].default] = cls

    def read(self, value: Any) -> Component:
        if isinstance(value, Component):
            return value
        if self.shorthand and isinstance(value, str):
            value = {"type": value}
        if not isinstance(value, dict):
            raise PydanticCustomError("object", "must be an object with a 'type'")
        name = value.get("type")
        if name is None:
            raise refuse(self.kind, [Complaint(("type",), f"is required: the {self.kind}'s name")])
        if not isinstance(name, str) or name not in self:
            found = repr(name[:100]) if isinstance(name, str) else "this"
            where: tuple[str | int, ...] = ("type",) if isinstance(value, dict) else ()
            hint = closest(name if isinstance(name, str) else "", list(self))
            raise refuse(self.kind, [Complaint(where, f"no {self.kind} is called {found}; {hint}")])
        return self[name].model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        # Shallow: a component's own schema stands in the catalog, and some hold others of their kind.
        named = {
            "type": "object",
            "description": f"A {self.kind}; each one's schema stands in the catalog.",
            "properties": {"type": {"enum": list(self)}},
            "required": ["type"],
        }
        return {"anyOf": [{"type": "string", "enum": list(self)}, named]} if self.shorthand else named

    def __hash__(self) -> int:  # type: ignore[override]  # pydantic keeps metadata in sets
        return id(self)
