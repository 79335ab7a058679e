"""The description of the API, `infra/openapi.yaml`, and the examples in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import yaml

import paths

FILE = paths.ROOT / "infra" / "openapi.yaml"
METHODS = ("get", "put", "post", "patch", "delete")


def description() -> dict[str, Any]:
    """All of it."""
    return yaml.safe_load(FILE.read_text())


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every call."""
    for path, item in description()["paths"].items():
        yield from ((method.upper(), path, item[method]) for method in METHODS if method in item)


def shown(holder: dict[str, Any]) -> dict[str, Any]:
    """The examples of a media type or a parameter, by name; the single one has none."""
    named = {name: example["value"] for name, example in holder.get("examples", {}).items()}
    return {**named, "": holder["example"]} if "example" in holder else named


@dataclass(frozen=True)
class Example:
    """A value that is shown, and where its schema is."""

    place: str
    """A JSON pointer to what has the schema and the example."""
    name: str
    value: Any

    def check(self) -> None:
        """Fail unless the value is valid against the schema beside it."""
        # The schema stands in the description, so that its references find what they name.
        schema = {**description(), "$ref": f"#{self.place}/schema"}
        jsonschema.validate(self.value, schema, jsonschema.Draft202012Validator)


def examples(node: Any = None, place: str = "") -> Iterator[Example]:
    """Every example that stands beside a schema."""
    node = description() if not place else node
    if isinstance(node, dict) and isinstance(node.get("schema"), dict):
        yield from (Example(place, name, value) for name, value in shown(node).items())
        return
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in pairs:
        yield from examples(child, f"{place}/{str(name).replace('~', '~0').replace('/', '~1')}")


@dataclass(frozen=True)
class Call:
    """A request that is shown, and the answer that is shown under the same name."""

    name: str
    media_type: str
    body: Any
    headers: dict[str, str]
    query: dict[str, str]
    status: int
    answer: Any


def calls(operation: dict[str, Any]) -> Iterator[Call]:
    """The named requests of a call, in their order."""
    answers = {
        name: (int(status), value)
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        for name, value in shown(content).items()
    }
    for media_type, content in operation["requestBody"]["content"].items():
        for name, body in shown(content).items():
            status, answer = answers[name]
            headers = {"Content-Type": media_type, **parameters(operation, "header", name)}
            query = parameters(operation, "query", name)
            yield Call(name, media_type, body, headers, query, status, answer)


def parameters(operation: dict[str, Any], place: str, name: str) -> dict[str, str]:
    """The parameters that have an example of that name."""
    wanted = (parameter for parameter in operation["parameters"] if parameter["in"] == place)
    found = {parameter["name"]: shown(parameter) for parameter in wanted}
    return {parameter: as_text(values[name]) for parameter, values in found.items() if name in values}


def as_text(value: Any) -> str:
    """A parameter's value as it is sent."""
    return str(value).lower() if isinstance(value, bool) else value
