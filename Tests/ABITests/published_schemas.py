"""The published schemas of the APIs, as one small tree, and the places in them where a string may stand.

OpenAI and Anthropic generate the types of their Python SDKs from the documents that they publish: TypedDicts for requests, pydantic
models for answers and events. An OpenAPI document itself can be read as well. Both become the nodes below; `places` walks them.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

import typing_extensions

# Where the marker goes.
HERE = "\0"


@dataclasses.dataclass
class Text:
    """Any string."""


@dataclasses.dataclass
class Fixed:
    """One of a few values."""

    values: list


@dataclasses.dataclass
class Object:
    name: str
    members: dict[str, Any] = dataclasses.field(default_factory=dict)
    required: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass
class Many:
    """An array."""

    item: Any


@dataclasses.dataclass
class Map:
    """An object whose names are the client's."""

    value: Any


@dataclasses.dataclass
class Either:
    options: list


@dataclasses.dataclass
class Anything:
    """Any JSON value."""


@dataclasses.dataclass
class Nothing:
    """Numbers, booleans, null: no string."""


# MARK: Types of the SDKs

class TypeReader:
    def __init__(self) -> None:
        self.known: dict[Any, Object] = {}

    def read(self, hint: Any) -> Any:
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint is Any or hint is object:
            return Anything()
        if hint is str:
            return Text()
        if isinstance(hint, typing.TypeVar) or type(hint).__name__ == "TypeAliasType":
            return self.read(hint.__value__)
        if origin is typing.Literal:
            return Fixed([value for value in arguments])
        if origin is typing.Annotated or origin in (typing_extensions.Required, typing_extensions.NotRequired, typing.Required, typing.NotRequired):
            return self.read(arguments[0])
        if origin in (typing.Union, types.UnionType):
            return Either([self.read(argument) for argument in arguments])
        if typing_extensions.is_typeddict(hint):
            return self.typed_dictionary(hint)
        if isinstance(hint, type) and hasattr(hint, "model_fields"):
            return self.model(hint)
        if origin in (dict, typing.Mapping) or getattr(origin, "__name__", "") in ("dict", "Mapping"):
            return Map(self.read(arguments[1]))
        if hint is dict:
            return Map(Anything())
        if origin is not None and (origin in (list, tuple, Iterable) or getattr(origin, "__name__", "") in ("SequenceNotStr", "Iterable", "Sequence", "List")):
            return Many(self.read(arguments[0]))
        if isinstance(hint, type) and issubclass(hint, str):
            return Text()
        # What SDKs turn into base64 on the wire, files and paths, has a string beside it in its union.
        return Nothing()

    def typed_dictionary(self, hint: Any) -> Object:
        if hint not in self.known:
            made = self.known[hint] = Object(hint.__name__)
            for name, inner in typing_extensions.get_type_hints(hint, include_extras=True).items():
                made.members[_alias(inner) or name] = self.read(inner)
                if name in hint.__required_keys__:
                    made.required.add(_alias(inner) or name)
        return self.known[hint]

    def model(self, hint: Any) -> Object:
        if hint not in self.known:
            made = self.known[hint] = Object(hint.__name__)
            for name, field in hint.model_fields.items():
                made.members[field.alias or name] = self.read(field.annotation)
                if field.is_required():
                    made.required.add(field.alias or name)
        return self.known[hint]


def _alias(hint: Any) -> str | None:
    """The name on the wire, where the SDK's differs: those of Python's own words."""
    while hint is not None:
        for note in getattr(hint, "__metadata__", ()):
            if getattr(note, "alias", None):
                return note.alias
        arguments = typing.get_args(hint)
        hint = arguments[0] if typing.get_origin(hint) in (
            typing.Annotated, typing_extensions.Required, typing_extensions.NotRequired, typing.Required, typing.NotRequired) else None
    return None


# MARK: OpenAPI documents

