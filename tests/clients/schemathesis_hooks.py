"""What OpenAPI cannot say about the requests that are made from the description."""

from __future__ import annotations

from typing import Any

import schemathesis
from schemathesis import Case, HookContext

STRUCTURED = "application/cloudevents+json"
BATCHED = "application/cloudevents-batch+json"
MAX_ATOMIC = 100
MAX_GENERATED = 200
BINARY_HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/generated", "ce-type": "generated"}


@schemathesis.hook
def filter_case(_context: HookContext, case: Case) -> bool:
    """Leave out what takes seconds each: that limit has tests of its own."""
    return not (isinstance(case.body, list) and len(case.body) > MAX_GENERATED)


@schemathesis.hook
def map_case(_context: HookContext, case: Case) -> Case:
    """Of requests that are made up."""
    agree(case)
    return case


@schemathesis.hook
def before_call(_context: HookContext, case: Case, _arguments: dict[str, Any]) -> None:
    """Of requests that are shown, too."""
    agree(case)


def agree(case: Case) -> None:
    """Make the parts of a publish agree: which parameters there are hangs on the body's media type."""
    if case.operation.definition.raw.get("operationId") != "publish":
        return
    if case.media_type in (STRUCTURED, BATCHED):
        is_batch = isinstance(case.body, list)
        case.body = [with_integers(event) for event in case.body] if is_batch else with_integers(case.body)
        # Their headers say nothing of the event, so that nothing can be wrong with them.
        for name in [name for name in case.headers if name.lower().startswith("ce-")]:
            del case.headers[name]
    else:
        # Binary mode has its required attributes in headers.
        case.headers.update({name: value for name, value in BINARY_HEADERS.items() if name not in case.headers})
    if case.query and not (case.media_type == BATCHED and isinstance(case.body, list) and len(case.body) <= MAX_ATOMIC):
        # It is for batches only, and for small ones.
        case.query.pop("atomic", None)


def with_integers(event: Any) -> Any:
    """The event with attributes that are 6.0 as 6: JSON Schema takes both for integers, CloudEvents the latter only."""
    if not isinstance(event, dict):
        return event
    is_whole = {name for name, value in event.items() if isinstance(value, float) and value.is_integer()}
    return {name: int(value) if name in is_whole - {"data"} else value for name, value in event.items()}