class OpenAPIReader:
    def __init__(self, document: dict) -> None:
        self.document = document
        self.known: dict[str, Object] = {}

    def read(self, schema: Any, name: str = "") -> Any:
        if schema is True or not isinstance(schema, dict) or not schema:
            return Anything()
        if "$ref" in schema:
            return self.reference(schema["$ref"])
        if "const" in schema or "enum" in schema:
            return Fixed([value for value in schema.get("enum", [schema.get("const")]) if value is not None] or [None])
        for word in ("oneOf", "anyOf"):
            if word in schema:
                options = [self.read(option, name) for option in schema[word]]
                return Either(options + ([self.object(schema, name)] if "properties" in schema else []))
        if "allOf" in schema:
            return self.all_of(schema, name)
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if "properties" in schema:
            return self.object(schema, name)
        if "object" in kinds or "additionalProperties" in schema:
            return Map(self.read(schema.get("additionalProperties", True)))
        if "array" in kinds:
            return Many(self.read(schema.get("items", {}), name))
        if "string" in kinds:
            return Text()
        return Nothing() if kinds != [None] else Anything()

    def reference(self, path: str) -> Any:
        name = path.rsplit("/", 1)[1]
        schema = self.document["components"]["schemas"][name]
        if "properties" not in schema and "allOf" not in schema:
            return self.read(schema, name)
        if name not in self.known:
            made = self.known[name] = Object(name)
            read = self.read(schema, name)
            parts = read.options if isinstance(read, Either) else [read]
            for part in parts:
                if isinstance(part, Object):
                    made.members |= part.members
                    made.required |= part.required
        return self.known[name]

    def object(self, schema: dict, name: str) -> Object:
        members = {key: self.read(value, key) for key, value in schema["properties"].items()}
        return Object(name, members, set(schema.get("required", [])))

    def all_of(self, schema: dict, name: str) -> Any:
        parts = [self.read(part, name) for part in schema["allOf"]]
        parts += [self.object(schema, name)] if "properties" in schema else []
        objects = [part for part in parts if isinstance(part, Object)]
        if not objects:
            return parts[0]
        made = Object(name)
        for part in objects:
            made.members |= part.members
            made.required |= part.required
        return made


# MARK: Places

def places(node: Any, keywords: bool = False, path: str = "", around: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each place where a string may stand: its path, and a value that has HERE there and otherwise nothing but the words that say
    what its objects are. With `keywords` the places of fixed words, with the word. An object may stand inside of its like once."""
    match node:
        case Text() if not keywords:
            yield path, HERE
        case Fixed(values) if keywords and isinstance(values[0], str):
            yield path, values[0]
        case Anything() if not keywords:
            yield path + "*", HERE
            yield path + ".*", {"anything": [HERE]}
        case Map(value):
            for inner, made in places(value, keywords, path + ".*", around):
                yield inner, {"anything": made}
        case Many(item):
            for inner, made in places(item, keywords, path + "[]", around):
                yield inner, [made]
        case Either(options):
            for option in options:
                yield from places(option, keywords, path, around)
        case Object(members=members, required=required):
            if around.count(id(node)) > 1:
                return
            words = {
                name: _fixed(member) for name, member in members.items()
                if _fixed(member) is not None and (name in required or name in ("type", "role"))}
            kind = words.get("type") or words.get("role")
            here = path + (f"<{kind}>" if isinstance(kind, str) else "")
            for name, member in members.items():
                for inner, made in places(member, keywords, f"{here}.{name}" if here else name, around + (id(node),)):
                    yield inner, words | {name: made}


def _fixed(node: Any) -> Any:
    """The first of the words that a member may be; None for other members."""
    if isinstance(node, Fixed):
        return node.values[0]
    if isinstance(node, Either) and node.options and all(isinstance(option, (Fixed, Nothing)) for option in node.options):
        return next((option.values[0] for option in node.options if isinstance(option, Fixed)), None)
    return None


def filled(value: Any, marker: str) -> Any:
    """The value with the marker at its place."""
    if value == HERE:
        return marker
    if isinstance(value, dict):
        return {name: filled(member, marker) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(item, marker) for item in value]
    return value
